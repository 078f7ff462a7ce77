"""The members of one round while they are asked: waited for together, and one by one stopped or asked anew."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fusion_nb.core import Limits, Message, Ref, Reply, RunState
from fusion_nb.errors import UserError
from fusion_nb.run.event_recorder import EventRecorder

Ask = Callable[[Ref, tuple[Message, ...]], Coroutine[Any, Any, Reply]]
_Task = asyncio.Task[Reply]


class Members:
    """One round's members. Lives on the engine's loop.

    Args:
        asks: who is asked, and with what. Those the record has a reply of for this round already are not.
        ask: one call, from its start to its end on record.
    """

    def __init__(
        self,
        asks: Sequence[tuple[Ref, tuple[Message, ...]]],
        round: int,
        ask: Ask,
        record: EventRecorder[RunState],
        limits: Limits,
    ) -> None:
        self.round = round
        self._asks = {ref.name: functools.partial(ask, ref, said) for ref, said in asks}
        self._record, self._limits = record, limits
        self._group = asyncio.TaskGroup()
        self._going: dict[str, _Task] = {}
        """The newest call of each member that has none ended."""
        self._anew: set[str] = set()
        """Those a person asked anew: they are waited for, whatever the quorum says."""
        self._coming: set[str] = set()
        """Those of them whose new call has not begun."""
        self._change = asyncio.Event()

    async def replies(self) -> tuple[Reply, ...]:
        """Ask, wait under quorum and grace, and give each member's standing reply of this round, in order."""
        async with self._group:
            for name in [name for name in self._asks if not self._said(name)]:
                self._start(name, self._asks[name]())
            if self._limits.quorum is not None:
                await self._quorum(self._limits.quorum)
        # Read from the record, not from the tasks: a straggler that was let go has a row too.
        return tuple(current_reply(self._said(name)) for name in self._asks)

    def anew(self, reply: Reply, stop: Callable[[int], None]) -> None:
        """Ask the member of `reply` once more, in a call of its own. `stop`: ends the call that is under way.

        Raises `UserError` where that is too late, or it has answered, or `reply` is not its newest.
        """
        name = reply.ref.name
        if not self._going:
            raise UserError(f"The judge reads already: {name} can be asked anew when the run is over.")
        said = self._said(name)
        if current_reply(said).usable:
            raise UserError(f"{name} has answered: there is nothing to ask anew before the run is over.")
        if name in self._coming or said[-1].call != reply.call:
            raise UserError(f"{name} is being asked anew already.")
        before = self._going.get(name)
        if before is not None:
            stop(reply.call)
        self._anew.add(name)
        self._coming.add(name)
        self._start(name, self._after(before, name))

    async def _after(self, before: _Task | None, name: str) -> Reply:
        """The call anew, once the one before has let go of its money and its place."""
        if before is not None:
            await asyncio.wait({before})
        self._coming.discard(name)
        return await self._asks[name]()

    def _start(self, name: str, work: Coroutine[Any, Any, Reply]) -> None:
        task = self._going[name] = self._group.create_task(work)
        task.add_done_callback(functools.partial(self._ended, name))

    def _ended(self, name: str, task: _Task) -> None:
        if self._going.get(name) is task:
            del self._going[name]
        self._change.set()

    async def _quorum(self, quorum: int) -> None:
        """Once `quorum` usable candidates are there, give the others `grace` seconds, then let them go."""
        while self._going and sum(any(r.usable for r in self._said(name)) for name in self._asks) < quorum:
            await self._changed()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.grace):
                while self._going:
                    await self._changed()
        for name, task in list(self._going.items()):
            if name not in self._anew:
                task.cancel()

    async def _changed(self) -> None:
        self._change.clear()
        await self._change.wait()

    def _said(self, name: str) -> list[Reply]:
        return [
            reply
            for reply in self._record.state.replies
            if reply.role == "candidate" and reply.round == self.round and reply.ref.name == name
        ]


def current_reply(said: Sequence[Reply]) -> Reply:
    """What counts of one member's replies in one round: the latest that is usable, else the latest."""
    return next((reply for reply in reversed(said) if reply.usable), said[-1])
