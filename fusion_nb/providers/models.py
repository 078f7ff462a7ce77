"""Which models there are, with context, modalities and prices: asked of a service, or read from the price table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fusion_nb._types import Ref, Usage
from fusion_nb.money import prices, table
from fusion_nb.money.rates import Rates
from fusion_nb.providers.plain import plain
from fusion_nb.providers.pricing import price, rates_in
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


def read_models(said: Any, service: Service) -> list[ModelInfo]:
    """The models in an answer of `GET /models`, in its order; rows that make no sense are left out."""
    rows = said.get("data") if isinstance(said, Mapping) else said
    source = service.base_url.split("/")[2]
    found = (_row(row, service, source) for row in (rows[:MAX_MODELS] if isinstance(rows, list) else ()))
    return [info for info in found if info is not None]


def price_of(info: ModelInfo, usage: Usage, at: datetime) -> Decimal | None:
    """USD of a usage at a time by the service's own list, tiers and hours honoured; `None` where it cannot be known."""
    return info.rates.cost(usage, at) if info.rates else None


def offline(service: Service) -> list[ModelInfo]:
    """What the price table lists for the service, without asking anybody."""
    if service.prices_id is None:
        return []
    source = prices.source()
    return [
        ModelInfo(
            Ref(service.name, row.id, row.id),
            row.name or row.id,
            row.context,
            prompt_usd_per_mtok=row.prompt,
            completion_usd_per_mtok=row.completion,
            source=source,
        )
        for row in table.listed(service.prices_id)
    ]


def ids_in(said: Any) -> list[str]:
    """The names in the answer of `GET /models`."""
    rows = said.get("data") if isinstance(said, Mapping) else None
    ids = [row.get("id") for row in rows[:MAX_MODELS] if isinstance(row, Mapping)] if isinstance(rows, list) else []
    return [name for name in ids if isinstance(name, str) and name and plain(name, 200) == name]


def _row(row: Any, service: Service, source: str) -> ModelInfo | None:
    name = row.get("id") if isinstance(row, Mapping) else None
    if not isinstance(name, str) or not name or plain(name, 200) != name:
        return None
    name = name.removeprefix("models/")  # Gemini
    pricing, architecture, top = (_part(row, part) for part in ("pricing", "architecture", "top_provider"))
    modalities = architecture.get("input_modalities")
    target, title = _target(row.get("alias_target"))
    context = row.get("context_length") or row.get("max_model_len") or top.get("context_length")
    said = row.get("name") or row.get("display_name")
    return ModelInfo(
        Ref(service.name, name, name),
        (plain(said, 200) if isinstance(said, str) else name) + (f" (now {title})" if title else ""),
        context if isinstance(context, int) and not isinstance(context, bool) and 0 < context < 2**40 else None,
        tuple(plain(m, 40) for m in modalities[:10] if isinstance(m, str)) if isinstance(modalities, list) else (),
        _per_million(pricing.get("prompt")),
        _per_million(pricing.get("completion")),
        source,
        _day(row.get("created")),
        rates_in(pricing, source),
        target,
    )


def _part(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = row.get(name)
    return found if isinstance(found, Mapping) else {}


def _target(said: Any) -> tuple[str | None, str]:
    """The concrete model of a moving name, and what people call it."""
    slug = said.get("slug") if isinstance(said, Mapping) else said
    if not isinstance(slug, str) or not slug or plain(slug, 200) != slug:
        return None, ""
    name = said.get("name") if isinstance(said, Mapping) else None
    return slug, plain(name, 200) if isinstance(name, str) else slug


def _per_million(said: Any) -> Decimal | None:
    """USD per token, as text, to USD per million: exact. Negative means "it depends" (OpenRouter's routers)."""
    amount = price(said)
    return None if amount is None else amount * _MILLION


def _day(said: Any) -> str | None:
    if isinstance(said, bool) or not isinstance(said, (int, Decimal)) or not 0 < said < 10**11:
        return None
    return datetime.fromtimestamp(float(said), UTC).date().isoformat()
