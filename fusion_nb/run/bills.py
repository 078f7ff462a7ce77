"""Bills that did not come with their stream: asked for by generation id, beside the run, while it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING

from fusion_nb._events import CallEnded
from fusion_nb._types import Ref, RunState
from fusion_nb.run.arrived import Arrived
from fusion_nb.run.order import Tools
from fusion_nb.run.record import Record

if TYPE_CHECKING:
    from fusion_nb.providers.generation import Generation

SECONDS = 2.0
"""From a call's end: no run is held open longer for the sake of a price."""
_END = frozenset(field.name for field in fields(CallEnded)) - {"seq", "at", "call"}


class Bills:
    """The calls of one run that ended without a cost, while their service knows them by an id.

    The judge and the answer wait for none of them, only the run's last event does. What the service tells is the call's
    end once more, now with tokens and cost; what it does not tell within `SECONDS` stays unknown.
    """

    def __init__(self, record: Record[RunState], tools: Tools) -> None:
        self._record, self._tools = record, tools
        self._asked: set[asyncio.Task[Generation | None]] = set()

    def ask(self, call: int, ref: Ref, arrived: Arrived, settle: Callable[[Decimal | None], None]) -> bool:
        """Whether the service is asked what the call cost: then `settle(cost)` follows, once, whatever comes of it."""
        if self._tools.bill is None or not arrived.identified:
            return False

        def told(task: asyncio.Task[Generation | None]) -> None:
            # Here and not in the task: one that is cancelled before its first step runs nothing of its own.
            self._asked.discard(task)
            found = None if task.cancelled() or task.exception() else task.result()
            settle(None if found is None else found.cost)
            if found is not None and self._record.state.status == "running":
                self._record.emit(self._end(call, found, arrived))

        task = asyncio.create_task(self._told(ref, arrived.generation_id or ""))
        self._asked.add(task)
        task.add_done_callback(told)
        return True

    async def all_told(self) -> None:
        """Wait for what is still asked: `SECONDS` at most, and not at all where every bill came with its stream.

        Stop ends the wait, and nothing else: all but a price is there.
        """
        try:
            while self._asked:
                await asyncio.wait(set(self._asked))
        except asyncio.CancelledError:
            self.give_up()

    def give_up(self) -> None:
        """The run ends now: what nobody has told yet stays unknown."""
        for task in set(self._asked):
            task.cancel()

    async def _told(self, ref: Ref, generation_id: str) -> Generation | None:
        try:
            async with asyncio.timeout(SECONDS):
                return await self._tools.bill(ref, generation_id) if self._tools.bill else None
        except TimeoutError:
            return None

    def _end(self, call: int, found: Generation, arrived: Arrived) -> CallEnded:
        """The end of a call once more, with its bill."""
        reply = self._record.state.reply(call)
        end = {name: getattr(reply, name) for name in _END} | {
            "usage": found.usage,
            "model": reply.model or found.model,
        }
        if found.cost is not None:
            cost = arrived.reported + found.cost
            end |= {"cost": cost, "cost_source": "reported", "maybe_billed": arrived.billed}
        return CallEnded(call=call, **end)
