"""How late this machine is: what a test of time may leave out of account, and when it had better look again."""

from __future__ import annotations

import threading
import time
from collections import deque

_TICK = 0.01
LATE = 0.05
"""Seconds by which a thread that wants to run must be late, for a moment to count as a busy one."""


class LagMeter:
    """A thread that wants to run a hundred times a second, and remembers by how much it came too late."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque(maxlen=100_000)
        threading.Thread(target=self._tick, name="lag meter", daemon=True).start()

    def _tick(self) -> None:
        while True:
            due = time.monotonic() + _TICK
            time.sleep(_TICK)
            now = time.monotonic()
            self._late.append((now, now - due))

    def lost(self, since: float) -> float:
        """Seconds that the machine was late since then, all together: what took longer by so much is no fault."""
        return sum(late for at, late in list(self._late) if at >= since)

    def busy(self, since: float) -> bool:
        """Whether the machine was late at any one moment since then by more than clocks of some tenths of a second bear."""
        return any(late > LATE for at, late in list(self._late) if at >= since)


_meters: list[LagMeter] = []


def meter() -> LagMeter:
    """The one meter of this process."""
    if not _meters:
        _meters.append(LagMeter())
    return _meters[0]
