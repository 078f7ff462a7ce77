"""What a call costs where the service does not say: computed from pydantic's `genai-prices` table, which is dated.

Pricing must never fail a run: whatever is not known, or cannot be computed, is `None`.
"""

from __future__ import annotations

import functools
import importlib.metadata
from decimal import Decimal

from fusion_nb._types import Usage


def computed(table: str | None, model: str, usage: Usage) -> Decimal | None:
    """USD for `usage` of `model`, tiers and cached tokens taken into account; `None` where it cannot be known.

    Args:
        table: the service's id in genai-prices (`openai`, `openrouter` ...), `None` for services it does not list.
        model: the model's name as the service knows it.
        usage: `prompt` and `completion` must both be known.
    """
    if table is None or usage.prompt is None or usage.completion is None:
        return None
    # Imported here: it loads pydantic (0.4 s), and most services report their cost.
    import genai_prices  # noqa: PLC0415

    tokens = genai_prices.Usage(
        input_tokens=usage.prompt, output_tokens=usage.completion, cache_read_tokens=usage.cached
    )
    try:
        found = genai_prices.calc_price(tokens, model, provider_id=table)
    except (LookupError, ValueError, ArithmeticError):
        return None
    # The table lists some models without a price, and then counts them as costing nothing.
    known = found.model_price.output_mtok is not None or model.endswith(":free")
    return found.total_price if known else None


@functools.cache
def source() -> str:
    """Name and version of the table, for people: prices move, and a computed cost is only as good as its table."""
    return f"genai-prices {importlib.metadata.version('genai-prices')}"
