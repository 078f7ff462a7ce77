"""Checks of single option values: what a person wrote becomes what the product works with, or one sentence.

Each check takes a value as it was given, in Python or as text on a magic's line, and may be given its own result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from fusion_nb.core.values import MODES
from fusion_nb.errors import UnknownName, UserError

MAX_ROUNDS = 3
MAX_CRITERIA, MAX_CRITERION = 8, 60
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
Check = Callable[[Any], Any]


def pool(value: Any) -> tuple[Any, ...]:
    """Members as a tuple of names and functions; names still stand for whatever they stand for."""
    if callable(value):
        return (value,)
    entries = value.split(",") if isinstance(value, str) else value
    if not isinstance(entries, Sequence):
        raise UserError(f"pool takes members by comma or a list of them, not {type(value).__name__}.")
    members = tuple(entry.strip() if isinstance(entry, str) else entry for entry in entries)
    members = tuple(entry for entry in members if entry != "")
    if not members:
        raise UserError("The pool is empty: name its members, e.g. claude,gemini,gpt4o, or demo.")
    return members


def judge(value: Any) -> Any:
    """One model: its name, or a function."""
    if callable(value):
        return value
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"The judge is one model: name it, e.g. opus, or pass a function, not {value!r}.")
    return value.strip()


def mode(value: Any) -> str:
    """`best-of`, `merge`, `debate` or `debate:2`."""
    name, _, rounds = str(value).strip().partition(":")
    one_of("mode", MODES)(name)
    if rounds and (name != "debate" or not rounds.isdecimal() or not 1 <= int(rounds) <= MAX_ROUNDS):
        raise UserError(f"Mode {value!r}: only a debate has rounds, 1 to {MAX_ROUNDS} of them, as in debate:2.")
    return f"{name}:{int(rounds)}" if rounds else name


def one_of(kind: str, names: Sequence[str]) -> Check:
    def check(value: Any) -> str:
        if value not in names:
            raise UnknownName(kind, str(value), names, f"There are {', '.join(names)}.")
        return str(value)

    return check


then = one_of("way to end a debate", ("best-of", "merge"))


def criteria(value: Any) -> tuple[str, ...]:
    """What a judge scores: names by comma, or a list of them."""
    parts = re.split(r"[,;\n]", value) if isinstance(value, str) else value
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise UserError(f"criteria takes names by comma or a list of them, e.g. 'accuracy, brevity', not {value!r}.")
    names = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if len(names) > MAX_CRITERIA or any(len(name) > MAX_CRITERION for name in names):
        raise UserError(
            f"At most {MAX_CRITERIA} criteria of at most {MAX_CRITERION} characters each: a judge weighs no more than "
            "that with care."
        )
    return names


def orders(value: Any) -> int:
    """In how many orders a judge is shown the candidates."""
    if isinstance(value, bool) or str(value) not in ("1", "2"):
        raise UserError(f"orders must be 1, or 2 to ask the judge once more with the order reversed, not {value!r}.")
    return int(value)


def reasoning(value: Any) -> str:
    """An effort by name, or a number of tokens, as text."""
    effort = "" if isinstance(value, bool) else str(value).strip().lower()
    return effort if effort.isdecimal() else one_of("reasoning effort", EFFORTS)(effort)


def text(name: str) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            raise UserError(f"{name} must be text, not {type(value).__name__}.")
        return value or None

    return check


def number(name: str, low: float, high: float) -> Check:
    def check(value: Any) -> float:
        try:
            amount = float("nan") if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            amount = float("nan")
        if not low <= amount <= high:
            raise UserError(f"{name} must be a number from {low:g} to {high:g}, not {value!r}.")
        return amount

    return check


def whole(name: str, low: int, high: int) -> Check:
    def check(value: Any) -> int:
        try:
            # Through text: 1.9 is no whole number, and int() would cut it; True is no number at all.
            amount = int(value) if isinstance(value, str) else value.__index__()
        except (AttributeError, TypeError, ValueError):
            amount = None
        if isinstance(value, bool) or amount is None or not low <= amount <= high:
            raise UserError(f"{name} must be a whole number from {low} to {high:,}, not {value!r}.")
        return int(amount)

    return check


def usd(name: str) -> Check:
    def check(value: Any) -> Decimal:
        try:
            # Through text: 0.1 means ten cents, not the binary fraction next to it.
            amount = Decimal("NaN" if isinstance(value, bool) else str(value).strip().lstrip("$"))
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount <= 0:
            raise UserError(f"{name} must be an amount of USD above zero, like 0.25, not {value!r}.")
        return amount

    return check


def switch(name: str) -> Check:
    def check(value: Any) -> bool:
        if value not in (True, False):
            raise UserError(f"{name} is either True or False, not {value!r}.")
        return bool(value)

    return check


def mapping(name: str) -> Check:
    def check(value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise UserError(f"{name} must be a dictionary of names, not {type(value).__name__}.")
        return value

    return check


def function(name: str) -> Check:
    def check(value: Any) -> Any:
        if not callable(value):
            raise UserError(f"{name} must be a function, not {value!r}.")
        return value

    return check


def functions(value: Any) -> tuple[Callable[..., Any], ...]:
    """Python functions, as a tuple."""
    members = (value,) if callable(value) else value
    if not isinstance(members, Sequence) or not all(map(callable, members)):
        raise UserError(f"functions takes a list of Python functions, not {value!r}.")
    return tuple(members)
