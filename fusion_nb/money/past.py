"""What past calls say of the next one: ranges that cover it nine times in ten, whatever the distribution is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, NamedTuple, TypeVar

from fusion_nb._types import Reply

N = TypeVar("N", int, float, Decimal)
TAIL = 0.05
"""The part of the past that is left out on either side: a range covers nine calls in ten."""


class Range(NamedTuple, Generic[N]):
    """From `low` to `high`, both of them likely enough to be met."""

    low: N
    high: N


@dataclass(frozen=True, slots=True)
class Past:
    """One call of the past, as far as a forecast cares. What nobody reported is `None`."""

    prompt_tokens: int | None
    chars: int
    """Characters of its prompt: all messages together."""
    completion_tokens: int | None
    ttft: float | None = None
    latency: float | None = None
    reply_chars: int | None = None
    """Characters of its reply; they are fewer than its tokens tell where a model thinks before it writes."""

    @classmethod
    def of(cls, reply: Reply, chars: int) -> Past:
        """A past reply. `chars`: characters of all messages it was asked with."""
        used = reply.usage
        return cls(used.prompt, chars, used.completion, reply.ttft, reply.latency, len(reply.text))


def usual(values: Sequence[float]) -> Range[float] | None:
    """Where the next value is likely to be: between the 5th and the 95th percentile of the past ones.

    By order statistics: of n values, the k-th from below and from above hold the next one between them with probability
    (n + 1 - 2k) / (n + 1), whatever they are drawn from (Wilks 1941). A short past is widened: it has seen little.
    """
    if not values:
        return None
    ordered, n = sorted(values), len(values)
    k = max(1, int(TAIL * (n + 1)))
    stretch = 1 + (0 if n >= 1 / TAIL - 1 else 2 / n)
    return Range(ordered[k - 1] / stretch, ordered[-k] * stretch)


def whole(found: Range[float] | None) -> Range[int] | None:
    """A range of tokens."""
    return Range(int(found.low), -int(-found.high // 1)) if found else None
