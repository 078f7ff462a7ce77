"""Asking the judge: one call, and one repair where its reply cannot be read.

"Unparsed after one repair = no verdict" is a state of its own (`unread`), never a winner.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fusion_nb.core import Message, ModeCalls, ModeInput
from fusion_nb.judging.answer_splitter import AnswerSplitter
from fusion_nb.judging.framing import BlindCandidates, blind_candidates, nonce, texts_of
from fusion_nb.judging.judge_opinion import JudgeOpinion, JudgeRequest, read_opinion, with_repair
from fusion_nb.judging.position_swap import combine_swapped
from fusion_nb.judging.prompts import criteria_of, judge_prompt, repair_prompt, verdict_schema

MAX_SHOWN = 12_000
"""Characters of an unreadable reply that are shown to the judge again."""


async def ask_judge(task: ModeInput, calls: ModeCalls, *, merge: bool) -> JudgeOpinion:
    """Ask the judge for its verdict and, in `merge`, the fused answer: in one order, or side by side in two."""
    blind, texts = blind_candidates(task), texts_of(task)
    request = JudgeRequest(task.candidates, blind, criteria_of(task), nonce(texts), merge, texts)
    if task.orders < 2:
        return _noted(await _ask_once(task, calls, request), blind)
    # The answer is written once, in the first order; the second is asked for a verdict alone.
    swapped = replace(request, blind=blind.reversed, nonce=nonce(texts), merge=False)
    async with asyncio.TaskGroup() as group:
        first, second = (group.create_task(_ask_once(task, calls, each)) for each in (request, swapped))
    combined = combine_swapped(first.result(), second.result(), task.candidates, merge=merge)
    return _noted(combined, blind)


def _noted(opinion: JudgeOpinion, blind: BlindCandidates) -> JudgeOpinion:
    """With a word on what the judge was not shown."""
    note = f"{blind.note} {opinion.verdict.note}".strip()
    return replace(opinion, verdict=replace(opinion.verdict, note=note))


async def _ask_once(task: ModeInput, calls: ModeCalls, request: JudgeRequest) -> JudgeOpinion:
    """One order: one call; two where the first reply is unreadable."""
    labels, merge = request.blind.labels, request.merge
    prompt = (Message("user", judge_prompt(task, request.blind, request.criteria, request.nonce, merge=merge)),)
    first = await _call(task, calls, request, prompt, answer=merge)
    if first.decided or first.failed:
        return first
    # An answer that was written stands: then the verdict alone is asked for again.
    answer = merge and not first.answer
    repair = repair_prompt(first.problem, labels, request.criteria, request.nonce, answer=answer)
    unread = Message("assistant", _shortened(first.text if first.answer else first.reply.text))
    messages = (*prompt, unread, Message("user", repair))
    return with_repair(request, first, await _call(task, calls, request, messages, answer=answer, round=1))


async def _call(
    task: ModeInput,
    calls: ModeCalls,
    request: JudgeRequest,
    messages: tuple[Message, ...],
    *,
    answer: bool,
    round: int = 0,
) -> JudgeOpinion:
    """One call, and what its reply says. `answer`: whether the fused answer is asked for."""
    reply = await calls.ask(
        task.judge,
        messages,
        round=round,
        # A service that holds a model to a schema would not let it write the answer behind the JSON.
        schema=None if answer else verdict_schema(request.blind.labels, request.criteria),
        splitter=AnswerSplitter(request.nonce) if answer else None,
        labels=request.blind.calls,
    )
    return read_opinion(request, reply)


def _shortened(text: str) -> str:
    half = MAX_SHOWN // 2
    return text if len(text) <= MAX_SHOWN else f"{text[:half]}\n[...]\n{text[-half:]}"
