"""best-of: one judge call picks one candidate; the answer is its text, byte for byte.

merge: the judge writes one answer from the candidates and says which of them each passage came from.

debate[:rounds]: each member sees the others' answers unnamed, challenges and revises; then the judge decides.

After Du et al., "Improving Factuality and Reasoning through Multiagent Debate" (arXiv 2305.14325). A vote gives most of
its gain (2508.17536) and answers can turn from right to wrong (2509.05396): so rounds are few, they stop on agreement
(2604.09679), the first answers are kept, and who changed is on record.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from fusion_nb.core import Message, ModeCalls, ModeInput, Reply, Round, Verdict
from fusion_nb.core.citations import read_citations
from fusion_nb.core.spec import excerpt
from fusion_nb.judging.agreement import agreed, final_answer
from fusion_nb.judging.framing import BlindCandidate, blind_labels, fair_share, nonce
from fusion_nb.judging.judge import ask_judge
from fusion_nb.judging.prompts import debate_prompt
from fusion_nb.judging.verdict_outcome import JudgedVerdict, best_candidate, first_finished


async def best_of(case: ModeInput, desk: ModeCalls) -> Verdict:
    """The best candidate as the judge sees it. Without a verdict there is no answer, and every candidate is kept."""
    heard = await ask_judge(case, desk, merge=False)
    verdict = heard.verdict
    if not heard.decided:
        return replace(verdict, note=f"{verdict.note} No candidate was chosen; all of them are kept.")
    chosen, why = best_candidate(verdict, case.candidates, heard.tied)
    note = " ".join(part for part in (verdict.note, why) if part)
    return replace(verdict, answer=chosen.text, chosen=(chosen.call,), note=note)


async def merge(case: ModeInput, desk: ModeCalls) -> Verdict:
    """The fused answer, its citations taken out and kept. Without one, the best candidate, or the first to be there."""
    heard = await ask_judge(case, desk, merge=True)
    verdict = heard.verdict
    answer, citations = read_citations(heard.answer, verdict.labels)
    if not answer.strip():
        return _fallback(case, heard)
    notes = [verdict.note]
    if not heard.decided:
        notes.append("The answer it wrote stands, without scores.")
    if heard.cut:
        notes.append("The answer is cut off: the judge reached its limit of tokens.")
    return replace(verdict, answer=answer, citations=citations, note=" ".join(note for note in notes if note))


def _fallback(case: ModeInput, heard: JudgedVerdict) -> Verdict:
    """A candidate in place of the answer the judge did not write."""
    verdict = heard.verdict
    if heard.decided:
        chosen, why = best_candidate(verdict, case.candidates, heard.tied)
        said = f"It wrote no merged answer, so this is the candidate it judged best, {chosen.ref.name}."
    else:
        chosen, why = first_finished(case.candidates), ""
        said = f"There is no merged answer, so this is the candidate that finished first, {chosen.ref.name}."
    note = " ".join(part for part in (verdict.note, said, why) if part)
    return replace(verdict, answer=chosen.text, chosen=(chosen.call,), note=note)


MAX_ROUNDS = 3


async def debate(case: ModeInput, desk: ModeCalls) -> Verdict:
    """Up to `case.rounds` rounds over the candidates, which are round 0; the judge decides on the standing answers."""
    standing, rounds = case.candidates, list[Round]()
    settled = agreed((reply.text for reply in standing), case.prompt)
    while not settled and len(rounds) < max(1, min(case.rounds, MAX_ROUNDS)):
        standing, ended = await _round(case, desk, standing, len(rounds) + 1)
        rounds.append(ended)
        settled = ended.agreed
    decide = merge if case.then == "merge" else best_of
    verdict = await decide(replace(case, candidates=standing), desk)
    return replace(verdict, note=f"{_account(rounds)} {verdict.note}".strip())


async def _round(
    case: ModeInput, desk: ModeCalls, standing: tuple[Reply, ...], round: int
) -> tuple[tuple[Reply, ...], Round]:
    """One round: who fails in it keeps the answer it had."""
    asks = [(reply.ref, _conversation(case, standing, place, round)) for place, reply in enumerate(standing)]
    replies = await desk.ask_all(asks, round=round)
    now = tuple(new if new.usable else old for old, new in zip(standing, replies, strict=True))
    answers = [
        (final_answer(o.text, case.prompt), final_answer(n.text, case.prompt))
        for o, n in zip(standing, now, strict=True)
    ]
    changed = tuple(reply.ref.name for reply, (before, after) in zip(now, answers, strict=True) if before != after)
    ended = Round(round, agreed((reply.text for reply in now), case.prompt), changed)
    desk.round_ended(ended)
    return now, ended


def _conversation(case: ModeInput, standing: Sequence[Reply], place: int, round: int) -> tuple[Message, ...]:
    """What was asked, what this member last said, and the others' answers, beginning with its neighbour's."""
    labels = _neutral_labels(case, standing)
    most = fair_share([len(reply.text) for reply in standing])
    shown = [BlindCandidate(label, reply, most) for label, reply in zip(labels, standing, strict=True)]
    others = [*shown[place + 1 :], *shown[:place]]
    asked = [Message("system", case.system)] if case.system else []
    return (
        *asked,
        Message("user", case.prompt),
        Message("assistant", excerpt(standing[place].text, most)),
        Message("user", debate_prompt(round, others, nonce(reply.text for reply in standing))),
    )


def _neutral_labels(case: ModeInput, standing: Sequence[Reply]) -> tuple[str, ...]:
    """One for each member, the same in every round, none of those the judge will see: nobody can speak to it of one."""
    every = blind_labels(random.Random(case.seed), 2 * len(standing), [case.prompt, *(r.text for r in case.candidates)])
    return every[len(standing) :]


def _account(rounds: Sequence[Round]) -> str:
    """The debate in a sentence or two: how long it was, how it ended, who changed."""
    if not rounds:
        return "All members agreed from the start, so no round of debate was held."
    held = f"{len(rounds)} round{'s' if len(rounds) > 1 else ''} of debate"
    end = f"{held}, until all agreed." if rounds[-1].agreed else f"{held}, without agreement."
    flips = [f"{name} (round {ended.round})" for ended in rounds for name in ended.changed]
    return f"{end} {'Changed their answer: ' + ', '.join(flips) if flips else 'Nobody changed their answer'}."
