"""What counts can say, and what chance alone would: two formulas."""

from __future__ import annotations

import math

_Z = 1.959963984540054
"""Standard deviations that hold 95 % of a normal distribution."""


def interval(right: int, of: int) -> tuple[float, float]:
    """The shares from which `right` of `of` is no surprise, at 95 % (Wilson, JASA 22, 1927): sane at 0 and at all."""
    if not of:
        return 0.0, 1.0
    share, z2 = right / of, _Z * _Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def sign_test(gained: int, lost: int) -> float:
    """How often a fair coin splits `gained + lost` throws at least as unevenly: exact, two-sided (McNemar's test)."""
    throws = gained + lost
    tail = sum(math.comb(throws, k) for k in range(min(gained, lost) + 1))
    every: int = 2**throws
    return min(1.0, 2 * tail / every)
