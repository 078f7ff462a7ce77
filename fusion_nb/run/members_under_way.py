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
        self._requests = {ref.name: functools.partial(ask, ref, messages) for ref, messages in asks}
        self._record, self._limits = record, limits
        self._group = asyncio.TaskGroup()
        self._running: dict[str, _Task] = {}
        """The newest call of each member that has none ended."""
        self._retried: set[str] = set()
        """Those a person asked anew: they are waited for, whatever the quorum says."""
        self._starting: set[str] = set()
        """Those of them whose new call has not begun."""
        self._change = asyncio.Event()

    async def replies(self) -> tuple[Reply, ...]:
        """Ask, wait under quorum and grace, and give each member's standing reply of this round, in order."""
        async with self._group:
            for name in [name for name in self._requests if not self._replies_of(name)]:
                self._start(name, self._requests[name]())
            if self._limits.quorum is not None:
                await self._wait_for_quorum(self._limits.quorum)
        # Read from the record, not from the tasks: a straggler that was let go has a row too.
        return tuple(current_reply(self._replies_of(name)) for name in self._requests)

    def retry(self, reply: Reply, stop: Callable[[int], None]) -> None:
        """Ask the member of `reply` once more, in a call of its own. `stop`: ends the call that is under way.

        Raises `UserError` where that is too late, or it has answered, or `reply` is not its newest.
        """
        name = reply.ref.name
        if not self._running:
            raise UserError(f"The judge reads already: {name} can be asked anew when the run is over.")
        replies = self._replies_of(name)
        if current_reply(replies).usable:
            raise UserError(f"{name} has answered: there is nothing to ask anew before the run is over.")
        if name in self._starting or replies[-1].call != reply.call:
            raise UserError(f"{name} is being asked anew already.")
        before = self._running.get(name)
        if before is not None:
            stop(reply.call)
        self._retried.add(name)
        self._starting.add(name)
        self._start(name, self._retry_after(before, name))

    async def _retry_after(self, before: _Task | None, name: str) -> Reply:
        """The call anew, once the one before has let go of its money and its place."""
        if before is not None:
            await asyncio.wait({before})
        self._starting.discard(name)
        return await self._requests[name]()

    def _start(self, name: str, work: Coroutine[Any, Any, Reply]) -> None:
        task = self._running[name] = self._group.create_task(work)
        task.add_done_callback(functools.partial(self._ended, name))

    def _ended(self, name: str, task: _Task) -> None:
        if self._running.get(name) is task:
            del self._running[name]
        self._change.set()

    async def _wait_for_quorum(self, quorum: int) -> None:
        """Once `quorum` usable candidates are there, give the others `grace` seconds, then let them go."""
        while self._running and sum(any(r.usable for r in self._replies_of(name)) for name in self._requests) < quorum:
            await self._changed()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.grace):
                while self._running:
                    await self._changed()
        for name, task in list(self._running.items()):
            if name not in self._retried:
                task.cancel()

    async def _changed(self) -> None:
        self._change.clear()
        await self._change.wait()

    def _replies_of(self, name: str) -> list[Reply]:
        return [
            reply
            for reply in self._record.state.replies
            if reply.role == "candidate" and reply.round == self.round and reply.ref.name == name
        ]


def current_reply(replies: Sequence[Reply]) -> Reply:
    """What counts of one member's replies in one round: the latest that is usable, else the latest."""
    return next((reply for reply in reversed(replies) if reply.usable), replies[-1])
