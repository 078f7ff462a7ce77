"""Checks of the options by which an answer is found beside, or without, a judge: own functions, votes, a cascade."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fusion_nb.core.option_checks import pool, shown
from fusion_nb.core.plugins import plugin, plugin_names
from fusion_nb.errors import UserError

MAX_CHECKS = 16
FORMS = ("number", "choice", "label:yes,no", "json:field", "text")
"""How short answers can be found beside a function."""
KINDS = tuple(form.partition(":")[0] for form in FORMS)
_NEEDS_DETAIL = ("label", "json")


@dataclass(frozen=True, slots=True)
class Check:
    """One of the person's own checks."""

    name: str
    function: Callable[..., Any]
    weight: float | None = None


def checks(value: Any) -> tuple[Check, ...]:
    """A function, the name of a package's, a list of them, or of `(function, weight)`; names are those people see."""
    value = _packaged(names_of(value)) if isinstance(value, str) else value
    alone = callable(value) or isinstance(value, Check) or _is_weighted(value)
    entries = [value] if alone else value
    if not isinstance(entries, Sequence):
        raise UserError(
            f"check takes a function of one text, or a list of them, not {shown(value)}: define it in a cell first."
        )
    parsed = [_check(entry) for entry in entries]
    if len(parsed) > MAX_CHECKS:
        raise UserError(f"At most {MAX_CHECKS} checks, not {len(parsed)}: put several into one function.")
    names = [check.name for check in parsed]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"Two checks are called {twice[0]}: give each a name of its own, their results are told by it.")
    return tuple(parsed)


def _packaged(names: Sequence[str]) -> list[Check]:
    """Checks that packages bring, by name. Raises `UserError` for one that none does."""
    for name in names:
        if name not in plugin_names("checks"):
            raise UserError(
                f"check takes a function of one text, or a list of them, not {shown(name)}: define it in a cell first."
            )
    return [Check(name, plugin("checks", name)) for name in names]


def _is_weighted(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and callable(value[0]) and not callable(value[1])


def _check(entry: Any) -> Check:
    if isinstance(entry, str):
        [entry] = _packaged([entry])
    if isinstance(entry, Check):
        return entry
    function, weight = entry if _is_weighted(entry) else (entry, None)
    if not callable(function):
        raise UserError(f"A check is a function of one text, or (function, weight), not {shown(entry)}.")
    if weight is not None:
        number = weight if isinstance(weight, int | float) and not isinstance(weight, bool) else math.nan
        if not 0 < number < 1e6:
            raise UserError(f"The weight of a check is a number above 0, not {shown(weight)}.")
        weight = float(number)
    return Check(function_name(function), function, weight)


def function_name(function: Callable[..., Any]) -> str:
    """The name by which people know one of their functions."""
    inner = getattr(function, "func", function)  # of a partial
    name = getattr(inner, "__name__", None) or type(inner).__name__
    return str(name)[:60]


def extract(value: Any) -> Any:
    """How short answers are found: a function, or one of `FORMS`."""
    if callable(value):
        return value
    text = value.strip() if isinstance(value, str) else ""
    kind, colon, detail = (part.strip() for part in text.partition(":"))
    needs = kind in _NEEDS_DETAIL
    if kind not in KINDS or bool(colon) != needs or (needs and not detail.strip(" ,")):
        forms = ", ".join(FORMS)
        raise UserError(f"extract={shown(value)} is no way to find a short answer: take a function, or one of {forms}.")
    return f"{kind}:{detail}" if needs else kind


def agree(value: Any) -> float:
    """A share of the members asked: `0.8`, or `4/5`."""
    try:
        share = Fraction(value) if isinstance(value, str) else Fraction(float(value)).limit_denominator(10**6)
        valid = not isinstance(value, bool) and 0 < share <= 1
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        valid = False
    if not valid:
        raise UserError(f"agree must be a share above 0 and up to 1, like 0.8 or 4/5, not {shown(value)}.")
    return float(share)


def weights(value: Any) -> Any:
    """The weight of each member's vote: in pool order, or by name."""
    numbers = list(value.values()) if isinstance(value, Mapping) else value
    fits = isinstance(numbers, Sequence) and not isinstance(numbers, str | bytes) and len(numbers) > 0
    if not fits or not all(_is_weight(number) for number in numbers) or not any(numbers):
        raise UserError(
            f'weights takes a number from 0 for each member, as a list or as {{"claude": 2}}, not {shown(value)}.'
        )
    return dict(value) if isinstance(value, Mapping) else tuple(float(number) for number in numbers)


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


def escalate(value: Any) -> tuple[Any, ...]:
    """The members that are asked where the pool does not agree."""
    return pool(value)


def names_of(value: str) -> list[str]:
    """Names by comma, as a magic's line gives functions."""
    return [name for name in re.split(r"[,\s]+", value.strip()) if name]
