"""Which models a service has, with context, modalities and prices: its `GET /models`, or the price table.

Prices are read in OpenRouter's form: base prices as text, and `overrides` that hold where all their conditions do
(`min_prompt_tokens`: more prompt tokens than this; `utc_start` and `utc_end` as HHMM; `utc_days`); of several that
hold, the last one counts for each price it names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fusion_nb.accounts import prices
from fusion_nb.accounts.prices import Prices, Rates, Tier
from fusion_nb.core import Ref
from fusion_nb.providers.redaction import one_line
from fusion_nb.providers.services import Service

_MILLION = 1_000_000
MAX_MODELS = 5000


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model a pool can name. What nobody said is `None`."""

    ref: Ref
    name: str
    context: int | None = None
    """Tokens, prompt and completion together."""
    modalities: tuple[str, ...] = ()
    """What it takes: `text`, `image` ..."""
    prompt_usd_per_mtok: Decimal | None = None
    completion_usd_per_mtok: Decimal | None = None
    source: str = ""
    """Where the row is from: a host, or the price table with its version."""
    created: str | None = None
    """ISO date."""
    rates: Rates | None = None
    """USD per token, tiers and hours included."""
    alias_target: str | None = None
    """The concrete model that a moving name (OpenRouter's `~...-latest`) stands for now."""
    alias: str = ""
    """The short name that stands for it; empty in a row of its own."""


def parse_models(body: Any, service: Service) -> list[ModelInfo]:
    """The models in an answer of `GET /models`, in its order; rows that make no sense are left out."""
    rows = body.get("data") if isinstance(body, Mapping) else body
    source = service.base_url.split("/")[2]
    infos = (_row(row, service, source) for row in (rows[:MAX_MODELS] if isinstance(rows, list) else ()))
    return [info for info in infos if info is not None]


def offline_models(service: Service) -> list[ModelInfo]:
    """What the price table lists for the service, without asking anybody."""
    if service.prices_id is None:
        return []
    source = prices.price_source()
    return [
        ModelInfo(
            Ref(service.name, row.id, row.id),
            row.name or row.id,
            row.context,
            prompt_usd_per_mtok=row.prompt,
            completion_usd_per_mtok=row.completion,
            source=source,
        )
        for row in prices.listed_models(service.prices_id)
    ]


def _row(row: Any, service: Service, source: str) -> ModelInfo | None:
    name = row.get("id") if isinstance(row, Mapping) else None
    if not isinstance(name, str) or not name or one_line(name, 200) != name:
        return None
    name = name.removeprefix("models/")  # Gemini
    money = {name: value for name, value in row.items() if "currency" in str(name).lower()}
    pricing, architecture = {**money, **_part(row, "pricing")}, _part(row, "architecture")
    if not _is_usd_per_token(pricing):
        pricing, source = {}, f"{source}; its prices are in another unit: unknown"
    modalities = architecture.get("input_modalities")
    target, target_title = _target(row.get("alias_target"))
    title = row.get("name") or row.get("display_name")
    return ModelInfo(
        Ref(service.name, name, name),
        (one_line(title, 200) if isinstance(title, str) else name) + (f" (now {target_title})" if target_title else ""),
        context_of(row),
        tuple(one_line(m, 40) for m in modalities[:10] if isinstance(m, str)) if isinstance(modalities, list) else (),
        _per_million(pricing.get("prompt")),
        _per_million(pricing.get("completion")),
        source,
        _day(row.get("created")),
        parse_rates(pricing, source),
        target,
    )


CONTEXT_FIELDS = (
    ("meta", "n_ctx"),  # llama.cpp: what the server was started with
    ("loaded_context_length",),  # LM Studio: what the model was loaded with
    ("context_length",),  # OpenRouter, Together, Ollama
    ("max_model_len",),  # vLLM
    ("max_context_length",),  # Mistral, LM Studio
    ("context_window",),  # Groq
    ("max_input_tokens",),  # LiteLLM
    ("top_provider", "context_length"),
)
"""Where services list how many tokens a model holds, the surest first."""


def context_of(row: Mapping[str, Any]) -> int | None:
    """Tokens that a listed model holds; `None` where its row does not say."""
    for *parts, name in CONTEXT_FIELDS:
        value = (_part(row, parts[0]) if parts else row).get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40:
            return value
    return None


def _part(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = row.get(name)
    return part if isinstance(part, Mapping) else {}


def _target(target: Any) -> tuple[str | None, str]:
    """The concrete model of a moving name, and what people call it."""
    slug = target.get("slug") if isinstance(target, Mapping) else target
    if not isinstance(slug, str) or not slug or one_line(slug, 200) != slug:
        return None, ""
    name = target.get("name") if isinstance(target, Mapping) else None
    return slug, one_line(name, 200) if isinstance(name, str) else slug


def _per_million(price: Any) -> Decimal | None:
    """USD per token, as text, to USD per million: exact. Negative means "it depends" (OpenRouter's routers)."""
    amount = parse_price(price)
    return None if amount is None else amount * _MILLION


def _day(seconds: Any) -> str | None:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, Decimal)) or not 0 < seconds < 10**11:
        return None
    return datetime.fromtimestamp(float(seconds), UTC).date().isoformat()


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


def parse_rates(pricing: Any, source: str = "") -> Rates | None:
    """The prices of a model; `None` where there are none, or they depend on something (OpenRouter's routers say -1)."""
    if not isinstance(pricing, Mapping) or not _is_usd_per_token(pricing):
        return None
    base = _prices(pricing)
    depends = base.request is None and pricing.get("request") not in (None, "")
    if base.prompt is None or base.completion is None or depends:
        return None
    overrides = pricing.get("overrides")
    rows = overrides[:MAX_TIERS] if isinstance(overrides, list) else []
    return Rates(base, tuple(_tier(row) for row in rows if isinstance(row, Mapping)), source)


_MAX_PER_TOKEN = Decimal("0.001")
"""USD: the dearest model costs 0.0006. What is above is a price of a thousand or a million tokens."""


_UNIT_NAMES = re.compile(r"currency|\A(?:(?:price|token)_?)?units?\Z|\A(?:price_)?per\Z", re.IGNORECASE)
_PER_TOKEN = re.compile(
    r"(?:USD|US\$|\$)?(?:\s?/\s?|[\s_]?per[\s_])?(?:1[\s_]?)?(?:tokens?)?|US dollars?", re.IGNORECASE
)
"""What may stand under such a name, for the prices to be what they are taken for."""


def _is_usd_per_token(pricing: Mapping[str, Any]) -> bool:
    """Whether the prices can be what they are taken for. A list in another unit, or money, says nothing we can use."""
    overrides = pricing.get("overrides")
    rows = [pricing, *(row for row in (overrides if isinstance(overrides, list) else []) if isinstance(row, Mapping))]
    each = [parse_price(row.get(field)) for row in rows for field, ours in _FIELDS.items() if ours != "request"]
    named = [value for name, value in pricing.items() if _UNIT_NAMES.search(str(name)) and value not in (None, "")]
    per_token = all(_PER_TOKEN.fullmatch(str(value).strip()) for value in named)
    return per_token and all(price is None or price <= _MAX_PER_TOKEN for price in each)


def parse_price(listed: Any) -> Decimal | None:
    """One price as listed, exact: USD per token, mostly as text; `None` for what is none, or negative."""
    if isinstance(listed, bool) or not isinstance(listed, (str, int, Decimal)) or len(str(listed)) > 40:
        return None
    try:
        amount = Decimal(listed)
    except ArithmeticError:
        return None
    sensible = amount.is_finite() and amount >= 0 and (not amount or -20 < amount.adjusted() < 4)
    return amount if sensible else None


def _prices(row: Mapping[str, Any]) -> Prices:
    return Prices(**{ours: parse_price(row.get(theirs)) for theirs, ours in _FIELDS.items()})


def _tier(row: Mapping[str, Any]) -> Tier:
    """What cannot be read of a condition makes it a unclear one, never one that holds always."""
    least = row.get("min_prompt_tokens")
    start, end = _minutes(row.get("utc_start")), _minutes(row.get("utc_end"))
    days = row.get("utc_days")
    present = {name: row.get(name) is not None for name in _CONDITIONS}
    sized = isinstance(least, int) and not isinstance(least, bool) and least >= 0
    dated = isinstance(days, list) and all(isinstance(d, str) and d.lower() in _DAYS for d in days)
    other = [k for k in row if k not in _CONDITIONS and k not in _FIELDS and not k.startswith(_OTHER_PRICES)]
    unread = [
        present["min_prompt_tokens"] and not sized,
        (present["utc_start"] or present["utc_end"]) and (start is None or end is None),
        present["utc_days"] and not dated,
        bool(other),
    ]
    return Tier(
        _prices(row),
        least if sized else None,
        (start, end) if start is not None and end is not None else None,
        frozenset(_DAYS.index(d.lower()) for d in days) if dated and isinstance(days, list) else None,
        any(unread),
    )


def _minutes(clock: Any) -> int | None:
    """HHMM (1630, "1630" or "16:30") as minutes of the day."""
    if isinstance(clock, str):
        digits = clock.replace(":", "")
        clock = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 4 else None
    if isinstance(clock, bool) or not isinstance(clock, int) or not 0 <= clock <= 2400 or clock % 100 > 59:
        return None
    return clock // 100 * 60 + clock % 100
