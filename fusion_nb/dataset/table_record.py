"""The record of the runs of one queue, and what its thread waits for: that a run ends, or is on the disk."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from fusion_nb.core.run_spec import RunSpec, run_started
from fusion_nb.errors import UserError
from fusion_nb.journal.run_rows import fingerprint
from fusion_nb.journal.table_writer import StoredRun, TableWriter
from fusion_nb.run.run_handle import new_run_id


class QueueRecord:
    """One table in the journal, made with its first run.

    Args:
        title: what it says the runs were: the template of their prompts.
    """

    def __init__(self, title: str) -> None:
        self.trouble = ""
        """Why it is not kept, a sentence; empty where it is."""
        self._title = title
        self._table: TableWriter | None = None
        self._holders = 0
        self._ended: deque[int] = deque()
        self._news = threading.Event()

    def hold(self) -> None:
        """Keep the table open until everybody who holds it has let go."""
        self._holders += 1

    def let_go(self, status: str) -> None:
        """`status`: how the table ended, where nobody else holds it."""
        self._holders -= 1
        if self._table is not None and not self._holders:
            self._table.close(status)
            self.trouble = self._table.trouble
            self._table = None

    def begin(self, spec: RunSpec, keys: Mapping[str, str]) -> StoredRun:
        """The record of a new run. `keys`: by the name of a member, the key of its first reply."""
        return self._opened(spec).journal(fingerprint(run_started(spec, "", "")), keys)

    def make(self, spec: RunSpec) -> str:
        """The id of the table, its file made. `spec`: of one of its runs. Raises `UserError` where that fails."""
        table = self._opened(spec)
        table.make()
        if table.trouble:
            raise UserError(f"Nothing was sent, since a batch has to be on the disk first. {table.trouble}")
        return table.table

    def _opened(self, spec: RunSpec) -> TableWriter:
        if self._table is None:
            head = {
                "when": datetime.now(UTC).isoformat(),
                "prompt": self._title or spec.prompt,
                "mode": spec.mode,
                "pool": json.dumps([ref.name for ref in spec.pool]),
                "tag": spec.tag,
                "judge": ", ".join(ref.name for ref in spec.judges),
            }
            self._table = TableWriter(new_run_id(), head, self._news.set)
        return self._table

    def ended(self, place: int) -> None:
        """The run of that job has ended; from any thread."""
        self._ended.append(place)
        self._news.set()

    def ended_places(self) -> Iterator[int]:
        """The jobs whose runs have ended and were not told yet."""
        while self._ended:
            yield self._ended.popleft()

    def wait(self, seconds: float) -> None:
        """Until there is news, so long at most."""
        self._news.wait(seconds)
        self._news.clear()
