"""Where each job of a table is: to begin, under way, ended, or to be asked once more."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from fusion_nb.dataset.jobs import Job, is_broken, rest_of
from fusion_nb.journal.table_writer import StoredRun
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.run.result import FusionResult
from fusion_nb.run.run_handle import Run


class UnderWay(NamedTuple):
    run: Run
    record: StoredRun | None
    resolver: Resolver


class Making:
    """The jobs of one stream, by their places: those to begin, under way, ended, and to be asked once more."""

    def __init__(self, listed: list[Job], queue: list[int]) -> None:
        self.queue = queue
        self.under_way: dict[int, UnderWay] = {}
        self.unsaved: deque[tuple[int, FusionResult, StoredRun | None]] = deque()
        """Ended, and not on the disk yet."""
        self._listed = listed
        self._broken: list[int] = []
        """Lacking something because the network was gone: once more, when everything else is done."""
        self._once_more: set[int] = set()
        self._so_far: dict[int, FusionResult] = {}
        """What a job that is to be made again came to: it counts where that is never begun."""

    def to_begin(self) -> bool:
        """Whether there is something left to begin."""
        if not self.queue:
            self.queue, self._broken = self._broken, []
        return bool(self.queue)

    def goes_on(self, at: int, result: FusionResult, *, unpaid: bool) -> bool:
        """Whether a job is made again, with what this run of it has."""
        broken = not unpaid and at not in self._once_more and is_broken(result)
        if broken:
            self._once_more.add(at)
            self._broken.append(at)
        elif unpaid:
            self.queue.append(at)
        if broken or unpaid:
            self._listed[at] = rest_of(self._listed[at], result)
            self._so_far[at] = result
        return broken or unpaid

    def begun(self, at: int, each: UnderWay) -> None:
        self._so_far.pop(at, None)
        self.under_way[at] = each

    def left(self) -> Iterator[tuple[int, FusionResult]]:
        """What jobs that were never made again came to."""
        yield from self._so_far.items()

    def saved(self) -> Iterator[tuple[int, FusionResult]]:
        """Those that are on the disk by now, in the order in which they ended."""
        while self.unsaved and ((record := self.unsaved[0][2]) is None or record.durable):
            yield self.unsaved.popleft()[:2]
