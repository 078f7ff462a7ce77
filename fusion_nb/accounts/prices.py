"""Prices per token with their tiers: what a usage costs, what it may cost, what it costs at most.

Prices come from a service's own list (OpenRouter's form: base prices, and entries that replace some of them where all
their conditions hold; of several that hold, the last one counts) or from pydantic's `genai-prices` table, which is
dated and also lists models where no service can be asked. Pricing never fails a run: what is not known is `None`.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from fusion_nb.core import Usage
from fusion_nb.core.values import PricesUsed

CACHED_FROM = 1024
"""Prompt tokens from which on services keep a prompt in their cache, and may charge for that."""


@dataclass(frozen=True, slots=True)
class Prices:
    """USD per token. `None` is "not said": of the first two, that makes a cost unknown."""

    prompt: Decimal | None = None
    completion: Decimal | None = None
    cached: Decimal | None = None
    """Of a prompt token read from a cache; not said: as any other."""
    cache_write: Decimal | None = None
    """Of a prompt token written to a cache. No reported usage counts them, so only what a call may cost knows it."""
    reasoning: Decimal | None = None
    """Of a reasoning token; not said, or zero: as any completion token."""
    request: Decimal | None = None
    """Of each call; not said: nothing."""

    def cost(self, usage: Usage) -> Decimal | None:
        """USD of a usage, exact; `None` where a price or a count that it needs is unknown."""
        if self.prompt is None or self.completion is None or usage.prompt is None or usage.completion is None:
            return None
        cached = min(usage.cached or 0, usage.prompt)
        reasoning = min(usage.reasoning or 0, usage.completion)
        read = self.prompt if self.cached is None else self.cached
        prompt_usd = (usage.prompt - cached) * self.prompt + cached * read
        reasoning_usd = reasoning * (self.reasoning or self.completion)
        completion_usd = (usage.completion - reasoning) * self.completion + reasoning_usd
        return (self.request or Decimal(0)) + prompt_usd + completion_usd

    def with_fallback(self, base: Prices) -> Prices:
        """These prices, and those of `base` where these say nothing."""
        return Prices(*(_coalesce(getattr(self, f.name), getattr(base, f.name)) for f in fields(Prices)))


@dataclass(frozen=True, slots=True)
class Tier:
    """Prices that replace the base's where all conditions hold."""

    prices: Prices
    over: int | None = None
    """Calls with more prompt tokens than this."""
    window: tuple[int, int] | None = None
    """Minutes of the UTC day, from the first until before the second; it may go over midnight."""
    days: frozenset[int] | None = None
    """Days of the UTC week, Monday is 0."""
    unclear: bool = False
    """There is a condition that nobody here understands: it may hold or not."""

    def applies_to(self, prompt: int) -> bool:
        return self.over is None or prompt > self.over

    def applies_at(self, when: datetime) -> bool:
        when = when.astimezone(UTC)
        if self.days is not None and when.weekday() not in self.days:
            return False
        if self.window is None:
            return True
        (start, end), minute = self.window, when.hour * 60 + when.minute
        return start <= minute < end if start < end else minute >= start or minute < end


@dataclass(frozen=True, slots=True)
class Rates:
    """The prices of one model."""

    base: Prices
    tiers: tuple[Tier, ...] = ()
    source: str = ""
    """Where they are from, with a date or a version."""

    def cost(self, usage: Usage, when: datetime) -> Decimal | None:
        """USD of a usage at a time; `None` where that is unknown, or hangs on a condition nobody here understands."""
        costs = {prices.cost(usage) for prices in self._may_hold(usage.prompt or 0, when)}
        return costs.pop() if len(costs) == 1 else None

    def used(self, usage: Usage, when: datetime) -> PricesUsed | None:
        """The prices behind `cost`, for a run's record; `None` where the cost is unknown."""
        prices = self._may_hold(usage.prompt or 0, when)[0]
        if self.cost(usage, when) is None or prices.prompt is None or prices.completion is None:
            return None
        cached, reasoning = (None if each is None else _per_million(each) for each in (prices.cached, prices.reasoning))
        prompt, completion = _per_million(prices.prompt), _per_million(prices.completion)
        return PricesUsed(prompt, completion, cached, reasoning or None, prices.request, self.source)

    def ceiling(self, usage: Usage) -> Decimal | None:
        """USD a usage costs at most, whatever the hour, every condition held against us, the prompt written to a cache.

        It does not fall where tokens rise: fewer tokens than `usage` cost no more.
        """
        every = [self.base, *(tier.prices for tier in self.tiers if tier.applies_to(usage.prompt or 0))]
        dearest = Prices(*(_maximum(getattr(prices, f.name) for prices in every) for f in fields(Prices)))
        # A cached token may cost more than a fresh one, odd as that is.
        each = (dearest.prompt, dearest.cache_write, dearest.cached)
        prompt = _maximum(each) if dearest.prompt is not None else None
        completion = _maximum((dearest.completion, dearest.reasoning)) if dearest.completion is not None else None
        return Prices(prompt, completion, request=dearest.request).cost(Usage(usage.prompt, usage.completion))

    def bounds(self, low: Usage, high: Usage, when: datetime) -> tuple[Decimal, Decimal] | None:
        """USD of a call between two usages at a time, from the cheapest to the dearest way to bill it."""
        least = [prices.cost(low) for prices in self._may_hold(low.prompt or 0, when)]
        tokens = {low.prompt or 0, high.prompt or 0, *self._steps(low.prompt or 0, high.prompt or 0)}
        most = [_dearest_prompt(prices, high).cost(high) for n in tokens for prices in self._may_hold(n, when)]
        costs = [cost for cost in (*least, *most) if cost is not None]
        return (min(costs), max(costs)) if len(costs) == len(least) + len(most) else None

    def _steps(self, low: int, high: int) -> Iterable[int]:
        """Prompt sizes between the two from which on other prices hold."""
        return (tier.over + 1 for tier in self.tiers if tier.over is not None and low <= tier.over < high)

    def _may_hold(self, prompt: int, when: datetime) -> list[Prices]:
        """The prices of a call; several where a condition is unclear."""
        possible = [self.base]
        for tier in self.tiers:
            if tier.applies_to(prompt) and tier.applies_at(when):
                replaced = [tier.prices.with_fallback(prices) for prices in possible]
                possible = possible + replaced if tier.unclear and len(possible) < 64 else replaced
        return possible


FREE = Rates(Prices(Decimal(0), Decimal(0)), source="this machine")
"""Nobody is billed."""


def _per_million(price: Decimal) -> Decimal:
    """USD per million tokens, without trailing zeros and without an exponent."""
    return Decimal(f"{(price * 1_000_000).normalize():f}")


def _coalesce(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if one is None else one


def _maximum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    return max((amount for amount in amounts if amount is not None), default=None)


def _dearest_prompt(prices: Prices, usage: Usage) -> Prices:
    """The prices of a prompt billed in its dearest way: written to a cache or read from one, if it is long enough."""
    if (usage.prompt or 0) < CACHED_FROM or prices.prompt is None:
        return prices
    return Prices(_maximum((prices.prompt, prices.cache_write, prices.cached))).with_fallback(prices)


def computed_cost(table: str | None, model: str, usage: Usage) -> Decimal | None:
    """USD for `usage` of `model`, tiers and cached tokens taken into account; `None` where it cannot be known.

    Args:
        table: the service's id in genai-prices (`openai`, `openrouter` ...), `None` for services it does not list.
        model: the model's name as the service knows it.
        usage: `prompt` and `completion` must both be known.
    """
    if table is None or usage.prompt is None or usage.completion is None:
        return None
    try:
        # Imported here: it loads pydantic (0.4 s), and most services report their cost.
        import genai_prices  # noqa: PLC0415

        tokens = genai_prices.Usage(
            input_tokens=usage.prompt, output_tokens=usage.completion, cache_read_tokens=usage.cached
        )
        result = genai_prices.calc_price(tokens, model, provider_id=table)
    except Exception:  # noqa: BLE001  pricing never fails a run, whatever a newer table raises
        return None
    # The table lists some models without a price, and then counts them as costing nothing.
    priced = result.model_price.output_mtok is not None or model.endswith(":free")
    return result.total_price if priced else None


@functools.cache
def price_source() -> str:
    """Name and version of the table, for people: prices move, and a computed cost is only as good as its table."""
    return f"genai-prices {importlib.metadata.version('genai-prices')}"


class ListedModel(NamedTuple):
    """One model of a service. Prices are USD per million tokens, at the lowest tier of today."""

    id: str
    name: str | None
    context: int | None
    prompt: Decimal | None
    completion: Decimal | None


@functools.cache
def listed_models(table: str) -> tuple[ListedModel, ...]:
    """The models of the service whose id in genai-prices is `table`; none for a service it does not list."""
    # Imported here: it loads pydantic (0.4 s), and most runs name models that need no list.
    from genai_prices.data import providers  # noqa: PLC0415

    # OpenRouter names every model `vendor/model`. The table prices a fifth of them once more without the vendor, mostly
    # models long gone: such a name prices a reply that bears it, but OpenRouter lists nothing under it to ask for.
    models = (model for provider in providers if provider.id == table for model in provider.models)
    return tuple(_row(model) for model in models if table != "openrouter" or "/" in model.id)


@functools.lru_cache(256)
def table_rates(table: str | None, model: str) -> Rates | None:
    """The table's prices of a model today, tiers included; `None` where it does not know the model."""
    entry = _find(table, model)
    priced = entry.model_price if entry else None
    base = _prices(priced, _base) if not model.endswith(":free") else Prices(Decimal(0), Decimal(0))
    if entry is None or base.prompt is None or base.completion is None:
        return None
    sizes = sorted({tier.start for name in _KINDS for tier in getattr(getattr(priced, name, None), "tiers", ())})
    return Rates(base, tuple(Tier(_prices(priced, _from(size)), over=size) for size in sizes), price_source())


@functools.lru_cache(256)
def table_context(table: str | None, model: str) -> int | None:
    """Tokens the model holds, by the table."""
    entry = _find(table, model)
    window = entry.model.context_window if entry else None
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
    try:
        import genai_prices  # noqa: PLC0415  as above

        return genai_prices.calc_price(genai_prices.Usage(input_tokens=0, output_tokens=0), model, provider_id=table)
    except Exception:  # noqa: BLE001  as above
        return None


def _prices(priced: Any, of: Callable[[Any, str], Decimal | None]) -> Prices:
    """USD per token of each kind."""
    millions = {ours: of(priced, theirs) for theirs, ours in _KINDS.items()}
    request = of(priced, "requests_kcount")
    each = {name: None if amount is None else amount / 1_000_000 for name, amount in millions.items()}
    return Prices(**each, request=None if request is None else request / 1000)


def _from(size: int) -> Callable[[Any, str], Decimal | None]:
    """The prices of calls with more prompt tokens than `size`; `None` where they are the base's."""

    def price(priced: Any, kind: str) -> Decimal | None:
        tiers = getattr(getattr(priced, kind, None), "tiers", ())
        return next((tier.price for tier in reversed(tiers) if tier.start <= size), None)

    return price


def _row(model: Any) -> ListedModel:
    prices = model.get_prices(datetime.now(UTC))
    return ListedModel(
        model.id, model.name, model.context_window, _base(prices, "input_mtok"), _base(prices, "output_mtok")
    )


def _base(prices: Any, kind: str) -> Decimal | None:
    price = getattr(prices, kind, None)
    price = getattr(price, "base", price)
    return price if isinstance(price, Decimal) else None
