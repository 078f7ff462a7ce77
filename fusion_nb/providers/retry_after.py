"""How long a service asks to wait, in whichever of its ways it says so. Pure."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

LONGEST = 120.0
"""Seconds a run is willing to wait for one call; whoever asks for more is not asked again."""


_UNITS = {"ms": 0.001, "millisecond": 0.001, "s": 1.0, "sec": 1.0, "second": 1.0, "m": 60.0, "min": 60.0}
_UNITS |= {"minute": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0}
_PART = r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])"
_DURATION = re.compile(rf"(?:{_PART}[\s,]*(?:and\s+)?){{1,4}}", re.IGNORECASE)
_EACH = re.compile(_PART, re.IGNORECASE)
_IN_WORDS = re.compile(
    r"(?:(?:try|retry|again|wait|available|resets?|retried)\b[^.\d]{0,40}?\b(?:in|after|for)"
    r"|\bwait(?:\s+for)?|retry[- ]?after:?)\s+(?:about\s+|at least\s+|another\s+)?(?=\d)",
    re.IGNORECASE,
)
_IN_BODY = (
    *("retry_after", "retryAfter", "retry_after_seconds", "retryAfterSeconds", "retry_after_ms", "retryAfterMs"),
    *("retryDelay", "retry_delay", "retry_in", "wait", "wait_seconds", "wait_time", "estimated_time"),
)
_POLICY = re.compile(r"\br=0\b[^,]*?\bt=(\d{1,9})\b")
# A limit that is used up, as the draft of the IETF has it: `"default";r=0;t=30`.
_IN_CHINESE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(毫秒|秒|分钟|小时)钟?\s*(?:之后|以后|后)")
_CHINESE_UNITS = {"毫秒": 0.001, "秒": 1.0, "分钟": 60.0, "小时": 3600.0}


def retry_after(
    headers: Mapping[str, str], error: Any = None, now: float | None = None, message: str = ""
) -> float | None:
    """Seconds to wait, at least zero; `None` where the service said nothing that makes sense.

    Args:
        headers: of the response, names in lower case.
        error: the body's error object: `availability.retry_after`, or headers of the provider behind in `metadata`.
        now: seconds since the epoch, where the response has no `Date` of its own to count from.
        message: what the service says in words.
    """
    for value, kind in _values(headers, error):
        base = _date(headers.get("date")) or (time.time() if now is None else now)
        seconds = _seconds(value, kind, base)
        if seconds is not None:
            return max(0.0, seconds)
    if match := _IN_WORDS.search(message[:4000]):
        words = message[match.end() : match.end() + 60]
        return _duration(re.sub(r"(?<=\d) more\b", "", words, count=1), anywhere=True)
    if match := _IN_CHINESE.search(message[:4000]):
        return float(match[1]) * _CHINESE_UNITS[match[2]]
    return None


def _values(headers: Mapping[str, str], error: Any) -> Iterator[tuple[Any, str]]:
    """(value, what kind of value), the most reliable first."""
    inner = _mapping(_mapping(error, "metadata"), "headers")
    both = {**{str(k).lower(): str(v) for k, v in inner.items()}, **headers}
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        yield both.get(name), "ms"
    yield both.get("retry-after"), "seconds"
    yield both.get("x-retry-after"), "seconds"
    for name in ("ratelimit", "x-ratelimit"):
        if policy := _POLICY.search(both.get(name) or ""):
            yield policy[1], "seconds"
    for name in ("x-ratelimit-reset", "ratelimit-reset"):
        yield both.get(name), "reset"
    # A limit that is used up says when it is there again; the others say nothing of the wait.
    for name, left in both.items():
        if "ratelimit" in name and "remaining" in name and left.strip() == "0":
            yield both.get(name.replace("remaining", "reset")), "reset"
    for holder in (_mapping(error, "availability"), _mapping(_mapping(error, "metadata"), "availability")):
        yield holder.get("retry_after"), "seconds"
    details = error.get("details") if isinstance(error, Mapping) else None
    # Google's RetryInfo is among the details.
    holders = (error, *(_mapping(error, name) for name in ("metadata", "parameters", "details")))
    for holder in (*holders, *(details if isinstance(details, list) else ())):
        for name in _IN_BODY:
            if isinstance(holder, Mapping) and holder.get(name) is not None:
                yield holder[name], "ms" if name.lower().endswith("ms") else "seconds"


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    inner = value.get(name) if isinstance(value, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _seconds(value: Any, kind: str, base: float) -> float | None:
    if isinstance(value, Mapping):
        value = value.get("seconds")
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        if not isinstance(value, str):
            return None
        moment = _date(value)
        return _duration(value) if moment is None else max(0.0, moment - base)
    if not math.isfinite(number) or number < 0:
        return None
    if kind == "ms":
        return number / 1000
    if kind == "reset" and number > 1e9:  # a moment, in seconds or milliseconds since the epoch
        return max(0.0, (number / 1000 if number > 1e11 else number) - base)
    return number


def _duration(text: str, *, anywhere: bool = False) -> float | None:
    """Seconds in a text like `9.05s`, `1m30s`, `500 ms`, `2 minutes`; `anywhere`: more text may follow."""
    match = _DURATION.match(text.strip())
    if match is None or not (anywhere or match.end() == len(text.strip())):
        return None
    parts = [(float(number), unit.lower()) for number, unit in _EACH.findall(match[0])]
    return sum(number * _UNITS[unit if unit in _UNITS else unit.rstrip("s")] for number, unit in parts)


def _date(text: str | None) -> float | None:
    """A moment as HTTP writes it, or as ISO 8601 does."""
    try:
        if text and len(text) > 18 and text[:4].isdigit() and "T" in text:
            return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
        return parsedate_to_datetime(text).timestamp() if text else None
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
