"""How names and small numbers are put into a sentence."""

from __future__ import annotations

from collections.abc import Sequence

_WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def count_word(number: int) -> str:
    """`three`; digits from ten on."""
    return _WORDS[number] if number < len(_WORDS) else f"{number:,}"


def found_share(most: int, asked: int, share: float, agree: float) -> str:
    """How far the members of a cascade agreed, against what was asked for."""
    wanted = f"{agree:.0%}".replace("%", " %")
    return f"{most} of {asked} members agree, {'no less' if share >= agree - 1e-9 else 'less'} than {wanted}"
