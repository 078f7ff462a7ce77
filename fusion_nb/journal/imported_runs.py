"""Runs of somebody else's, taken over from a file of `export()`: another's data, marked as such, in no account."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fusion_nb.core import RunState
from fusion_nb.core.events import Event, RunStarted
from fusion_nb.errors import UserError
from fusion_nb.journal import run_files, table_files
from fusion_nb.journal.run_files import is_run_id, parse_line, to_line
from fusion_nb.journal.run_reader import folded_state
from fusion_nb.storage import file_lock
from fusion_nb.storage.files import replace_file

MARK = "Imported: somebody else asked, and paid. What it says is theirs."
_MAX_FILE = 4 * 1024**3
_MAX_LINE = 64 * 1024 * 1024


def import_runs(path: str | Path) -> int:
    """Take over the runs of a file of `export()`; how many.

    A run whose id is here already stays as it is. Raises `UserError` where the file cannot be read, or holds something
    else than whole runs: then nothing is taken over.
    """
    if not isinstance(path, str | Path):
        raise UserError(f"import_runs() takes a file of export(), like runs.jsonl, not {type(path).__name__}.")
    source = Path(path).expanduser()
    try:
        # Looked through before anything is written: all of it, or nothing.
        for events in _runs(source):
            _check(events, source)
        folder, taken = run_files.runs_folder(), 0
        for events in _runs(source):
            taken += _write(events, folder)
    except OSError as error:
        raise UserError(f"{error.filename or source}: {error.strerror}.") from None
    return taken


def _runs(source: Path) -> Iterator[list[Event]]:
    """The events of each run, one run after the other."""
    fd = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | file_lock.NO_LINKS)
    with os.fdopen(fd, "rb") as file:
        if os.fstat(fd).st_size > _MAX_FILE:
            raise UserError(f"{source} is larger than {_MAX_FILE >> 30} GiB: import it in parts.")
        events: list[Event] = []
        number = 0
        while line := file.readline(_MAX_LINE):
            number += 1
            event, newer = parse_line(line)
            if newer:
                raise UserError(f"{source} was written by a newer fusion_nb: upgrade fusion_nb to import it.")
            if event is None or (not events and not isinstance(event, RunStarted)):
                raise UserError(f"{source} is no file of export(): line {number} is none of a run's.")
            if isinstance(event, RunStarted) and events:
                yield events
                events = []
            events.append(event)
        if events:
            yield events
    if not number:
        raise UserError(f"{source} is empty: there is nothing to import.")


def _check(events: list[Event], source: Path) -> None:
    start = events[0]
    assert isinstance(start, RunStarted)  # noqa: S101  so are runs told apart
    if not is_run_id(start.run):
        raise UserError(f"{source} is no file of export(): it names a run that has no id.")
    state, whole = folded_state(events, RunState())
    if not whole or state.run != start.run:
        raise UserError(f"Run {start.run} in {source} is damaged: export the others again without it.")


def _write(events: list[Event], folder: Path) -> bool:
    """Write one run as a file of its own. Whether it was not here already."""
    start = events[0]
    assert isinstance(start, RunStarted)  # noqa: S101  see `_check`
    if run_files.entry(start.run) is not None or table_files.read(start.run) is not None:
        return False
    notes = start.notes if MARK in start.notes else (*start.notes, MARK)
    marked = replace(start, imported=True, notes=notes)
    lines = b"".join(map(to_line, (marked, *events[1:])))
    replace_file(folder / f"{start.run}{run_files.SUFFIX}", lines, durable=True)
    return True
