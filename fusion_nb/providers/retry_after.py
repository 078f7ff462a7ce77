"""How long a service asks to wait, in whichever of its ways it says so. Pure."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

LONGEST = 120.0
"""Seconds a run is willing to wait for one call; whoever asks for more is not asked again."""


def retry_after(headers: Mapping[str, str], error: Any = None, now: float | None = None) -> float | None:
    """Seconds to wait, at least zero; `None` where the service said nothing that makes sense.

    Args:
        headers: of the response, names in lower case.
        error: the body's error object: `availability.retry_after`, or headers of the provider behind in `metadata`.
        now: seconds since the epoch, where the response has no `Date` of its own to count from.
    """
    for said, kind in _said(headers, error):
        base = _date(headers.get("date")) or (time.time() if now is None else now)
        seconds = _seconds(said, kind, base)
        if seconds is not None:
            return max(0.0, seconds)
    return None


def _said(headers: Mapping[str, str], error: Any) -> Iterator[tuple[Any, str]]:
    """(value, what kind of value), the most reliable first."""
    inner = _mapping(_mapping(error, "metadata"), "headers")
    both = {**{str(k).lower(): str(v) for k, v in inner.items()}, **headers}
    yield both.get("retry-after-ms"), "ms"
    yield both.get("retry-after"), "seconds"
    yield both.get("x-ratelimit-reset"), "reset"
    for holder in (_mapping(error, "availability"), _mapping(_mapping(error, "metadata"), "availability")):
        yield holder.get("retry_after"), "seconds"


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _seconds(said: Any, kind: str, base: float) -> float | None:
    if said is None or isinstance(said, bool):
        return None
    try:
        number = float(said)
    except (TypeError, ValueError, OverflowError):
        moment = _date(said) if isinstance(said, str) else None
        return None if moment is None else max(0.0, moment - base)
    if not math.isfinite(number) or number < 0:
        return None
    if kind == "ms":
        return number / 1000
    if kind == "reset" and number > 1e9:  # a moment, in seconds or milliseconds since the epoch
        return max(0.0, (number / 1000 if number > 1e11 else number) - base)
    return number


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
