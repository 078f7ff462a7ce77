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
from fusion_nb.core.engine_thread import engine_loop, refuse_on_engine, running_loop, stop_at_exit
from fusion_nb.core.events import Event
from fusion_nb.run.event_recorder import EventRecorder

S = TypeVar("S", bound=RunState)
Hear = Callable[[Sequence[Event]], None]
NeedsLoop = Callable[[], bool]
_SILENCE = 0.1
"""Seconds to wait for a first event."""
_PACE = 0.03
"""Seconds between two looks."""
_TURN = 0.01
"""Seconds between two looks while the caller's loop is turned."""
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

    def __init__(
        self, record: EventRecorder[S], work: Coroutine[Any, Any, None], on_end: Callable[[], None] = lambda: None
    ) -> None:
        self._record = record
        self._on_end = on_end
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

    def take(self, timeout: float = _SILENCE) -> list[Event]:
        """Events not yet taken; waits up to `timeout` seconds for the first."""
        return self._record.take(timeout)

    def pause(self, seconds: float) -> None:
        """Sleep, or less where the run ends meanwhile."""
        self._over.wait(seconds)

    def events(self, needs_loop: NeedsLoop = lambda: False) -> Iterator[Event]:
        """Every event as it happens, until the run has ended. Leaving early stops the run.

        Args:
            needs_loop: see `wait_for_run`.
        """
        refuse_on_engine()
        try:
            while not self.done:
                yield from self.take(0 if needs_loop() else _SILENCE)
                if needs_loop():
                    pause_run(self, _TURN, needs_loop)
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
        self._on_end()


def wait_for_run(
    handle: Handle[S],
    see: Callable[[S], None] | None = None,
    hear: Hear | None = None,
    needs_loop: NeedsLoop = lambda: False,
) -> S:
    """Wait for the run on the caller's thread.

    The kernel's interrupt ends the run as `cancelled` and the state is returned; a second interrupt raises
    `KeyboardInterrupt`.

    Args:
        see: called with the state after each batch of events, and in silence too: the seconds go on.
        hear: called with the batches themselves, and with an empty one where nothing happened for a while.
        needs_loop: whether a member waits for the caller's own loop, by now: one that is bound to it, or a function
            that turned out to return something to await. That loop is turned then although its thread waits; there,
            and only there, asyncio is patched to be entered again.
    """
    refuse_on_engine()
    with _interrupt_stops(handle):
        while not handle.done:
            _pass_on(handle, handle.take(0 if needs_loop() else _SILENCE), see, hear)
            # Streams come in far smaller pieces than eyes can follow: waking for each would cost more than the rest.
            pause_run(handle, _TURN if needs_loop() else _PACE, needs_loop)
    _pass_on(handle, handle.take(0), see, hear)
    handle.raise_defect()
    return handle.state


def _pass_on(handle: Handle[S], events: Sequence[Event], see: Callable[[S], None] | None, hear: Hear | None) -> None:
    if hear is not None:
        hear(events)
    if see is not None:
        see(handle.state)


def pause_run(handle: Handle[Any], seconds: float, needs_loop: NeedsLoop) -> None:
    """Sleep, or less where the run ends meanwhile; the caller's loop turns where that is needed."""
    until = time.monotonic() + seconds
    while not handle.done and (left := until - time.monotonic()) > 0:
        if needs_loop() and (callers := running_loop()) is not None:
            import nest_asyncio2  # noqa: PLC0415  only this case needs it, and importing it is not free

            nest_asyncio2.apply(callers)
            with _interrupt_stops(handle):
                callers.run_until_complete(asyncio.sleep(min(left, _TURN)))
        else:
            handle.pause(min(left, _SILENCE))


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
