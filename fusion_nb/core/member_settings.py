"""Settings of one member or judge alone: `claude{reasoning=high}`, in Python `Member("claude", reasoning="high")`.

How entries are written stands in `entry_syntax` and `fields_text`. What is written around others wins: an alias, or a
saved pool, with settings of its own can be given more of them.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fusion_nb.core import option_checks as check
from fusion_nb.core import routing_settings
from fusion_nb.core.braced_fields import object_text, word_text
from fusion_nb.core.entry_syntax import MAX_MEMBERS, SettledEntry, entry_parts
from fusion_nb.core.values import MODEL_SETTINGS, Ref
from fusion_nb.errors import UnknownName, UserError

Settings = tuple[tuple[str, Any], ...]
"""As `Ref.options` has them: in the order of `MODEL_SETTINGS`."""
MAX_SEED = 2**63 - 1
FUNCTION_SETTINGS = ("system",)
"""What a Python function can obey: it is given messages, and the system prompt is one."""
_JSON = ("provider", "body")
_LABEL, _VALUE = 60, 24
"""Characters of a label, and of one value in it."""


def _system(value: Any) -> str:
    if not isinstance(value, str):
        raise UserError(f"system must be text, not {type(value).__name__}.")
    # A lone surrogate cannot be sent as UTF-8.
    return value.encode("utf-8", "replace").decode("utf-8")


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "reasoning": check.reasoning,
    "temperature": check.number("temperature", 0, 2),
    "max_tokens": check.whole("max_tokens", 1, 10_000_000),
    "system": _system,
    "seed": check.whole("seed", 0, MAX_SEED),
    "provider": routing_settings.routing,
    "body": routing_settings.body,
}


def checked_settings(given: Mapping[str, Any]) -> Settings:
    """Settings as they are kept; `None` is "not given". Raises `UserError`, one sentence."""
    for name in given:
        if name not in MODEL_SETTINGS:
            raise UnknownName(
                "setting", str(name)[:60], MODEL_SETTINGS, f"There are {', '.join(map(repr, MODEL_SETTINGS))}."
            )
    settings = tuple((name, _CHECKS[name](given[name])) for name in MODEL_SETTINGS if given.get(name) is not None)
    body = routing_settings.body_fields(dict(settings).get("body", "{}"))
    if twice := [name for name, _ in settings if name in body]:
        raise UserError(f"body holds {twice[0]}, which is a setting of this member already: give it once.")
    return settings


class Entry(NamedTuple):
    """A pool entry taken apart: a name, or a function, with its own settings. `str()` of it can be read again."""

    model: str | Callable[..., Any]
    settings: Settings = ()
    times: int | None = None
    """Of `name*3`."""

    def within(self, outer: Entry) -> Entry:
        """The same where its name stands for it with more written around: that wins, and numbers multiply."""
        times = self.times if outer.times is None else (self.times or 1) * outer.times
        if times is not None and times > MAX_MEMBERS:
            raise UserError(f"{outer} asks for {times} members: at most {MAX_MEMBERS} can be asked.")
        return Entry(self.model, checked_settings(dict((*self.settings, *outer.settings))), times)

    def __str__(self) -> str:
        name = self.model if isinstance(self.model, str) else _function_name(self.model)
        fields = ", ".join(f"{key}={_value_text(key, value)}" for key, value in self.settings)
        return f"{name}{'' if self.times is None else f'*{self.times}'}{f'{{{fields}}}' if fields else ''}"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Member(SettledEntry):
    """A member or judge with settings of its own, wherever a name can stand.

    Args:
        model: whatever a pool entry may be, `name*3` and `name{...}` too, or a Python function.
        reasoning, temperature, max_tokens, system, seed: as the options of these names.
        provider: OpenRouter's routing: `{"only": ["anthropic"], "quantization": ">=fp8", "zdr": True}`.
        body: fields of the service's own, which it is sent as they are.

    Raises `UserError` for a setting that cannot act.

    >>> Member("claude", reasoning="high")
    claude{reasoning=high}
    """

    model: str | Callable[..., Any]
    settings: Settings
    times: int | None

    def __init__(
        self,
        model: str | Callable[..., Any],
        *,
        reasoning: str | int | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        system: str | None = None,
        seed: int | None = None,
        provider: Mapping[str, Any] | str | None = None,
        body: Mapping[str, Any] | str | None = None,
        **unknown: Any,
    ) -> None:
        if not (callable(model) or (isinstance(model, str) and model.strip())):
            raise UserError(f"A member is a name or a Python function, not {check.shown(model)}.")
        given = {
            "reasoning": reasoning,
            "temperature": temperature,
            "max_tokens": max_tokens,
            "system": system,
            "seed": seed,
            "provider": provider,
            "body": body,
            **unknown,
        }
        entry = parse_entry(model).within(Entry("", checked_settings(given)))
        idle = [name for name, _ in entry.settings if name not in FUNCTION_SETTINGS]
        if idle and not isinstance(entry.model, str):
            raise UserError(
                f"{_function_name(entry.model)} is a Python function, which is given the prompt and the system prompt "
                f"alone: leave {' and '.join(idle)} out."
            )
        for name, value in entry._asdict().items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return str(parse_entry(self))


PoolEntry = str | Callable[..., Any] | Member
"""What stands in a pool, or as a judge."""


def parse_entry(entry: PoolEntry) -> Entry:
    """An entry taken apart, its settings checked; see `entry_syntax` for how it is written.

    Raises `UserError`, one sentence, for what cannot be read or cannot be set.

    >>> parse_entry("claude{temperature=0}*3")
    Entry(model='claude', settings=(('temperature', 0.0),), times=3)
    """
    if isinstance(entry, Member):
        return Entry(entry.model, entry.settings, entry.times)
    if not isinstance(entry, str):
        return Entry(entry)
    name, times, fields = entry_parts(entry)
    return Entry(name, checked_settings(fields), times)


def each_of(entry: Entry) -> list[Settings]:
    """The settings of each member that an entry asks for: those of `name*3` have seeds, from 1 or its own on."""
    if entry.times is None:
        return [entry.settings]
    fields = dict(entry.settings)
    first = fields.get("seed", 1)
    return [checked_settings({**fields, "seed": first + place}) for place in range(entry.times)]


def label_of(name: str, settings: Settings) -> str:
    """What people see of a member: its name with its settings, long values and long lists of them cut off."""
    parts: list[str] = []
    for key, value in settings:
        text = _value_text(key, value)
        part = f"{key}={text if len(text) <= _VALUE else f'{text[: _VALUE - 1]}…'}"
        if parts and len(name) + len(", ".join((*parts, part))) + 2 > _LABEL:
            return f"{name}{{{', '.join(parts)}, …}}"
        parts.append(part)
    return f"{name}{{{', '.join(parts)}}}" if parts else name


def written_entry(ref: Ref) -> str:
    """What a person writes to ask the same again: the name with all of its settings, without the number and the seed
    that `name*3` gave."""
    name = re.sub(r" #\d+$", "", ref.name)
    shown = re.search(r"\{.*\}$", name, re.DOTALL) if ref.options else None
    seed_is_own = shown is not None and ("seed=" in shown[0] or (shown[0].endswith("…}") and name == ref.name))
    settings = tuple(pair for pair in ref.options if seed_is_own or pair[0] != "seed")
    return str(Entry(name[: shown.start()] if shown else name, settings))


def _value_text(key: str, value: Any) -> str:
    if key in _JSON:
        return object_text(json.loads(value))
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return value if key == "reasoning" else word_text(value) if isinstance(value, str) else str(value)


def _function_name(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))
