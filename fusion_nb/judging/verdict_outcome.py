"""From what the judge wrote to a `Verdict`: labels become calls, states and notes say how it went.

The best candidate of a verdict, and the rule for ties: written once, shown whenever it was used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fusion_nb.core import Reply, Verdict, VerdictState
from fusion_nb.judging.analysis import text_of
from fusion_nb.judging.framing import BlindCandidates
from fusion_nb.judging.free_form import Form
from fusion_nb.judging.verdict_reader import OVERALL, Reading

OWN_FORM = "The judge ignored the form it was asked for; its verdict was read from its own words."
MAX_RATIONALE = 4_000
"""Characters kept of a text no verdict could be read from."""


@dataclass(frozen=True, slots=True)
class JudgePage:
    """What the judge was shown and asked."""

    candidates: tuple[Reply, ...]
    """In pool order."""
    lineup: BlindCandidates
    criteria: tuple[str, ...]
    nonce: str
    merge: bool


@dataclass(frozen=True, slots=True)
class JudgeReply:
    """One reply of the judge, taken apart."""

    reply: Reply
    text: str
    """Its verdict: what stands before the answer."""
    answer: str = ""
    reading: Reading | None = None
    problem: str = ""
    """Why there is no reading."""
    form: Form | None = None
    """A verdict in a form of its own, where there is no reading."""

    @property
    def failed(self) -> bool:
        return self.reply.status not in ("ok", "incomplete")

    @property
    def settled(self) -> bool:
        return self.reading is not None or self.form is not None


@dataclass(frozen=True, slots=True)
class JudgedVerdict:
    """What came of asking the judge."""

    verdict: Verdict
    """Without an answer: that is the mode's to give."""
    decided: bool = False
    """Whether it says who is best, be it that all are equal."""
    tied: tuple[int, ...] = ()
    """Calls that a judge without scores called equal best."""
    answer: str = ""
    """Merge: the fused answer as written, citations inside; empty where the judge wrote none to its end."""
    cut: bool = False
    """The answer was cut off by a limit."""


def verdict_from(page: JudgePage, first: JudgeReply, repaired: JudgeReply | None = None) -> JudgedVerdict:
    """The outcome of one opinion, or of two. The answer is the first one's where it wrote one."""
    last = repaired or first
    writer = first if first.answer else last
    answer = "" if writer.failed else writer.answer
    cut = bool(answer) and writer.reply.status == "incomplete"
    verdict, tied = _decided(page, last)
    if verdict is None:
        return JudgedVerdict(_undecided(page, first, repaired), answer=answer, cut=cut)
    state: VerdictState = "repaired" if repaired else "judged"
    if last.failed:
        # The verdict had arrived whole before the call broke off. A merge owes an answer as well.
        state = "failed" if page.merge and not answer else state
        verdict = replace(verdict, note=f"{_failure(last.reply)} It came after the verdict.")
    verdict = replace(verdict, state=state)
    return JudgedVerdict(verdict, True, tied, answer, cut)


def _decided(page: JudgePage, opinion: JudgeReply) -> tuple[Verdict | None, tuple[int, ...]]:
    """(verdict, the calls it calls equal without scores)."""
    if opinion.reading is not None:
        return _by_reading(page, opinion.reading), ()
    if opinion.form is None:
        return None, ()
    shown = page.lineup.shown
    best = tuple(shown[place].reply.call for place in opinion.form.best)
    others = tuple(s.reply.call for s in shown if s.reply.call not in best) if len(shown) == 2 else ()
    verdict = Verdict(
        rationale=text_of(opinion.text[:MAX_RATIONALE], page.lineup.names),
        ranking=(*best, *others) if len(best) == 1 else (),
        scores=_form_scores(page, opinion.form),
        note=OWN_FORM,
        labels=page.lineup.calls,
    )
    return _ranked(page, verdict), best if len(best) > 1 else ()


def _by_reading(page: JudgePage, reading: Reading) -> Verdict:
    calls = page.lineup.calls
    verdict = Verdict(
        rationale=reading.rationale,
        ranking=tuple(calls[label] for label in reading.ranking),
        scores={calls[label]: dict(given) for label, given in (reading.scores or {}).items()},
        analysis=reading.analysis,
        labels=calls,
    )
    return _ranked(page, verdict)


def _form_scores(page: JudgePage, form: Form) -> dict[int, dict[str, float]]:
    """Scores that are on our scale; others served to find the best and say nothing to people."""
    if not form.scores or min(form.scores) < 1:
        return {}
    return {s.reply.call: {OVERALL: score} for s, score in zip(page.lineup.shown, form.scores, strict=True)}


def _ranked(page: JudgePage, verdict: Verdict) -> Verdict:
    """The order the scores give, where the judge gave none; ties as the tie rule has it."""
    if not verdict.scores or len(verdict.ranking) == len(page.lineup.shown):
        return verdict
    precedence = tie_order(page.candidates)
    order = sorted(verdict.scores, key=lambda call: (-(verdict.score(call) or 0), precedence[call]))
    return replace(verdict, ranking=tuple(order))


def _undecided(page: JudgePage, first: JudgeReply, repaired: JudgeReply | None) -> Verdict:
    """No verdict: `failed` where the judge's call did, `unread` where it answered and could not be read."""
    rationale = text_of(first.text[:MAX_RATIONALE], page.lineup.names)
    if repaired is None:
        return Verdict(rationale=rationale, state="failed", note=_failure(first.reply), labels=page.lineup.calls)
    again = _failure(repaired.reply) if repaired.failed else f"Its second try: {repaired.problem}."
    note = f"The judge's verdict could not be read: {first.problem}. {again}"
    return Verdict(rationale=rationale, state="unread", note=note, labels=page.lineup.calls)


def _failure(reply: Reply) -> str:
    why = reply.detail or reply.error or reply.status or "no reply"
    return f"The judge ({reply.ref.name}) failed: {why.rstrip('.')}."


TIE_RULE = (
    "Ties: the judge's ranking decides, then a reply that was not cut off comes before one that was, "
    "then the earlier in the pool."
)


def best_candidate(verdict: Verdict, candidates: tuple[Reply, ...], tied: tuple[int, ...] = ()) -> tuple[Reply, str]:
    """The best candidate and what people should know of the choice.

    `tied`: the calls a judge without scores or ranking called equal best.
    """
    replies = {reply.call: reply for reply in candidates}
    top = equal_best(verdict, candidates, tied)
    ranks = {call: place for place, call in enumerate(verdict.ranking)}
    precedence = tie_order(candidates)
    first = min(top, key=lambda call: (ranks.get(call, len(ranks)), precedence[call]))
    if len(top) == 1:
        return replies[first], ""
    names = [reply.ref.name for reply in candidates if reply.call in top]
    equal = f"{', '.join(names[:-1])} and {names[-1]} are equal best, {replies[first].ref.name} was taken."
    return replies[first], f"{equal} {TIE_RULE}"


def equal_best(verdict: Verdict, candidates: tuple[Reply, ...], tied: tuple[int, ...] = ()) -> list[int]:
    """The calls the judge puts before all others: one, or several that it calls equal; in pool order."""
    calls = [reply.call for reply in candidates]
    means = {call: verdict.score(call) or 0.0 for call in calls} if verdict.scores else {}
    if means:
        return [call for call in calls if means[call] > max(means.values()) - 1e-9]
    return list(verdict.ranking[:1] or tied or calls)


def tie_order(candidates: tuple[Reply, ...]) -> Mapping[int, tuple[bool, int]]:
    """What settles a tie the ranking does not: whether a call's reply was cut off, then its place in the pool."""
    return {reply.call: (reply.status == "incomplete", place) for place, reply in enumerate(candidates)}


def first_finished(candidates: tuple[Reply, ...]) -> Reply:
    """The candidate that was there first; of a debate's last round, as of any other."""
    unknown = float("inf")
    return min(candidates, key=lambda r: (unknown if r.latency is None else r.started + r.latency, r.call))
