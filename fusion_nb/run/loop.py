"""The engine's own thread and loop, and the hand-off to the thread that asked.

The caller's loop, a blocked kernel, uvloop or trio never disturb the clocks, and nothing is monkeypatched.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Generic, TypeVar

from fusion_nb._events import Event
from fusion_nb._types import RunState
from fusion_nb.run.record import Record

S = TypeVar("S", bound=RunState)
T = TypeVar("T")

_lock = threading.Lock()
_engine: tuple[int, asyncio.AbstractEventLoop] | None = None
_under_way: set[Handle[Any]] = set()


def engine_loop() -> asyncio.AbstractEventLoop:
    """The engine's loop, turning on its own daemon thread; started on first use, and anew after a fork."""
    global _engine  # noqa: PLW0603  one thread for the process is the point
    with _lock:
        if _engine is None or _engine[0] != os.getpid():
            loop = asyncio.SelectorEventLoop()
            threading.Thread(target=loop.run_forever, name="fusion_nb", daemon=True).start()
            _engine = (os.getpid(), loop)
        return _engine[1]


@atexit.register
def _stop_all() -> None:
    """A script that ends in the middle of a run stops it: its record says so, instead of looking like a crash."""
    under_way = [handle for handle in _under_way if not handle.done]
    if _engine is None or _engine[0] != os.getpid():
        return
    for handle in under_way:
        handle.stop()
    for handle in under_way:
        handle.pause(1.0)


def at_exit(close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Await `close()` on the engine's loop when the interpreter ends, for a second at most."""

    def ending() -> None:
        if _engine is not None and _engine[0] == os.getpid():
            with contextlib.suppress(Exception):
                asyncio.run_coroutine_threadsafe(close(), _engine[1]).result(timeout=1.0)

    atexit.register(ending)


def on_engine(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, run on the engine's loop while this thread waits."""
    return asyncio.run_coroutine_threadsafe(work, engine_loop()).result()


def at_once(do: Callable[[], T]) -> T:
    """What `do()` returns or raises, called on the engine's loop while this thread waits for it."""
    if running() is engine_loop():
        return do()

    async def work() -> T:
        return do()

    return on_engine(work())


class Handle(Generic[S]):
    """A run under way, as its caller holds it: events to take, a state to look at, and Stop."""

    def __init__(self, record: Record[S], work: Coroutine[Any, Any, None]) -> None:
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


def running() -> asyncio.AbstractEventLoop | None:
    """The loop that runs on this thread, if one does: a notebook's, while a cell is executed."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def on_loop(
    callers: asyncio.AbstractEventLoop,
) -> Callable[[Coroutine[Any, Any, None]], Awaitable[None]]:
    """A runner for coroutines that are bound to the caller's loop: awaited on the engine's, run on theirs."""

    def run(work: Coroutine[Any, Any, None]) -> Awaitable[None]:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, callers))

    return run
