"""The one door to scipy, statsmodels and numpy: intervals, exact tests, corrections, resampling.

Loaded with `fusion_nb.evaluation` alone: the libraries take seconds to open. Shares are parts of 1, differences are
(first - second), p-values of a direction are one-sided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

LEVEL = 0.05
"""A difference that chance gives more often than this is not called one."""
DRAWS = 10_000
"""Resamples of a bootstrap."""
_BATCH = 8_000_000
"""Weights that one batch of resamples may hold: 64 MB."""
_FEWEST = 8
"""Questions below which resampling says nothing."""


class Interval(NamedTuple):
    """Both ends of an interval."""

    low: float
    high: float


def wilson(right: float, of: int, level: float = LEVEL) -> Interval | None:
    """The shares for which `right` of `of` is no surprise (Wilson, JASA 22, 1927); `None` of nothing."""
    if not of:
        return None
    low, high = proportion_confint(right, of, alpha=level, method="wilson")
    return Interval(float(low), float(high))


def sign_test(more: Any, fewer: Any) -> Any:
    """How often a fair coin gives at least `more` of `more + fewer`: McNemar's exact test, one-sided; arrays as given.

    >>> float(sign_test(9, 1)) * 2
    0.021484375
    """
    return stats.binom.cdf(fewer, np.add(more, fewer), 0.5)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for how many there are (Holm, Scand. J. Statist. 6, 1979), in their order."""
    return [float(p) for p in multipletests(p_values, method="holm")[1]] if len(p_values) else []


def paired_share_interval(gained: float, lost: float, of: int, level: float = LEVEL) -> Interval | None:
    """The difference of two shares over the same questions: sane where no question tells them apart.

    Half a question is added to each of the four cells (Agresti & Min, Statistics in Medicine 24, 2005).
    """
    if not of:
        return None
    gained, lost, n = gained + 0.5, lost + 0.5, of + 2
    middle = (gained - lost) / n
    half = float(stats.norm.isf(level / 2)) * math.sqrt(gained + lost - (gained - lost) ** 2 / n) / n
    return Interval(max(-1.0, middle - half), min(1.0, middle + half))


class Resampled(NamedTuple):
    """Columns of paired differences, resampled over questions. Arrays, one entry a column; NaN where unknown."""

    p_above: Any
    """One-sided: how often chance gives a mean so far above 0."""
    p_below: Any
    low: Any
    high: Any


def paired_bootstrap(differences: Any, *, draws: int = DRAWS, level: float = LEVEL, seed: int = 0) -> Resampled:
    """The studentised bootstrap of the means of `differences` (questions x columns), questions resampled together.

    Unknown (NaN in every entry) below 8 questions and for a column without spread (Efron & Tibshirani, 1993, ch. 12).
    """
    values = np.asarray(differences, dtype=float)
    n, columns = values.shape
    result = Resampled(*(np.full(columns, np.nan) for _ in range(4)))
    error = values.std(axis=0, ddof=1) / math.sqrt(n) if n >= _FEWEST else np.zeros(columns)
    spread = error > 1e-12
    if not spread.any():
        return result
    mean, error = values[:, spread].mean(axis=0), error[spread]
    centred = values[:, spread] - mean
    drawn = _studentised(centred, draws, seed)
    observed = mean / error
    ends = np.nanpercentile(drawn, (100 * (1 - level / 2), 100 * level / 2), axis=0)
    result.p_above[spread] = ((drawn >= observed).sum(axis=0) + 1) / (draws + 1)
    result.p_below[spread] = ((drawn <= observed).sum(axis=0) + 1) / (draws + 1)
    result.low[spread], result.high[spread] = mean - ends[0] * error, mean - ends[1] * error
    return result


def _studentised(centred: Any, draws: int, seed: int) -> Any:
    """The t of each resample of each column; NaN where a resample has no spread."""
    n, columns = centred.shape
    both = np.concatenate([centred, centred**2], axis=1)
    drawn = []
    for weights in _resamples(n, draws, seed):
        sums = weights @ both / n
        moved = sums[:, :columns]
        scale = np.sqrt(np.maximum(sums[:, columns:] - moved**2, 0) / (n - 1))
        drawn.append(np.divide(moved, scale, out=np.full_like(moved, np.nan), where=scale > 0))
    return np.concatenate(drawn)


def _resamples(n: int, draws: int, seed: int) -> Any:
    """How often each of `n` questions is drawn, `draws` times, in batches that fit into memory."""
    rng, size = np.random.default_rng(seed), max(1, _BATCH // n)
    for begin in range(0, draws, size):
        many = min(size, draws - begin)
        yield rng.multinomial(n, np.full(n, 1 / n), size=many).astype(float)


def kappa(table: Any) -> float | None:
    """Cohen's kappa of a square table of counts, unweighted; `None` where only one category occurs."""
    counts = np.asarray(table, dtype=float)
    if not counts.sum() or (counts.sum(axis=0) > 0).sum() < 2 > (counts.sum(axis=1) > 0).sum():
        return None
    return float(cohens_kappa(counts, return_results=False))


# ---- how much a number of questions can show


def smallest_difference(of: int, discordant: float, level: float) -> float | None:
    """The difference that `of` questions show 4 times in 5 (Connor, Biometrics 43, 1987); `None` above 1.

    Args:
        of: questions.
        discordant: the share of questions where only one of the two is right.
        level: of the one-sided test, after its correction.
    """
    low, high = 0.0, 1.0
    if questions_for(high, discordant, level) > of:
        return None
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if questions_for(middle, discordant, level) <= of else (middle, high)
    return high


def questions_for(difference: float, discordant: float, level: float) -> int:
    """The questions that show such a difference 4 times in 5. Arguments as of `smallest_difference()`."""
    discordant = min(1.0, max(discordant, difference))
    sure, power = float(stats.norm.isf(level)), float(stats.norm.isf(0.2))
    spread = math.sqrt(discordant), math.sqrt(max(0.0, discordant - difference**2))
    return math.ceil(((sure * spread[0] + power * spread[1]) / difference) ** 2)
