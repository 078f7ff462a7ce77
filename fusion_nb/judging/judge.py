"""Asking the judge: one call; if it cannot be read, the judge's own form; failing that, one repair.

Reading a judge's own form comes before the repair because it costs nothing. "Unparsed after one repair = no verdict" is
a state of its own (`unread`), never a winner.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fusion_nb.core import Message, ModeCalls, ModeInput
from fusion_nb.judging.framing import BlindCandidates, blind_candidates, nonce, texts_of
from fusion_nb.judging.free_form import parse_free_form
from fusion_nb.judging.position_swap import combine_swapped
from fusion_nb.judging.prompts import criteria_of, judge_prompt, repair_prompt, verdict_schema
from fusion_nb.judging.verdict_outcome import JudgedVerdict, JudgePage, JudgeReply, verdict_from
from fusion_nb.judging.verdict_reader import Reading, read_verdict
from fusion_nb.judging.verdict_stream import AnswerSplitter, split, unwrapped

MAX_SHOWN = 12_000
"""Characters of an unreadable reply that are shown to the judge again."""


async def ask_judge(case: ModeInput, desk: ModeCalls, *, merge: bool) -> JudgedVerdict:
    """Ask the judge for its verdict and, in `merge`, the fused answer: in one order, or side by side in two."""
    held, criteria = blind_candidates(case), criteria_of(case)
    page = JudgePage(case.candidates, held, criteria, nonce(texts_of(case)), merge)
    if case.orders < 2:
        return _noted(await _hear(case, desk, page), held)
    # The answer is written once, in the first order; the second is asked for a verdict alone.
    other = JudgePage(case.candidates, held.reversed, criteria, nonce(texts_of(case)), merge=False)
    async with asyncio.TaskGroup() as group:
        first, second = (group.create_task(_hear(case, desk, shown)) for shown in (page, other))
    return _noted(combine_swapped(first.result(), second.result(), case.candidates), held)


def _noted(heard: JudgedVerdict, held: BlindCandidates) -> JudgedVerdict:
    """With a word on what the judge was not shown."""
    note = f"{held.note} {heard.verdict.note}".strip()
    return replace(heard, verdict=replace(heard.verdict, note=note))


async def _hear(case: ModeInput, desk: ModeCalls, page: JudgePage) -> JudgedVerdict:
    """One order: one call; two where the first is unreadable."""
    labels, merge = page.lineup.labels, page.merge
    prompt = (Message("user", judge_prompt(case, page.lineup, page.criteria, page.nonce, merge=merge)),)
    first = await _ask(case, desk, page, prompt, answer=merge)
    if first.settled or first.failed:
        return verdict_from(page, first)
    # An answer that was written stands: then the verdict alone is asked for again.
    wanted = merge and not first.answer
    again = repair_prompt(first.problem, labels, page.criteria, page.nonce, answer=wanted)
    shown = Message("assistant", _short(first.text if first.answer else first.reply.text))
    repaired = await _ask(case, desk, page, (*prompt, shown, Message("user", again)), answer=wanted, round=1)
    return verdict_from(page, first, repaired)


async def _ask(
    case: ModeInput, desk: ModeCalls, page: JudgePage, messages: tuple[Message, ...], *, answer: bool, round: int = 0
) -> JudgeReply:
    """One call, and what can be read of its reply. `answer`: whether the fused answer is asked for."""
    reply = await desk.ask(
        case.judge,
        messages,
        round=round,
        # A service that holds a model to a schema would not let it write the answer behind the JSON.
        schema=None if answer else verdict_schema(page.lineup.labels, page.criteria),
        splitter=AnswerSplitter(page.nonce) if answer else None,
        labels=page.lineup.calls,
    )
    text, written = split(reply.text, page.nonce) if page.merge else (reply.text, "")
    found = read_verdict(text, page.lineup.names, page.criteria)
    if isinstance(found, Reading):
        return JudgeReply(reply, text, unwrapped(written or found.answer), found)
    cut = " (it was cut off)" if reply.status == "incomplete" else ""
    # A verdict in prose that was cut off may have gone on to say the opposite.
    whole = reply.status == "ok" and not found.tried
    own = parse_free_form(text, page.lineup.labels, texts_of(case)) if whole else None
    return JudgeReply(reply, text, unwrapped(written), problem=found.text + cut, form=own)


def _short(text: str) -> str:
    half = MAX_SHOWN // 2
    return text if len(text) <= MAX_SHOWN else f"{text[:half]}\n[...]\n{text[-half:]}"
