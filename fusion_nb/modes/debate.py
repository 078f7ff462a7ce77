"""debate[:rounds]: each member sees the others' answers unnamed, challenges and revises; then the judge decides.

After Du et al., "Improving Factuality and Reasoning through Multiagent Debate" (arXiv 2305.14325). A vote gives most of
its gain (2508.17536) and answers can turn from right to wrong (2509.05396): so rounds are few, they stop on agreement
(2604.09679), the first answers are kept, and who changed is on record.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from fusion_nb._excerpt import excerpt
from fusion_nb._types import Case, Desk, Message, Reply, Round, Verdict
from fusion_nb.modes.agreement import agreed, final_answer
from fusion_nb.modes.best_of import best_of
from fusion_nb.modes.framing import Shown, blind_labels, fair_share, nonce
from fusion_nb.modes.merge import merge
from fusion_nb.modes.prompts import debate_prompt

MAX_ROUNDS = 3


async def debate(case: Case, desk: Desk) -> Verdict:
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


async def _round(case: Case, desk: Desk, standing: tuple[Reply, ...], round: int) -> tuple[tuple[Reply, ...], Round]:
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


def _conversation(case: Case, standing: Sequence[Reply], place: int, round: int) -> tuple[Message, ...]:
    """What was asked, what this member last said, and the others' answers, beginning with its neighbour's."""
    labels = _neutral_labels(case, standing)
    most = fair_share([len(reply.text) for reply in standing])
    shown = [Shown(label, reply, most) for label, reply in zip(labels, standing, strict=True)]
    others = [*shown[place + 1 :], *shown[:place]]
    asked = [Message("system", case.system)] if case.system else []
    return (
        *asked,
        Message("user", case.prompt),
        Message("assistant", excerpt(standing[place].text, most)),
        Message("user", debate_prompt(round, others, nonce(reply.text for reply in standing))),
    )


def _neutral_labels(case: Case, standing: Sequence[Reply]) -> tuple[str, ...]:
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
