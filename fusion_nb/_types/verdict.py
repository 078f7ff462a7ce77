"""What a judge decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict

from fusion_nb._types.values import VerdictState


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
    judge's call failed. `not-needed`: one candidate was left. `by-hand`: no judge came to decide, a person did."""
    note: str = ""
    """One sentence for people: the tie rule that was used, the fallback that was taken."""
    labels: Mapping[str, int] = field(default_factory=dict)
    """The blind label each call had before the judge."""
    citations: tuple[Citation, ...] = ()
    agreed: bool | None = None
    """Whether a judge asked in two orders found the same candidate best in both; `None` where it was not, or where one
    of them gave no verdict."""

    def score(self, call: int) -> float | None:
        """Mean over the criteria, 1 to 10."""
        given = self.scores.get(call)
        return sum(given.values()) / len(given) if given else None

    def share(self, call: int) -> float | None:
        """The part of the answer, 0 to 1, that comes from this call; `None` where nothing was cited."""
        if self.answer is None:
            return None
        if self.chosen:
            return (call in self.chosen) / len(self.chosen)
        spans = [(c.end - c.start, c.calls) for c in self.citations if c.calls]
        total = sum(size for size, _ in spans)
        return sum(size / len(calls) for size, calls in spans if call in calls) / total if total else None
