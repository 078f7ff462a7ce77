"""How far the judges of juries agree over many runs: Krippendorff's alpha of their scores. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

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
    paired = [unit for unit in units if len(unit) > 1]
    pooled = [value for unit in paired for value in unit]
    expected = _squares(pooled) / (len(pooled) - 1) if pooled else 0.0
    if expected <= 1e-12:
        return None
    return 1 - sum(_squares(unit) / (len(unit) - 1) for unit in paired) / expected


def _squares(values: list[float]) -> float:
    """The squared differences of all ordered pairs."""
    return 2 * (len(values) * sum(value * value for value in values) - sum(values) ** 2)
