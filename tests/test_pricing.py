"""Prices as services list them: exact per token, with sizes, hours, days, and conditions nobody understands."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fusion_nb.accounts import prices
from fusion_nb.core import Usage
from fusion_nb.providers import custom_services
from fusion_nb.providers.model_list import ModelInfo, parse_models, parse_rates
from fusion_nb.providers.services import SERVICES
from tests.site import ROWS

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


def price_of(info: ModelInfo, usage: Usage, at: datetime) -> Decimal | None:
    return info.rates.cost(usage, at) if info.rates else None


def test_the_services_list_prices_a_usage_to_the_last_digit() -> None:
    """Tokens times price, cached ones at their own, the tier by the prompt's size, exact; an unknown part is unknown."""
    service = custom_services.custom_service("acme", "http://127.0.0.1:9/v1")
    one, alias, auto = parse_models({"data": ROWS}, service)
    assert price_of(one, Usage(3, 2), NOW) == Decimal("0.0000299999999999")
    assert price_of(one, Usage(1000, 0, cached=1000), NOW) == Decimal("0.0003")
    assert price_of(one, Usage(100_000, 0), NOW) == Decimal("0.33333333333")
    assert price_of(one, Usage(100_001, 1), NOW) == Decimal("1.00003")
    assert price_of(one, Usage(3, None), NOW) is None
    assert price_of(auto, Usage(3, 2), NOW) is None
    assert alias.rates is not None


def rated(*overrides: Any, **more: Any) -> Any:
    return parse_rates({"prompt": "0.000001", "completion": "0.000002", "overrides": list(overrides), **more})


CHEAP = {"prompt": "0.0000005", "completion": "0.000001"}


@pytest.mark.parametrize(
    ("override", "at", "cheap"),
    [
        ({"utc_start": 1630, "utc_end": 30}, "2026-03-02T16:29:59", False),
        ({"utc_start": 1630, "utc_end": 30}, "2026-03-02T16:30:00", True),
        ({"utc_start": 1630, "utc_end": 30}, "2026-03-03T00:29:00", True),
        ({"utc_start": 1630, "utc_end": 30}, "2026-03-03T00:30:00", False),
        ({"utc_start": "1630", "utc_end": "00:30"}, "2026-03-02T23:00:00", True),
        ({"utc_start": 0, "utc_end": 1600}, "2026-03-02T15:59:00", True),
        ({"utc_start": 1600, "utc_end": 0}, "2026-03-02T23:59:00", True),
        ({"utc_start": 1600, "utc_end": 2400}, "2026-03-02T12:00:00", False),
        ({"utc_days": ["saturday", "Sunday"]}, "2026-03-01T12:00:00", True),
        ({"utc_days": ["saturday", "sunday"]}, "2026-03-02T12:00:00", False),
        (
            {"utc_days": ["monday"], "utc_start": 1100, "utc_end": 1300, "min_prompt_tokens": 9},
            "2026-03-02T12:00:00",
            True,
        ),
        ({"min_prompt_tokens": 10}, "2026-03-02T12:00:00", False),
        ({}, "2026-03-02T12:00:00", True),
    ],
)
def test_hours_days_and_sizes_are_honoured(override: dict[str, Any], at: str, cheap: bool) -> None:
    """A price for some hours, days or sizes holds then and only then, all conditions together, by UTC."""
    found = rated({**override, **CHEAP})
    assert found.cost(Usage(10, 1), datetime.fromisoformat(f"{at}+00:00")) == Decimal(
        "0.000006" if cheap else "0.000012"
    )


def test_the_last_override_that_holds_counts_for_each_price_it_names() -> None:
    """A later entry wins price by price; what it does not name stays."""
    found = rated({"min_prompt_tokens": 5, **CHEAP}, {"min_prompt_tokens": 8, "prompt": "0.000003"})
    assert found.cost(Usage(10, 1), NOW) == Decimal("0.000031")


@pytest.mark.parametrize(
    "override",
    [
        {"moon_phase": "full"},
        {"utc_start": 2600, "utc_end": 100},
        {"utc_start": 100},
        {"utc_days": ["someday"]},
        {"min_prompt_tokens": "many"},
        {"min_prompt_tokens": True},
    ],
)
def test_a_condition_nobody_understands_makes_a_price_unknown(override: dict[str, Any]) -> None:
    """Neither price is guessed; a range holds both, and the most it may cost is the dearer."""
    found = rated({**override, "prompt": "0.00001"})
    assert found.cost(Usage(10, 1), NOW) is None
    assert found.bounds(Usage(10, 1), Usage(10, 1), NOW) == (Decimal("0.000012"), Decimal("0.000102"))
    assert found.ceiling(Usage(10, 1)) == Decimal("0.000102")
    same = rated({**override, "prompt": "0.000001"})
    assert same.cost(Usage(10, 1), NOW) == Decimal("0.000012")


@pytest.mark.parametrize("said", [None, "", "x", "-1", -1, "NaN", "Infinity", "1e99", "1" * 50, True, [], {}, "0x1"])
def test_what_is_no_price_is_unknown(said: Any) -> None:
    """Nonsense in a price list is not a price, and least of all zero."""
    assert parse_rates({"prompt": said, "completion": "0.1"}) is None
    assert parse_rates({"prompt": "0.1", "completion": said}) is None


def test_other_prices_of_a_list_are_taken_as_they_are_meant() -> None:
    """A fee for each call, reasoning tokens at a price of their own, and a cache that costs more to fill."""
    found = rated(request="0.01", internal_reasoning="0.000005", input_cache_write="0.0000013", image="0.1", discount=0)
    assert found.cost(Usage(10, 10, reasoning=4), NOW) == Decimal("0.010042")
    assert found.ceiling(Usage(10, 10)) == Decimal("0.010063")
    low, high = found.bounds(Usage(2000, 1), Usage(2000, 1), NOW)
    assert (low, high) == (Decimal("0.012002"), Decimal("0.012602"))


@pytest.mark.parametrize(
    "pricing",
    [
        {"prompt": 3, "completion": 15},  # a million tokens
        {"prompt": "0.15", "completion": "0.60"},
        {"prompt": "0.0015", "completion": "0.002"},  # a thousand
        {"prompt": "0.0005", "completion": "0.0015"},
        {"prompt": "0.000001", "completion": "0.000002", "overrides": [{"min_prompt_tokens": 9, "prompt": "2"}]},
        {"prompt": "0.000001", "completion": "0.000002", "currency": "RUB"},
        {"prompt": "0.000001", "completion": "0.000002", "currency_code": "EUR"},
        {"prompt": "0.00001", "completion": "0.00002", "unit": "per_million_tokens"},
        {"prompt": "0.0001", "completion": "0.0002", "price_unit": "1K tokens"},
    ],
)
def test_prices_in_another_unit_are_unknown_and_that_is_said(pricing: dict[str, Any]) -> None:
    """A price that no token can have is not multiplied by tokens: it is unknown, and its source says why."""
    service = custom_services.custom_service("acme", "http://127.0.0.1:9/v1")
    [info] = parse_models({"data": [{"id": "m", "pricing": pricing}]}, service)
    assert (info.rates, info.prompt_usd_per_mtok, info.completion_usd_per_mtok) == (None, None, None)
    assert info.source == "127.0.0.1:9; its prices are in another unit: unknown"
    assert parse_rates(pricing) is None


@pytest.mark.parametrize(
    "pricing",
    [
        {"prompt": "0.00015", "completion": "0.0006"},  # the dearest there is
        {"prompt": "0", "completion": "0"},
        {"prompt": "0.000001", "completion": "0.000002", "request": "0.05", "image": "0.01", "currency": "USD"},
        {"prompt": "0.000001", "completion": "0.000002", "unit": "token", "currency": "US$"},
        {"prompt": "0.000001", "completion": "0.000002", "unit": "USD per token", "request": None},
    ],
)
def test_dear_prices_and_other_fees_stay(pricing: dict[str, Any]) -> None:
    """The opposite: what a token can cost counts, and a fee per call or image is no price of a token."""
    assert parse_rates(pricing) is not None


def test_a_currency_beside_the_prices_and_a_fee_that_depends() -> None:
    """A currency that the model's row names holds for its prices; a fee that depends on something leaves none known."""
    prices = {"prompt": "0.000001", "completion": "0.000002"}
    service = custom_services.custom_service("acme", "http://127.0.0.1:9/v1")
    for currency, known in (("EUR", False), ("USD", True)):
        [info] = parse_models({"data": [{"id": "m", "pricing": prices, "currency": currency}]}, service)
        assert (info.rates is not None) is known
    assert parse_rates({**prices, "request": "-1"}) is None


def test_the_dearest_model_of_the_table_is_below_the_limit() -> None:
    """The line between a token's price and a thousand's leaves room for what models really cost."""
    listed = [
        model for service in SERVICES.values() if service.prices_id for model in prices.listed_models(service.prices_id)
    ]
    dearest = max(price for model in listed for price in (model.prompt, model.completion) if price is not None)
    assert dearest < 1000


def test_a_cached_token_that_costs_more_is_held_for() -> None:
    """What is reserved for a call is enough even where reading the cache is dearer than the prompt."""
    rates = parse_rates({"prompt": "0.000001", "completion": "0.000002", "input_cache_read": "0.000003"})
    assert rates is not None
    used = Usage(5000, 100, cached=5000)
    cost, most = rates.cost(used, NOW), rates.ceiling(Usage(5000, 100))
    assert cost is not None
    assert most is not None
    assert cost <= most
    bounds = rates.bounds(Usage(4000, 50), Usage(5000, 100), NOW)
    assert bounds is not None
    assert cost <= bounds[1]
