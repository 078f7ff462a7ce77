"""Waiting for a run on the thread that asked: watched, interruptible, and where it must be, with its loop turning."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from fusion_nb._events import Event
from fusion_nb._types import RunState
from fusion_nb.run.loop import Handle

S = TypeVar("S", bound=RunState)
Hear = Callable[[Sequence[Event]], None]


def drive(
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


def turning(handle: Handle[S], *, pace: float = 0.01) -> Iterator[list[Event]]:
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


def turn(handle: Handle[S], seconds: float, *, pace: float = 0.01) -> None:
    """Let the caller's own loop turn until the run has ended, so long at most; takes no events."""
    callers, until = _entered_again(), time.monotonic() + seconds
    while not handle.done and time.monotonic() < until:
        callers.run_until_complete(asyncio.sleep(pace))


def _entered_again() -> asyncio.AbstractEventLoop:
    import nest_asyncio2  # noqa: PLC0415  only this case needs it, and importing it is not free

    callers = asyncio.get_running_loop()
    nest_asyncio2.apply(callers)
    return callers


def drive_turning(handle: Handle[S], see: Callable[[S], None] | None = None, hear: Hear | None = None) -> S:
    """`drive`, while the caller's loop turns."""
    for batch in turning(handle):
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
