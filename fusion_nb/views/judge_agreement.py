"""How far the judges of juries agree over many runs: Krippendorff's alpha of their scores. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

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
