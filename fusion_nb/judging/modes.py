"""The modes: best-of picks one candidate, merge writes one answer from all, debate lets the members revise first, vote
counts their short answers.

best-of: one judge call picks one candidate; the answer is its text, byte for byte.
merge: the judge writes one answer and cites the candidates each passage came from.
debate: each member sees the others' answers unnamed, challenges and revises; then the judge decides. After Du et al.,
"Improving Factuality and Reasoning through Multiagent Debate" (arXiv 2305.14325). A vote gives most of its gain
(2508.17536) and answers can turn from right to wrong (2509.05396): so rounds are few, they stop on agreement
(2604.09679), the first answers are kept, and who changed is on record.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from fusion_nb.core import Message, ModeCalls, ModeInput, Reply, Round, Verdict
from fusion_nb.core.citations import read_citations
from fusion_nb.core.run_spec import excerpt, first_messages
from fusion_nb.judging.ballot import Ballot, vote_note, voted_verdict
from fusion_nb.judging.blind_candidates import BlindCandidate, blind_labels, fair_share, nonce
from fusion_nb.judging.judge_call import ask_judge
from fusion_nb.judging.judge_prompts import debate_prompt
from fusion_nb.judging.jury import ask_jury
from fusion_nb.judging.selection import failed_checks, select
from fusion_nb.judging.short_answer import agreed, final_answer
from fusion_nb.judging.verdict_outcome import JudgeOpinion, best_candidate, first_finished


async def best_of(task: ModeInput, calls: ModeCalls) -> Verdict:
    """The best candidate as the judge sees it. Without a verdict there is no answer, and every candidate is kept."""
    opinion = await _ask(task, calls, merge=False)
    verdict = opinion.verdict
    if not opinion.decided:
        return replace(verdict, note=f"{verdict.note} No candidate was chosen; all of them are kept.")
    chosen, tie_note = best_candidate(verdict, task.candidates, opinion.tied)
    return replace(verdict, answer=chosen.text, chosen=(chosen.call,), note=_joined(verdict.note, tie_note))


async def merge(task: ModeInput, calls: ModeCalls) -> Verdict:
    """The fused answer, its citations taken out and kept. Without one, the best candidate, or the first to be there."""
    opinion = await _ask(task, calls, merge=True)
    verdict = opinion.verdict
    answer, citations = read_citations(opinion.answer, verdict.labels)
    if not answer.strip():
        return _fallback(task, opinion)
    notes = [verdict.note]
    if not opinion.decided:
        notes.append("The answer it wrote stands, without scores.")
    if opinion.cut:
        notes.append("The answer is cut off: the judge reached its limit of tokens.")
    if task.selection.checks:
        outcomes = await calls.check(answer, opinion.reply.call)
        merged = replace(opinion.reply, checks=outcomes)
        if merged.passed is False:
            return _fallback(task, opinion, f"The merged answer did not pass your checks ({failed_checks(merged)})")
    return replace(verdict, answer=answer, citations=citations, note=_joined(*notes))


async def _ask(task: ModeInput, calls: ModeCalls, *, merge: bool) -> JudgeOpinion:
    """The opinion of the one judge, or of the jury."""
    if task.judge is None:
        raise RuntimeError("no judge for candidates that differ")  # whoever resolves names gives one
    if task.jury:
        return await ask_jury(task, calls, merge=merge)
    room = task.measure_room(task.candidates, task.judge)
    return await ask_judge(replace(task, room=task.room if room is None else room), calls, merge=merge)


async def vote(task: ModeInput, calls: ModeCalls) -> Verdict:
    """The answer that most members share; of equal groups the judge's choice where there is one, else the first's."""
    votes = await Ballot.of(task)
    tied = votes.tied()
    if len(tied) < 2 or task.judge is None:
        return voted_verdict(votes, vote_note(votes, task.asked))
    verdict = await best_of(replace(task, candidates=tied), calls)
    return replace(verdict, note=_joined("The vote is a tie, so the judge decides between its sides.", verdict.note))


def _fallback(task: ModeInput, opinion: JudgeOpinion, why: str = "") -> Verdict:
    """A candidate in place of the merged answer: of one the judge did not write, or `why` it cannot be taken."""
    verdict = opinion.verdict
    if opinion.decided and (verdict.ranking or verdict.scores or opinion.tied):
        chosen, tie_note = best_candidate(verdict, task.candidates, opinion.tied)
        note = f"{why or 'It wrote no merged answer'}, so this is the candidate judged best, {chosen.ref.name}."
    else:
        chosen, tie_note = first_finished(task.candidates), ""
        note = f"{why or 'There is no merged answer'}, so this is the candidate that finished first, {chosen.ref.name}."
    return replace(verdict, answer=chosen.text, chosen=(chosen.call,), note=_joined(verdict.note, note, tie_note))


def _joined(*notes: str) -> str:
    return " ".join(note for note in notes if note)


MAX_ROUNDS = 3


async def debate(task: ModeInput, calls: ModeCalls) -> Verdict:
    """Up to `task.rounds` rounds over the candidates, which are round 0; the judge decides on the standing answers."""
    standing, rounds = task.candidates, list[Round]()
    settled = agreed((reply.text for reply in standing), task.prompt)
    while not settled and len(rounds) < max(1, min(task.rounds, MAX_ROUNDS)):
        standing, outcome = await _debate_round(task, calls, standing, len(rounds) + 1)
        rounds.append(outcome)
        settled = outcome.agreed
    decide = merge if task.then == "merge" else best_of
    ended = replace(task, candidates=standing)
    left = await select(ended, calls, first=False) if rounds else ended
    verdict = left if isinstance(left, Verdict) else await decide(left, calls)
    return replace(verdict, note=_joined(_debate_note(rounds), verdict.note))


async def _debate_round(
    task: ModeInput, calls: ModeCalls, standing: tuple[Reply, ...], round: int
) -> tuple[tuple[Reply, ...], Round]:
    """One round: a member that fails in it keeps the answer it had."""
    asks = [(reply.ref, _conversation(task, standing, place, round)) for place, reply in enumerate(standing)]
    replies = await calls.ask_all(asks, round=round)
    revised = tuple(new if new.usable else old for old, new in zip(standing, replies, strict=True))
    changed = tuple(
        new.ref.name
        for old, new in zip(standing, revised, strict=True)
        if not final_answer(old.text, task.prompt).agrees_with(final_answer(new.text, task.prompt))
    )
    outcome = Round(round, agreed((reply.text for reply in revised), task.prompt), changed)
    calls.round_ended(outcome)
    return revised, outcome


def _conversation(task: ModeInput, standing: Sequence[Reply], place: int, round: int) -> tuple[Message, ...]:
    """What was asked, what this member last answered, and the others' answers, beginning with its neighbour's."""
    labels = _neutral_labels(task, standing)
    limit = fair_share([len(reply.text) for reply in standing])
    shown = [BlindCandidate(label, reply, limit) for label, reply in zip(labels, standing, strict=True)]
    others = [*shown[place + 1 :], *shown[:place]]
    return (
        *first_messages(task.prompt, task.system, standing[place].ref),
        Message("assistant", excerpt(standing[place].text, limit)),
        Message("user", debate_prompt(round, others, nonce(reply.text for reply in standing))),
    )


def _neutral_labels(task: ModeInput, standing: Sequence[Reply]) -> tuple[str, ...]:
    """One for each member, the same in every round, none of those the judge will see: nobody can speak to it of one."""
    texts = [task.prompt, *(reply.text for reply in task.candidates)]
    return blind_labels(random.Random(task.seed), 2 * len(standing), texts)[len(standing) :]


def _debate_note(rounds: Sequence[Round]) -> str:
    """The debate in a sentence or two: how long it was, how it ended, who changed."""
    if not rounds:
        return "All members agreed from the start, so no round of debate was held."
    length = f"{len(rounds)} round{'s' if len(rounds) > 1 else ''} of debate"
    end = f"{length}, until all agreed." if rounds[-1].agreed else f"{length}, without agreement."
    flips = [f"{name} (round {outcome.round})" for outcome in rounds for name in outcome.changed]
    return f"{end} {'Changed their answer: ' + ', '.join(flips) if flips else 'Nobody changed their answer'}."
