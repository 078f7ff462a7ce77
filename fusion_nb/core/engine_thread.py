"""The engine's own thread and event loop, and how other threads reach it.

The caller's loop, a blocked kernel, uvloop or trio never disturb the clocks, and nothing is monkeypatched.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_Loop = tuple[int, asyncio.AbstractEventLoop]
"""With the process that turns it: a forked child has the object and no thread."""
_lock = threading.Lock()
_engine: _Loop | None = None
_functions: _Loop | None = None


def engine_loop() -> asyncio.AbstractEventLoop:
    """The engine's loop, turning on its own daemon thread; started on first use, and anew after a fork."""
    global _engine  # noqa: PLW0603  one thread for the process is the point
    with _lock:
        _engine = _turning(_engine, "fusion_nb")
        return _engine[1]


def functions_loop() -> asyncio.AbstractEventLoop:
    """A loop for coroutines of the user's own where the caller has none: what blocks in one must not stop the engine.

    It is one for the process, so that a client which they share stays bound to the same loop.
    """
    global _functions  # noqa: PLW0603  as above
    with _lock:
        _functions = _turning(_functions, "fusion_nb functions")
        return _functions[1]


def _turning(loop: _Loop | None, name: str) -> _Loop:
    if loop is not None and loop[0] == os.getpid():
        return loop
    started = asyncio.SelectorEventLoop()
    threading.Thread(target=started.run_forever, name=name, daemon=True).start()
    return os.getpid(), started


def _after_fork() -> None:
    """Another thread of the parent may have held the lock at that moment: in the child nobody would let it go."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


_stop_runs: list[Callable[[], None]] = []
_close_clients: list[Callable[[], Coroutine[Any, Any, None]]] = []


def stop_at_exit(stop: Callable[[], None]) -> None:
    """Call `stop()` when the interpreter ends, before any client is closed."""
    _stop_runs.append(stop)


def close_at_exit(close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Await `close()` on the engine's loop when the interpreter ends, for a second at most, after all runs."""
    _close_clients.append(close)


@atexit.register
def _end() -> None:
    """Runs first, clients second: a client that is closed under a run would turn its stop into a lost connection."""
    if _engine is None or _engine[0] != os.getpid():
        return
    for stop in _stop_runs:
        with contextlib.suppress(Exception):
            stop()
    for close in _close_clients:
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(close(), _engine[1]).result(timeout=1.0)


def refuse_on_engine() -> None:
    """Raise `RuntimeError` on the engine's own thread: whoever waits there for a run waits for itself, for ever."""
    if _engine is not None and running_loop() is _engine[1]:
        raise RuntimeError("fusion_nb cannot wait for a run on the thread that carries its runs: call it from another.")


def run_on_engine(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, run on the engine's loop while this thread waits."""
    try:
        refuse_on_engine()
    except RuntimeError:
        work.close()
        raise
    return asyncio.run_coroutine_threadsafe(work, engine_loop()).result()


def call_on_engine(do: Callable[[], T]) -> T:
    """What `do()` returns or raises, called on the engine's loop while this thread waits for it."""
    if running_loop() is engine_loop():
        return do()

    async def work() -> T:
        return do()

    return run_on_engine(work())


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs on this thread, if one does: a notebook's, while a cell is executed."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def run_on_loop(
    callers: asyncio.AbstractEventLoop,
) -> Callable[[Coroutine[Any, Any, None]], Awaitable[None]]:
    """A runner for coroutines that are bound to the caller's loop: awaited on the engine's, run on theirs."""

    def run(work: Coroutine[Any, Any, None]) -> Awaitable[None]:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, callers))

    return run
