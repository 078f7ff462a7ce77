"""What a judge's reply comes to: a verdict by call instead of by blind label, a state, and notes for people.

The choice of the best candidate and the rule for ties are here too: written once, shown whenever they were used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fusion_nb.core import Reply, Verdict, VerdictState
from fusion_nb.judging.analysis_reader import resolve_labels, text_of
from fusion_nb.judging.answer_splitter import split, unwrapped, without_mark
from fusion_nb.judging.blind_candidates import BlindCandidates
from fusion_nb.judging.free_form import Form, parse_free_form, read_prose
from fusion_nb.judging.free_form_prose import begins_to_doubt
from fusion_nb.judging.json_in_text import ends_with_object
from fusion_nb.judging.score_reader import OVERALL
from fusion_nb.judging.verdict_reader import Problem, Reading, read_verdict, visible

OWN_FORM = "The judge ignored the form it was asked for; its verdict was read from its own words."
LEFT_OUT = "A part of the judge's verdict could not be used and was left out: {left_out}."
IN_REASONING = "The judge's reply was empty; its verdict stood complete in its reasoning and was read there."
CUT_BEHIND = "The judge's reply was cut off behind its verdict."
PROMPT_CUT = (
    "The service cut off the judge's prompt, so the judge did not read all of the candidates: give its model a larger "
    "context (Ollama: OLLAMA_CONTEXT_LENGTH) or take another judge."
)
MAX_RATIONALE = 4_000
"""Characters kept of a text no verdict could be read from."""


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """What the judge is shown and asked."""

    candidates: tuple[Reply, ...]
    """In pool order."""
    blind: BlindCandidates
    """The same in the order shown, under their labels."""
    criteria: tuple[str, ...]
    nonce: str
    merge: bool
    """Whether the judge is asked for the fused answer as well."""
    texts: tuple[str, ...] = ()
    """The prompt, the system text and the candidates: what a judge may be quoting."""


@dataclass(frozen=True, slots=True)
class JudgeOpinion:
    """What one reply of the judge says; also what it says after a repair, or in two orders taken together."""

    reply: Reply
    verdict: Verdict
    """Without an answer: that is the mode's to give."""
    text: str
    """The reply up to the fused answer, without thoughts."""
    decided: bool = False
    """Whether it says who is best, be it that all are equal."""
    tied: tuple[int, ...] = ()
    """Calls that a judge without scores called equal best."""
    answer: str = ""
    """Merge: the fused answer as written, citations inside; empty where the judge wrote none to its end."""
    cut: bool = False
    """The answer was cut off by a limit."""
    problem: str = ""
    """Why no verdict could be read."""
    own_words: bool = False
    """Whether the reply is whole and in a form of the judge's own, which prose may be."""

    @property
    def failed(self) -> bool:
        return self.reply.status not in ("ok", "incomplete")


def read_opinion(request: JudgeRequest, reply: Reply) -> JudgeOpinion:
    """What `reply` decides."""
    text, written = split(reply.text, request.nonce) if request.merge else (reply.text, "")
    if reply.status == "empty" and reply.finish == "stop":
        return _read_reasoning(request, reply)
    reading = read_verdict(text, request.blind.names, request.criteria)
    cut_behind = isinstance(reading, Reading) and reply.status == "incomplete" and not request.merge
    if cut_behind and begins_to_doubt(text[text.rfind("}") + 1 :]):
        reading = Problem("words that take the verdict back stand behind it")
    own = visible(without_mark(text, request.nonce) if written else text)
    opinion = JudgeOpinion(reply, Verdict(labels=request.blind.calls, note=_cut_note(reply)), own)
    if not opinion.failed:
        answer = unwrapped(written or (reading.answer if isinstance(reading, Reading) else ""))
        opinion = replace(opinion, answer=answer, cut=bool(answer) and reply.status == "incomplete")
    if isinstance(reading, Reading):
        opinion = _with_reading(request, opinion, reading)
        return _decided(request, _noted(opinion, CUT_BEHIND) if cut_behind else opinion)
    # A verdict in a form of its own that was cut off may have gone on to say the opposite.
    own_words = reply.status == "ok" and not reading.tried
    problem = reading.text + (" (it was cut off)" if reply.status == "incomplete" else "")
    opinion = replace(opinion, problem=problem, own_words=own_words)
    form = parse_free_form(opinion.text, request.blind.labels, request.texts) if own_words else None
    return _decided(request, _with_form(request, opinion, form)) if form else _undecided(request, opinion)


def _read_reasoning(request: JudgeRequest, reply: Reply) -> JudgeOpinion:
    """An empty reply that ended by itself: its verdict may stand, whole and as the last word, in its reasoning.

    Some servers send all of a reply in that field. Nothing else in it counts, an answer least of all.
    """
    opinion = JudgeOpinion(reply, Verdict(labels=request.blind.calls, note=_cut_note(reply)), "")
    text = without_mark(split(reply.reasoning, request.nonce)[0], request.nonce) if request.merge else reply.reasoning
    reading = read_verdict(text, request.blind.names, request.criteria) if ends_with_object(text) else None
    if not isinstance(reading, Reading) or not reading.ranking or not reading.scores or reading.left_out:
        return _undecided(request, opinion)
    return replace(_noted(_with_reading(request, opinion, reading), IN_REASONING), decided=True)


def with_repair(request: JudgeRequest, first: JudgeOpinion, repaired: JudgeOpinion) -> JudgeOpinion:
    """The opinion after the one repair. The answer is the first reply's where it wrote one.

    Prose is read last: only where the repair brought nothing. Then the later reply decides, and the earlier one must
    not say otherwise.
    """
    writer = first if first.answer else repaired
    opinion = replace(repaired, answer=writer.answer, cut=writer.cut)
    if repaired.decided:
        return _decided(request, opinion, state="repaired")
    again = _failure(repaired.reply) if repaired.failed else f"Its second try: {repaired.problem}."
    forms = [_prose(request, each) for each in (first, repaired)]
    form = forms[0] if repaired.failed else forms[1]
    if form and all(each in (None, form) for each in forms):
        source = replace(first if repaired.failed else repaired, answer=writer.answer, cut=writer.cut)
        opinion = _noted(_with_form(request, source, form), again if repaired.failed else "")
        return _decided(request, opinion, state="repaired")
    return replace(opinion, verdict=replace(first.verdict, note=f"{first.verdict.note} {again}"))


def _prose(request: JudgeRequest, opinion: JudgeOpinion) -> Form | None:
    return read_prose(opinion.text, request.blind.labels, request.texts) if opinion.own_words else None


def _decided(request: JudgeRequest, opinion: JudgeOpinion, state: VerdictState = "judged") -> JudgeOpinion:
    """With the state of a verdict that was read."""
    if opinion.failed:
        # The verdict had arrived whole before the call broke off. A merge owes an answer as well.
        state = "failed" if request.merge and not opinion.answer else state
        opinion = _noted(opinion, f"{_failure(opinion.reply)} It came after the verdict.")
    return replace(opinion, verdict=replace(opinion.verdict, state=state), decided=True)


def _undecided(request: JudgeRequest, opinion: JudgeOpinion) -> JudgeOpinion:
    """`failed` where the judge's call did, `unread` where it answered and could not be read."""
    state: VerdictState = "failed" if opinion.failed else "unread"
    note = _failure(opinion.reply) if opinion.failed else f"The judge's verdict could not be read: {opinion.problem}."
    rationale = text_of(opinion.text[:MAX_RATIONALE], request.blind.names)
    return _noted(replace(opinion, verdict=replace(opinion.verdict, rationale=rationale, state=state)), note)


def _noted(opinion: JudgeOpinion, note: str) -> JudgeOpinion:
    """With one more sentence for people."""
    return replace(opinion, verdict=replace(opinion.verdict, note=f"{opinion.verdict.note} {note}".strip()))


def _cut_note(reply: Reply) -> str:
    return PROMPT_CUT if any(warning.startswith("prompt_cut") for warning in reply.warnings) else ""


def _with_form(request: JudgeRequest, opinion: JudgeOpinion, form: Form) -> JudgeOpinion:
    """With the verdict of a form of the judge's own."""
    calls = [candidate.reply.call for candidate in request.blind.shown]
    best = tuple(calls[place] for place in form.best)
    others = tuple(call for call in calls if call not in best) if len(calls) == 2 else ()
    verdict = replace(
        opinion.verdict,
        rationale=text_of(opinion.text[:MAX_RATIONALE], request.blind.names),
        ranking=(*best, *others) if len(best) == 1 else (),
        scores=_form_scores(calls, form),
        note=f"{_cut_note(opinion.reply)} {OWN_FORM}".strip(),
    )
    return replace(opinion, verdict=_ranked(request, verdict), tied=best if len(best) > 1 else ())


def _with_reading(request: JudgeRequest, opinion: JudgeOpinion, reading: Reading) -> JudgeOpinion:
    calls = request.blind.calls
    verdict = replace(
        opinion.verdict,
        rationale=reading.rationale,
        ranking=tuple(calls[label] for label in reading.ranking),
        scores={calls[label]: dict(scores) for label, scores in (reading.scores or {}).items()},
        analysis=reading.analysis,
    )
    opinion = replace(opinion, verdict=_ranked(request, verdict))
    left_out = resolve_labels(reading.left_out, request.blind.names)
    return _noted(opinion, LEFT_OUT.format(left_out=left_out)) if left_out else opinion


def _form_scores(calls: list[int], form: Form) -> dict[int, dict[str, float]]:
    """Scores that are on our scale; others served to find the best and say nothing to people."""
    if not form.scores or min(form.scores) < 1:
        return {}
    return {call: {OVERALL: score} for call, score in zip(calls, form.scores, strict=True)}


def _ranked(request: JudgeRequest, verdict: Verdict) -> Verdict:
    """The order the scores give, where the judge gave none; ties as the tie rule has it."""
    if not verdict.scores or len(verdict.ranking) == len(request.candidates):
        return verdict
    precedence = tie_order(request.candidates)
    ranking = sorted(verdict.scores, key=lambda call: (-(verdict.score(call) or 0), precedence[call]))
    return replace(verdict, ranking=tuple(ranking))


def _failure(reply: Reply) -> str:
    reason = reply.detail or reply.error or reply.status or "no reply"
    return f"The judge ({reply.ref.name}) failed: {reason.rstrip('.')}."


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
    """The candidate that was complete first; of a debate's last round, as of any other."""
    unknown = float("inf")
    return min(candidates, key=lambda r: (unknown if r.latency is None else r.started + r.latency, r.call))
