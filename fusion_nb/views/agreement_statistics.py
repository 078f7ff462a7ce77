"""How far judges agree beyond chance, and how many independent votes members come to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

LEAST_RUNS = 30
"""Runs below which alpha says more of chance than of the judges."""


def jury_alpha(rows: Iterable[Mapping[str, Any]]) -> tuple[float | None, int]:
    """(alpha, runs that several judges scored) of rows as `run_facts.score_rows` makes them.

    A judge's mean scores are centred in each run: a harsh judge that finds the same candidates better agrees. `None`
    below `LEAST_RUNS` runs, and where no score differs.
    """
    given: dict[str, dict[str, dict[int, list[float]]]] = {}
    for row in rows:
        given.setdefault(row["run"], {}).setdefault(row["judge"], {}).setdefault(row["call"], []).append(row["score"])
    units, runs = list[list[float]](), 0
    for judges in given.values():
        if len(judges) > 1:
            runs += 1
            units += _units(judges)
    return (alpha(units) if runs >= LEAST_RUNS else None), runs


def _units(judges: Mapping[str, Mapping[int, list[float]]]) -> list[list[float]]:
    """The centred scores of each candidate of one run. A judge of one candidate compares nothing."""
    units: dict[int, list[float]] = {}
    for scores in judges.values():
        means = {call: sum(own) / len(own) for call, own in scores.items()}
        middle = sum(means.values()) / len(means)
        for call, own_mean in means.items() if len(means) > 1 else ():
            units.setdefault(call, []).append(own_mean - middle)
    return list(units.values())


def alpha(units: Iterable[list[float]]) -> float | None:
    """Krippendorff's alpha of scores on a scale of equal steps; `None` where none can be compared, or none differs.

    >>> alpha([[1, 1], [2, 2], [3, 3]]), alpha([[1, 3], [3, 1]])
    (1.0, -0.5)
    """
    return krippendorff_alpha(units, "interval")


Metric = Literal["nominal", "ordinal", "interval"]


def krippendorff_alpha(units: Iterable[Sequence[float]], metric: Metric) -> float | None:
    """Krippendorff's alpha ("Computing Krippendorff's Alpha-Reliability", 2011) by coincidences of values.

    Args:
        units: of each unit, the values that its coders gave; those with fewer than two say nothing.
        metric: how far apart two values are: `nominal`, `ordinal` (by ranks) or `interval` (by their difference).

    `None` where nothing can be compared, or no value differs.
    """
    coincidences: dict[tuple[float, float], float] = defaultdict(float)
    for unit in units:
        counts = Counter(unit)
        for one, times in counts.items() if len(unit) > 1 else ():
            for other, others in counts.items():
                coincidences[one, other] += times * (others - (one == other)) / (len(unit) - 1)
    values = sorted({value for value, _ in coincidences})
    totals = {value: sum(coincidences[value, other] for other in values) for value in values}
    n = sum(totals.values())
    distance = _distances(values, totals, metric)
    expected = sum(totals[a] * totals[b] * distance[a, b] for a in values for b in values) / (n - 1) if n > 1 else 0.0
    if expected <= 1e-12:
        return None
    return 1 - sum(count * distance[pair] for pair, count in coincidences.items()) / expected


def _distances(
    values: Sequence[float], totals: Mapping[float, float], metric: Metric
) -> dict[tuple[float, float], float]:
    if metric == "nominal":
        return {(a, b): float(a != b) for a in values for b in values}
    if metric == "interval":
        return {(a, b): (a - b) ** 2 for a in values for b in values}
    # How many values lie from one to the other, half of their own at both ends.
    places, below = dict[float, float](), 0.0
    for value in values:
        places[value] = below + totals[value] / 2
        below += totals[value]
    return {(a, b): (places[a] - places[b]) ** 2 for a in values for b in values}


RESAMPLES = 2_000
_BATCH = 4_000_000
"""Numbers that one batch of resamples may take."""


class EffectiveVotes(NamedTuple):
    """How many independent votes a pool is worth; at most as many as it has members.

    >>> wrong = [[1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 0, 0], [0, 1, 0]] * 40
    >>> effective_votes(("a", "b", "c"), wrong)
    1.41 of 3 votes (95 % interval 1.33 to 1.49; 200 runs)
    >>> effective_votes(("a", "b"), [[0, 0], [0, 1]]).value is None
    True
    """

    value: float | None
    """`None` where it is not known: a member is always right or always wrong, or there are fewer than two."""
    low: float | None
    high: float | None
    """The interval that 95 % of resampled sets of runs fall into (percentile bootstrap)."""
    members: tuple[str, ...]
    runs: int
    """Runs that were compared: with the truth known and all members in them."""
    correlation: float | None
    """Mean phi of the errors of two members, over all pairs."""

    def __str__(self) -> str:
        if self.value is None:
            return f"<NA> of {len(self.members)} votes ({self.runs:,} runs)"
        interval = f"95 % interval {self.low:.2f} to {self.high:.2f}; " if self.low is not None else ""
        return f"{self.value:.2f} of {len(self.members)} votes ({interval}{self.runs:,} runs)"

    def __repr__(self) -> str:
        return str(self)

    def plain(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**self._asdict(), "members": list(self.members)}


def effective_votes(
    members: tuple[str, ...], wrong: Any, *, resamples: int = RESAMPLES, seed: int = 0
) -> EffectiveVotes:
    """The effective votes of `members`.

    Args:
        members: their names.
        wrong: a row per run, a column per member: whether it was wrong.
        resamples: of the runs, with replacement, for the interval; 0 leaves it out.
        seed: of the resampling: the same runs give the same interval.
    """
    errors = np.asarray(wrong, dtype=float).reshape(-1, max(1, len(members)))
    runs = len(errors)
    if len(members) < 2 or not runs:
        return EffectiveVotes(None, None, None, members, runs, None)
    # Runs in which the same members err are alike: how often each pattern comes is all there is to draw.
    patterns, counts = np.unique(errors, axis=0, return_counts=True)
    (phi,) = _mean_phi(patterns, counts[np.newaxis].astype(float))
    if np.isnan(phi):
        return EffectiveVotes(None, None, None, members, runs, None)
    drawn = _votes(len(members), _resampled_phi(patterns, counts, resamples, seed))
    drawn = drawn[~np.isnan(drawn)]
    low, high = map(float, np.percentile(drawn, (2.5, 97.5))) if len(drawn) > resamples / 2 else (None, None)
    value = float(_votes(len(members), np.array([phi]))[0])
    return EffectiveVotes(value, low, high, members, runs, float(phi))


def _votes(members: int, phi: Any) -> Any:
    """Members that err apart more than chance would have it are not worth more than they are."""
    return members / np.maximum(1.0, 1.0 + (members - 1) * phi)


def _resampled_phi(patterns: Any, counts: Any, resamples: int, seed: int) -> Any:
    rng, runs = np.random.default_rng(seed), int(counts.sum())
    size = max(1, _BATCH // patterns.size)
    sizes = [min(size, resamples - begin) for begin in range(0, resamples, size)]
    drawn = [_mean_phi(patterns, rng.multinomial(runs, counts / runs, size=n).astype(float)) for n in sizes]
    return np.concatenate(drawn) if drawn else np.array([])


def _mean_phi(patterns: Any, weights: Any) -> Any:
    """The mean phi over all pairs of members for each row of `weights`; NaN where a member never or always errs.

    Counts are whole numbers far below 2**53, so sums are exact.
    """
    runs = weights.sum(axis=1)[:, np.newaxis, np.newaxis]
    both = (patterns.T[np.newaxis] * weights[:, np.newaxis, :]) @ patterns
    alone = np.diagonal(both, axis1=1, axis2=2)
    variance = runs[:, 0] * alone - alone**2
    first, second = np.triu_indices(patterns.shape[1], k=1)
    covariance = runs[:, 0] * both[:, first, second] - alone[:, first] * alone[:, second]
    with np.errstate(divide="ignore", invalid="ignore"):
        phi = covariance / np.sqrt(variance[:, first] * variance[:, second])
    return phi.mean(axis=1)
