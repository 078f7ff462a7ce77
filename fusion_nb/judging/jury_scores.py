"""The scores and first places of several judges taken together, where not every judge may score every candidate.

Judges differ in severity, so a mean over those that may score a candidate favours whoever has the harshest one recused.
The model is score = candidate + severity of the judge, fitted by least squares (calibration of reviewers: Roos, Rothe
and Scheuermann, AAAI 2011; severity as a facet of its own: Linacre, Many-Facet Rasch Measurement, 1989). It is defined
where overlapping judges link all candidates; where every judge scored every candidate it is the mean.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fusion_nb.judging.score_reader import OVERALL

Scores = Mapping[int, Mapping[str, float]]
"""Call -> criterion -> 1..10, of one judge."""
EPSILON = 1e-9
"""Points below which two scores are the same."""
LOWEST, HIGHEST = 1.0, 10.0
"""The scale, which a fit may leave."""


def fit_scores(judges: Sequence[Scores]) -> dict[int, dict[str, float]]:
    """Call -> criterion -> fitted score, 1..10, of the candidates that can be compared; empty where none can.

    It is the score under the mean severity of the judges that take part.
    """
    linked = comparable([set(scores) for scores in judges])
    parts = [{call: each for call, each in scores.items() if call in linked} for scores in judges]
    parts = [scores for scores in parts if scores]
    fitted: dict[int, dict[str, float]] = {call: {} for call in sorted(linked)}
    for criterion in _criteria(parts):
        effects = fit_effects([{call: _value(each, criterion) for call, each in scores.items()} for scores in parts])
        for call, effect in effects.items():
            fitted[call][criterion] = min(HIGHEST, max(LOWEST, effect))
    return fitted


def _criteria(judges: Sequence[Scores]) -> list[str]:
    """Those that were scored; `OVERALL`, which some give instead, only where there is no other."""
    names = list(dict.fromkeys(name for scores in judges for each in scores.values() for name in each))
    return [name for name in names if name != OVERALL] or names


def _value(scores: Mapping[str, float], criterion: str) -> float:
    """The score by one criterion. A judge that did not use it has its mean stand for it: then every criterion is scored
    by the same judges, and the mean over the criteria stays comparable."""
    return scores[criterion] if criterion in scores else sum(scores.values()) / len(scores)


def comparable(judged: Sequence[set[int]]) -> set[int]:
    """The calls that overlapping judges link; empty where there are two such groups, or none.

    A candidate that is linked to no other cannot be compared: what it was given may be its judge's severity alone.
    """
    groups = list[set[int]]()
    for calls in judged:
        linked = [group for group in groups if group & calls]
        groups = [group for group in groups if not group & calls] + [calls.union(*linked)]
    several = [group for group in groups if len(group) > 1]
    return several[0] if len(several) == 1 else set()


def fit_effects(judges: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """The effect of each candidate, in points, under mean severity 0. The judges have to link all candidates.

    Candidates are eliminated from the normal equations: one equation a judge is left. They determine severity up to a
    constant; adding 1 to every coefficient picks the solution whose sum is 0, and leaves it a solution.
    """
    scored: dict[int, list[int]] = {}
    for judge, scores in enumerate(judges):
        for call in scores:
            scored.setdefault(call, []).append(judge)
    means = {call: sum(judges[judge][call] for judge in by) / len(by) for call, by in scored.items()}
    matrix = [[1.0] * len(judges) for _ in judges]
    right = [sum(score - means[call] for call, score in scores.items()) for scores in judges]
    for judge, scores in enumerate(judges):
        matrix[judge][judge] += len(scores)
    for by in scored.values():
        for one, other in itertools.product(by, repeat=2):
            matrix[one][other] -= 1 / len(by)
    severity = _solved(matrix, right)
    effects = {call: means[call] - sum(severity[judge] for judge in by) / len(by) for call, by in scored.items()}
    # Equal candidates must come out equal, whatever the order of the sums.
    return {call: round(effect, 9) for call, effect in effects.items()}


def _solved(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gaussian elimination; the matrix is symmetric and positive definite, so no pivot is needed."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for place, row in enumerate(rows):
        for below in rows[place + 1 :]:
            factor = below[place] / row[place]
            below[place:] = [b - factor * r for b, r in zip(below[place:], row[place:], strict=True)]
    solution = [0.0] * len(rows)
    for place in reversed(range(len(rows))):
        known = sum(rows[place][later] * solution[later] for later in range(place + 1, len(rows)))
        solution[place] = (rows[place][-1] - known) / rows[place][place]
    return solution


def spread(judges: Sequence[Scores]) -> float | None:
    """Points between the highest and the lowest mean score one candidate was given, on average over the candidates that
    several judges scored; `None` where there are none. Severity counts: it is what people see side by side."""
    given: dict[int, list[float]] = {}
    for scores in judges:
        for call, each in scores.items():
            given.setdefault(call, []).append(sum(each.values()) / len(each))
    ranges = [max(means) - min(means) for means in given.values() if len(means) > 1]
    return sum(ranges) / len(ranges) if ranges else None


class FirstPlace(NamedTuple):
    """Whom one judge puts first, and among whom."""

    first: tuple[int, ...] = ()
    """Several where it calls them equal best."""
    compared: frozenset[int] = frozenset()
    """Candidates it may score and did judge, those in `first` too."""


NOWHERE = FirstPlace()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What several judges come to."""

    winners: tuple[int, ...] = ()
    """Several where they are equal; empty where nobody won."""
    leaders: tuple[int, ...] = ()
    """See `leaders`."""
    fitted: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    """See `fit_scores`."""

    @property
    def means(self) -> dict[int, float]:
        """Call -> mean over the criteria."""
        return {call: sum(each.values()) / len(each) for call, each in self.fitted.items()}

    @property
    def highest(self) -> tuple[int, ...]:
        """The calls of the highest fitted mean."""
        return _highest(self.means)

    @property
    def fit_differs(self) -> bool:
        """Whether the fit puts others first than the first places do."""
        return bool(self.winners and self.fitted) and set(self.winners).isdisjoint(self.highest)


def decide(places: Sequence[FirstPlace], judges: Sequence[Scores]) -> Outcome:
    """Who is best by the first places; of several leaders, by the fit. Nobody where nothing compares them."""
    first = leaders(places)
    outcome = Outcome(first, first, fit_scores(judges))
    means = {call: mean for call, mean in outcome.means.items() if call in first}
    if means:
        return Outcome(_highest(means), first, outcome.fitted)
    return outcome if told_apart(first, places) else Outcome((), first, outcome.fitted)


def _highest(means: Mapping[int, float]) -> tuple[int, ...]:
    return tuple(call for call, mean in means.items() if mean > max(means.values()) - EPSILON)


def leaders(places: Sequence[FirstPlace]) -> tuple[int, ...]:
    """The candidates with more first places than any other; empty where they split evenly.

    Two candidates are compared over the judges that may score both: a judge that is recused from one cannot have put it
    first, so its first place says nothing against that one. A judge that puts both first says nothing between them.
    Hence several may lead: those that all judges tie, and those no judge may compare.
    """
    every = sorted({call for place in places for call in place.compared})
    named = sorted({call for place in places for call in place.first})
    return tuple(x for x in named if all(_leads(x, y, places) for y in every if y != x))


def told_apart(calls: Sequence[int], places: Sequence[FirstPlace]) -> bool:
    """Whether for each two of these calls some judge may score both."""
    return all(any({x, y} <= place.compared for place in places) for x, y in itertools.combinations(calls, 2))


def _leads(x: int, y: int, places: Sequence[FirstPlace]) -> bool:
    both = [place.first for place in places if {x, y} <= place.compared]
    ahead = sum(x in first and y not in first for first in both)
    behind = sum(y in first and x not in first for first in both)
    return ahead > behind or ahead == behind == 0
