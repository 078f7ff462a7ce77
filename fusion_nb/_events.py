"""The closed union of events. A run is a list of them; whatever is seen of it is a consumer of that list.

`to_json` and `from_json` are a typed contract apart from the classes, versioned: `v` in the first event. Unknown fields
of a newer minor form are dropped, an unknown event is an error.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fusion_nb._types import (
    Channel,
    CostSource,
    Limits,
    Message,
    Params,
    Ref,
    Role,
    Round,
    RunStatus,
    Status,
    Usage,
    Verdict,
)

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    seq: int = 0
    """0, 1, 2 ... without gaps, given by the engine."""
    at: float = 0.0
    """Monotonic seconds since the run's start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(_Event):
    run: str
    when: str
    prompt: str
    mode: str
    pool: tuple[Ref, ...]
    judge: Ref | None = None
    then: str = ""
    seed: int = 0
    params: Params = Params()
    limits: Limits = Limits()
    notes: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    max_rounds: int = 1
    orders: int = 1
    of: str = ""
    """The earlier run whose replies this one takes over."""
    also: str = ""
    """What the names of pool and judge leave open and an unchanged cell must share: a digest of the addresses of the
    user's own services and of the code of functions. Compared, never read."""
    v: int = SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(_Event):
    call: int
    ref: Ref
    role: Role = "candidate"
    round: int = 0
    messages: tuple[Message, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)
    kept_from: str = ""
    """The run that asked for this reply, where nothing is sent and its text follows at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAccepted(_Event):
    """The service answered the request: what it will be billed under is known before any text."""

    call: int
    generation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRetried(_Event):
    call: int
    attempt: int
    """The attempt that comes next: 2 for the first retry."""
    error: str
    detail: str = ""
    wait: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(_Event):
    call: int
    text: str
    channel: Channel = "content"
    """`answer` is a judge's text that belongs to the fused answer; it is part of that reply's text too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(_Event):
    call: int
    status: Status
    usage: Usage = Usage()
    cost: Decimal | None = None
    cost_source: CostSource | None = None
    ttft: float | None = None
    latency: float | None = None
    finish: str | None = None
    error: str | None = None
    detail: str | None = None
    generation_id: str | None = None
    model: str | None = None
    attempts: int = 1
    maybe_billed: bool = False
    warnings: tuple[str, ...] = ()
    kept_cost: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEnded(_Event):
    ended: Round


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictReached(_Event):
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(_Event):
    status: RunStatus
    error: str | None = None
    notes: tuple[str, ...] = ()
    """Added to those of the start."""


Event = (
    RunStarted
    | CallStarted
    | CallAccepted
    | CallRetried
    | TextDelta
    | CallEnded
    | RoundEnded
    | VerdictReached
    | RunEnded
)

KINDS: dict[str, type] = {kind.__name__: kind for kind in typing.get_args(Event)}


def to_json(event: Event) -> dict[str, Any]:
    """The event as plain JSON values: `event` names its kind, money is text (exact), fields at rest are left out."""
    return {"event": type(event).__name__, **plain(event)}


def from_json(data: Mapping[str, Any]) -> Event:
    """The event `to_json` wrote. Raises `ValueError` where it is of a kind or a version this release cannot read, or
    holds what the classes do not allow."""
    kind = KINDS.get(str(data.get("event")))
    if kind is None:
        raise ValueError(f"Unknown event {data.get('event')!r}: written by a newer fusion_nb? Upgrade to read it.")
    if isinstance(data.get("v"), int) and data["v"] > SCHEMA:
        raise ValueError(f"This run is of schema {data['v']}, this fusion_nb reads up to {SCHEMA}: upgrade to read it.")
    try:
        return typing.cast(Event, _builder(kind)(data))
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise ValueError(f"Not a {kind.__name__}: {error}") from error


def plain(value: Any) -> Any:
    """Any value of a run (an event, a state, a verdict) as plain JSON; fields at rest are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        held = ((f, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {f.name: plain(v) for f, v in held if f.name in ("seq", "at", "v") or v != _default(f)}
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def _default(f: dataclasses.Field[Any]) -> Any:
    return f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default


@functools.cache
def _builder(hint: Any) -> Callable[[Any], Any]:
    """What makes plain JSON into a value of the type `hint` says: the hints of the classes above are the schema."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        some = _builder(next(a for a in args if a is not type(None)))
        return lambda data: None if data is None else some(data)
    if origin is tuple and args[1:] != (...,):
        return _row(args)
    if origin in (tuple, list):
        items = _builder(args[0])
        return lambda data: origin(map(items, _list(data)))
    if origin in (Mapping, dict):
        key, value = map(_builder, args)
        return lambda data: {key(k): value(v) for k, v in data.items()}
    if typing.is_typeddict(hint):
        each = _fields(hint)
        return lambda data: {name: build(data[name]) for name, build in each.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        each = _fields(hint)
        return lambda data: hint(**{k: each[k](v) for k, v in data.items() if k in each})
    if isinstance(hint, type) and issubclass(hint, tuple):
        row = _row(tuple(typing.get_type_hints(hint).values()))
        return lambda data: hint(*row(data))
    if hint in (Decimal, int, float):
        return lambda data: _number(hint, data)
    return lambda data: _plain(hint, args if origin is typing.Literal else None, data)


def _fields(hint: type) -> dict[str, Callable[[Any], Any]]:
    return {name: _builder(its) for name, its in typing.get_type_hints(hint).items()}


def _row(hints: tuple[Any, ...]) -> Callable[[Any], tuple[Any, ...]]:
    builders = tuple(map(_builder, hints))
    return lambda data: tuple(build(item) for build, item in zip(builders, _list(data), strict=True))


def _list(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise ValueError(f"{data!r} is no list")
    return data


def _number(kind: Any, data: Any) -> Any:
    number = kind(data)
    if not math.isfinite(number):
        raise ValueError(f"{data!r} is no number")
    return number


def _plain(hint: Any, words: tuple[Any, ...] | None, data: Any) -> Any:
    if hint is not Any and not (isinstance(data, hint) if words is None else data in words):
        raise ValueError(f"{data!r} is not {hint}")
    return data
