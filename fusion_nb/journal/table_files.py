"""The record of tables of prompts: one SQLite file a table, whatever its number of rows.

A run of a table is named after it: the table's id, and eight digits. Its events are lines as in a run's own file, in
blocks that were written together. Beside them stand what it was asked and which of its replies can be taken over.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fusion_nb.core.events import Event
from fusion_nb.errors import UserError
from fusion_nb.journal.run_files import RecordedEvents, is_run_id, parse, to_line
from fusion_nb.journal.sqlite_files import connect
from fusion_nb.storage.file_lock import LivenessLock
from fusion_nb.storage.files import check_home, check_owner, home, make_home, make_private

SUFFIX = ".table"
SCHEMA = 1
WAIT = 10.0
"""Seconds to wait for another process that writes."""
TABLES = (
    "CREATE TABLE head (name TEXT PRIMARY KEY, value TEXT)",
    """CREATE TABLE runs (run TEXT PRIMARY KEY, fingerprint TEXT, began TEXT, of_run TEXT, status TEXT, limits TEXT,
        failed INTEGER, cost TEXT, unpriced INTEGER, calls TEXT) WITHOUT ROWID""",
    "CREATE INDEX same ON runs (fingerprint)",
    "CREATE TABLE lines (run TEXT, part INTEGER, lines BLOB, PRIMARY KEY (run, part))",
    "CREATE TABLE replies (key TEXT, run TEXT, call INTEGER)",
    "CREATE INDEX reply_key ON replies (key)",
    # Older files lack these three: whoever reads them takes that for none.
    """CREATE TABLE batches (token TEXT PRIMARY KEY, service TEXT, address TEXT, id TEXT, began TEXT, worst TEXT,
        status TEXT)""",
    "CREATE TABLE batch_requests (token TEXT, number INTEGER, key TEXT, PRIMARY KEY (token, number)) WITHOUT ROWID",
    "CREATE TABLE batch_rows (place INTEGER PRIMARY KEY, line BLOB)",
)
_ROW = re.compile(r"(\d{8}T\d{6}-[0-9a-f]{10})[0-9a-f]{8}")
_lock = threading.RLock()
_open: dict[tuple[int, Path], sqlite3.Connection] = {}
_MOST_OPEN = 4


def folder() -> Path:
    """The folder of tables, made where it is missing. Raises `OSError` where it cannot be ours alone."""
    return make_private(make_home() / "tables")


def table_of(run: str) -> str | None:
    """The table of a run; `None` of one that stands alone."""
    found = _ROW.fullmatch(run)
    return found[1] if found else None


def path_of(table: str) -> Path:
    return home() / "tables" / f"{table}{SUFFIX}"


def is_table(name: str) -> bool:
    """Whether a table of that id is there."""
    return is_run_id(name) and path_of(name).exists()


def lock_of(table: str) -> Path:
    """What is locked for as long as the table is written."""
    return path_of(table).with_suffix(".writing")


def tables() -> list[str]:
    """All tables, newest first. Raises `OSError` where the folder cannot be read, or is another's."""
    there = home() / "tables"
    if not there.exists():
        return []
    check_home(home())
    check_owner(there, there.lstat())
    # An empty one is about to be made, or its process died before it was.
    paths = (path for path in there.iterdir() if path.name.endswith(SUFFIX) and path.lstat().st_size)
    names = (path.name.removesuffix(SUFFIX) for path in paths)
    return sorted(filter(is_run_id, names), reverse=True)


def is_under_way(table: str) -> bool:
    """Whether some process is writing it."""
    return not LivenessLock.stopped(lock_of(table))


@contextlib.contextmanager
def reading(table: str) -> Iterator[sqlite3.Connection]:
    """The table's file. Raises `OSError` or `sqlite3.Error` where it cannot be read, or a newer release wrote it."""
    key = (os.getpid(), path_of(table))
    with _lock:
        db = _open.pop(key, None) or connect(key[1], WAIT, create=False, within=home())
        _open[key] = db  # the last used is the last to go
        while len(_open) > _MOST_OPEN:
            _forget(next(iter(_open)))
        if db.execute("PRAGMA user_version").fetchone()[0] > SCHEMA:
            raise sqlite3.NotSupportedError("a newer fusion_nb wrote it")
        yield db


def _forget(key: tuple[int, Path]) -> None:
    db = _open.pop(key, None)
    # What a parent process opened is its own: closing it here would let go of its locks.
    if db is not None and key[0] == os.getpid():
        db.close()


def read(run: str) -> RecordedEvents | None:
    """The events of a table's run; `None` where it is none, or there are none. Raises `UserError`."""
    table = table_of(run)
    if table is None or not path_of(table).exists():
        return None
    under_way = is_under_way(table)
    with translated(table), reading(table) as db:
        parts = db.execute("SELECT lines FROM lines WHERE run = ? ORDER BY part", (run,)).fetchall()
        ended = db.execute("SELECT status FROM runs WHERE run = ?", (run,)).fetchone()
    return parse(b"".join(part for (part,) in parts), under_way=under_way and not ended) if parts else None


_AT_ONCE = 500
"""Runs of one query: their lines are in memory together."""
_LINES_OF_MANY = "SELECT run, lines FROM lines WHERE run IN (SELECT value FROM json_each(?)) ORDER BY run, part"
_ENDED_OF_MANY = "SELECT run FROM runs WHERE run IN (SELECT value FROM json_each(?))"


def read_each(table: str, runs: Sequence[str]) -> Iterator[tuple[str, RecordedEvents]]:
    """The events of those of a table's runs that are there, with one query for many. Raises `UserError`."""
    if not path_of(table).exists():
        return
    under_way = is_under_way(table)
    for start in range(0, len(runs), _AT_ONCE):
        wanted = (json.dumps(runs[start : start + _AT_ONCE]),)
        with translated(table), reading(table) as db:
            parts = db.execute(_LINES_OF_MANY, wanted).fetchall()
            ended = {run for (run,) in db.execute(_ENDED_OF_MANY, wanted)} if under_way else set()
        for run, own in itertools.groupby(parts, lambda part: part[0]):
            yield run, parse(b"".join(part for _, part in own), under_way=under_way and run not in ended)


def append(run: str, later: Iterable[Event]) -> None:
    """Put on the record of a table's run what came after its end. Raises `UserError`."""
    table = table_of(run) or ""
    with translated(table), reading(table) as db, transaction(db):
        last = db.execute("SELECT max(part) FROM lines WHERE run = ?", (run,)).fetchone()[0] or 0
        db.execute("INSERT INTO lines VALUES (?, ?, ?)", (run, last + 1, b"".join(map(to_line, later))))


@contextlib.contextmanager
def translated(table: str) -> Iterator[None]:
    """What goes wrong with a table's file as a `UserError`."""
    try:
        yield
    except sqlite3.NotSupportedError:
        raise UserError(f"Table {table} was written by a newer fusion_nb: upgrade fusion_nb to read it.") from None
    except (sqlite3.Error, OSError) as error:
        raise UserError(f"Table {table} cannot be read or written: {error}.") from None


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def delete(table: str) -> None:
    """Raises `OSError` where it cannot be deleted."""
    with _lock:
        _forget((os.getpid(), path_of(table)))
        path_of(table).unlink(missing_ok=True)
        path_of(table).with_name(f"{table}{SUFFIX}-journal").unlink(missing_ok=True)
        lock_of(table).unlink(missing_ok=True)


def runs_of(table: str) -> list[str]:
    """The runs of a table, in the order they began. Raises `UserError`."""
    with translated(table), reading(table) as db:
        return [run for (run,) in db.execute("SELECT DISTINCT run FROM lines ORDER BY run")]
