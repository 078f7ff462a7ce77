"""Asking the judge: one call; if it cannot be read, the judge's own form; failing that, one repair.

Reading a judge's own form comes before the repair because it costs nothing. "Unparsed after one repair = no verdict" is
a state of its own (`unread`), never a winner.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fusion_nb._types import Case, Desk, Message
from fusion_nb.modes.forms import second_chance
from fusion_nb.modes.framing import Lineup, lineup, nonce, texts_of
from fusion_nb.modes.orders import both
from fusion_nb.modes.outcome import Heard, Opinion, Page, heard
from fusion_nb.modes.prompts import criteria_of, judge_prompt, repair_prompt, verdict_schema
from fusion_nb.modes.reading import Reading, read
from fusion_nb.modes.splitter import AnswerSplitter, split, unwrapped

MAX_SHOWN = 12_000
"""Characters of an unreadable reply that are shown to the judge again."""


async def consult(case: Case, desk: Desk, *, merge: bool) -> Heard:
    """Ask the judge for its verdict and, in `merge`, the fused answer: in one order, or side by side in two."""
    held, criteria = lineup(case), criteria_of(case)
    page = Page(case.candidates, held, criteria, nonce(texts_of(case)), merge)
    if case.orders < 2:
        return _noted(await _hear(case, desk, page), held)
    # The answer is written once, in the first order; the second is asked for a verdict alone.
    other = Page(case.candidates, held.reversed, criteria, nonce(texts_of(case)), merge=False)
    async with asyncio.TaskGroup() as group:
        first, second = (group.create_task(_hear(case, desk, shown)) for shown in (page, other))
    return _noted(both(first.result(), second.result(), case.candidates), held)


def _noted(heard: Heard, held: Lineup) -> Heard:
    """With a word on what the judge was not shown."""
    note = f"{held.note} {heard.verdict.note}".strip()
    return replace(heard, verdict=replace(heard.verdict, note=note))


async def _hear(case: Case, desk: Desk, page: Page) -> Heard:
    """One order: one call; two where the first is unreadable."""
    labels, merge = page.lineup.labels, page.merge
    prompt = (Message("user", judge_prompt(case, page.lineup, page.criteria, page.nonce, merge=merge)),)
    first = await _ask(case, desk, page, prompt, answer=merge)
    if first.settled or first.failed:
        return heard(page, first)
    # An answer that was written stands: then the verdict alone is asked for again.
    wanted = merge and not first.answer
    again = repair_prompt(first.problem, labels, page.criteria, page.nonce, answer=wanted)
    shown = Message("assistant", _short(first.text if first.answer else first.reply.text))
    repaired = await _ask(case, desk, page, (*prompt, shown, Message("user", again)), answer=wanted, round=1)
    return heard(page, first, repaired)


async def _ask(
    case: Case, desk: Desk, page: Page, messages: tuple[Message, ...], *, answer: bool, round: int = 0
) -> Opinion:
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
    found = read(text, page.lineup.names, page.criteria)
    if isinstance(found, Reading):
        return Opinion(reply, text, unwrapped(written or found.answer), found)
    cut = " (it was cut off)" if reply.status == "incomplete" else ""
    # A verdict in prose that was cut off may have gone on to say the opposite.
    whole = reply.status == "ok" and not found.tried
    own = second_chance(text, page.lineup.labels, texts_of(case)) if whole else None
    return Opinion(reply, text, unwrapped(written), problem=found.text + cut, form=own)


def _short(text: str) -> str:
    half = MAX_SHOWN // 2
    return text if len(text) <= MAX_SHOWN else f"{text[:half]}\n[...]\n{text[-half:]}"
