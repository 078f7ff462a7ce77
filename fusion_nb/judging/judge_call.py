"""Asking the judge, in one order or in two: a call, and one repair where its reply cannot be read.

"Unparsed after one repair = no verdict" is a state of its own (`unread`), never a winner.

Which answer stands first sways a judge, the more so the closer the answers are: GPT-4 is consistent under a swap in
65 % of pairs (arXiv 2306.05685). Asked in two orders, its scores are averaged, and where it contradicts itself is said.
The mean of both orders is balanced position calibration (2305.17926).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from fusion_nb.core import Message, ModeInput, Ref, Reply, StreamSplitter, Verdict, VerdictState
from fusion_nb.judging.answer_splitter import AnswerSplitter
from fusion_nb.judging.blind_candidates import BlindCandidates, blind_candidates, nonce, texts_of
from fusion_nb.judging.judge_prompts import criteria_of, judge_prompt, repair_prompt, verdict_schema
from fusion_nb.judging.verdict_outcome import (
    JudgeOpinion,
    JudgeRequest,
    equal_best,
    read_opinion,
    tie_order,
    with_repair,
)

Scores = Mapping[int, Mapping[str, float]]


class JudgeCalls(Protocol):
    """The part of `ModeCalls` that a judge is asked through."""

    async def ask(
        self,
        ref: Ref,
        messages: tuple[Message, ...],
        *,
        round: int = 0,
        schema: Mapping[str, Any] | None = None,
        splitter: StreamSplitter | None = None,
        labels: Mapping[str, int] | None = None,
    ) -> Reply: ...


def combine_swapped(
    first: JudgeOpinion, second: JudgeOpinion, candidates: tuple[Reply, ...], *, merge: bool
) -> JudgeOpinion:
    """One opinion of two orders. The answer of a merge is the first one's; so are rationale and analysis."""
    if not (first.decided and second.decided):
        return _one_of(first, second, merge=merge)
    tops = [equal_best(opinion.verdict, candidates, opinion.tied) for opinion in (first, second)]
    agreed = not set(tops[0]).isdisjoint(tops[1])
    verdict = replace(_averaged(first.verdict, second.verdict, candidates), agreed=agreed)
    tied = first.tied
    if not agreed and not verdict.scores:
        # Two picks without a score: neither is better than the other.
        verdict, tied = replace(verdict, ranking=()), tuple(dict.fromkeys((*tops[0], *tops[1])))
    own = _agreement(tops, candidates) if agreed else _contradiction(tops, candidates, averaged=bool(verdict.scores))
    note = " ".join(dict.fromkeys(part for part in (first.verdict.note, second.verdict.note, own) if part))
    return replace(first, verdict=replace(verdict, note=note), tied=tied)


def _one_of(first: JudgeOpinion, second: JudgeOpinion, *, merge: bool) -> JudgeOpinion:
    """What is left where one order, or both, came to no verdict."""
    if not first.decided and not second.decided:
        note = f"{first.verdict.note} In the other order: {second.verdict.note}"
        return replace(first, verdict=replace(first.verdict, note=note))
    decided, lost = (second, first) if second.decided else (first, second)
    own = "One of the two orders came to no verdict, so nothing says whether the judge would agree with itself."
    note = " ".join(part for part in (decided.verdict.note, own, lost.verdict.note) if part)
    # A merge whose writing order failed has no answer, whatever the other order decided: the same state as with one.
    owed = merge and decided is second and not first.answer
    state = first.verdict.state if owed else decided.verdict.state
    verdict = replace(decided.verdict, state=state, note=note, labels=first.verdict.labels)
    return replace(decided, verdict=verdict, answer=first.answer, cut=first.cut)


def _averaged(one: Verdict, two: Verdict, candidates: tuple[Reply, ...]) -> Verdict:
    """The first verdict with the mean of both scores, and the ranking they give."""
    state: VerdictState = one.state if one.state != "judged" else two.state
    scores = _means(one.scores, two.scores)
    if not scores:
        return replace(one, state=state, scores={}, ranking=one.ranking or two.ranking)
    verdict = replace(one, state=state, scores=scores)
    places = {call: sum(_place(call, each.ranking) for each in (one, two)) for call in scores}
    precedence = tie_order(candidates)
    ranking = sorted(scores, key=lambda call: (-round(verdict.score(call) or 0, 9), places[call], precedence[call]))
    return replace(verdict, ranking=tuple(ranking))


def _means(one: Scores, two: Scores) -> dict[int, dict[str, float]]:
    """Empty where the two do not score the same candidates by the same criteria."""
    if {call: set(scores) for call, scores in one.items()} != {call: set(scores) for call, scores in two.items()}:
        return {}
    return {
        call: {criterion: (scores[criterion] + two[call][criterion]) / 2 for criterion in scores}
        for call, scores in one.items()
    }


def _place(call: int, ranking: tuple[int, ...]) -> int:
    return ranking.index(call) if call in ranking else len(ranking)


def _names(calls: list[int], candidates: tuple[Reply, ...]) -> str:
    names = [reply.ref.name for reply in candidates if reply.call in calls]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _agreement(tops: list[list[int]], candidates: tuple[Reply, ...]) -> str:
    shared = [call for call in tops[0] if call in tops[1]]
    equal = "equal best" if len(shared) > 1 else "best"
    return f"Asked in two orders, the judge found {_names(shared, candidates)} {equal} in both."


def _contradiction(tops: list[list[int]], candidates: tuple[Reply, ...], *, averaged: bool) -> str:
    one, two = (_names(top, candidates) for top in tops)
    mean = " The scores are the mean of both orders." if averaged else ""
    return f"Asked in two orders, the judge contradicts itself: {one} is best in one, {two} in the other.{mean}"


MAX_SHOWN = 12_000
"""Characters of an unreadable reply that are shown to the judge again."""


async def ask_judge(task: ModeInput, calls: JudgeCalls, *, merge: bool) -> JudgeOpinion:
    """Ask `task.judge` for its verdict and, in `merge`, the fused answer: in one order, or side by side in two."""
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


async def _ask_once(task: ModeInput, calls: JudgeCalls, request: JudgeRequest) -> JudgeOpinion:
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
    calls: JudgeCalls,
    request: JudgeRequest,
    messages: tuple[Message, ...],
    *,
    answer: bool,
    round: int = 0,
) -> JudgeOpinion:
    """One call, and what its reply says. `answer`: whether the fused answer is asked for."""
    if task.judge is None:
        raise RuntimeError("no judge for candidates that differ")  # whoever resolves names gives one
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
