"""The closed union of events. A run is a list of events; every view of a run is a consumer of that list.

`to_json` and `from_json` are a typed contract apart from the classes, versioned: `v` in the first event. Unknown fields
of a newer minor form are dropped, an unknown event is an error.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fusion_nb.core.json_codec import builder, to_plain
from fusion_nb.core.selection_values import Agreement, Escalation, Selection
from fusion_nb.core.state import Limits, Round
from fusion_nb.core.values import (
    Channel,
    CheckOutcome,
    CostSource,
    Message,
    Params,
    PricesUsed,
    Ref,
    Role,
    RunStatus,
    Status,
    Usage,
)
from fusion_nb.core.verdict import Verdict

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
    jury: tuple[Ref, ...] = ()
    then: str = ""
    seed: int = 0
    params: Params = Params()
    limits: Limits = Limits()
    notes: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    max_rounds: int = 1
    orders: int = 1
    selection: Selection = Selection()
    of: str = ""
    """The earlier run whose replies this one takes over."""
    tag: str = ""
    """Whose account it is on, in the person's own words."""
    imported: bool = False
    """Whether somebody else asked: it is in this journal by `import_runs()`, and in no account."""
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
    at_most: Decimal | None = None
    """USD that its first attempt may cost, where a cap is set: what a run whose kernel dies has to answer for."""


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
    at_most: Decimal | None = None
    """USD that all attempts up to the coming one may cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(_Event):
    call: int
    text: str
    channel: Channel = "content"
    """`answer` is a judge's text that belongs to the fused answer; it is part of that reply's text too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThoughtEnded(_Event):
    """All the call has written as content so far was a thought: it belongs to `reasoning`."""

    call: int


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
    at_most: Decimal | None = None
    """USD that it may have cost beside `cost`: its service has not told."""
    provider: str | None = None
    quantization: str | None = None
    rates: PricesUsed | None = None
    """The prices behind a computed cost: today's may be others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksEnded(_Event):
    """The person's own checks have looked at a call's text; at a judge's call, at the merged answer."""

    call: int
    checks: tuple[CheckOutcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementFound(_Event):
    """The candidates' short answers were compared. Where more members are asked then, it comes once more."""

    agreement: Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalated(_Event):
    """The first members' agreement was looked at; those it names join the pool."""

    escalation: Escalation


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEnded(_Event):
    ended: Round


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictReached(_Event):
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceMade(_Event):
    """A person took a candidate as the answer, after the run. The judge's own verdict stands before it on record."""

    call: int
    when: str = ""
    """ISO 8601, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(_Event):
    status: RunStatus
    error: str | None = None
    notes: tuple[str, ...] = ()
    """Added to those of the start."""
    seconds: float | None = None
    """Since the run's start, where the answer was there before this event: the last bill came after it."""
    resumed_by: str = ""
    """The run that finishes this one: put on record afterwards, so that nobody is paid twice."""


Event = (
    RunStarted
    | CallStarted
    | CallAccepted
    | CallRetried
    | TextDelta
    | ThoughtEnded
    | CallEnded
    | ChecksEnded
    | AgreementFound
    | Escalated
    | RoundEnded
    | VerdictReached
    | ChoiceMade
    | RunEnded
)

KINDS: dict[str, type] = {kind.__name__: kind for kind in typing.get_args(Event)}


def to_json(event: Event) -> dict[str, Any]:
    """The event as plain JSON values: `event` names its kind, money is text (exact), fields at rest are left out."""
    return {"event": type(event).__name__, **to_plain(event)}


def from_json(data: Mapping[str, Any]) -> Event:
    """The event `to_json` wrote. Raises `ValueError` where it is of a kind or a version this release cannot read, or
    holds what the classes do not allow."""
    kind = KINDS.get(str(data.get("event")))
    if kind is None:
        raise ValueError(f"Unknown event {data.get('event')!r}: written by a newer fusion_nb? Upgrade to read it.")
    if isinstance(data.get("v"), int) and data["v"] > SCHEMA:
        raise ValueError(f"This run is of schema {data['v']}, this fusion_nb reads up to {SCHEMA}: upgrade to read it.")
    try:
        return typing.cast(Event, builder(kind)(data))
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise ValueError(f"Not a {kind.__name__}: {error}") from error
