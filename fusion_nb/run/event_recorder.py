"""The one place where events come into being: numbered, timed, journalled, handed on and folded, in that order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from fusion_nb.core import RunState
from fusion_nb.core.events import Event, TextDelta
from fusion_nb.core.fold import changed, fold_all, join_events

S_co = TypeVar("S_co", bound=RunState, covariant=True)
Journal = Callable[[Event], None]


class EventRecorder(Generic[S_co]):
    """The events of one run. Written on the engine's thread, read on any: `state` is immutable, `take` hands off."""

    def __init__(self, state: S_co, journal: Journal | None = None) -> None:
        self._state: S_co = state
        self._unfolded: list[Event] = []
        """Pieces of text that nobody has asked for yet: to fold each by itself would copy the text each time."""
        self._folding = threading.Lock()
        self._journal = journal
        self._start = time.monotonic()
        self._seq = 0
        self._waiting: deque[Event] = deque()
        self._ready = threading.Event()

    @property
    def began(self) -> bool:
        return self._seq > 0

    @property
    def state(self) -> S_co:
        """Everything known so far."""
        with self._folding:
            return self._folded()

    def _folded(self) -> S_co:
        if self._unfolded:
            events = self._unfolded if len(self._unfolded) == 1 else join_events(self._unfolded)
            self._state = fold_all(events, self._state)
            self._unfolded = []
        return self._state

    def now(self) -> float:
        """Seconds since the run's start."""
        return time.monotonic() - self._start

    def emit(self, event: Event) -> None:
        event = changed(event, {"seq": self._seq, "at": self.now()})
        self._seq += 1
        if self._journal is not None:
            # Durable before anyone else sees it, the judge included.
            self._journal(event)
        with self._folding:
            self._unfolded.append(event)
            if not isinstance(event, TextDelta):
                # At once, so that an event that does not fit is raised where it was made.
                self._folded()
        self._waiting.append(event)
        if not self._ready.is_set():  # a lock less; whoever takes clears it before it looks
            self._ready.set()

    def take(self, timeout: float) -> list[Event]:
        """All events not yet taken; waits up to `timeout` seconds for the first. Empty where none came."""
        self._ready.wait(timeout)
        self._ready.clear()
        taken = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        return taken
