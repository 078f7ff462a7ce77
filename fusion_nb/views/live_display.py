"""The display of a run that is under way, updated in place, and the pace at which any view is redrawn.

`Live` knows no front end: it gets a function that displays a bundle. `Pace` limits how often a view is drawn, and how
much of the time drawing may take from the run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from fusion_nb.core import RunState
from fusion_nb.views import bundle

_TICK = 1.0
"""Seconds between two drawings while nothing happens but time."""


class Handle(Protocol):
    """A display that can be changed."""

    def update(self, bundle: dict[str, str]) -> None: ...


class Live:
    """Shows a run as it grows, at most ten times a second and for at most a fifth of the time.

    Args:
        show: displays a bundle (MIME type -> text) and returns a handle to change it by.
        interval: least number of seconds between two drawings.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        show: Callable[[dict[str, str]], Handle],
        *,
        interval: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._show = show
        self._clock = clock
        self._pace = Pace(interval, clock)
        self._handle: Handle | None = None
        self._started: float | None = None
        self._drawn: RunState | None = None
        self._drawn_at = float("-inf")

    def update(self, state: RunState) -> None:
        """Show `state` now, or leave it for a later call. Call it often, also while nothing happens: time goes on."""
        if self._started is None:
            self._started = clock_at_start(state.when, self._clock)
        if state is self._drawn and self._clock() - self._drawn_at < _TICK:
            return
        # The first words are what a person waits for.
        first = self._drawn is not None and not _has_text(self._drawn) and _has_text(state)
        if self._pace.due(urgent=first):
            self._draw(state)

    def finish(self, state: RunState) -> None:
        """Show the final state, once."""
        if state is not self._drawn or state.status == "running":
            self._draw(state)

    def _draw(self, state: RunState) -> None:
        self._pace.draw(lambda: self._display(state))
        self._drawn, self._drawn_at = state, self._clock()

    def _display(self, state: RunState) -> None:
        now = None if self._started is None else self._clock() - self._started
        content = bundle(state, now=now)
        if self._handle is None:
            self._handle = self._show(content)
        else:
            self._handle.update(content)


def _has_text(state: RunState) -> bool:
    return any(reply.text for reply in state.replies)


_LATEST = 10.0
"""Seconds a view may come after its run's start; more is a run of another day, shown again."""


def clock_at_start(when: str, clock: Callable[[], float], at: float = 0.0) -> float:
    """What `clock` read when the run began: its views are loaded, and first drawn, some time after that.

    Args:
        when: the run's start, ISO 8601 in UTC.
        clock: monotonic seconds.
        at: seconds since the run's start where `when` tells nothing.
    """
    now = clock()
    try:
        late = (datetime.now(UTC) - datetime.fromisoformat(when)).total_seconds()
    except (ValueError, TypeError):
        return now - at
    return now - late if at <= late < _LATEST else now - at


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
        """Whether to draw now. An `urgent` drawing skips the interval, not the limit per second."""
        now = self._clock()
        if urgent:
            return len(self._drawn) < self._most or now - self._drawn[0] >= _WINDOW
        return now >= self._next

    def draw(self, drawing: Callable[[], None]) -> None:
        """Call `drawing`, and measure how long it took."""
        start = self._clock()
        drawing()
        ended = self._clock()
        self._drawn.append(start)
        self._next = max(start + self._interval, ended + _IDLE * (ended - start))
