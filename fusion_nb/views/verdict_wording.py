"""The wording of how an answer was found: who judged, who agrees, what is left to do. Plain text: each view escapes it
for itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from fusion_nb.core import UNDECIDED, Agreement, Escalation, JurorVerdict, Ref, RunState, Verdict, VerdictState
from fusion_nb.core.wording import found_share, listed
from fusion_nb.views import formatting

_SENTENCES: dict[VerdictState, str] = {
    "judged": "",
    "repaired": "The judge's verdict was readable at its second try.",
    "unread": "No verdict: what the judge wrote could not be read as one.",
    "failed": "No verdict: the judge's call failed.",
    "split": "The judges disagree.",
    "not-needed": "No judge was asked.",
    "voted": "",
    "checked": "No judge was asked.",
    "none-passed": "No candidate passed your checks.",
    "undecided": "No answer is claimed.",
    "by-hand": "",
}
_OF_A_JURY: dict[VerdictState, str] = {
    "repaired": "A judge's verdict was readable at its second try.",
    "unread": "No verdict: what the judges wrote could not be read as one.",
    "failed": "No verdict: the judges' calls failed.",
}
_JUDGED: tuple[VerdictState, ...] = ("judged", "repaired", "unread", "failed", "split")
_TITLES: dict[VerdictState, str] = {"voted": "Vote", "checked": "Checks", "not-needed": "Verdict"}
_UNASKED = re.compile(r"\bno judge was (?:asked|paid)|\bunjudged\b", re.IGNORECASE)
_DISAGREE = "The judges disagree"
_MOST_NAMES = 4
"""Names that a line has room for."""


def was_judged(state: RunState) -> bool:
    """Whether the verdict is a judge's, be it that it failed or could not be read."""
    return state.verdict is not None and state.verdict.state in _JUDGED


def judges(state: RunState) -> str:
    """Who judges: `judge opus`, `judges opus, gpt and gemini`; empty where nobody does, or nobody had to be asked."""
    spared = state.verdict is not None and not was_judged(state)
    breaks_no_tie = state.mode == "vote" and not any(reply.role == "judge" for reply in state.replies)
    return "" if spared or breaks_no_tie else judge_names(state.judges)


def judge_names(refs: Sequence[Ref]) -> str:
    """`judge opus`, `judges opus, gpt and gemini`."""
    noun = "judges" if len(refs) > 1 else "judge"
    return f"{noun} {listed([ref.name for ref in refs])}" if refs else ""


def verdict_title(state: RunState) -> tuple[str, str]:
    """The title above the verdict, and whose it is: `Judge`, `opus`; `Vote`, and nobody."""
    verdict = state.verdict
    if verdict is None or not was_judged(state):
        return (_TITLES.get(verdict.state, "Verdict") if verdict else "Verdict"), ""
    return ("Judges" if state.jury else "Judge"), listed([_with_settings(ref) for ref in state.judges])


def _with_settings(ref: Ref) -> str:
    settings = formatting.settings(ref)
    return f"{ref.name} ({settings})" if settings and settings not in ref.name else ref.name


def verdict_note(verdict: Verdict) -> str:
    """A note on how a verdict came about, beside its rationale; empty for one that could be read at once, and where the
    note stands in the place of the answer."""
    if verdict.answer is None and verdict.state in ("none-passed", "undecided"):
        return ""
    return " ".join(part for part in (_sentence(verdict), verdict.note) if part)


def _sentence(verdict: Verdict) -> str:
    """What the state says, where the note does not say it."""
    sentence = _SENTENCES[verdict.state]
    if verdict.jury:
        sentence = _OF_A_JURY.get(verdict.state, sentence)
    if verdict.state == "split" and verdict.note.startswith(_DISAGREE):
        return ""
    return "" if verdict.state in ("not-needed", "checked") and _UNASKED.search(verdict.note) else sentence


def is_undecided(verdict: Verdict) -> bool:
    """Whether a verdict left open what it was asked for: a person should read its note."""
    return verdict.state in UNDECIDED or verdict.note.startswith(_DISAGREE)


def juror_state(juror: JurorVerdict) -> str:
    """How a judge of a jury ended, where it did not simply judge."""
    words = {"repaired": "at its second try", "unread": "no verdict", "failed": "failed"}
    return words.get(juror.state, "")


def answer_title(state: RunState) -> str:
    """The title above the answer: it names the member whose text was chosen."""
    verdict = state.verdict
    if verdict is None:
        return "Answer"
    if not verdict.chosen:
        return "Fused answer" if verdict.answer is not None else "Answer"
    names = listed([state.reply(call).ref.name for call in verdict.chosen])
    return f"Answer of {names}"


def no_answer(state: RunState) -> str:
    """Why a run has no answer."""
    if state.error:
        return state.error
    if state.status == "cancelled":
        return "Stopped before there was an answer. What was received is kept."
    verdict = state.verdict
    if verdict is not None and verdict.state in ("none-passed", "undecided"):
        return verdict.note or f"{_SENTENCES[verdict.state]} The candidates are all here."
    why = "the judges disagree" if verdict is not None and verdict.state == "split" else "there is no verdict"
    return f"No answer, because {why}. The candidates are all here."


def next_step(state: RunState) -> str:
    """What to do about a run that ended without a verdict, as a command; empty where there is one.

    It names the run: the view stays in its notebook, where another run is soon the last one.
    """
    usable = sum(reply.usable for reply in state.candidates)
    if state.status == "unjudged" and state.verdict is not None:
        return _after(state, state.verdict, usable)
    if state.status != "cancelled" or state.verdict is not None:
        return ""
    resume = _way(state, "resume")
    if not usable:
        return f"{resume} asks what is missing."
    who = "the candidate" if usable == 1 else f"the {usable} candidates"
    judge = f"{_way(state, 'rejudge')} {'counts' if state.mode == 'vote' else 'judges'} {who} received"
    return f"{judge}; {resume} asks what is missing first." if state.missing else f"{judge}."


def _way(state: RunState, verb: str, argument: str = "", flags: str = "") -> str:
    """How this run is continued, in Python and by the magic."""
    run = state.run or "last"
    return f'{verb}("{run}"{argument and f", {argument}"}) or `%fuse --{verb} {run}{flags}`'


def _after(state: RunState, verdict: Verdict, usable: int) -> str:
    """After a run without a verdict."""
    paid = "no candidate is asked or paid again"
    if verdict.state == "none-passed":
        way = _way(state, "rejudge", "check=[]", " --check none")
        return f"{way} decides without your checks; {paid}." if usable else ""
    if usable < 2:
        return ""
    if verdict.state == "split":
        way = _way(state, "rejudge", 'judge="NAME"', " --judge NAME")
        return f"{way} has one judge decide; {paid}."
    if verdict.state == "undecided":
        mode, flag = ('mode="best-of", ', " --mode best-of") if state.mode == "vote" else ("", "")
        way = _way(state, "rejudge", f'{mode}judge="NAME"', flag + " --judge NAME")
        return f"{way} has a judge decide; {paid}."
    return f"{_way(state, 'rejudge')} asks the judge{'s' if state.jury else ''} again; {paid}."


# ---- who gave the same short answer


def agreement(state: RunState, show: Callable[[str], str] = formatting.short_name) -> str:
    """`3 of 3 agree`, `2 of 3 agree: claude differs`; empty where it is not known. `show` makes of a name what stands
    in the phrase."""
    found = state.agreement
    if found is None or not found.known:
        return ""
    most = len(found.groups[0])
    same = f"{most} of {found.asked} agree" if most > 1 else "no two agree"
    dissenters = _names(state, found.dissenters, show) if most > 1 else ""
    differ = f": {dissenters} {'differs' if len(found.dissenters) == 1 else 'differ'}" if dissenters else ""
    silent = _names(state, found.unknown, show)
    return f"{same}{', a tie' if found.tied else ''}{differ}{f'; {silent} gave no short answer' if silent else ''}"


def differs(found: Agreement | None, call: int) -> bool:
    """Whether a call's short answer is not that of the group that won; where no two agree, each of them differs."""
    if found is None or not found.known:
        return False
    return call in found.dissenters or (len(found.groups[0]) == 1 and call in found.groups[0])


def _names(state: RunState, calls: Sequence[int], show: Callable[[str], str]) -> str:
    names = [state.reply(call).ref.name for call in calls if 0 < call <= len(state.replies)]
    if len(names) <= _MOST_NAMES:
        return listed([show(name) for name in names])
    shown = [show(name) for name in names[: _MOST_NAMES - 1]]
    return f"{', '.join(shown)} and {len(names) - len(shown)} more"


# ---- the cascade


def escalation(state: RunState) -> str:
    """`escalated to gpt-4o`, `not escalated`; empty without a cascade, and before it has come to that."""
    found = state.escalation
    if found is None:
        return ""
    if not found.to:
        return "not escalated"
    return f"escalated to {listed([ref.name for ref in found.to])}{'' if found.needed else ' in shadow'}"


def escalation_note(state: RunState) -> str:
    """What a cascade found and who was asked, as a sentence; empty where the verdict's note says it."""
    found = state.escalation
    if found is None:
        return ""
    said = "Whether the members agree is not known" if found.share is None else _found_share(state, found)
    if state.verdict is not None and said in state.verdict.note:
        return ""
    names = listed([ref.name for ref in found.to or state.selection.escalate])
    were = "were" if len(found.to or state.selection.escalate) > 1 else "was"
    if not found.to:
        return f"{said}: {names} {were} not asked."
    if found.needed:
        return f"{said}, so {names} {were} asked."
    return f"{said}; {names} {were} asked all the same, to learn what stopping would have saved."


def _found_share(state: RunState, found: Escalation) -> str:
    later = {ref.name for ref in found.to}
    asked = sum(reply.ref.name not in later for reply in state.candidates)
    share = found.share or 0.0
    return found_share(round(share * asked), asked, share, found.agree)
