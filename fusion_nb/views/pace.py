"""How often a view may be drawn: as the eye needs it, and never at the cost of what it shows."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_WINDOW = 1.0
_IDLE = 4.0
"""Seconds to rest for each second of drawing: at most a fifth of the time is spent on it."""


class Pace:
    """Says when to draw again. `interval`: seconds between two drawings; `clock`: monotonic seconds."""

    def __init__(self, interval: float = 0.1, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._clock = clock
        self._most = max(1, round(_WINDOW / interval)) if interval > 0 else 1_000_000
        self._drawn: deque[float] = deque(maxlen=self._most)
        self._next = float("-inf")

    def due(self, *, urgent: bool = False) -> bool:
        """Whether to draw now. What is `urgent` need not wait its turn, but no second holds more drawings for it."""
        now = self._clock()
        if urgent:
            return len(self._drawn) < self._most or now - self._drawn[0] >= _WINDOW
        return now >= self._next

    def draw(self, drawing: Callable[[], None]) -> None:
        """Do it, and measure how long it took."""
        begun = self._clock()
        drawing()
        ended = self._clock()
        self._drawn.append(begun)
        self._next = max(begun + self._interval, ended + _IDLE * (ended - begun))
