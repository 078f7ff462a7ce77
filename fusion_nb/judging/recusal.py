"""What counts of each judge's verdict in a jury: a judge does not score an answer of its own.

Judges prefer what they recognise as their own (arXiv 2404.13076): none scores an answer of its own model, and of its
own family only where nobody else did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fusion_nb.core import JurorVerdict, Ref, Reply
from fusion_nb.judging.jury_scores import NOWHERE, FirstPlace, Scores
from fusion_nb.judging.verdict_outcome import JudgeOpinion, equal_best


@dataclass(frozen=True, slots=True)
class Juror:
    """One judge and what it said."""

    ref: Ref
    opinion: JudgeOpinion
    replies: tuple[Reply, ...] = ()
    """Its calls."""
    kin: Mapping[int, str] = field(default_factory=dict)
    """Candidate's call -> see `ModeInput.kin`."""
    shown_all: bool = True
    """Whether it was shown every candidate whole."""

    @property
    def decided(self) -> bool:
        return self.opinion.decided

    @property
    def scores(self) -> Scores:
        return self.opinion.verdict.scores if self.decided else {}


@dataclass(frozen=True, slots=True)
class Seat:
    """What counts of a judge's verdict."""

    juror: Juror
    recused: frozenset[int]
    """Calls it may not score."""
    lent: tuple[int, ...] = ()
    """Calls of its own family that it judged because nobody else did."""
    ranking: tuple[int, ...] = ()
    scores: Scores = field(default_factory=dict)
    place: FirstPlace = NOWHERE

    @property
    def name(self) -> str:
        return self.juror.ref.name

    @property
    def decided(self) -> bool:
        return self.juror.decided

    @property
    def kept(self) -> JurorVerdict:
        """As it is put on record."""
        verdict, replies = self.juror.opinion.verdict, self.juror.replies
        ends = [reply.started + reply.latency for reply in replies if reply.latency is not None]
        return JurorVerdict(
            judge=self.name,
            calls=tuple(reply.call for reply in replies),
            state=verdict.state,
            rationale=verdict.rationale,
            note=verdict.note,
            ranking=self.ranking,
            scores=self.scores,
            recused=tuple(sorted(self.recused)),
            seconds=max(ends) - min(reply.started for reply in replies) if ends else None,
        )


def seats(jurors: Sequence[Juror], candidates: Sequence[Reply]) -> list[Seat]:
    """The seat of each judge, in their order; of one that came to no verdict, an empty one."""
    return [_seat(juror, jurors, candidates) for juror in jurors]


def _seat(juror: Juror, jurors: Sequence[Juror], candidates: Sequence[Reply]) -> Seat:
    others = [other for other in jurors if other is not juror and other.decided]
    family = {call for call, kin in juror.kin.items() if kin == "family"}
    covered = {call for call in family if any(_covers(other, juror, call) for other in others)}
    recused = frozenset(covered | {call for call, kin in juror.kin.items() if kin == "member"})
    if not juror.decided:
        return Seat(juror, recused)
    verdict = juror.opinion.verdict
    ranking = tuple(call for call in verdict.ranking if call not in recused)
    tied = tuple(call for call in juror.opinion.tied if call not in recused)
    scores = {call: each for call, each in verdict.scores.items() if call not in recused}
    judged = tuple(r for r in candidates if r.call not in recused and (not verdict.scores or r.call in scores))
    compared = frozenset(reply.call for reply in judged)
    # Of a judge that named its own model the winner, and no more, nothing is left.
    says = len(judged) > 1 and bool(scores or ranking or tied)
    first = equal_best(replace(verdict, ranking=ranking, scores=scores), judged, tied) if says else []
    lent = tuple(sorted(compared & family))
    return Seat(juror, recused, lent, ranking, scores, FirstPlace(tuple(first), compared))


def _covers(other: Juror, juror: Juror, call: int) -> bool:
    """Whether an unrelated judge did what `juror` would: scored the candidate, or chose where `juror` only chose."""
    return not other.kin.get(call) and (call in other.scores or not (other.scores or juror.scores))
