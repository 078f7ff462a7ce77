"""What may be said of arms beyond what chance gives: better than every member, worse than some, who could leave.

"Better" is claimed against every member (the largest p over members, Holm over arms), "worse" where some member beats
an arm (Holm over members x arms). A cascade is compared with the stronger model too, asked alone. A member named
beforehand is tested alone, both ways. Picking the best member first and testing against it would say something false in
up to 9 of 100 reports on equals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fusion_nb.evaluation.arms import ANY, CHECK, ESCALATION, VOTE, Arm, Table
from fusion_nb.evaluation.statistics import (
    LEVEL,
    Interval,
    holm,
    paired_bootstrap,
    paired_share_interval,
    questions_for,
    sign_test,
    smallest_difference,
    wilson,
)
from fusion_nb.judging.vote import count_votes


@dataclass(frozen=True, slots=True)
class Finding:
    """One arm beside the members."""

    arm: Arm
    against: Arm
    """The best single member, picked after the fact, or the baseline that was named."""
    n: int
    """Questions that both answered."""
    gained: int
    """Where the arm is more right."""
    lost: int
    difference: float
    """Of the mean share, arm - member."""
    p_better: float | None = None
    """Corrected; `None` where nothing can be tested."""
    p_worse: float | None = None
    beaten_by: tuple[str, ...] = ()
    """Members that are better beyond chance."""

    @property
    def better(self) -> bool:
        return self.p_better is not None and self.p_better <= LEVEL and self.difference > 0

    @property
    def worse(self) -> bool:
        return bool(self.beaten_by)

    @property
    def word(self) -> str:
        return "better" if self.better else "worse" if self.worse else "no difference shown"


@dataclass(frozen=True, slots=True)
class Leaving:
    """What one arm comes to without one member."""

    member: str
    arm: str
    difference: float
    """Of the share, without - with."""
    interval: Interval | None
    """At 95 % for all members together (Bonferroni)."""
    harmless: bool
    """Whether no more than `smallest` can be lost."""


@dataclass(frozen=True, slots=True)
class Power:
    """What so many questions can show 4 times in 5."""

    n: int
    discordant: float
    """The share of questions where only one of the two is right."""
    smallest: float | None
    """The smallest difference they show; `None` where they show none."""
    wanted: float
    needed: int
    """Questions that show a difference of `wanted`."""


def is_scored(table: Table) -> bool:
    """Whether answers are right by degrees, not only right or wrong."""
    rights = [arm.right[~np.isnan(arm.right)] for arm in (*table.rivals, *table.fused)]
    return any(((right != 0) & (right != 1)).any() for right in rights)


def best_single(table: Table) -> Arm:
    """The model that alone was right most often, picked after the fact."""
    return max(table.rivals, key=_rightness)


def findings(table: Table, baseline: str | None = None, seed: int = 0) -> list[Finding]:
    """Each fused arm beside the models it is made of, tested and corrected."""
    if not table.fused or not table.questions:
        return []
    named = [arm for arm in table.rivals if arm.name == baseline]
    scored = is_scored(table)
    tests = []
    for arm in table.fused:
        rivals = named or rivals_of(arm, table)
        tests.append((arm, rivals, *_p_values(differences(arm, rivals), scored, seed)))
    # Beside a member named beforehand both directions share the level; else each has it, and the largest of several
    # p-values, or Holm over all pairs, keeps both far below it (tests/test_evaluation_null.py).
    sides = 2 if named else 1
    p_better = holm([min(1.0, sides * float(above.max())) for _, _, above, _ in tests])
    p_worse = iter(holm([min(1.0, sides * float(p)) for *_, below in tests for p in below]))
    return [
        _finding(arm, max(rivals, key=_rightness), better, [(rival.name, next(p_worse)) for rival in rivals])
        for (arm, rivals, _, _), better in zip(tests, p_better, strict=True)
    ]


def rivals_of(arm: Arm, table: Table) -> tuple[Arm, ...]:
    """The single models that an arm asks: a stronger one in a cascade alone."""
    return table.rivals if arm.name.startswith(ESCALATION) else table.members


def _rightness(arm: Arm) -> float:
    return arm.total_right or 0.0


def differences(arm: Arm, rivals: Sequence[Arm]) -> Any:
    """Questions x rivals, how much more right the arm is, over the questions that it answered."""
    taken = ~np.isnan(arm.right)
    return arm.right[taken, np.newaxis] - np.stack([rival.right[taken] for rival in rivals], axis=1)


def _p_values(pairs: Any, scored: bool, seed: int) -> tuple[Any, Any]:
    if scored:
        drawn = paired_bootstrap(pairs, seed=seed)
        return np.nan_to_num(drawn.p_above, nan=1.0), np.nan_to_num(drawn.p_below, nan=1.0)
    more, fewer = (pairs > 0).sum(axis=0), (pairs < 0).sum(axis=0)
    return sign_test(more, fewer), sign_test(fewer, more)


def _finding(arm: Arm, beside: Arm, p_better: float, worse: Sequence[tuple[str, float]]) -> Finding:
    pairs = differences(arm, (beside,))[:, 0]
    return Finding(
        arm,
        beside,
        len(pairs),
        int((pairs > 0).sum()),
        int((pairs < 0).sum()),
        float(pairs.mean()) if len(pairs) else 0.0,
        p_better,
        min(p for _, p in worse),
        tuple(name for name, p in worse if p <= LEVEL),
    )


def leaving(table: Table, smallest: float, seed: int = 0) -> list[Leaving]:
    """What each free arm loses without each member. Nothing is asked for it."""
    if len(table.members) < 3 or not table.questions:
        return []
    free = {arm.name: arm.right for arm in (*table.fused, table.any)}
    level, scored = LEVEL / len(table.members), is_scored(table)
    rows = []
    for place, member in enumerate(table.members):
        for name, right in _without(table, place).items():
            pairs = right - free[name]
            interval = difference_interval(pairs, scored, level, seed)
            harmless = interval is not None and interval.low > -smallest
            rows.append(Leaving(member.name, name, float(pairs.mean()), interval, harmless))
    return rows


def _without(table: Table, place: int) -> dict[str, Any]:
    """What the free arms come to when the member at `place` leaves: name -> how right, by question."""
    others = [at for at in range(len(table.members)) if at != place]
    rights = np.array([table.members[at].right for at in others])
    weights = None if table.weights is None else [table.weights[at] for at in others]
    columns = range(len(table.questions))
    names = {arm.name for arm in table.fused}
    arms: dict[str, Any] = {ANY: rights.max(axis=0)}
    if VOTE in names:
        winners = [count_votes([answers[at] for at in others], weights).winner for answers in table.short]
        arms[VOTE] = np.array([0.0 if w is None else rights[w, at] for at, w in zip(columns, winners, strict=True)])
    if CHECK in names and table.check is not None:
        rows = [[question.members[table.members[at].name] for at in others] for question in table.questions]
        picks = [table.check(question, row) for question, row in zip(table.questions, rows, strict=True)]
        arms[CHECK] = np.array([0.0 if p is None else rights[p, at] for at, p in zip(columns, picks, strict=True)])
    return arms


def difference_interval(pairs: Any, scored: bool, level: float = LEVEL, seed: int = 0) -> Interval | None:
    """The interval of a mean paired difference; `None` where it cannot be told."""
    if not scored:
        return paired_share_interval(int((pairs > 0).sum()), int((pairs < 0).sum()), len(pairs), level)
    drawn = paired_bootstrap(pairs[:, np.newaxis], level=level, seed=seed)
    low, high = float(drawn.low[0]), float(drawn.high[0])
    return None if np.isnan(low) or np.isnan(high) else Interval(low, high)


def share_interval(arm: Arm, scored: bool, seed: int = 0) -> Interval | None:
    """Wilson's interval of a share; of mean scores, the bootstrap's. Arms that are no way to answer have none."""
    if arm.right is None or arm.kind == "placebo":
        return None
    taken = arm.right[~np.isnan(arm.right)]
    if not scored:
        return wilson(float(taken.sum()), len(taken))
    interval = difference_interval(taken, scored=True, seed=seed)
    return None if interval is None else Interval(max(0.0, interval.low), min(1.0, interval.high))


def power(results: Sequence[Finding], wanted: float, baseline: bool) -> Power | None:
    """How much the number of questions can show, at the discordance that was seen."""
    if not results:
        return None
    widest = max(results, key=lambda finding: finding.n)
    discordant = (widest.gained + widest.lost) / widest.n if widest.n else 0.0
    # Where nothing differs yet, as much as would have to.
    discordant = max(discordant, wanted)
    level = LEVEL / (len(results) * (2 if baseline else 1))
    return Power(
        widest.n,
        discordant,
        smallest_difference(widest.n, discordant, level),
        wanted,
        questions_for(wanted, discordant, level),
    )
