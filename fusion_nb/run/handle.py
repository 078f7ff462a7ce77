"""A run on the engine's thread, as its caller holds it, and waiting for it on the thread that asked.

The wait shows progress, gives way to an interrupt and, where a member is bound to the caller's loop, turns that loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Generic, TypeVar

from fusion_nb.core import RunState
from fusion_nb.core.engine_thread import engine_loop, stop_at_exit
from fusion_nb.core.events import Event
from fusion_nb.run.event_recorder import EventRecorder

S = TypeVar("S", bound=RunState)
_under_way: set[Handle[Any]] = set()


def _stop_all() -> None:
    """A script that ends in the middle of a run stops it: its record says so, instead of looking like a crash."""
    under_way = [handle for handle in list(_under_way) if not handle.done]
    for handle in under_way:
        handle.stop()
    for handle in under_way:
        handle.pause(1.0)


stop_at_exit(_stop_all)


class Handle(Generic[S]):
    """A run under way, as its caller holds it: events to take, a state to look at, and Stop."""

    def __init__(self, record: EventRecorder[S], work: Coroutine[Any, Any, None]) -> None:
        self._record = record
        self._loop = engine_loop()
        self._task: asyncio.Task[None] | None = None
        self._defect: BaseException | None = None
        self._over = threading.Event()
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.stopping = False
        _under_way.add(self)
        self._loop.call_soon_threadsafe(self._start, work)

    @property
    def state(self) -> S:
        """Everything known so far. Immutable: safe to keep, from any thread."""
        return self._record.state

    @property
    def done(self) -> bool:
        """Whether the run has ended: no event comes after this, but some may not have been taken yet."""
        return self._over.is_set()

    def stop(self) -> None:
        """End the run as `cancelled`; what was received is kept. Returns at once, from any thread."""
        self.stopping = True
        self._loop.call_soon_threadsafe(self._cancel)

    def take(self, timeout: float = 0.1) -> list[Event]:
        """Events not yet taken; waits up to `timeout` seconds for the first."""
        return self._record.take(timeout)

    def pause(self, seconds: float) -> None:
        """Sleep, or less where the run ends meanwhile."""
        self._over.wait(seconds)

    def events(self) -> Iterator[Event]:
        """Every event as it happens, until the run has ended. Leaving early stops the run."""
        try:
            while not self.done:
                yield from self.take()
            yield from self.take(0)
        finally:
            if not self.done:
                self.stop()
        self.raise_defect()

    async def wait(self) -> S:
        """The state at the run's end, awaited on the caller's loop. Cancelling the wait stops the run."""
        try:
            # Shielded: a wait given up must not mark the run as over.
            await asyncio.shield(asyncio.wrap_future(self._ended))
        except asyncio.CancelledError:
            self.stop()
            raise
        self.raise_defect()
        return self.state

    def raise_defect(self) -> None:
        """Raise what broke the engine itself, if anything did; a failed member never does."""
        if self._defect is not None:
            raise self._defect

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = self._loop.create_task(work)
        self._task.add_done_callback(self._end)

    def _cancel(self) -> None:
        if self._task is None or not self._record.began:
            # A task cancelled before its first step never says that it ended.
            self._loop.call_soon(self._cancel)
        else:
            self._task.cancel()

    def _end(self, task: asyncio.Task[None]) -> None:
        self._defect = None if task.cancelled() else task.exception()
        self._over.set()
        _under_way.discard(self)
        self._ended.set_result(None)


Hear = Callable[[Sequence[Event]], None]


def wait_for_run(
    handle: Handle[S], see: Callable[[S], None] | None = None, hear: Hear | None = None, *, pace: float = 0.03
) -> S:
    """Wait for the run on the caller's thread, calling `see(state)` after each batch of events.

    `hear(events)` gets the batches themselves, and an empty one where nothing happened for a while.

    The kernel's interrupt ends the run as `cancelled` and the state is returned; a second interrupt raises
    `KeyboardInterrupt`. `pace`: seconds between two looks; streams come in far smaller pieces than eyes can follow,
    and waking for each would cost more than all the rest.
    """
    with _interrupt_stops(handle):
        while not handle.done:
            events = handle.take()
            if hear is not None:
                hear(events)
            # In silence too: the seconds go on, and a view may owe its last change.
            if see is not None:
                see(handle.state)
            handle.pause(pace)
    events = handle.take(0)
    if hear is not None:
        hear(events)
    if see is not None:
        see(handle.state)
    handle.raise_defect()
    return handle.state


def events_with_nested_loop(handle: Handle[S], *, pace: float = 0.01) -> Iterator[list[Event]]:
    """The run's events in batches, while the caller's own loop turns although the caller waits.

    Needed where a member is a coroutine function of the notebook, bound to the notebook's loop; there, and only there,
    asyncio is patched to be entered again.
    """
    callers = _entered_again()
    with _interrupt_stops(handle):
        while not handle.done:
            yield handle.take(0)
            callers.run_until_complete(asyncio.sleep(pace))
    yield handle.take(0)
    handle.raise_defect()


def turn_loop(handle: Handle[S], seconds: float, *, pace: float = 0.01) -> None:
    """Let the caller's own loop turn until the run has ended, so long at most; takes no events."""
    callers, until = _entered_again(), time.monotonic() + seconds
    while not handle.done and time.monotonic() < until:
        callers.run_until_complete(asyncio.sleep(pace))


def _entered_again() -> asyncio.AbstractEventLoop:
    import nest_asyncio2  # noqa: PLC0415  only this case needs it, and importing it is not free

    callers = asyncio.get_running_loop()
    nest_asyncio2.apply(callers)
    return callers


def wait_with_nested_loop(handle: Handle[S], see: Callable[[S], None] | None = None, hear: Hear | None = None) -> S:
    """`drive`, while the caller's loop turns."""
    for batch in events_with_nested_loop(handle):
        if hear is not None:
            hear(batch)
        if see is not None:
            see(handle.state)
    return handle.state


@contextlib.contextmanager
def _interrupt_stops(handle: Handle[Any]) -> Iterator[None]:
    """The first SIGINT stops the run instead of raising in the middle of a view; the second is hard."""

    def on_interrupt(signum: int, frame: Any) -> None:
        if handle.stopping:
            raise KeyboardInterrupt
        handle.stop()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
