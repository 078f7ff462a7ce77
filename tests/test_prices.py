"""A computed cost: exact, sourced, and absent where nobody knows."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

import fusion_nb
from fusion_nb.accounts.prices import computed_cost, listed_models, price_source, table_rates
from fusion_nb.core import Usage
from tests.wire_server import WireServer, response


def test_a_known_model_is_priced_exactly() -> None:
    """Cached tokens cost less, and the sum is exact to the last digit."""
    plain = computed_cost("openai", "gpt-4o", Usage(prompt=1000, completion=100))
    cached = computed_cost("openai", "gpt-4o", Usage(prompt=1000, completion=100, cached=1000))
    assert plain == Decimal("0.0035")
    assert cached is not None
    assert cached < plain


def test_what_nobody_knows_is_none() -> None:
    """No table, no such model, no token count: unknown, never zero and never an exception."""
    assert computed_cost(None, "gpt-4o", Usage(1, 1)) is None
    assert computed_cost("openai", "no-such-model-at-all", Usage(1, 1)) is None
    assert computed_cost("no-such-service", "gpt-4o", Usage(1, 1)) is None
    assert computed_cost("openai", "gpt-4o", Usage(prompt=1)) is None


def test_a_model_listed_without_a_price_is_not_free() -> None:
    """Models the table knows but does not price (audio) are unknown, not zero; those that are free are zero."""
    assert computed_cost("openai", "gpt-realtime-whisper", Usage(1000, 100)) is None
    assert computed_cost("openrouter", "google/gemma-3-27b-it:free", Usage(1000, 100)) == 0


def test_listed_prices_compute_what_the_table_does() -> None:
    """The table's prices as per-token rates give its own sums to the last digit, tiers and cached tokens included."""
    now = datetime.now(UTC)
    usages = [Usage(1000, 100), Usage(300_000, 50), Usage(300_000, 500, cached=1000)]
    compared = tiered = 0
    for table_id in ("openai", "anthropic", "google", "openrouter", "x-ai"):
        for row in listed_models(table_id):
            found = table_rates(table_id, row.id)
            for usage in usages if found else []:
                assert found is not None
                assert found.cost(usage, now) == computed_cost(table_id, row.id, usage), (table_id, row.id, usage)
                compared += 1
                tiered += bool(found.tiers)
    assert compared > 500
    assert tiered > 20


def test_the_table_names_itself() -> None:
    """A computed price says which table it is from."""
    assert price_source().startswith("genai-prices ")


def reply(model: str) -> bytes:
    """A streamed reply of 1,000 and 100 tokens under a model's name."""
    chunks = (
        {"model": model, "choices": [{"index": 0, "delta": {"content": "Blue."}, "finish_reason": "stop"}]},
        {"model": model, "choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 100}},
    )
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return response(200, events.encode(), "text/event-stream")


def ask(service: str, model: str, answers_as: str) -> fusion_nb.FusionResult:
    with WireServer(reply(answers_as)) as server:
        services = {service: {"base_url": server.url}}
        return fusion_nb.fuse("Why?", [f"{service}:{model}"], services=services, journal=False)


@pytest.mark.parametrize(
    "answers_as", ["gpt-4o", "gpt-4o-2031-01-01-of-the-future", "/models/q4.gguf", "", "ft:unknown"]
)
def test_an_answering_name_nobody_lists_costs_what_was_asked_for(answers_as: str) -> None:
    """A snapshot newer than the table, a file's name or none at all leaves the price of the model that was asked."""
    result = ask("openai", "gpt-4o", answers_as)
    assert (result.cost, result.unpriced) == (Decimal("0.0035"), 0)
    assert result.replies[0].cost_source == "computed"


def test_an_answering_name_that_is_listed_has_its_own_price() -> None:
    """The opposite: where the model that answered is known, its price counts, not that of the name asked."""
    result = ask("openai", "gpt-4o", "gpt-4o-mini")
    assert result.cost == computed_cost("openai", "gpt-4o-mini", Usage(1000, 100))
    assert ask("openai", "no-such-model", "neither-that-one").cost is None


@pytest.mark.parametrize("service", ["ollama", "lmstudio", "vllm", "llamacpp"])
def test_a_server_on_this_machine_is_free_and_not_unknown(service: str) -> None:
    """Nobody is billed: the cost is zero, and no sum has to leave it out. A gateway here may well send a bill."""
    result = ask(service, "llama3.2", "llama3.2")
    assert (result.cost, result.unpriced) == (0, 0)
    gateway = ask("litellm", "llama3.2", "llama3.2")
    assert (gateway.cost, gateway.unpriced) == (None, 1)
    marked = {"own": {"base_url": "http://127.0.0.1:9/v1", "local": True}}
    assert fusion_nb.estimate("Why?", ["own:m"], services=marked).usd == (0, 0)


def test_pricing_never_fails_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a newer release of the table raises, the cost is unknown and the reply is kept."""
    import genai_prices

    def broken(*_: object, **__: object) -> None:
        raise TypeError("a newer release")

    monkeypatch.setattr(genai_prices, "calc_price", broken)
    result = ask("openai", "gpt-4o", "gpt-4o")
    assert (result.status, result.cost, result.unpriced) == ("ok", None, 1)
