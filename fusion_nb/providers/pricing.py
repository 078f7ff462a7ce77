"""The `pricing` of a model in OpenRouter's `GET /models`: base prices as text, and `overrides` with conditions. Pure.

An override holds where all its conditions do (`min_prompt_tokens`: more prompt tokens than this; `utc_start` and
`utc_end` as HHMM; `utc_days`); of several that hold, the last one counts for each price it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fusion_nb.money.rates import Prices, Rates, Tier

_FIELDS = {
    "prompt": "prompt",
    "completion": "completion",
    "input_cache_read": "cached",
    "input_cache_write": "cache_write",
    "internal_reasoning": "reasoning",
    "request": "request",
}
_CONDITIONS = frozenset({"min_prompt_tokens", "utc_start", "utc_end", "utc_days"})
_OTHER_PRICES = ("image", "audio", "web_search", "input_audio", "input_cache_write", "discount", "file", "video")
"""Beginnings of price names that do not concern text; whatever else stands in an override is a condition."""
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MAX_TIERS = 20


def rates_in(said: Any, source: str = "") -> Rates | None:
    """The prices of a model; `None` where there are none, or they depend on something (OpenRouter's routers say -1)."""
    if not isinstance(said, Mapping):
        return None
    base = _prices(said)
    if base.prompt is None or base.completion is None:
        return None
    overrides = said.get("overrides")
    rows = overrides[:MAX_TIERS] if isinstance(overrides, list) else []
    return Rates(base, tuple(_tier(row) for row in rows if isinstance(row, Mapping)), source)


def price(said: Any) -> Decimal | None:
    """One price as listed, exact: USD per token, mostly as text; `None` for what is none, or negative."""
    if isinstance(said, bool) or not isinstance(said, (str, int, Decimal)) or len(str(said)) > 40:
        return None
    try:
        amount = Decimal(said)
    except ArithmeticError:
        return None
    sensible = amount.is_finite() and amount >= 0 and (not amount or -20 < amount.adjusted() < 4)
    return amount if sensible else None


def _prices(row: Mapping[str, Any]) -> Prices:
    return Prices(**{ours: price(row.get(theirs)) for theirs, ours in _FIELDS.items()})


def _tier(row: Mapping[str, Any]) -> Tier:
    """What cannot be read of a condition makes it a strange one, never one that holds always."""
    least = row.get("min_prompt_tokens")
    start, end = _minutes(row.get("utc_start")), _minutes(row.get("utc_end"))
    days = row.get("utc_days")
    known = {name: row.get(name) is not None for name in _CONDITIONS}
    sized = isinstance(least, int) and not isinstance(least, bool) and least >= 0
    dated = isinstance(days, list) and all(isinstance(d, str) and d.lower() in _DAYS for d in days)
    other = [k for k in row if k not in _CONDITIONS and k not in _FIELDS and not k.startswith(_OTHER_PRICES)]
    unread = [
        known["min_prompt_tokens"] and not sized,
        (known["utc_start"] or known["utc_end"]) and (start is None or end is None),
        known["utc_days"] and not dated,
        bool(other),
    ]
    return Tier(
        _prices(row),
        least if sized else None,
        (start, end) if start is not None and end is not None else None,
        frozenset(_DAYS.index(d.lower()) for d in days) if dated and isinstance(days, list) else None,
        any(unread),
    )


def _minutes(said: Any) -> int | None:
    """HHMM (1630, "1630" or "16:30") as minutes of the day."""
    if isinstance(said, str):
        digits = said.replace(":", "")
        said = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 4 else None
    if isinstance(said, bool) or not isinstance(said, int) or not 0 <= said <= 2400 or said % 100 > 59:
        return None
    return said // 100 * 60 + said % 100
