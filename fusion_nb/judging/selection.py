"""What is done before a judge is paid: the person's own checks, agreement, equal answers, and the cascade.

A candidate that is known to be right, or that all agree on, needs no judge; a judge settles only what still differs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from fusion_nb.core import Agreement, CheckOutcome, Escalation, Message, ModeCalls, ModeInput, Reply, Verdict
from fusion_nb.core.run_spec import excerpt, first_messages
from fusion_nb.core.wording import count_word, found_share, listed
from fusion_nb.judging.ballot import Ballot, taken, voted_verdict
from fusion_nb.judging.judge_prompts import try_again_prompt
from fusion_nb.judging.vote import same_text


async def select(task: ModeInput, calls: ModeCalls, *, first: bool = True) -> Verdict | ModeInput:
    """The answer, where it is found without a judge, or what a judge has still to settle.

    `first`: the members' first answers; else those of a debate's last round, which nobody is asked about once more.
    """
    candidates = await _checked(task, calls, deeper=task.selection.deeper if first else 0)
    task = replace(task, candidates=candidates)
    passing = replace(task, candidates=tuple(reply for reply in candidates if reply.passed is not False))
    votes = await Ballot.of(task)
    calls.agreement_found(votes.agreement(task.asked))
    if first and task.selection.escalate:
        return await _escalate(task, passing, calls, votes)
    return _without_judge(task, passing, votes)


# ---- the person's own checks


async def _checked(task: ModeInput, calls: ModeCalls, *, deeper: int) -> tuple[Reply, ...]:
    """The candidates with what the checks say of them; those that failed may try again, told what was said."""
    if not task.selection.checks:
        return task.candidates
    standing = {reply.ref.name: reply for reply in await _outcomes(task.candidates, calls)}
    for turn in range(1, deeper + 1):
        failed = [reply for reply in standing.values() if reply.passed is False]
        if not failed:
            break
        again = await calls.ask_all([(reply.ref, _try_again(task, reply)) for reply in failed], round=turn)
        for reply in await _outcomes([reply for reply in again if reply.usable], calls):
            standing[reply.ref.name] = reply
    return tuple(standing.values())


async def _outcomes(replies: Sequence[Reply], calls: ModeCalls) -> list[Reply]:
    found = await asyncio.gather(*(calls.check(reply.text, reply.call) for reply in replies))
    return [replace(reply, checks=outcomes) for reply, outcomes in zip(replies, found, strict=True)]


def _try_again(task: ModeInput, reply: Reply) -> tuple[Message, ...]:
    said = Message("assistant", excerpt(reply.text))
    complaint = Message("user", try_again_prompt([_complaint(outcome) for outcome in reply.checks if outcome.bars]))
    return (*first_messages(task.prompt, task.system, reply.ref), said, complaint)


def _complaint(outcome: CheckOutcome) -> str:
    return outcome.error or f"{outcome.name} says no."


def failed_checks(reply: Reply) -> str:
    """Which checks a reply failed, as people read it."""
    # An error names its check.
    return ", ".join(o.error.rstrip(".") if o.error else f"{o.name} said no" for o in reply.checks if o.bars)


# ---- the cascade


async def _escalate(task: ModeInput, passing: ModeInput, calls: ModeCalls, votes: Ballot) -> Verdict | ModeInput:
    """The vote where the members agree enough; else the members named for that are asked too."""
    selection = task.selection
    first = votes.among(passing.candidates)
    agreement = first.agreement(task.asked)
    share = agreement.share
    needed = share is None or share < selection.agree - 1e-9
    asked = selection.escalate if needed or selection.escalate_shadow else ()
    voted = first.winner.call if first.winner and agreement.known else None
    calls.escalated(Escalation(selection.agree, share, needed, asked, voted))
    found = _found(agreement, selection.agree)
    if not asked and first.winner is not None:
        names = listed([ref.name for ref in selection.escalate])
        return voted_verdict(first, f"{found}: {names} was not asked.")
    replies = await calls.ask_all([(ref, first_messages(task.prompt, task.system, ref)) for ref in asked], round=0)
    usable = [reply for reply in replies if reply.usable]
    if selection.checks:
        usable = await _outcomes(usable, calls)
    candidates, failed = (*task.candidates, *usable), (*task.failed, *(r for r in replies if not r.usable))
    everyone = replace(task, candidates=candidates, failed=failed)
    all_passing = replace(everyone, candidates=tuple(reply for reply in candidates if reply.passed is not False))
    votes = await Ballot.of(everyone)
    calls.agreement_found(votes.agreement(everyone.asked))
    if task.judge is None and len(asked) == 1:
        return _last_word(all_passing, asked[0].name, found)
    return _without_judge(everyone, all_passing, votes)


def _found(agreement: Agreement, agree: float) -> str:
    """How far the members agreed, against what was asked for."""
    if agreement.share is None:
        return "Whether the members agree is not known"
    return found_share(len(agreement.groups[0]), agreement.asked, agreement.share, agree)


def _last_word(passing: ModeInput, name: str, found: str) -> Verdict:
    """The one member asked in the cascade has it."""
    reply = next((reply for reply in passing.candidates if reply.ref.name == name), None)
    if reply is None:
        note = f"{found}, so {name} was asked and gave no usable answer: no answer is claimed."
        return Verdict(state="undecided", note=note)
    note = f"{found}, so {name} was asked, and its answer stands, unjudged."
    return Verdict(answer=reply.text, chosen=(reply.call,), state="not-needed", note=note)


# ---- what needs no judge


def _without_judge(task: ModeInput, passing: ModeInput, votes: Ballot) -> Verdict | ModeInput:
    """The answer where one candidate is left, or all that are left come to the same; else those that differ."""
    checked = bool(task.selection.checks)
    if not passing.candidates:
        return _none_passed(task)
    if len(passing.candidates) == 1:
        return _alone(task, passing.candidates[0])
    if same_text(reply.text for reply in passing.candidates):
        note = f"The {count_word(len(passing.candidates))} candidates are the same text, so no judge was asked."
        return taken(passing.candidates[0], "not-needed", note)
    if not checked:
        return passing
    scores = {reply.call: reply.check_score for reply in passing.candidates}
    highest = max((score for score in scores.values() if score is not None), default=None)
    best = tuple(r for r in passing.candidates if highest is None or (scores[r.call] or 0.0) > highest - 1e-9)
    if len(best) == 1:
        return taken(best[0], "checked", f"{best[0].ref.name} has the highest score of your checks, {highest:.3g}.")
    alike = votes.among(best)
    different = alike.representatives()
    equal = "pass your checks" if highest is None else f"have the same score of your checks, {highest:.3g},"
    if len(different) == 1 or same_text(reply.text for reply in best):
        names = listed([reply.ref.name for reply in best])
        note = f"{names} {equal} and come to the same answer: {best[0].ref.name} was taken, unjudged."
        return taken(best[0], "checked", note)
    return replace(passing, candidates=best if task.mode == "vote" else different)


def _none_passed(task: ModeInput) -> Verdict:
    who = "; ".join(f"{reply.ref.name}: {failed_checks(reply)}" for reply in task.candidates)
    note = f"No candidate passed your checks, so no answer is claimed; all are kept. {who}."
    return Verdict(state="none-passed", note=note)


def _alone(task: ModeInput, reply: Reply) -> Verdict:
    lost = [f"{r.ref.name}: {(r.detail or r.status or '').rstrip('.')}" for r in task.failed]
    barred = [f"{r.ref.name}: {failed_checks(r)}" for r in task.candidates if r.passed is False]
    if barred:
        why = f"Only {reply.ref.name} passed your checks ({'; '.join([*barred, *lost])})"
        return taken(reply, "checked", f"{why}.")
    why = f"Only {reply.ref.name} answered ({'; '.join(lost)})" if lost else f"{reply.ref.name} was asked alone"
    return replace(taken(reply, "not-needed", f"{why.rstrip('.')}."), ranking=(reply.call,))
