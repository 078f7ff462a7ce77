"""The models of the price table, listed: what there is where nobody can be asked. `prices.source` dates it."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple


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


def _row(model: Any) -> Listed:
    prices = model.get_prices(datetime.now(UTC))
    return Listed(model.id, model.name, model.context_window, _base(prices, "input_mtok"), _base(prices, "output_mtok"))


def _base(prices: Any, kind: str) -> Decimal | None:
    price = getattr(prices, kind, None)
    price = getattr(price, "base", price)
    return price if isinstance(price, Decimal) else None
