"""What is typed into the picker, against a model: words of its name, vendor or modality; `<2` USD; `>100k` tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PRICE = re.compile(r"<\$?(\d+(?:\.\d+)?)")
_CONTEXT = re.compile(r">(\d+(?:\.\d+)?)([km]?)")
_TIMES = {"": 1, "k": 1_000, "m": 1_000_000}


def fits(row: Mapping[str, Any], word: str) -> bool:
    """Whether one word, in lower case, is true of a row of the picker.

    `<2`: its prompt tokens cost less than 2 USD a million; `>100k`: it holds more tokens than that. What nobody said of
    a model fits no such word.
    """
    if price := _PRICE.fullmatch(word):
        return "in" in row and float(row["in"]) < float(price[1])
    if context := _CONTEXT.fullmatch(word):
        return float(row.get("context", 0)) > float(context[1]) * _TIMES[context[2]]
    return word in " ".join(str(row.get(name, "")) for name in ("entry", "name", "kin", "takes")).lower()
