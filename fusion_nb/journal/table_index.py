"""Tables of prompts, looked up: what they were, what their calls cost, and what of them can be taken over."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from fusion_nb.core import RunState
from fusion_nb.core.events import CallStarted
from fusion_nb.journal import table_files
from fusion_nb.journal.run_files import parse
from fusion_nb.journal.run_reader import load, settled_state, when_of
from fusion_nb.journal.run_rows import CallRow, RunRow, call_rows, limits_that_acted, prompt_chars, run_row

_CALL_FIELDS = tuple(CallRow.__dataclass_fields__)


class Known(NamedTuple):
    """A run that ended."""

    began: str
    """ISO 8601, UTC."""
    run: str
    of: str
    status: str
    limits: str
    """JSON; see `run_rows.limits_that_acted`."""


def run_values(state: RunState, fingerprint: str, chars: dict[int, int], status: str) -> tuple[Any, ...]:
    """A run as a row of the table `runs`. `chars`: of each call's prompt."""
    calls = [[getattr(call, name) for name in _CALL_FIELDS] for call in call_rows(state, chars)]
    failed = sum(not reply.usable for reply in state.candidates)
    cost = None if state.cost is None else str(state.cost)
    limits = json.dumps(limits_that_acted(state), default=str)
    return (
        *(state.run, fingerprint, state.when, state.of, status, limits),
        *(failed, cost, state.unpriced, json.dumps(calls, default=str)),
    )


INSERT_RUN = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def rows() -> Iterator[tuple[RunRow, str]]:
    """Every table as one row among the runs of the past, newest first, with all that a search looks at."""
    for table in table_files.tables():
        try:
            with _settled(table) as (db, status):
                head = dict(db.execute("SELECT name, value FROM head").fetchall())
                each = db.execute("SELECT cost, unpriced, failed, calls FROM runs").fetchall()
        except sqlite3.NotSupportedError:
            yield RunRow(table, when_of(table), "A table of prompts.", status="newer", table=True), ""
            continue
        except (sqlite3.Error, OSError):
            yield RunRow(table, when_of(table), "A table of prompts.", status="error", damaged=True, table=True), ""
            continue
        costs = [Decimal(cost) for cost, *_ in each if cost is not None]
        row = RunRow(
            run=table,
            when=head.get("when") or when_of(table),
            prompt=head.get("prompt", ""),
            mode=head.get("mode", ""),
            pool=tuple(json.loads(head.get("pool", "[]"))),
            judge=head.get("judge") or None,
            status=status,
            cost=sum(costs, Decimal(0)) if costs else None,
            unpriced=sum(unpriced for _, unpriced, *_ in each),
            seconds=float(head["seconds"]) if "seconds" in head else None,
            calls=sum(len(json.loads(calls)) for *_, calls in each),
            failed=sum(failed for _, _, failed, _ in each),
            table=True,
        )
        yield row, "\n".join((row.prompt, *row.pool, row.judge or "", row.mode, head.get("tag", ""))).casefold()


def calls(since: str = "") -> Iterator[CallRow]:
    """The calls of all tables' runs begun at `since` or later (ISO 8601, UTC), newest table first."""
    for table in table_files.tables():
        with contextlib.suppress(sqlite3.Error, OSError), _settled(table) as (db, _):
            for (each,) in db.execute("SELECT calls FROM runs WHERE began >= ? ORDER BY run DESC", (since,)).fetchall():
                for values in json.loads(each):
                    row = dict(zip(_CALL_FIELDS, values, strict=False))
                    yield CallRow(**{**row, "cost": None if row["cost"] is None else Decimal(row["cost"])})


def rows_of(table: str) -> list[RunRow]:
    """A row for each run of a table, in the order they began. Raises `UserError`."""
    states = (load(run, RunState()) for run in table_files.runs_of(table))
    return [run_row(state, state.run, status=state.status, seconds=state.seconds) for state in states]


def each_run(runs: Iterable[Any]) -> Iterator[Any]:
    """`runs`, in the place of the id of a table its runs'. Raises `UserError`."""
    for run in runs:
        yield from table_files.runs_of(run) if isinstance(run, str) and table_files.is_table(run) else [run]


def find_runs(fingerprints: Sequence[str]) -> dict[str, list[Known]]:
    """By fingerprint, the runs that ended and asked the same."""
    query = (
        "SELECT fingerprint, began, run, of_run, status, limits FROM runs "
        "WHERE fingerprint IN (SELECT value FROM json_each(?))"
    )
    found: dict[str, list[Known]] = {}
    for fingerprint, *known in _in_all(query, fingerprints):
        found.setdefault(fingerprint, []).append(Known(*known))
    return found


def find_replies(keys: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """By key, the (run, call) of replies to the very same request, newest first."""
    query = "SELECT key, run, call FROM replies WHERE key IN (SELECT value FROM json_each(?)) ORDER BY rowid DESC"
    found: dict[str, list[tuple[str, int]]] = {}
    for key, run, call in _in_all(query, keys):
        found.setdefault(key, []).append((run, call))
    return found


def _in_all(query: str, values: Sequence[str], size: int = 10_000) -> Iterator[tuple[Any, ...]]:
    """What all tables answer, newest first. One that cannot be read answers nothing."""
    for table in table_files.tables() if values else ():
        with contextlib.suppress(sqlite3.Error, OSError), table_files.reading(table) as db:
            for start in range(0, len(values), size):
                yield from db.execute(query, (json.dumps(list(values[start : start + size])),)).fetchall()


@contextlib.contextmanager
def _settled(table: str) -> Iterator[tuple[sqlite3.Connection, str]]:
    """The table's file and its status. Runs that a killed kernel left open have their rows written first."""
    # In this order: one that ends between the two looks has not crashed.
    under_way = table_files.is_under_way(table)
    with table_files.reading(table) as db:
        status = db.execute("SELECT value FROM head WHERE name = 'status'").fetchone()
        if status is None and not under_way:
            with contextlib.suppress(sqlite3.OperationalError), table_files.transaction(db):
                _settle(db)
        yield db, status[0] if status else "running" if under_way else "crashed"


def _settle(db: sqlite3.Connection) -> None:
    left_open = "SELECT DISTINCT run FROM lines WHERE run NOT IN (SELECT run FROM runs)"
    for (run,) in db.execute(left_open).fetchall():
        parts = db.execute("SELECT lines FROM lines WHERE run = ? ORDER BY part", (run,)).fetchall()
        recorded = parse(b"".join(part for (part,) in parts))
        state = settled_state(run, recorded, RunState())
        chars = {event.call: prompt_chars(event) for event in recorded.events if isinstance(event, CallStarted)}
        db.execute(INSERT_RUN, run_values(state, "", chars, "crashed"))
    db.execute("INSERT INTO head VALUES ('status', 'crashed')")
