"""What becomes of runs later: deleted, exported, added to, and noticed where their kernel died."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from fusion_nb.core import option_checks as check
from fusion_nb.core.events import ChoiceMade, Event, RunStarted
from fusion_nb.core.fold import S, fold
from fusion_nb.errors import UserError
from fusion_nb.journal import run_files, table_files
from fusion_nb.journal.run_files import RecordedEvents, is_under_way, parse, parse_line, read, to_line
from fusion_nb.journal.run_reader import entries, entry_of, find, unreadable
from fusion_nb.storage import file_lock
from fusion_nb.storage.files import replace_file, sync_file, write_all

_RECENT = timedelta(days=7)
_NEWEST = 50
"""Runs that are looked at for a crash."""
_MOMENT = 1.0
"""Seconds to wait for another process that adds to a file."""


def delete(runs: Iterable[str]) -> int:
    """Delete runs, and whole tables, wherever they are kept, and return how many. They leave the index when it is next
    read.

    Raises `UserError`, before anything is deleted, where there is no such run or it is under way, or it is one of a
    table.
    """
    existing, tables = entries(), _tables()
    names = list(dict.fromkeys(runs))
    for run in names:
        _refuse_row(run)
    doomed = [entry_of(run, existing) for run in names if run not in tables]
    for entry in doomed:
        if is_under_way(entry.path):
            raise UserError(f"Run {entry.run} is under way: stop it before you delete it.")
    for table in tables.intersection(names):
        if table_files.is_under_way(table):
            raise UserError(f"Table {table} is under way: stop it before you delete it.")
    try:
        for table in tables.intersection(names):
            table_files.delete(table)
        for folder in run_files.folders():
            for entry in doomed:
                (folder / entry.path.name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{error.filename} cannot be deleted: {error.strerror}.") from None
    return len(names)


def _tables() -> set[str]:
    try:
        return set(table_files.tables())
    except OSError as error:
        raise unreadable(error) from None


def _refuse_row(run: str) -> None:
    table = table_files.table_of(run)
    if table is not None and table_files.path_of(table).exists():
        raise UserError(f"Run {run} is one of the table {table}: delete that, with all of its runs.")


def purge_before(day: str | date) -> int:
    """Delete every run and table begun before `day` (UTC; `2026-11-24`) and return how many; what is under way stays.

    Raises `UserError` where it is no date.
    """
    try:
        limit = day if isinstance(day, date) else date.fromisoformat(day)
    except (TypeError, ValueError):
        raise UserError(f"{check.shown(day)} is no date: write it like 2026-11-24.") from None
    first = f"{limit:%Y%m%d}"
    old = [e.run for e in entries().values() if e.run[:8] < first and not is_under_way(e.path)]
    return delete([*old, *(t for t in _tables() if t[:8] < first and not table_files.is_under_way(t))])


def export(runs: Iterable[str], path: str | Path) -> int:
    """Write the runs' events to a new JSONL file, one run after the other, and return how many runs; no file for none.

    Of a table all runs are written. Raises `UserError` where there is no such run, or where `path` exists or cannot be
    written: nothing is overwritten.
    """
    if not isinstance(path, str | Path):
        raise UserError(f"export() takes the name of a new file, like runs.jsonl, not {type(path).__name__}.")
    existing, tables = entries(), _tables()
    sources: list[tuple[str, Path | None]] = []
    for run in dict.fromkeys(runs):
        if run in tables:
            sources += [(each, None) for each in table_files.runs_of(run)]
        else:
            sources.append((run, entry_of(run, existing).path))
    if not sources:
        return 0
    target = Path(path).expanduser()
    try:
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | file_lock.NO_LINKS, 0o600)
    except FileExistsError:
        raise UserError(f"{target} exists and is left as it is: export to a new name.") from None
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(fd, "wb") as out:
            for run, source in sources:
                recorded = (table_files.read(run) or RecordedEvents()) if source is None else read(source)
                out.write(source.read_bytes() if source and recorded.newer else b"".join(map(to_line, recorded.events)))
    except (OSError, UserError) as error:
        target.unlink(missing_ok=True)
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"{target} could not be written: {why}. Nothing is left of it.") from None
    return len(sources)


def append_events(
    run: str, events: Iterable[Event], check: Callable[[Sequence[Event]], None] = lambda recorded: None
) -> None:
    """Put on an ended run's record what came after: how open calls of a crash ended after all, a person's choice.

    They are numbered on from its last line. Of several processes one writes at a time. Raises `UserError` where there
    is no such run, or it is under way, or its file cannot be written; and whatever `check` raises, which is called with
    what is recorded so far before anything is written.
    """
    if (recorded := table_files.read(run)) is not None:
        check(recorded.events)
        return table_files.append(run, _numbered(recorded.events, events))
    try:
        fd = _open_locked(run)
        try:
            _append(fd, events, check)
        finally:
            file_lock.close(fd)
    except OSError as error:
        raise UserError(f"Run {run} cannot be written: {error.strerror}.") from None
    return None


def _append(fd: int, events: Iterable[Event], check: Callable[[Sequence[Event]], None]) -> None:
    contents = _read_all(fd)
    check(parse(contents).events)
    whole = contents.rfind(b"\n") + 1
    if parse_line(contents[whole:])[0] is None:
        # The line its kernel died in: nothing can be read of it, and nothing may be written behind it.
        os.truncate(fd, whole)
        contents = contents[:whole]
    missing_break = b"" if contents.endswith(b"\n") or not contents else b"\n"
    try:
        write_all(fd, missing_break + b"".join(map(to_line, _numbered(parse(contents).events, events))))
        sync_file(fd)
    except OSError:
        os.truncate(fd, len(contents))
        raise


def _open_locked(run: str) -> int:
    """The run's file, locked. One that another process has just moved out of the spare folder is looked up again."""
    while True:
        fd = os.open(find(run), os.O_RDWR | os.O_APPEND | file_lock.NO_LINKS)
        try:
            if not _lock(fd, _MOMENT):
                raise UserError(f"Run {run} is under way.")
            if os.fstat(fd).st_nlink:
                return fd
        except BaseException:
            file_lock.close(fd)
            raise
        file_lock.close(fd)


def _lock(fd: int, patience: float) -> bool:
    """Waits for others who look at the file or add to it, which takes them a moment; a run under way takes longer."""
    try:
        return file_lock.wait_for_lock(fd, patience)
    except OSError:
        return True  # a file system without locks


def _read_all(fd: int) -> bytes:
    with os.fdopen(os.dup(fd), "rb") as file:
        file.seek(0)
        return file.read()


def _numbered(recorded: Sequence[Event], later: Iterable[Event]) -> Iterator[Event]:
    """`later` events behind the recorded ones; no clock of the run's goes on, so its end stays its end."""
    seq, at = max((e.seq for e in recorded), default=-1), max((e.at for e in recorded), default=0.0)
    return (replace(event, seq=seq + n, at=at) for n, event in enumerate(later, 1))


def crashed_runs() -> list[str]:
    """Of the newest runs, those whose kernel died within the last week and that no later run has taken up; newest
    first. Looks at the ends of a few files and at no index: quick enough for `%load_ext`.
    """
    newest = list(entries(_NEWEST).values())[::-1]
    since = f"{datetime.now(UTC) - _RECENT:%Y%m%dT%H%M%S}"
    recent = [entry for entry in newest if entry.run >= since]
    # In this order: one that ends between the two looks has not crashed.
    dead = [entry.run for entry in recent if not is_under_way(entry.path) and not has_end(entry)]
    if not dead:
        return []
    recorded = {entry.run: _read(entry) for entry in newest}
    taken_up = {event.of for each in recorded.values() for event in each.events[:1] if isinstance(event, RunStarted)}
    return [run for run in dead if run not in taken_up and not recorded[run].newer]


def crash_notice() -> str:
    """One line for people about runs that crashed; empty where there is nothing to say. Never raises."""
    try:
        dead = crashed_runs()
    except UserError:
        return ""
    if not dead:
        return ""
    many = len(dead) > 1
    return (
        f"{f'{len(dead)} runs' if many else 'A run'} did not end because the kernel stopped; what had arrived is kept. "
        f"%fuse_runs or runs() lists {'them' if many else 'it'}, %fuse --resume {dead[0]} or "
        f"resume({dead[0]!r}) finishes {'the newest' if many else 'it'}."
    )


def _read(entry: run_files.Entry) -> RecordedEvents:
    try:
        return read(entry.path)
    except OSError:
        return RecordedEvents()


def adopt_spare_files() -> int:
    """Move runs that were written to `$TMPDIR` because their own folder was full into it, and return how many."""
    moved = 0
    with contextlib.suppress(OSError):
        for path in run_files.spare_files():
            moved += _adopt(path)
    return moved


def _adopt(path: Path) -> bool:
    """Move one, unless somebody writes it: whole or not at all, between two disks too."""
    fd = os.open(path, os.O_RDWR | file_lock.NO_LINKS)
    try:
        if not _lock(fd, 0) or not os.fstat(fd).st_nlink:
            return False
        replace_file(run_files.runs_folder() / path.name, _read_all(fd), durable=True)
        with contextlib.suppress(PermissionError):  # Windows deletes no open file
            path.unlink()
    finally:
        file_lock.close(fd)
    path.unlink(missing_ok=True)
    return True


def has_end(entry: run_files.Entry) -> bool:
    """Whether the file's last lines tell of an end. Within a line, a quotation mark cannot stand unescaped."""
    try:
        fd = os.open(entry.path, os.O_RDONLY | file_lock.NO_LINKS)
    except OSError:
        return True
    with os.fdopen(fd, "rb") as file:
        file.seek(max(0, entry.size - 65_536))
        end = file.read()
    return any(b'{"event":"%s"' % kind in end for kind in (b"RunEnded", b"VerdictReached"))


def may_have_crashed() -> bool:
    """Whether one of the newest files has no end: its run is under way in another kernel, or crashed."""
    try:
        return not all(map(has_end, run_files.entries(_NEWEST).values()))
    except OSError:
        return False


def record_choice(result: S, call: int) -> S:
    """`result` with that candidate as its answer, also in the journal: `load()` gives the choice back.

    The judge's rationale and ranking stay, and its whole verdict is `judged`. Where the run is in no journal, a note
    says that the choice lives in this result alone. Raises `UserError` where there is no such candidate, or it has no
    text, or the run is under way.
    """
    if result.status == "running":
        raise UserError("The run is under way: choose when it is over.")
    is_number = hasattr(call, "__index__") and not isinstance(call, bool)
    if not is_number or not any(reply.call == call and reply.text.strip() for reply in result.candidates):
        raise UserError(f"Call {check.shown(call)} is not a candidate with a text to choose.")
    choice = ChoiceMade(call=int(call), when=datetime.now(UTC).isoformat())
    chosen = fold(result, choice)
    try:
        append_events(result.run, [choice])
    except UserError as error:
        return replace(chosen, notes=(*chosen.notes, f"The choice is kept in this result alone. {error}"))
    return chosen
