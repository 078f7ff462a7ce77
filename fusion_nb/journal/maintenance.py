"""What becomes of runs later: deleted, exported, and for crashed ones what was learned of them afterwards.

A look at the ends of the newest files: whether any run may have crashed. Cheap enough for every `%load_ext`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from fusion_nb.core.events import Event, RunStarted
from fusion_nb.errors import UserError
from fusion_nb.journal import run_files
from fusion_nb.journal.reader import entries, find, found_run
from fusion_nb.journal.run_files import RecordedEvents, is_under_way, parse, read, to_line, understood
from fusion_nb.storage import file_lock, folders

_RECENT = timedelta(days=7)


def delete(runs: Iterable[str]) -> int:
    """Delete runs, wherever they are kept, and return how many. They leave the index when it is next read.

    Raises `UserError`, before anything is deleted, where there is no such run or it is under way.
    """
    known = entries()
    wanted = [found_run(run, known) for run in dict.fromkeys(runs)]
    for entry in wanted:
        if is_under_way(entry.path):
            raise UserError(f"Run {entry.run} is under way: stop it before you delete it.")
    try:
        for folder in run_files.folders():
            for entry in wanted:
                (folder / entry.path.name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{error.filename} cannot be deleted: {error.strerror}.") from None
    return len(wanted)


def purge_before(day: str | date) -> int:
    """Delete every run begun before `day` (UTC; `2026-11-24`) and return how many; runs under way stay."""
    try:
        limit = date.fromisoformat(day) if isinstance(day, str) else day
    except ValueError:
        raise UserError(f"{day!r} is no date: write it like 2026-11-24.") from None
    old = [e for e in entries().values() if e.run[:8] < f"{limit:%Y%m%d}" and not is_under_way(e.path)]
    return delete(entry.run for entry in old)


def export(runs: Iterable[str], path: str | Path) -> int:
    """Write the runs' events to a new JSONL file, one run after the other, and return how many runs.

    Raises `UserError` where there is no such run, or where `path` exists or cannot be written: nothing is overwritten.
    """
    known = entries()
    sources = [found_run(run, known).path for run in dict.fromkeys(runs)]
    target = Path(path).expanduser()
    try:
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | folders.NO_LINKS, 0o600)
    except FileExistsError:
        raise UserError(f"{target} exists and is left as it is: export to a new name.") from None
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(fd, "wb") as out:
            for source in sources:
                past = read(source)
                out.write(source.read_bytes() if past.newer else b"".join(map(to_line, past.events)))
    except OSError as error:
        target.unlink(missing_ok=True)
        raise UserError(f"{target} could not be written: {error.strerror}. Nothing is left of it.") from None
    return len(sources)


def append_events(run: str, events: Iterable[Event]) -> None:
    """Put on an ended run's record what came after: how open calls of a crash ended after all, a person's choice.

    They are numbered on from its last line. Raises `UserError` where there is no such run, or it is under way, or its
    file cannot be written.
    """
    path = find(run)
    try:
        fd = os.open(path, os.O_RDWR | os.O_APPEND | folders.NO_LINKS)
    except OSError as error:
        raise UserError(f"Run {run} cannot be written: {error.strerror}.") from None
    try:
        if file_lock.is_marked(fd):
            raise UserError(f"Run {run} is under way.")
        file_lock.hold_mark(fd)
        written = path.read_bytes()
        whole = written.rfind(b"\n") + 1
        if understood(written[whole:])[0] is None:
            # The line its kernel died in: nothing can be read of it, and nothing may be written behind it.
            os.truncate(fd, whole)
        elif whole < len(written):
            os.write(fd, b"\n")
        os.write(fd, b"".join(map(to_line, _numbered(parse(written).events, events))))
        os.fsync(fd)
    except OSError as error:
        raise UserError(f"Run {run} cannot be written: {error.strerror}.") from None
    finally:
        file_lock.close_marked(fd)


def _numbered(there: Sequence[Event], more: Iterable[Event]) -> Iterator[Event]:
    """`more` behind what is there; no clock of the run's goes on, so its end stays its end."""
    seq, at = max((e.seq for e in there), default=-1), max((e.at for e in there), default=0.0)
    return (replace(event, seq=seq + n, at=at) for n, event in enumerate(more, 1))


def crashed_runs() -> list[str]:
    """Of the newest runs, those whose kernel died within the last week and that no later run has taken up; newest
    first. Looks at the ends of a few files and at no index: quick enough for `%load_ext`.
    """
    newest = list(entries(NEWEST).values())[::-1]
    since = f"{datetime.now(UTC) - _RECENT:%Y%m%dT%H%M%S}"
    recent = [entry for entry in newest if entry.run >= since]
    # In this order: one that ends between the two looks has not crashed.
    dead = [entry.run for entry in recent if not is_under_way(entry.path) and not has_end(entry)]
    if not dead:
        return []
    read_ = {entry.run: _read(entry) for entry in newest}
    taken_up = {event.of for past in read_.values() for event in past.events[:1] if isinstance(event, RunStarted)}
    return [run for run in dead if run not in taken_up and not read_[run].newer]


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
        f"%fuse_runs lists {'them' if many else 'it'}, %fuse --resume {dead[0]} finishes "
        f"{'the newest' if many else 'it'}."
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
        for path in run_files.stranded():
            if not is_under_way(path):
                _move(path, run_files.runs_folder())
                moved += 1
    return moved


def _move(path: Path, into: Path) -> None:
    """Whole or not at all, between two disks too."""
    part = into / f".{path.name}.part"
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | folders.NO_LINKS, 0o600)
        with os.fdopen(fd, "wb") as out:
            out.write(path.read_bytes())
            out.flush()
            os.fsync(fd)
        part.replace(into / path.name)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    path.unlink()


NEWEST = 50


def has_end(entry: run_files.Entry) -> bool:
    """Whether the file's last lines tell of an end. Within a line, a quotation mark cannot stand unescaped."""
    try:
        fd = os.open(entry.path, os.O_RDONLY | folders.NO_LINKS)
    except OSError:
        return True
    with os.fdopen(fd, "rb") as file:
        file.seek(max(0, entry.size - 65_536))
        end = file.read()
    return any(b'{"event":"%s"' % kind in end for kind in (b"RunEnded", b"VerdictReached"))


def may_have_crashed() -> bool:
    """Whether one of the newest files has no end: its run is under way in another kernel, or crashed."""
    try:
        return not all(map(has_end, run_files.entries(NEWEST).values()))
    except OSError:
        return False
