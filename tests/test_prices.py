"""A computed cost: exact, sourced, and absent where nobody knows."""

from decimal import Decimal

from fusion_nb._types import Usage
from fusion_nb.money.prices import computed, source


def test_a_known_model_is_priced_exactly() -> None:
    """Cached tokens cost less, and the sum is exact to the last digit."""
    plain = computed("openai", "gpt-4o", Usage(prompt=1000, completion=100))
    cached = computed("openai", "gpt-4o", Usage(prompt=1000, completion=100, cached=1000))
    assert plain == Decimal("0.0035")
    assert cached is not None
    assert cached < plain


def test_what_nobody_knows_is_none() -> None:
    """No table, no such model, no token count: unknown, never zero and never an exception."""
    assert computed(None, "gpt-4o", Usage(1, 1)) is None
    assert computed("openai", "no-such-model-at-all", Usage(1, 1)) is None
    assert computed("no-such-service", "gpt-4o", Usage(1, 1)) is None
    assert computed("openai", "gpt-4o", Usage(prompt=1)) is None


def test_the_table_names_itself() -> None:
    """A computed price says which table it is from."""
    assert source().startswith("genai-prices ")
