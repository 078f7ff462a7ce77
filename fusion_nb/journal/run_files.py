"""The files of runs: where they are, which there are, and what their lines say.

They are in `$FUSION_NB_HOME`, else in this user's data folder, and nobody else may read or write them. An event is a
line of a file; of a file's lines, whatever can be read is kept, whatever stands around it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import heapq
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from fusion_nb.core.events import SCHEMA, Event, TextDelta, VerdictReached, from_json, to_json
from fusion_nb.storage import file_lock
from fusion_nb.storage.file_lock import NO_LINKS
from fusion_nb.storage.files import check_home, check_owner, home, make_home, make_private

_RUN_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6,32}")
SUFFIX = ".jsonl"


def runs_folder() -> Path:
    """The folder of the runs' files, made where it is missing. Raises `OSError` where it cannot be ours alone."""
    return make_private(make_home() / "runs")


def spare_folder() -> Path:
    """Where a run is written whose own folder is full or closed. Raises `OSError` as `runs_folder` does."""
    spare = _spare_path()
    make_private(spare.parent)
    return make_private(spare)


def folders() -> tuple[Path, ...]:
    """The folders that may hold runs, without making any. Raises `OSError` where the runs' own is somebody else's."""
    readable = []
    runs, spare = home() / "runs", _spare_path()
    if runs.exists():
        check_home(home())
        check_owner(runs, runs.lstat())
        readable.append(runs)
    # Anybody may make a folder of that name among the temporary ones.
    with contextlib.suppress(OSError):
        check_owner(spare.parent, spare.parent.lstat())
        check_owner(spare, spare.lstat())
        readable.append(spare)
    return tuple(readable)


class Entry(NamedTuple):
    """The file of a run, as a folder lists it."""

    run: str
    path: Path
    size: int
    changed: int
    """Nanoseconds; only ever compared."""


def entries(newest: int | None = None) -> dict[str, Entry]:
    """Every run's file, oldest first, or only those of the newest runs. What is no run of ours is passed over.

    Raises `OSError` where a folder cannot be read.
    """
    listed = [pair for folder in folders() for pair in _listed(folder)]
    wanted = {run for run, _ in heapq.nlargest(newest, listed)} if newest is not None else None
    by_run: dict[str, Entry] = {}
    for run, path in sorted(listed):
        if wanted is not None and run not in wanted:
            continue
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            entry = Entry(run, path, status.st_size, status.st_mtime_ns)
            # An empty one is about to be written, and not locked yet. A run in both folders began in one and was
            # written anew, and to its end, in the other.
            if entry.size > (by_run[run].size if run in by_run else 0):
                by_run[run] = entry
    return by_run


def entry(run: str) -> Entry | None:
    """The file of one run. Raises `OSError` where its folder cannot be read.

    Asked for by its id, one that was rescued from another home is found too: that home may never work again.
    """
    if not is_run_id(run):
        return None
    paths = [folder / f"{run}{SUFFIX}" for folder in (*folders(), *_other_spare_folders())]
    statuses = [(path, path.lstat()) for path in paths if path.is_file() and not path.is_symlink()]
    each = [Entry(run, path, status.st_size, status.st_mtime_ns) for path, status in statuses if status.st_size]
    return max(each, key=lambda entry: entry.size, default=None)


def _other_spare_folders() -> list[Path]:
    """Where runs of other homes are that could not be written there."""
    spare = _spare_path()
    with contextlib.suppress(OSError):
        check_owner(spare.parent, spare.parent.lstat())
        others = [path for path in spare.parent.iterdir() if path != spare]
        return [path for path in others if path.is_dir() and not path.is_symlink()]
    return []


def spare_files() -> list[Path]:
    """The runs that the spare folder has more of than the runs' own. Raises `OSError` where they cannot be read."""
    spare = _spare_path()
    return [entry.path for entry in entries().values() if entry.path.parent == spare] if spare.exists() else []


def _listed(folder: Path) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as listing:
        for each in listing:
            run = each.name.removesuffix(SUFFIX)
            if run != each.name and is_run_id(run) and each.is_file(follow_symlinks=False):
                yield run, Path(each.path)


def is_run_id(name: str) -> bool:
    """Whether `name` is formed like a run's id; nothing else may become part of a path."""
    return _RUN_ID.fullmatch(name) is not None


def _spare_path() -> Path:
    """A folder for each home: a kernel with another one must not list these runs among its own, nor take them away."""
    user = f"-{os.geteuid()}" if os.name == "posix" else ""
    own = hashlib.sha256(os.fsencode(os.path.realpath(home()))).hexdigest()[:16]
    return Path(os.environ.get("TMPDIR") or tempfile.gettempdir()) / f"fusion_nb{user}" / own


_PIECE = 32 * 1024
"""Characters of a text that are written as one line."""
_BLOCK = 256 * 1024
"""Bytes from which on lines are no longer gathered."""


@dataclass(frozen=True, slots=True)
class RecordedEvents:
    """What a run's file says."""

    events: tuple[Event, ...] = ()
    """In order. Deltas were joined before they were written, so `seq` has gaps."""
    under_way: bool = False
    """Whether some process is writing it."""
    damaged: bool = False
    """Lines were lost: garbage, or a file cut in the middle. A last line that was never finished is no damage."""
    newer: bool = False
    """A newer fusion_nb wrote it, as its first line tells; `events` has what this one understands."""


def to_line(event: Event) -> bytes:
    """The event as one line of UTF-8, every line break in it escaped; one with half a character is ASCII throughout."""
    data = to_json(_without_answer(event))
    try:
        return _json(data, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        return _json(data).encode("ascii") + b"\n"


_json = functools.partial(json.dumps, separators=(",", ":"), default=str)


def to_blocks(events: Iterable[Event]) -> Iterator[bytes]:
    """The events as lines, to be written one after the other: small ones together, a huge text in pieces, so that
    nothing is in memory many times over."""
    lines: list[bytes] = []
    size = 0
    for event in events:
        for part in _pieces(event):
            lines.append(to_line(part))
            size += len(lines[-1])
            if size > _BLOCK:
                yield b"".join(lines)
                lines.clear()
                size = 0
    if lines:
        yield b"".join(lines)


def _pieces(event: Event) -> Iterator[Event]:
    if not isinstance(event, TextDelta) or len(event.text) <= _PIECE:
        yield event
        return
    for start in range(0, len(event.text), _PIECE):
        yield replace(event, text=event.text[start : start + _PIECE])


def _without_answer(event: Event) -> Event:
    """A verdict that chose one call has that call's text for its answer: it stands in the file once, as that call's."""
    if isinstance(event, VerdictReached) and len(event.verdict.chosen) == 1 and event.verdict.answer is not None:
        return replace(event, verdict=replace(event.verdict, answer=None))
    return event


def read(path: Path) -> RecordedEvents:
    """Everything readable of a run's file. Raises `OSError` where it cannot be opened; a link is not followed."""
    fd = os.open(path, os.O_RDONLY | NO_LINKS)
    with os.fdopen(fd, "rb") as file:
        # First: a run that ends between the two must not look as if its kernel had died.
        under_way = _is_locked(fd)
        contents = file.read()
    return parse(contents, under_way=under_way)


def parse(contents: bytes, *, under_way: bool = False) -> RecordedEvents:
    """The events in a file's bytes."""
    *lines, torn = contents.split(b"\n")
    parsed = [parse_line(each) for each in lines]
    newer = any(is_newer for _, is_newer in parsed)
    damaged = any(event is None and not is_newer for event, is_newer in parsed)
    events = tuple(event for event, _ in (*parsed, parse_line(torn)) if event is not None)
    return RecordedEvents(events, under_way, damaged, newer)


def parse_line(line: bytes) -> tuple[Event | None, bool]:
    """(the event on a line, where there is one; whether a newer fusion_nb wrote it)."""
    newer = False
    try:
        data = json.loads(line)
        if not isinstance(data, dict):
            return None, False
        newer = isinstance(data.get("v"), int) and data["v"] > SCHEMA
        return from_json({**data, "v": SCHEMA} if newer else data), newer
    except (ValueError, RecursionError):
        return None, newer


def is_under_way(path: Path) -> bool:
    """Whether some process is writing this file."""
    try:
        fd = os.open(path, os.O_RDONLY | NO_LINKS)
    except OSError:
        return False
    try:
        return _is_locked(fd)
    finally:
        os.close(fd)


def _is_locked(fd: int) -> bool:
    """On a file system without locks no run is under way; the writer of a run says so (`run_writer.NO_LOCKS`)."""
    try:
        return file_lock.is_locked(fd)
    except OSError:
        return False
