"""Ways to an answer over the same questions and the same candidates: each member alone, their vote, what was fused."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from fusion_nb.core.selection_option_checks import Check
from fusion_nb.evaluation.grading import Grader, chooser
from fusion_nb.evaluation.observations import Answer, Observations, Question, total
from fusion_nb.judging.vote import Extract, Vote, count_votes

Kind = Literal["member", "stronger", "fused", "placebo", "any"]
"""Fused arms are compared with members, and with a stronger model of a cascade asked alone; the placebo and "any" are
not tested."""
VOTE, CHECK, ESCALATION, PLACEBO, ANY = "vote", "check", "escalation", "placebo", "any right"


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to an answer, over all questions."""

    name: str
    kind: Kind
    answers: tuple[Answer | None, ...]
    """By question; `None` where this way was not taken."""
    right: Any = None
    """How right each is, 0 to 1 (float array); NaN where it was not taken. `None` where nobody knows."""

    @property
    def taken(self) -> list[Answer]:
        return [answer for answer in self.answers if answer is not None]

    @property
    def n(self) -> int:
        return len(self.taken)

    @property
    def total_right(self) -> float | None:
        return None if self.right is None else float(np.nansum(self.right))

    @property
    def share(self) -> float | None:
        return None if self.total_right is None or not self.n else self.total_right / self.n

    @property
    def cost(self) -> Decimal | None:
        """USD over all questions; `None` where a part of it is not known."""
        return total(answer.cost for answer in self.taken)

    @property
    def unpriced(self) -> int:
        return sum(answer.cost is None for answer in self.taken)

    @property
    def seconds(self) -> float | None:
        """The median of what is known."""
        seconds = [answer.seconds for answer in self.taken if answer.seconds is not None]
        return statistics.median(seconds) if seconds else None

    @property
    def calls(self) -> int | None:
        counts = [answer.calls for answer in self.taken]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def fallbacks(self) -> int:
        """Answers delivered although the judge came to no verdict."""
        return sum(answer.fallback for answer in self.taken)


@dataclass(frozen=True, slots=True)
class Table:
    """All arms over the questions that could be graded, with what the vote came to."""

    questions: tuple[Question, ...]
    members: tuple[Arm, ...]
    fused: tuple[Arm, ...]
    placebo: Arm
    any: Arm
    ties: int
    """Questions whose vote the tie rule decided: the member named first."""
    unread: int
    """Answers in which no short answer was found: they abstain from the vote."""
    short: tuple[tuple[Any, ...], ...]
    """By question, each member's short answer."""
    stronger: tuple[Arm, ...] = ()
    """Models that a cascade asks besides, each alone, where they answered every question."""
    weights: tuple[float, ...] | None = None
    check: Callable[[Question, Sequence[Answer]], int | None] | None = None
    failures: dict[str, int] = field(default_factory=dict)
    """Why questions were left out, and how many."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        return (*self.rivals, *self.fused, self.placebo, self.any)

    @property
    def rivals(self) -> tuple[Arm, ...]:
        """Every single model that might have been asked instead."""
        return (*self.members, *self.stronger)

    @property
    def graded(self) -> bool:
        return self.any.right is not None


def build(
    seen: Observations,
    grader: Grader | None,
    *,
    wanted: Sequence[str] | None = None,
    extract: Extract = None,
    weights: Sequence[float] | None = None,
    checks: Sequence[Check] = (),
    escalate: str | None = None,
    agree: float = 0.8,
) -> Table:
    """Every arm that these observations have.

    Args:
        seen: the questions.
        grader: tells what is right; `None` where nobody does.
        wanted: names of the fused arms to have; `None` for all.
        extract: how short answers are found.
        weights: of the members' votes.
        checks: the person's own, for an arm in which they choose.
        escalate: a model whose recorded answers stand in where fewer than `agree` of the members say the same.
        agree: that share.
    """
    members = [[question.members[name] for name in seen.members] for question in seen.questions]
    judge = _Judge(grader, seen.questions, members)
    kept = judge.gradable
    questions = tuple(seen.questions[at] for at in kept)
    rows = [members[at] for at in kept]
    reader = grader or Grader(None, extract)
    short = tuple(_short_answers(reader, question, row) for question, row in zip(questions, rows, strict=True))
    votes = [count_votes(answers, weights) for answers in short]
    choose = chooser(checks) if checks else None
    fused: dict[str, list[Answer | None]] = {}
    if any(vote.groups for vote in votes) or VOTE in (wanted or ()):
        fused[VOTE] = [_together(row, vote.winner) for row, vote in zip(rows, votes, strict=True)]
    if choose is not None:
        fused[CHECK] = [_together(row, choose(q, row)) for q, row in zip(questions, rows, strict=True)]
    if escalate:
        fused[ESCALATION] = [
            _escalated(row, vote, question.others.get(escalate) or Answer(None), agree)
            for question, row, vote in zip(questions, rows, votes, strict=True)
        ]
    for at, question in enumerate(questions):
        for name, answer in question.delivered.items():
            fused.setdefault(name, [None] * len(questions))[at] = answer
    names = _plain_names(fused, seen.members)
    chosen = {names[name]: answers for name, answers in fused.items() if wanted is None or names[name] in wanted}
    cascades = any(name.startswith(ESCALATION) for name in chosen)
    alone = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in seen.members]
    arms = [judge.arm(name, "member", answers) for name, answers in zip(seen.members, alone, strict=True)]
    others = list(dict.fromkeys(name for question in questions for name in question.others))
    asked_later = {
        name: [question.others[name] for question in questions]
        for name in others
        if name == (escalate or name) and all(name in question.others for question in questions)
    }
    return Table(
        questions,
        tuple(arms),
        tuple(judge.arm(name, "fused", answers) for name, answers in chosen.items()),
        _placebo(arms, rows),
        _any(arms, rows),
        sum(vote.tied for vote in votes),
        sum(
            a is None and given.text is not None
            for got, row in zip(short, rows, strict=True)
            for a, given in zip(got, row, strict=True)
        ),
        short,
        tuple(judge.arm(name, "stronger", answers) for name, answers in asked_later.items()) if cascades else (),
        tuple(weights) if weights else None,
        choose,
        dict(grader.failures) if grader else {},
    )


class _Judge:
    """Grades arms over the questions in which every answer can be graded."""

    def __init__(
        self, grader: Grader | None, questions: Sequence[Question], members: Sequence[Sequence[Answer]]
    ) -> None:
        self._grader = grader
        self._right: list[dict[str, float]] = []
        self.gradable: list[int] = []
        for at, (question, row) in enumerate(zip(questions, members, strict=True)):
            answers = list(
                {_key(a): a for a in (*row, *question.delivered.values(), *question.others.values())}.values()
            )
            grades: Sequence[float] | None = [0.0] * len(answers)
            if grader is not None:
                grades = grader.right(question, answers)
            if grades is not None:
                self.gradable.append(at)
                self._right.append(dict(zip(map(_key, answers), grades, strict=True)))

    def arm(self, name: str, kind: Kind, answers: Sequence[Answer | None]) -> Arm:
        if self._grader is None:
            return Arm(name, kind, tuple(answers))
        right = [
            np.nan if answer is None else grades.get(_key(answer), 0.0)
            for answer, grades in zip(answers, self._right, strict=True)
        ]
        return Arm(name, kind, tuple(answers), np.array(right, dtype=float))


def _key(answer: Answer) -> str:
    """What is graded once. A mark of its own counts beside the text."""
    return f"{'' if answer.text is None else 't'}{answer.text or ''}\0{'' if answer.mark is None else answer.mark}"


def _short_answers(reader: Grader, question: Question, row: Iterable[Answer]) -> tuple[Any, ...]:
    read: dict[str, Any] = {}
    for answer in row:
        if answer.text is not None and answer.text not in read:
            read[answer.text] = reader.short(answer.text, question)
    return tuple(None if answer.text is None else read[answer.text] for answer in row)


def _together(row: Sequence[Answer], winner: int | None) -> Answer:
    """The answer of one of several members that were asked at once."""
    slowest = max((answer.seconds for answer in row if answer.seconds is not None), default=None)
    text, mark = (None, None) if winner is None else (row[winner].text, row[winner].mark)
    return Answer(text, total(a.cost for a in row), slowest, sum(a.calls or 0 for a in row), mark=mark)


def _escalated(row: Sequence[Answer], vote: Vote, stronger: Answer, agree: float) -> Answer:
    first = _together(row, vote.winner)
    if vote.share is not None and vote.share >= agree - 1e-9:
        return first
    times = [seconds for seconds in (first.seconds, stronger.seconds) if seconds is not None]
    return Answer(
        stronger.text,
        total((first.cost, stronger.cost)),
        sum(times) if len(times) == 2 else None,
        (first.calls or 0) + (stronger.calls or 0),
        mark=stronger.mark,
    )


def _placebo(members: Sequence[Arm], rows: Sequence[Sequence[Answer]]) -> Arm:
    """A member picked at random: its exact expectation, no draw."""
    right = None
    if members and members[0].right is not None:
        right = np.mean([arm.right for arm in members], axis=0)
    answers = tuple(_mean(row) for row in rows)
    return Arm(PLACEBO, "placebo", answers, right)


def _mean(row: Sequence[Answer]) -> Answer:
    cost = total(answer.cost for answer in row)
    seconds = [answer.seconds for answer in row if answer.seconds is not None]
    return Answer(None, None if cost is None else cost / len(row), statistics.fmean(seconds) if seconds else None, 1)


def _any(members: Sequence[Arm], rows: Sequence[Sequence[Answer]]) -> Arm:
    right = None
    if members and members[0].right is not None:
        right = np.max([arm.right for arm in members], axis=0)
    return Arm(ANY, "any", tuple(_together(row, None) for row in rows), right)


def _plain_names(fused: Iterable[str], members: Sequence[str]) -> dict[str, str]:
    """`merge (opus)` is `merge` where no other judge merges. None has the name of a member."""
    names = list(fused)
    bases = [name.partition(" (")[0] for name in names]
    short = {name: base if bases.count(base) == 1 else name for name, base in zip(names, bases, strict=True)}
    return {name: f"{plain} of all" if plain in members else plain for name, plain in short.items()}
