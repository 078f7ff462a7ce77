"""What a service tells afterwards: a call's tokens and cost by its id, a model's speed, a key's credit."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

import fusion_nb
from fusion_nb.core import Usage
from fusion_nb.providers import custom_services, demo
from fusion_nb.providers.openrouter_api import (
    fetch_credit,
    fetch_generation,
    fetch_speed,
    parse_credit,
    parse_generation,
    parse_speed,
)
from fusion_nb.providers.services import Service
from fusion_nb.resolve.model_resolver import DEMO_SERVICE
from tests.site import Site, asking


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.stop()


ENDPOINTS = {
    "data": {
        "endpoints": [
            {"latency_last_30m": {"p50": 400, "p90": 900}, "throughput_last_30m": {"p50": 60, "p90": 90}, "status": 0},
            {"latency_last_30m": {"p50": 700.5, "p90": 2000}, "throughput_last_30m": {"p50": 40, "p90": 50}},
            {"latency_last_30m": {"p50": 1, "p90": 1}, "throughput_last_30m": {"p50": 9999, "p90": 9999}, "status": -2},
            {"latency_last_30m": None, "throughput_last_30m": {"p50": 0, "p90": True}},
            "nonsense",
        ]
    }
}


def test_speed_is_read_from_a_models_endpoints(site: Site) -> None:
    """Milliseconds become seconds, from the quickest median to the slowest 90th percentile; who is down does not count."""
    site.answers["/v1/models/acme/one/endpoints"] = ENDPOINTS
    found = asking(lambda http: fetch_speed(http, site.service, None, "acme/one:free"))
    assert found is not None
    assert found.ttft == (0.4, 2.0)
    assert found.per_second == (32.0, 90.0)
    assert asking(lambda http: fetch_speed(http, site.service, None, "acme/two")) is None


@pytest.mark.parametrize(
    "said", [None, [], {}, {"data": None}, {"data": {"endpoints": []}}, {"data": {"endpoints": [{}]}}]
)
def test_without_figures_a_speed_is_unknown(said: Any) -> None:
    """Without a key OpenRouter gives none: that is unknown, not slow."""
    assert parse_speed(said) is None


def test_a_keys_credit_is_read_exactly(site: Site) -> None:
    """What is left of a key's limit, to the last digit; a key without one has none to tell."""
    site.answers["/v1/key"] = {
        "data": {
            "limit": 20,
            "limit_remaining": 7.123456789,
            "limit_reset": "daily",
            "usage": 100.5,
            "usage_daily": 12.9,
        }
    }
    found = asking(lambda http: fetch_credit(http, site.service, None))
    assert found is not None
    assert (found.limit, found.remaining, found.resets) == (Decimal(20), Decimal("7.123456789"), "daily")
    assert found.used_today == Decimal("12.9")
    free = parse_credit({"data": {"limit": None, "limit_remaining": None, "usage": "lots"}})
    assert free is not None
    assert (free.limit, free.remaining, free.used) == (None, None, None)
    assert parse_credit({"error": "no"}) is None


# What a call cost, asked for afterwards.


def demo_service() -> Service:
    return replace(DEMO_SERVICE, base_url=demo.base_url())


def test_a_generation_is_reconciled_to_the_last_digit() -> None:
    """By its id alone a call's tokens and cost are what its stream said: nothing paid is lost with the stream."""
    reply = fusion_nb.fuse("What is the probability in the Monty Hall problem?", pool="demo:careful").replies[0]
    assert reply.generation_id
    found = asking(lambda http: fetch_generation(http, demo_service(), None, reply.generation_id or ""))
    assert found is not None
    assert (found.usage, found.cost) == (reply.usage, reply.cost)
    assert (found.model, found.finish, found.cancelled) == ("careful", "stop", False)
    assert found.latency is not None
    assert 0 < found.latency <= (reply.latency or 0) + 0.1


def test_a_generation_that_is_not_there_yet_is_asked_for_again(site: Site) -> None:
    """A service knows of a call a moment after its end: three tries, then it stays unknown."""
    tries = asking(lambda http: fetch_generation(http, site.service, None, "gen/1 &x", waits=(0.0, 0.01, 0.01)))
    assert tries is None
    assert site.asked == ["/v1/generation?id=gen%2F1%20%26x"] * 3


def test_a_service_that_is_gone_leaves_a_cost_unknown() -> None:
    """Nobody to ask: unknown, at once, and no exception."""
    gone = custom_services.custom_service("gone", "http://127.0.0.1:9/v1")
    assert asking(lambda http: fetch_generation(http, gone, None, "gen-1")) is None


@pytest.mark.parametrize(
    ("data", "usage", "cost"),
    [
        (
            {
                "native_tokens_prompt": 10,
                "tokens_prompt": 12,
                "native_tokens_completion": 5,
                "total_cost": Decimal("0.0000001"),
            },
            Usage(10, 5),
            Decimal("0.0000001"),
        ),
        ({"tokens_prompt": 12, "tokens_completion": 3, "usage": 1}, Usage(12, 3), Decimal(1)),
        (
            {
                "native_tokens_prompt": 9,
                "native_tokens_completion": 8,
                "native_tokens_reasoning": 7,
                "native_tokens_cached": 6,
            },
            Usage(9, 8, 6, 7),
            None,
        ),
        ({"native_tokens_prompt": -1, "native_tokens_completion": "many", "total_cost": -5}, Usage(), None),
        ({}, Usage(), None),
    ],
)
def test_a_generation_is_read_field_by_field(data: dict[str, Any], usage: Usage, cost: Decimal | None) -> None:
    """The model's own token counts before OpenRouter's; what is missing or nonsense is unknown."""
    found = parse_generation({"data": data})
    assert found is not None
    assert (found.usage, found.cost) == (usage, cost)


@pytest.mark.parametrize("said", [None, [], {}, {"data": None}, {"data": "x"}, {"error": {"code": 404}}])
def test_what_is_no_generation_is_none(said: Any) -> None:
    """An error or a page in its place tells nothing of a call."""
    assert parse_generation(said) is None
