"""What was decided: the judge's verdict, or how an answer was found without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypedDict

VerdictState = Literal[
    "judged",
    "repaired",
    "unread",
    "failed",
    "split",
    "not-needed",
    "voted",
    "checked",
    "none-passed",
    "undecided",
    "by-hand",
]
UNDECIDED: tuple[VerdictState, ...] = ("unread", "failed", "split", "none-passed", "undecided")
"""States of a verdict that leave the run without one: its status is `unjudged`."""


class Stance(TypedDict):
    model: str
    stance: str


class Contradiction(TypedDict):
    topic: str
    stances: list[Stance]


class PartialCoverage(TypedDict):
    models: list[str]
    point: str


class UniqueInsight(TypedDict):
    model: str
    insight: str


class Analysis(TypedDict):
    """OpenRouter Fusion's five lists; `model` is the label of a pool member."""

    consensus: list[str]
    contradictions: list[Contradiction]
    partial_coverage: list[PartialCoverage]
    unique_insights: list[UniqueInsight]
    blind_spots: list[str]


class Citation(NamedTuple):
    """`answer[start:end]` is said, by the judge, to come from these calls."""

    start: int
    end: int
    calls: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class JurorVerdict:
    """What one judge of a jury decided."""

    judge: str
    """Its name in views (`Ref.name`)."""
    calls: tuple[int, ...]
    """Its calls; empty where it could not be asked."""
    state: VerdictState
    rationale: str = ""
    note: str = ""
    ranking: tuple[int, ...] = ()
    """Calls, best first, of those it may score."""
    scores: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    """Call -> criterion -> 1..10, of those it may score."""
    recused: tuple[int, ...] = ()
    """Candidates it may not score: of its own model, or of its family where others can."""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge decided, with its blind labels already turned back into calls."""

    answer: str | None = None
    rationale: str = ""
    chosen: tuple[int, ...] = ()
    """The call whose text is the answer (`best-of`, a fallback, a lone survivor); empty for a written answer."""
    ranking: tuple[int, ...] = ()
    """Calls, best first."""
    scores: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    """Call -> criterion -> 1..10."""
    analysis: Analysis | None = None
    state: VerdictState = "judged"
    """`repaired`: read at the second try. `unread`: the judge answered but no verdict could be read. `failed`: the
    judge's call failed. `split`: the judges of a jury disagree. `not-needed`: one candidate was left, or all were the
    same text. `voted`: the members did. `checked`: the person's own checks did. `none-passed`: no candidate passed
    them. `undecided`: there was nothing to count, or the one asked in a cascade failed. `by-hand`: no judge came to
    decide, a person did."""
    note: str = ""
    """One sentence for people: the tie rule that was used, the fallback that was taken."""
    labels: Mapping[str, int] = field(default_factory=dict)
    """The blind label each call had before the judge."""
    citations: tuple[Citation, ...] = ()
    agreed: bool | None = None
    """Whether a judge asked in two orders found the same candidate best in both; `None` where it was not, or where one
    of them gave no verdict."""
    jury: tuple[JurorVerdict, ...] = ()
    """Each judge's own verdict, where several were asked; the scores above are then a fit over all of them."""

    def __repr__(self) -> str:
        order = f", best first {', '.join(map(str, self.ranking))}" if self.ranking else ""
        chosen = f", chosen {', '.join(map(str, self.chosen))}" if self.chosen else ""
        answer = "no answer" if self.answer is None else f"answer of {len(self.answer)} characters"
        note = f", {self.note!r}" if self.note else ""
        return f"<Verdict {self.state!r}{chosen}{order}: {answer}, rationale of {len(self.rationale)}{note}>"

    def score(self, call: int) -> float | None:
        """Mean over the criteria, 1 to 10."""
        by_criterion = self.scores.get(call)
        return sum(by_criterion.values()) / len(by_criterion) if by_criterion else None

    def share(self, call: int) -> float | None:
        """The part of the answer, 0 to 1, that comes from this call; `None` where nothing was cited."""
        if self.answer is None:
            return None
        if self.chosen:
            return (call in self.chosen) / len(self.chosen)
        spans = [(c.end - c.start, c.calls) for c in self.citations if c.calls]
        total = sum(size for size, _ in spans)
        return sum(size / len(calls) for size, calls in spans if call in calls) / total if total else None
