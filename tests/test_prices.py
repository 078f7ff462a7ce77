"""A computed cost: exact, sourced, and absent where nobody knows."""

from datetime import UTC, datetime
from decimal import Decimal

from fusion_nb.accounts.prices import computed_cost, listed_models, price_source, table_rates
from fusion_nb.core import Usage


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
