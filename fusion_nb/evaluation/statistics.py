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


def mean_interval(values: Any, *, level: float = LEVEL, seed: int = 0) -> Interval | None:
    """The interval of a mean of independent values from 0 to 1, resampled; Wilson's where they do not differ."""
    values = np.asarray(values, dtype=float)
    if not len(values):
        return None
    drawn = paired_bootstrap(values[:, np.newaxis], level=level, seed=seed)
    if np.isnan(drawn.low[0]):
        return wilson(float(values.sum()), len(values), level)
    return Interval(max(0.0, float(drawn.low[0])), min(1.0, float(drawn.high[0])))


def difference_interval(differences: Any, *, level: float = LEVEL, seed: int = 0) -> Interval | None:
    """The interval of a mean of paired differences from -1 to 1; that of paired shares where they do not differ."""
    values = np.asarray(differences, dtype=float)
    if not len(values):
        return None
    drawn = paired_bootstrap(values[:, np.newaxis], level=level, seed=seed)
    if np.isnan(drawn.low[0]):
        return paired_share_interval(float((values > 0).sum()), float((values < 0).sum()), len(values), level)
    return Interval(float(drawn.low[0]), float(drawn.high[0]))


class Corrected(NamedTuple):
    """A rate that a judge found, corrected by how often it errs."""

    raw: float
    rate: float | None
    """`None` where it cannot be corrected."""
    low: float | None
    high: float | None
    sensitivity: float
    specificity: float
    informed: Interval
    """Of sensitivity + specificity - 1: a judge for whom it may be 0 says nothing."""


def corrected_rate(
    wins: int, of: int, hits: int, positives: int, rejections: int, negatives: int, *, draws: int = DRAWS, seed: int = 0
) -> Corrected | None:
    """`wins` of `of` by a judge's verdicts, corrected by its sensitivity and specificity against labels.

    The estimate is Rogan & Gladen's (Am. J. Epidemiol. 107, 1978; for judges arXiv 2511.21140), clipped to 0..1; the
    interval draws all three rates anew (Jeffreys), so it is over both sets. `None` where a set is empty.

    Args:
        wins: verdicts for X, of `of` that name one of the two.
        hits: pairs that people gave to X, `positives`, and the judge too.
        rejections: pairs that people gave to Y, `negatives`, and the judge too.
    """
    if not (of and positives and negatives):
        return None
    raw, sensitivity, specificity = wins / of, hits / positives, rejections / negatives
    rng = np.random.default_rng(seed)
    rate, sens, spec = (
        rng.beta(part + 0.5, whole - part + 0.5, size=draws)
        for part, whole in ((wins, of), (hits, positives), (rejections, negatives))
    )
    informed = Interval(*(float(end) for end in np.percentile(sens + spec - 1, (2.5, 97.5))))
    if informed.low <= 0:
        return Corrected(raw, None, None, None, sensitivity, specificity, informed)
    estimates = np.clip((rate + spec - 1) / (sens + spec - 1), 0, 1)
    low, high = (float(end) for end in np.percentile(estimates[sens + spec > 1], (2.5, 97.5)))
    best = min(1.0, max(0.0, (raw + specificity - 1) / (sensitivity + specificity - 1)))
    return Corrected(raw, best, min(low, best), max(high, best), sensitivity, specificity, informed)
