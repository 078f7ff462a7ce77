"""The models of the price table, listed: what there is where nobody can be asked. `prices.source` dates it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from fusion_nb.money.prices import source
from fusion_nb.money.rates import Prices, Rates, Tier


class Listed(NamedTuple):
    """One model of a service. Prices are USD per million tokens, at the lowest tier of today."""

    id: str
    name: str | None
    context: int | None
    prompt: Decimal | None
    completion: Decimal | None


@functools.cache
def listed(table: str) -> tuple[Listed, ...]:
    """The models of the service whose id in genai-prices is `table`; none for a service it does not list."""
    # Imported here: it loads pydantic (0.4 s), and most runs name models that need no list.
    from genai_prices.data import providers  # noqa: PLC0415

    return tuple(_row(model) for provider in providers if provider.id == table for model in provider.models)


@functools.lru_cache(256)
def rates(table: str | None, model: str) -> Rates | None:
    """The table's prices of a model today, tiers included; `None` where it does not know the model."""
    found = _find(table, model)
    priced = found.model_price if found else None
    base = _prices(priced, _base) if not model.endswith(":free") else Prices(Decimal(0), Decimal(0))
    if found is None or base.prompt is None or base.completion is None:
        return None
    sizes = sorted({tier.start for name in _KINDS for tier in getattr(getattr(priced, name, None), "tiers", ())})
    return Rates(base, tuple(Tier(_prices(priced, _from(size)), over=size) for size in sizes), source())


@functools.lru_cache(256)
def context(table: str | None, model: str) -> int | None:
    """Tokens the model holds, by the table."""
    found = _find(table, model)
    window = found.model.context_window if found else None
    return window if isinstance(window, int) else None


_KINDS = {
    "input_mtok": "prompt",
    "output_mtok": "completion",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write",
}


def _find(table: str | None, model: str) -> Any:
    if table is None:
        return None
    import genai_prices  # noqa: PLC0415  as above

    try:
        return genai_prices.calc_price(genai_prices.Usage(input_tokens=0, output_tokens=0), model, provider_id=table)
    except (LookupError, ValueError, ArithmeticError):
        return None


def _prices(priced: Any, of: Callable[[Any, str], Decimal | None]) -> Prices:
    """USD per token of each kind."""
    found = {ours: of(priced, theirs) for theirs, ours in _KINDS.items()}
    request = of(priced, "requests_kcount")
    each = {name: None if amount is None else amount / 1_000_000 for name, amount in found.items()}
    return Prices(**each, request=None if request is None else request / 1000)


def _from(size: int) -> Callable[[Any, str], Decimal | None]:
    """The prices of calls with more prompt tokens than `size`; `None` where they are the base's."""

    def price(priced: Any, kind: str) -> Decimal | None:
        tiers = getattr(getattr(priced, kind, None), "tiers", ())
        return next((tier.price for tier in reversed(tiers) if tier.start <= size), None)

    return price


def _row(model: Any) -> Listed:
    prices = model.get_prices(datetime.now(UTC))
    return Listed(model.id, model.name, model.context_window, _base(prices, "input_mtok"), _base(prices, "output_mtok"))


def _base(prices: Any, kind: str) -> Decimal | None:
    price = getattr(prices, kind, None)
    price = getattr(price, "base", price)
    return price if isinstance(price, Decimal) else None
