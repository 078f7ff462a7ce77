"""Checks of single option values: what a person wrote becomes what the product works with, or one sentence.

Each check takes a value as it was given, in Python or as text on a magic's line, and may be given its own result.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from numbers import Real
from typing import Any, cast

from fusion_nb.core.entry_syntax import SettledEntry, split_entries
from fusion_nb.core.values import MODES
from fusion_nb.errors import UnknownName, UserError

MAX_ROUNDS = 3
MAX_CRITERIA, MAX_CRITERION = 8, 60
MAX_JUDGES = 9
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MAX_REASONING_TOKENS = 10_000_000
LEAST_USD, MOST_USD = Decimal("1e-12"), Decimal("1e9")
Check = Callable[[Any], Any]

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def shown(value: Any) -> str:
    """A refused value as its sentence shows it: a line at most, whatever the value is."""
    try:
        return _SHORT.repr(value).replace("\n", " ")
    except ValueError:  # an integer of more digits than Python writes out
        return f"a {type(value).__name__} too large to show"


def _is_boolean(value: Any) -> bool:
    """Python's `bool`, and numpy's, which is no number to Python either."""
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


def _is_slip(value: Any) -> bool:
    """What Python reads as a number and nobody writes as one: `1_0` is 10 to it, and bytes are digits."""
    return isinstance(value, bytes | bytearray) or (isinstance(value, str) and "_" in value)


def pool(value: Any) -> tuple[Any, ...]:
    """Members as a tuple of names, functions and `Member`s; names still stand for whatever they stand for."""
    if callable(value) or isinstance(value, SettledEntry):
        return (value,)
    entries = split_entries(value) if isinstance(value, str) else value
    if not isinstance(entries, Sequence) or isinstance(entries, bytes | bytearray | memoryview):
        raise UserError(f"pool takes members by comma or a list of them, not {type(value).__name__}.")
    wrong = [entry for entry in entries if not isinstance(entry, str | SettledEntry) and not callable(entry)]
    if wrong:
        raise UserError(f"A member of the pool is a name or a Python function, not {shown(wrong[0])}.")
    members = tuple(entry.strip() if isinstance(entry, str) else entry for entry in entries)
    members = tuple(entry for entry in members if entry != "")
    if not members:
        raise UserError("The pool is empty: name its members, e.g. claude,gemini,gpt4o, or demo.")
    return members


def judge(value: Any) -> Any:
    """One model by its name, a function or a `Member`; a tuple of them where several are to judge."""
    entries = split_entries(value) if isinstance(value, str) else value
    alone = callable(value) or not isinstance(entries, Sequence) or isinstance(entries, bytes | bytearray)
    judges = [value] if alone else [entry.strip() if isinstance(entry, str) else entry for entry in entries]
    if not judges or not all(callable(each) or (isinstance(each, str | SettledEntry) and each) for each in judges):
        raise UserError(
            f"The judge is a model: name it, e.g. opus, or pass a function; several by comma, not {shown(value)}."
        )
    if len(judges) > MAX_JUDGES:
        raise UserError(f"At most {MAX_JUDGES} judges, not {len(judges)}: nine are worth about two.")
    return judges[0] if len(judges) == 1 else tuple(judges)


def mode(value: Any) -> str:
    """`best-of`, `merge`, `debate` or `debate:2`."""
    name, _, rounds = (value.strip() if isinstance(value, str) else shown(value)).partition(":")
    one_of("mode", MODES)(name)
    if rounds and (name != "debate" or rounds not in [str(number) for number in range(1, MAX_ROUNDS + 1)]):
        raise UserError(f"Mode {shown(value)}: only a debate has rounds, 1 to {MAX_ROUNDS} of them, as in debate:2.")
    return f"{name}:{int(rounds)}" if rounds else name


def one_of(kind: str, names: Sequence[str]) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            name = value if isinstance(value, str) and len(value) <= _SHORT.maxstring else shown(value)
            raise UnknownName(kind, name, names, f"There are {', '.join(names)}.")
        return value

    return check


then = one_of("way to end a debate", ("best-of", "merge"))


def criteria(value: Any) -> tuple[str, ...]:
    """What a judge scores: names by comma, or a list of them."""
    parts = re.split(r"[,;\n]", value) if isinstance(value, str) else value
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise UserError(
            f"criteria takes names by comma or a list of them, e.g. 'accuracy, brevity', not {shown(value)}."
        )
    names = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if value and not names:
        raise UserError(f"criteria names nothing to score: write e.g. 'accuracy, brevity', not {shown(value)}.")
    if len(names) > MAX_CRITERIA or any(len(name) > MAX_CRITERION for name in names):
        raise UserError(
            f"At most {MAX_CRITERIA} criteria of at most {MAX_CRITERION} characters each: a judge weighs no more than "
            "that with care."
        )
    return names


def orders(value: Any) -> int:
    """In how many orders a judge is shown the candidates."""
    try:
        return int(whole("orders", 1, 2)(value))
    except UserError:
        raise UserError(
            f"orders must be 1, or 2 to ask the judge once more with the order reversed, not {shown(value)}."
        ) from None


def reasoning(value: Any) -> str:
    """An effort by name, or a number of tokens, as text."""
    effort = value.strip().lower() if isinstance(value, str) else value
    if isinstance(effort, str) and not effort.isdecimal():
        return str(one_of("reasoning effort", EFFORTS)(effort))
    return str(whole("reasoning", 0, MAX_REASONING_TOKENS)(effort))


def text(name: str) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            raise UserError(f"{name} must be text, not {type(value).__name__}.")
        return value or None

    return check


def label(name: str) -> Check:
    """A short text of the person's own, on one line."""
    plain = text(name)

    def check(value: Any) -> str | None:
        words = (plain(value) or "").strip()
        if len(words) > _LONGEST_LABEL or not words.isprintable():
            raise UserError(f"{name} must be a few words on one line (at most {_LONGEST_LABEL} characters).")
        return words or None

    return check


_LONGEST_LABEL = 80


def number(name: str, low: float, high: float) -> Check:
    def check(value: Any) -> float:
        try:
            amount = float("nan") if _is_boolean(value) or _is_slip(value) else float(value)
        except (TypeError, ValueError, OverflowError):
            amount = float("nan")
        if not low <= amount <= high:
            raise UserError(f"{name} must be a number from {low:g} to {high:g}, not {shown(value)}.")
        return amount

    return check


def whole(name: str, low: int, high: int) -> Check:
    def check(value: Any) -> int:
        try:
            # Through text: 1.9 is no whole number, and int() would cut it; True is no number at all.
            amount = int(value) if isinstance(value, str) else value.__index__()
        except (AttributeError, TypeError, ValueError):
            amount = None
        if _is_boolean(value) or _is_slip(value) or amount is None or not low <= amount <= high:
            raise UserError(f"{name} must be a whole number from {low} to {high:,}, not {shown(value)}.")
        return int(amount)

    return check


def usd(name: str) -> Check:
    def check(value: Any) -> Decimal:
        try:
            # Through text: 0.1 means ten cents, not the binary fraction next to it.
            is_amount = isinstance(value, str | Decimal | Real) and not _is_boolean(value) and not _is_slip(value)
            amount = Decimal(str(value).strip().removeprefix("$") if is_amount else "NaN")
        except (InvalidOperation, ValueError):
            amount = Decimal("NaN")
        if not amount.is_finite() or amount <= 0:
            raise UserError(f"{name} must be an amount of USD above zero, like 0.25, not {shown(value)}.")
        if not LEAST_USD <= amount <= MOST_USD:
            # No call costs that little, and no one that much: beyond, an amount is a slip, and no sentence can hold it.
            raise UserError(f"{name} must lie between {LEAST_USD:f} and {MOST_USD:,f} USD, not {shown(value)}.")
        return amount

    return check


def switch(name: str) -> Check:
    def check(value: Any) -> bool:
        if not (_is_boolean(value) or (isinstance(value, Real) and value in (0, 1))):
            raise UserError(f"{name} is either True or False, not {shown(value)}.")
        return bool(value)

    return check


def aliases(value: Any) -> Mapping[str, str]:
    """Names of one's own, each with what it stands for."""
    names: Mapping[str, str] = mapping("aliases")(value)
    if wrong := [name for name, target in names.items() if not isinstance(target, str)]:
        raise UserError(f"The alias {shown(wrong[0])} stands for a name, as text, not {shown(names[wrong[0]])}.")
    return names


def mapping(name: str) -> Check:
    def check(value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise UserError(f"{name} must be a dictionary of names, not {type(value).__name__}.")
        return value

    return check


def services(value: Any) -> Mapping[str, Mapping[str, Any]]:
    """Services by name. What a row may hold is checked where it is used: here only that it is one."""
    for name, row in mapping("services")(value).items():
        if not isinstance(row, Mapping):
            raise UserError(f'services: {name} must be a dictionary such as {{"base_url": "https://..."}}.')
    return cast("Mapping[str, Mapping[str, Any]]", value)


def function(name: str) -> Check:
    def check(value: Any) -> Any:
        if not callable(value):
            raise UserError(f"{name} must be a function, not {shown(value)}.")
        return value

    return check


def functions(value: Any) -> tuple[Callable[..., Any], ...]:
    """Python functions, as a tuple."""
    members = (value,) if callable(value) else value
    if isinstance(members, str) or not isinstance(members, Sequence) or not all(map(callable, members)):
        raise UserError(f"functions takes a list of Python functions, not {shown(value)}.")
    return tuple(members)
