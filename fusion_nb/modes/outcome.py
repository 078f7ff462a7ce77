"""From what the judge wrote to a `Verdict`: labels become calls, states and notes say how it went."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fusion_nb._types import Reply, Verdict, VerdictState
from fusion_nb.modes.analysis import said
from fusion_nb.modes.choice import tie_order
from fusion_nb.modes.forms import Form
from fusion_nb.modes.framing import Lineup
from fusion_nb.modes.reading import OVERALL, Reading

OWN_FORM = "The judge ignored the form it was asked for; its verdict was read from its own words."
MAX_RATIONALE = 4_000
"""Characters kept of a text no verdict could be read from."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the judge was shown and asked."""

    candidates: tuple[Reply, ...]
    """In pool order."""
    lineup: Lineup
    criteria: tuple[str, ...]
    nonce: str
    merge: bool


@dataclass(frozen=True, slots=True)
class Opinion:
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
class Heard:
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


def heard(page: Page, first: Opinion, repaired: Opinion | None = None) -> Heard:
    """The outcome of one opinion, or of two. The answer is the first one's where it wrote one."""
    last = repaired or first
    writer = first if first.answer else last
    answer = "" if writer.failed else writer.answer
    cut = bool(answer) and writer.reply.status == "incomplete"
    verdict, tied = _decided(page, last)
    if verdict is None:
        return Heard(_undecided(page, first, repaired), answer=answer, cut=cut)
    state: VerdictState = "repaired" if repaired else "judged"
    if last.failed:
        # The verdict had arrived whole before the call broke off. A merge owes an answer as well.
        state = "failed" if page.merge and not answer else state
        verdict = replace(verdict, note=f"{_failure(last.reply)} It came after the verdict.")
    verdict = replace(verdict, state=state)
    return Heard(verdict, True, tied, answer, cut)


def _decided(page: Page, opinion: Opinion) -> tuple[Verdict | None, tuple[int, ...]]:
    """(verdict, the calls it calls equal without scores)."""
    if opinion.reading is not None:
        return _by_reading(page, opinion.reading), ()
    if opinion.form is None:
        return None, ()
    shown = page.lineup.shown
    best = tuple(shown[place].reply.call for place in opinion.form.best)
    others = tuple(s.reply.call for s in shown if s.reply.call not in best) if len(shown) == 2 else ()
    verdict = Verdict(
        rationale=said(opinion.text[:MAX_RATIONALE], page.lineup.names),
        ranking=(*best, *others) if len(best) == 1 else (),
        scores=_form_scores(page, opinion.form),
        note=OWN_FORM,
        labels=page.lineup.calls,
    )
    return _ranked(page, verdict), best if len(best) > 1 else ()


def _by_reading(page: Page, reading: Reading) -> Verdict:
    calls = page.lineup.calls
    verdict = Verdict(
        rationale=reading.rationale,
        ranking=tuple(calls[label] for label in reading.ranking),
        scores={calls[label]: dict(given) for label, given in (reading.scores or {}).items()},
        analysis=reading.analysis,
        labels=calls,
    )
    return _ranked(page, verdict)


def _form_scores(page: Page, form: Form) -> dict[int, dict[str, float]]:
    """Scores that are on our scale; others served to find the best and say nothing to people."""
    if not form.scores or min(form.scores) < 1:
        return {}
    return {s.reply.call: {OVERALL: score} for s, score in zip(page.lineup.shown, form.scores, strict=True)}


def _ranked(page: Page, verdict: Verdict) -> Verdict:
    """The order the scores give, where the judge gave none; ties as the tie rule has it."""
    if not verdict.scores or len(verdict.ranking) == len(page.lineup.shown):
        return verdict
    precedence = tie_order(page.candidates)
    order = sorted(verdict.scores, key=lambda call: (-(verdict.score(call) or 0), precedence[call]))
    return replace(verdict, ranking=tuple(order))


def _undecided(page: Page, first: Opinion, repaired: Opinion | None) -> Verdict:
    """No verdict: `failed` where the judge's call did, `unread` where it answered and could not be read."""
    rationale = said(first.text[:MAX_RATIONALE], page.lineup.names)
    if repaired is None:
        return Verdict(rationale=rationale, state="failed", note=_failure(first.reply), labels=page.lineup.calls)
    again = _failure(repaired.reply) if repaired.failed else f"Its second try: {repaired.problem}."
    note = f"The judge's verdict could not be read: {first.problem}. {again}"
    return Verdict(rationale=rationale, state="unread", note=note, labels=page.lineup.calls)


def _failure(reply: Reply) -> str:
    why = reply.detail or reply.error or reply.status or "no reply"
    return f"The judge ({reply.ref.name}) failed: {why.rstrip('.')}."
