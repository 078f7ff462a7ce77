"""A clock that stands still while its event loop is late, and timeouts by it.

A loop with hundreds of calls under way, or on a busy machine, comes to its timers late. What it was late is not the
service's time: by the wall's clock, connections that stand would count as never made.
"""

from __future__ import annotations

import asyncio
import weakref
from types import TracebackType
from typing import Self

TICK = 0.05
"""Seconds between two looks at how late the loop is."""


class LoopClock:
    """Seconds of one loop, without those that it was late. It ticks while somebody holds it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due = 0.0
        self._holders = 0
        self._timer: asyncio.Handle | None = None
        self.late = 0.0
        """Seconds that the loop has been late in all, while somebody held the clock."""

    def now(self) -> float:
        """Seconds; only ever compared with one another."""
        moment = self._loop.time()
        behind = max(0.0, moment - self._due) if self._timer is not None else 0.0
        return moment - self.late - behind

    def hold(self) -> None:
        """Begin to tick, unless it does."""
        self._holders += 1
        if self._timer is None:
            self._schedule()

    def let_go(self) -> None:
        self._holders -= 1

    def _schedule(self) -> None:
        self._due = self._loop.time() + TICK
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self.late += max(0.0, self._loop.time() - self._due)
        self._timer = None
        if self._holders > 0:
            self._schedule()


_clocks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopClock] = weakref.WeakKeyDictionary()


def loop_clock() -> LoopClock:
    """The clock of the running loop."""
    loop = asyncio.get_running_loop()
    clock = _clocks.get(loop)
    if clock is None:
        clock = _clocks[loop] = LoopClock(loop)
    return clock


class LoopTimeout:
    """As `asyncio.timeout_at`, by the loop's clock: raises `TimeoutError` when that has come to `deadline`.

    Args:
        deadline: a moment of `loop_clock().now()`; `None` is never.
    """

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._clock = loop_clock()
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.Handle | None = None
        self._next_look = 0.0

    async def __aenter__(self) -> Self:
        self._clock.hold()
        await self._timeout.__aenter__()
        self._look()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._stop()
        self._clock.let_go()
        await self._timeout.__aexit__(kind, error, at)

    def move(self, deadline: float | None) -> None:
        """Set another deadline. One that is later costs nothing: it is looked at when the earlier one has come."""
        self._deadline = deadline
        if deadline is not None and (self._timer is None or deadline < self._next_look):
            self._stop()
            self._look()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Expire, or look again when it may be time."""
        self._timer = None
        if self._deadline is None:
            return
        left = self._deadline - self._clock.now()
        loop = asyncio.get_running_loop()
        if left > 0:
            self._next_look = self._deadline
            self._timer = loop.call_later(left, self._look)
        else:
            self._timeout.reschedule(loop.time())
