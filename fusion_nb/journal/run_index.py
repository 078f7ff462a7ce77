"""All runs, looked up: a SQLite file beside the runs' own, made anew from them whenever it is missing or broken.

Nobody writes it while a run goes on: whoever reads it first brings it up to the files. So a run never waits for it, and
nothing in it can be lost. Rows are compared with the files by length and time of change.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from fusion_nb.core.events import RunStarted
from fusion_nb.core.json_codec import to_plain
from fusion_nb.journal import run_files, table_files, table_index
from fusion_nb.journal.maintenance import adopt_spare_files
from fusion_nb.journal.run_files import is_under_way
from fusion_nb.journal.run_reader import entries, unreadable, when_of
from fusion_nb.journal.run_rows import OPEN, CallRow, RunRow, Summary, fingerprint, same_limits, summary
from fusion_nb.journal.sqlite_files import connect
from fusion_nb.journal.table_index import Known
from fusion_nb.storage import files

NAME = "index.sqlite"
SCHEMA = 2
WAIT = 5.0
"""Seconds to wait for another kernel that writes the index; after that we do without."""
_TABLE = """
CREATE TABLE runs (
    run TEXT PRIMARY KEY, size INTEGER, changed INTEGER, began TEXT, status TEXT, fingerprint TEXT, limits TEXT,
    whole INTEGER, words TEXT, row TEXT, calls TEXT
)
"""
_WITH_WORDS = (
    "SELECT row FROM runs WHERE NOT EXISTS (SELECT 1 FROM json_each(?) WHERE instr(runs.words, value) = 0) "
    "ORDER BY began DESC"
)
R = TypeVar("R", RunRow, CallRow)
T = TypeVar("T")
_here = threading.Lock()
"""One reader of this process at a time: they would only do the same work twice."""


_WORDS = re.compile(r'"([^"]*[^"\s][^"]*)"(?!\S)|(\S+)')
"""Of a search: a phrase in quotation marks, or a word."""


def runs(words: str = "") -> list[RunRow]:
    """Past runs, newest first; of those, the ones in whose prompt, answer, members or mode all `words` occur.

    A table of prompts is one of them. Where `words` is its id, its own runs are listed.
    """
    if table_files.is_table(words.strip()):
        return table_index.rows_of(words.strip())
    wanted = [phrase or word for phrase, word in _WORDS.findall(words.casefold())]
    with _index() as (db, files):
        rows = db.execute(_WITH_WORDS, (json.dumps(wanted),)).fetchall()
        tables = [row for row, own in _readable(table_index.rows) if all(word in own for word in wanted)]
    single = [_with_present_status(_row(RunRow, json.loads(row)), files) for (row,) in rows]
    return sorted((*single, *tables), key=lambda row: row.when, reverse=True) if tables else single


def calls(since: str = "") -> list[CallRow]:
    """Calls that were made in runs begun at `since` (ISO 8601, UTC) or later, newest run first."""
    with _index() as (db, _):
        rows = db.execute("SELECT calls FROM runs WHERE began >= ? ORDER BY began DESC", (since,)).fetchall()
        tables = _readable(lambda: table_index.calls(since))
    single = [_row(CallRow, call) for (calls_json,) in rows for call in json.loads(calls_json)]
    return sorted((*single, *tables), key=lambda call: call.when, reverse=True) if tables else single


def find_same(start: RunStarted) -> str | None:
    """The newest run that ended well and asked exactly this; `None` where there is none.

    One in which a limit ended a call counts only while that limit is the same.
    """
    return find_each([(start, None)])[0]


def find_each(
    requests: Sequence[tuple[RunStarted, str | None]],
    statuses: Sequence[str] = ("ok",),
    *,
    each_once: bool = False,
) -> list[str | None]:
    """What `find_same` finds for each of many requests, the index read once.

    Args:
        requests: each with the run whose replies it took over; empty: of none. `None`: whichever.
        statuses: how it may have ended.
        each_once: whether a run is found for one request alone, where several are the same.
    """
    query = "SELECT began, run, status, limits, row FROM runs WHERE fingerprint = ? AND whole ORDER BY began DESC"
    asked = [fingerprint(start) for start, _ in requests]
    with _index() as (db, _):
        each = [db.execute(query, (digest,)).fetchall() for digest in asked]
        of_tables = dict(_readable(lambda: table_index.find_runs(asked).items()))
    found: list[str | None] = []
    taken: set[str | None] = set()
    for (start, of), digest, rows in zip(requests, asked, each, strict=True):
        alone = (Known(began, run, json.loads(row).get("of", ""), *rest) for began, run, *rest, row in rows)
        fits = (
            known.run
            for known in sorted((*alone, *of_tables.get(digest, ())), reverse=True)
            if known.status in statuses
            and (of is None or known.of == of)
            and same_limits(json.loads(known.limits), start.limits)
            and known.run not in taken
        )
        found.append(next(fits, None))
        taken.update(found[-1:] if each_once else ())
    return found


def _readable(read: Callable[[], Iterable[T]]) -> list[T]:
    try:
        return list(read())
    except OSError as error:
        raise unreadable(error) from None


def _with_present_status(row: RunRow, files: Mapping[str, run_files.Entry]) -> RunRow:
    if row.status != OPEN:
        return row
    entry = files.get(row.run)
    # One that is not among the files began a moment ago, and another kernel has it in the index already.
    if entry is None or is_under_way(entry.path):
        return replace(row, status="running")
    with contextlib.suppress(OSError):
        if entry.path.lstat().st_size != entry.size:
            # It ended between the two looks.
            row = summary(entry).row
    return replace(row, status="crashed") if row.status == OPEN else row


@contextlib.contextmanager
def _index() -> Iterator[tuple[sqlite3.Connection, Mapping[str, run_files.Entry]]]:
    """The index, as new as the files, and the files. Raises `UserError` where the journal cannot be read."""
    adopt_spare_files()
    files = entries()
    with _here:
        db = _up_to_date(files)
        try:
            yield db, files
        finally:
            db.close()


def _up_to_date(files: Mapping[str, run_files.Entry]) -> sqlite3.Connection:
    """The file where it can be used; else one in memory, which is as right and only slower."""
    for _ in range(2):
        db = None
        try:
            db = _open()
            if db is None:
                break
            _follow(db, files)
            return db
        except sqlite3.OperationalError:
            # Locked for long, a full disk, a folder we may not write: it stays as it is.
            _close(db)
            break
        except sqlite3.DatabaseError:
            _close(db)
            _set_aside()
        except OSError:
            break
    db = sqlite3.connect(":memory:")
    _make(db)
    _follow(db, files)
    return db


def _open() -> sqlite3.Connection | None:
    """The index file, made where it is missing; `None` where a newer fusion_nb made it."""
    db = connect(files.home() / NAME, WAIT)
    try:
        if _version(db) > SCHEMA:
            db.close()
            return None
        if _version(db) < SCHEMA:
            _make(db)
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _make(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    # Asked again under the lock: another kernel may have made it, and filled it, while this one waited.
    if _version(db) < SCHEMA:
        db.execute("DROP TABLE IF EXISTS runs")
        db.execute(_TABLE)
        db.execute("CREATE INDEX same ON runs (fingerprint)")
        db.execute(f"PRAGMA user_version = {SCHEMA}")
    db.execute("COMMIT")


def _set_aside() -> None:
    """Keep a broken index for whoever wants to look at it, out of the way."""
    path = files.home() / NAME
    with contextlib.suppress(OSError):
        path.rename(path.with_name(f"{NAME}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"))


def _close(db: sqlite3.Connection | None) -> None:
    if db is not None:
        with contextlib.suppress(sqlite3.Error):
            db.close()


def _follow(db: sqlite3.Connection, files: Mapping[str, run_files.Entry]) -> None:
    """Bring the rows up to the files. Nothing is written, and no lock taken, where nothing has changed."""
    indexed = {run: (size, changed) for run, size, changed in db.execute("SELECT run, size, changed FROM runs")}
    changed = [entry for run, entry in files.items() if indexed.get(run) != (entry.size, entry.changed)]
    gone = [(run,) for run in indexed if run not in files]
    if not changed and not gone:
        return
    # Read before the lock is taken: another kernel need not wait for that.
    rows = list(_rows(changed))
    db.execute("BEGIN IMMEDIATE")
    db.executemany("DELETE FROM runs WHERE run = ?", gone)
    db.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    db.execute("COMMIT")


def _rows(changed: Iterable[run_files.Entry]) -> Iterator[tuple[Any, ...]]:
    for entry in changed:
        try:
            summed_up = summary(entry)
        except OSError:
            # Looked at again the next time.
            entry = entry._replace(size=-1)  # noqa: PLW2901
            summed_up = Summary(RunRow(entry.run, when_of(entry.run), status="error", damaged=True))
        row, its_calls = json.dumps(to_plain(summed_up.row)), json.dumps(to_plain(summed_up.calls))
        whole = not summed_up.row.damaged
        words = summed_up.words.encode("utf-8", "replace").decode()
        head = (summed_up.row.when, summed_up.row.status, summed_up.fingerprint, json.dumps(dict(summed_up.limits)))
        yield entry.run, entry.size, entry.changed, *head, whole, words, row, its_calls


def _row(kind: type[R], fields: dict[str, Any]) -> R:
    if "cost" in fields:
        fields["cost"] = Decimal(fields["cost"])
    if "pool" in fields:
        fields["pool"] = tuple(fields["pool"])
    return kind(**fields)
