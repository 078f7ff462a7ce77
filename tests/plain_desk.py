"""A desk for tests of the modes over real HTTP: no clock, no price table, no retries, one request after another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fusion_nb.core import (
    Agreement,
    CheckOutcome,
    Escalation,
    Message,
    ModeInput,
    Ref,
    Reply,
    Role,
    Round,
    StreamSplitter,
    Usage,
    Verdict,
)
from fusion_nb.judging import MODES
from tests.plain_client import ask


class Desk:
    """What a mode may do, at its plainest: one HTTP request a call, everything kept."""

    def __init__(self, url: str, judge: Ref) -> None:
        self.url, self.judge = url, judge
        self.replies: list[Reply] = []
        self.rounds: list[Round] = []
        self.agreements: list[Agreement] = []
        self.escalations: list[Escalation] = []

    async def ask(
        self,
        ref: Ref,
        messages: tuple[Message, ...],
        *,
        role: Role = "judge",
        round: int = 0,
        schema: Mapping[str, Any] | None = None,
        splitter: StreamSplitter | None = None,
        labels: Mapping[str, int] | None = None,
    ) -> Reply:
        wire = [{"role": message.role, "content": message.content} for message in messages]
        heard = await asyncio.to_thread(ask, self.url, ref.model, wire)
        usage = Usage(heard.usage["prompt_tokens"], heard.usage["completion_tokens"])
        call = len(self.replies) + 1
        reply = Reply(
            call, ref, role, round, heard.text, usage=usage, cost=heard.cost, finish=heard.finish, status="ok"
        )
        self.replies.append(reply)
        return reply

    async def ask_all(self, asks: Sequence[tuple[Ref, tuple[Message, ...]]], *, round: int) -> tuple[Reply, ...]:
        return tuple([await self.ask(ref, messages, role="candidate", round=round) for ref, messages in asks])

    def round_ended(self, ended: Round) -> None:
        self.rounds.append(ended)

    async def check(self, text: str, call: int) -> tuple[CheckOutcome, ...]:
        return ()

    def agreement_found(self, agreement: Agreement) -> None:
        self.agreements.append(agreement)

    def escalated(self, escalation: Escalation) -> None:
        self.escalations.append(escalation)

    def run(self, pool: Sequence[Ref], prompt: str, mode: str, **more: Any) -> Verdict:
        """Ask the pool, then let the mode decide."""

        async def go() -> Verdict:
            candidates = await self.ask_all([(ref, (Message("user", prompt),)) for ref in pool], round=0)
            return await MODES[mode](ModeInput(prompt, candidates, self.judge, seed=3, **more), self)

        return asyncio.run(go())

    def names(self, calls: Sequence[int]) -> list[str]:
        return [self.replies[call - 1].ref.model for call in calls]
