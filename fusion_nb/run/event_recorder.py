"""The one place where events come into being: numbered, timed, journalled, folded, handed on, in that order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from fusion_nb.core import RunState
from fusion_nb.core.events import Event
from fusion_nb.core.fold import fold

S_co = TypeVar("S_co", bound=RunState, covariant=True)
Journal = Callable[[Event], None]


class EventRecorder(Generic[S_co]):
    """The events of one run. Written on the engine's thread, read on any: `state` is immutable, `take` hands off."""

    def __init__(self, state: S_co, journal: Journal | None = None) -> None:
        self.state: S_co = state
        self._journal = journal
        self._start = time.monotonic()
        self._seq = 0
        self._waiting: deque[Event] = deque()
        self._ready = threading.Event()

    @property
    def began(self) -> bool:
        return self._seq > 0

    def now(self) -> float:
        """Seconds since the run's start."""
        return time.monotonic() - self._start

    def emit(self, event: Event) -> None:
        event = replace(event, seq=self._seq, at=self.now())
        self._seq += 1
        if self._journal is not None:
            # Durable before anyone else sees it, the judge included.
            self._journal(event)
        self.state = fold(self.state, event)
        self._waiting.append(event)
        self._ready.set()

    def take(self, timeout: float) -> list[Event]:
        """All events not yet taken; waits up to `timeout` seconds for the first. Empty where none came."""
        self._ready.wait(timeout)
        self._ready.clear()
        taken = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        return taken
