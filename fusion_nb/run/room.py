"""How much of the candidates a judge has room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fusion_nb._excerpt import excerpt
from fusion_nb._types import Ref, Reply
from fusion_nb.money.tokens import tokens
from fusion_nb.run.order import Order

_SMALL = 40_000
"""Characters that every judge has room for: nobody is asked how much it holds."""
_FRAME = 2_500
"""Tokens of what a judge is told around the candidates, at most."""
LEAST = 4_000
"""Characters that are shown even where there seems to be no room: the service will say so."""


def room(order: Order, candidates: Sequence[Reply], judge: Ref, context: Callable[[Ref], int | None]) -> int | None:
    """Characters of all candidates together that fit `judge`, beside the prompt and its own answer; `None`: unknown."""
    texts = [excerpt(reply.text) for reply in candidates]
    size = sum(map(len, texts))
    if size <= _SMALL or (holds := context(judge)) is None:
        return None
    asked = tokens(order.prompt, judge).high + tokens(order.params.system or "", judge).high
    # A model may be given less for its answer than it is asked for, but never less than it needs for a verdict.
    answer = min(2 * order.limits.max_tokens, holds // 4)
    free = holds - asked - answer - _FRAME
    per_token = size / max(1, sum(tokens(text, judge).high for text in texts))
    return max(LEAST, int(free * per_token))
