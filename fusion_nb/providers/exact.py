"""JSON as services send it, money to the last digit. Pure.

What has a point is a `Decimal`. NaN, Infinity and numbers out of all bounds become a `Decimal` that is none, and are
refused where they are read.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

_NAN = Decimal("NaN")


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
    """What `text` says. Raises `ValueError`, and nothing else, where it is not JSON or nests beyond reason."""
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
