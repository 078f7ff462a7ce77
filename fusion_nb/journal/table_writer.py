"""Writes the runs of a table of prompts into one file, many at once: a transaction, and a sync, for all that waits.

A thread of its own does it, so that neither the engine nor whoever asked waits for a disk. What a call came to is
written when it ends; a row counts once it is on the disk (`is_durable`). Of what was under way when a process dies
nothing is kept, unlike in a single run's file: it is asked again.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fusion_nb.core import RunState
from fusion_nb.core.events import CallEnded, CallStarted, Event, RunEnded, VerdictReached
from fusion_nb.core.fold import join_events
from fusion_nb.journal import run_writer, table_files
from fusion_nb.journal.run_files import to_blocks
from fusion_nb.journal.run_rows import prompt_chars
from fusion_nb.journal.sqlite_files import connect
from fusion_nb.journal.table_index import INSERT_RUN, run_values
from fusion_nb.storage.file_lock import LivenessLock
from fusion_nb.storage.files import home

PACE = 0.02
"""Seconds between two transactions."""


class _Block(NamedTuple):
    """What is written of a run at once."""

    run: str
    part: int
    events: list[Event]
    replies: list[tuple[str, str, int]]
    values: tuple[Any, ...] | None = None
    """Its row, where it has ended."""


class TableWriter:
    """The file of one table. It never raises: where it cannot be written, `trouble` is the sentence to show.

    Args:
        table: its id.
        head: what is known of the whole: `prompt`, `mode`, `pool` (JSON), `judge`.
        on_commit: called on the writing thread after each transaction.
    """

    def __init__(self, table: str, head: Mapping[str, str], on_commit: Callable[[], None] = lambda: None) -> None:
        self.table = table
        self.trouble = ""
        self._head, self._on_commit = head, on_commit
        self._blocks: list[_Block] = []
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._durable: set[str] = set()
        self._began = time.monotonic()
        self._status = ""
        self._thread: threading.Thread | None = None
        self._runs = 0
        self._made = threading.Event()

    def journal(self, fingerprint: str, keys: Mapping[str, str]) -> StoredRun:
        """The record of a new run.

        Args:
            fingerprint: what it asks, see `run_rows.fingerprint`.
            keys: by the name of a member, the key of its first reply.
        """
        self._runs += 1
        self._start()
        return StoredRun(self, f"{self.table}{self._runs:08x}", fingerprint, keys)

    def make(self) -> None:
        """Make the file, and wait until it is there, or `trouble` says why not."""
        self._start()
        self._made.wait()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="fusion_nb table", daemon=True)
            self._thread.start()

    def put(self, block: _Block) -> None:
        """To be written; from any thread."""
        if self.trouble:
            return
        with self._lock:
            self._blocks.append(block)
        self._news.set()

    def is_durable(self, run: str) -> bool:
        """Whether an ended run is on the disk, or never will be."""
        return run in self._durable or bool(self.trouble)

    def close(self, status: str) -> None:
        """Wait until all of it is written; `status` is how the table ended."""
        if self._thread is not None:
            self._status = status
            self._news.set()
            self._thread.join()

    def _write(self) -> None:
        try:
            folder = table_files.folder()
            lock = LivenessLock(table_files.lock_of(self.table))
        except OSError as error:
            return self._lose(f"{error.filename or home()}: {error.strerror}")
        try:
            db = connect(folder / f"{self.table}{table_files.SUFFIX}", table_files.WAIT, within=home())
            try:
                with table_files.transaction(db):
                    for statement in table_files.TABLES:
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {table_files.SCHEMA}")
                    db.executemany("INSERT INTO head VALUES (?, ?)", self._head.items())
                self._made.set()
                self._commit_all(db)
            finally:
                db.close()
        except OSError as error:
            self._lose(f"{error.filename or home()}: {error.strerror}")
        except sqlite3.Error as error:
            self._lose(f"{table_files.path_of(self.table)}: {error}")
        finally:
            lock.end()
        return None

    def _commit_all(self, db: sqlite3.Connection) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            status = self._status
            with self._lock:
                blocks, self._blocks = self._blocks, []
            with table_files.transaction(db):
                for block in blocks:
                    _insert(db, block)
                if status:
                    ended = {"status": status, "seconds": f"{time.monotonic() - self._began:.3f}"}
                    db.executemany("INSERT OR REPLACE INTO head VALUES (?, ?)", ended.items())
            self._durable.update(block.run for block in blocks if block.values is not None)
            self._on_commit()
            if status:
                return
            time.sleep(PACE)

    def _lose(self, why: str) -> None:
        self.trouble = (
            f"The table is not being written down: its answers live in this kernel alone. The journal cannot be "
            f"written: {why}."
        )
        self._blocks.clear()
        self._made.set()
        self._on_commit()


def _insert(db: sqlite3.Connection, block: _Block) -> None:
    if block.events:
        db.execute("INSERT INTO lines VALUES (?, ?, ?)", (block.run, block.part, b"".join(to_blocks(block.events))))
    db.executemany("INSERT INTO replies VALUES (?, ?, ?)", block.replies)
    if block.values is not None:
        db.execute(INSERT_RUN, block.values)


class StoredRun:
    """The record of one run of a table, as the engine's hook: called with each event."""

    def __init__(self, table: TableWriter, run: str, fingerprint: str, keys: Mapping[str, str]) -> None:
        run_writer.begun.add(run)
        self.run = run
        self._table, self._fingerprint, self._keys = table, fingerprint, keys
        self._events: list[Event] = []
        self._replies: list[tuple[str, str, int]] = []
        self._first: dict[int, str] = {}
        """By call, the key of a member's first reply."""
        self._chars: dict[int, int] = {}
        self._parts = 0

    @property
    def durable(self) -> bool:
        """Whether it has ended and is on the disk, or never will be."""
        return self._table.is_durable(self.run)

    @property
    def trouble(self) -> str | None:
        """Said of the table, not of each of its runs."""
        return None

    def __call__(self, event: Event) -> None:
        self._events.append(event)
        if isinstance(event, CallStarted):
            self._chars[event.call] = prompt_chars(event)
            if event.role == "candidate" and event.round == 0 and event.ref.name in self._keys:
                self._first[event.call] = self._keys[event.ref.name]
        elif isinstance(event, CallEnded):
            if event.status == "ok" and event.call in self._first:
                self._replies.append((self._first.pop(event.call), self.run, event.call))
            self._hand_over()
        elif isinstance(event, (VerdictReached, RunEnded)):
            self._hand_over()

    def finish(self, state: RunState) -> None:
        """The run has ended in that state: it is a row among the table's from now on."""
        self._hand_over(run_values(state, self._fingerprint, self._chars, state.status))

    def _hand_over(self, values: tuple[Any, ...] | None = None) -> None:
        events, self._events = list(join_events(self._events)), []
        replies, self._replies = self._replies, []
        self._table.put(_Block(self.run, self._parts, events, replies, values))
        self._parts += 1
