"""What a table keeps of the batches it handed over: written before they are, so that none is handed over twice.

A batch stands there with the key of each of its requests (see `replies`), and the table with the rows it was made for:
a process that finds them goes on without the frame and the call that they came from.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from fusion_nb.core.events import Event, RunStarted
from fusion_nb.journal import table_files
from fusion_nb.journal.run_files import parse_line, to_line


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """One batch. `submitting`: nobody knows yet whether the service has it."""

    table: str
    token: str
    """What is ours in the names of its requests: the batch can be found by it."""
    service: str
    address: str
    began: str
    """ISO 8601, UTC."""
    worst: Decimal | None
    """USD it may cost at most; `None` where nobody knows."""
    keys: tuple[str, ...]
    """Of its requests, by their numbers."""
    status: Literal["submitting", "submitted"] = "submitting"
    id: str = ""
    """What the service calls it."""


def begin(batch: StoredBatch) -> None:
    """Before it is handed over. Raises `UserError` where it cannot be written: then it must not be."""
    worst = None if batch.worst is None else str(batch.worst)
    row = (batch.token, batch.service, batch.address, batch.id, batch.began, worst, batch.status)
    requests = [(batch.token, number, key) for number, key in enumerate(batch.keys)]
    with _writing(batch.table) as db:
        db.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        db.executemany("INSERT INTO batch_requests VALUES (?, ?, ?)", requests)


def submitted(table: str, token: str, id: str) -> None:
    """The service has it under that id. Raises as `begin()` does."""
    _change(table, "UPDATE batches SET id = ?, status = 'submitted' WHERE token = ?", (id, token))


def ended(table: str, token: str) -> None:
    """Nothing of it is wanted any more: its results are on the disk, or there are none. Raises as `begin()` does."""
    _change(table, "UPDATE batches SET status = 'ended' WHERE token = ?", (token,))


def _change(table: str, statement: str, values: tuple[str, ...]) -> None:
    with _writing(table) as db:
        db.execute(statement, values)


def put_rows(table: str, rows: Sequence[RunStarted]) -> None:
    """The runs that the table is to make, in their order. Raises as `begin()` does."""
    with _writing(table) as db:
        db.executemany("INSERT OR REPLACE INTO batch_rows VALUES (?, ?)", list(enumerate(map(to_line, rows))))


def rows_of(table: str) -> list[RunStarted]:
    """The runs that a table with batches was to make. Raises `UserError`."""
    with table_files.translated(table), table_files.reading(table) as db:
        lines = [line for (line,) in db.execute("SELECT line FROM batch_rows ORDER BY place").fetchall()]
    events: list[Event | None] = [parse_line(line.rstrip())[0] for line in lines]
    return [event for event in events if isinstance(event, RunStarted)]


def open_batches() -> Iterator[StoredBatch]:
    """Those whose results are not on the disk, of all tables that can be read, the newest first."""
    for table in table_files.tables():
        with contextlib.suppress(sqlite3.Error, OSError):
            yield from _open_in(table)


def open_in(table: str) -> list[StoredBatch]:
    """Those of one table. Raises `UserError`."""
    with table_files.translated(table):
        return _open_in(table)


def _open_in(table: str) -> list[StoredBatch]:
    found = []
    with table_files.reading(table) as db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'batches'").fetchone() is None:
            return []  # an older file
        query = "SELECT token, service, address, id, began, worst, status FROM batches WHERE status != 'ended'"
        for token, service, address, name, began, worst, status in db.execute(query).fetchall():
            requests = db.execute("SELECT key FROM batch_requests WHERE token = ? ORDER BY number", (token,))
            keys = tuple(key for (key,) in requests.fetchall())
            most = None if worst is None else Decimal(worst)
            found.append(StoredBatch(table, token, service, address, began, most, keys, status, name))
    return found


@contextlib.contextmanager
def _writing(table: str) -> Iterator[sqlite3.Connection]:
    with table_files.translated(table), table_files.reading(table) as db, table_files.transaction(db):
        yield db
