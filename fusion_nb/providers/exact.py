"""JSON as services send it: money to the last digit, and no more memory than is reasonable. Pure.

What has a point is a `Decimal`. NaN, Infinity and numbers out of all bounds become a `Decimal` that is none, and are
refused where they are read.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

_NAN = Decimal("NaN")
_LARGE = 1024 * 1024
MAX_STRUCTURE = 256 * 1024
"""Characters outside of strings in a large document: eight of them can make 240 bytes of objects."""
_STRING = re.compile(r'"(?>[^"\\]++|\\.)*+"?', re.DOTALL)


def _int(digits: str) -> Any:
    return int(digits) if len(digits) < 30 else _NAN


def _float(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except ArithmeticError:  # an exponent no decimal can have
        return _NAN


_quick = json.JSONDecoder(parse_float=Decimal, parse_constant=lambda _: _NAN).decode
_bounded = json.JSONDecoder(parse_float=_float, parse_int=_int, parse_constant=lambda _: _NAN).decode


def decode(text: str) -> Any:
    """What `text` says. Raises `ValueError`, and nothing else, where it is not JSON, or out of all bounds."""
    if len(text) > _LARGE and _swells(text):
        raise ValueError("too many values")
    try:
        return _quick(text)
    except json.JSONDecodeError:
        raise
    except (ValueError, ArithmeticError):  # a number larger than Python or a decimal holds
        pass
    except RecursionError:
        raise ValueError("nested too deep") from None
    try:
        return _bounded(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _swells(text: str) -> bool:
    """Whether a document is made of values rather than of text."""
    outside = end = 0
    for string in _STRING.finditer(text):
        outside += string.start() - end
        end = string.end()
        if outside > MAX_STRUCTURE:
            return True
    return outside + len(text) - end > MAX_STRUCTURE
