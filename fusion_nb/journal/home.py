"""Where the journal is: `$FUSION_NB_HOME`, else this user's data folder. Nobody else may read or write it."""

from __future__ import annotations

import contextlib
import heapq
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_RUN = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6,32}")
SUFFIX = ".jsonl"
# A link in the place of a file would lead a write, or a reader, somewhere else.
NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def home() -> Path:
    """The folder of everything fusion_nb keeps for this user. It need not exist."""
    if given := os.environ.get("FUSION_NB_HOME"):
        return Path(given).expanduser()
    import platformdirs  # noqa: PLC0415  most processes never come here without FUSION_NB_HOME more than once

    return platformdirs.user_data_path("fusion_nb", appauthor=False)


def runs_folder() -> Path:
    """The folder of the runs' files, made where it is missing. Raises `OSError` where it cannot be ours alone."""
    return private(own_folder() / "runs")


def own_folder() -> Path:
    """`home()`, made where it is missing. Raises `OSError` where it cannot be made, or is somebody else's."""
    return _own(home())


def spare_folder() -> Path:
    """Where a run is written whose own folder is full or closed. Raises `OSError` as `runs_folder` does."""
    return private(_spare())


def folders() -> tuple[Path, ...]:
    """The folders that may hold runs, without making any. Raises `OSError` where the runs' own is somebody else's."""
    found = []
    own, spare = home() / "runs", _spare()
    if own.exists():
        _check_closed(home())
        _check_owner(own, own.lstat())
        found.append(own)
    # Anybody may make a folder of that name among the temporary ones.
    with contextlib.suppress(OSError):
        _check_owner(spare, spare.lstat())
        found.append(spare)
    return tuple(found)


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
    found = [pair for folder in folders() for pair in _listed(folder)]
    wanted = {run for run, _ in heapq.nlargest(newest, found)} if newest is not None else None
    kept: dict[str, Entry] = {}
    for run, path in sorted(found):
        if wanted is not None and run not in wanted:
            continue
        with contextlib.suppress(FileNotFoundError):
            about = path.lstat()
            entry = Entry(run, path, about.st_size, about.st_mtime_ns)
            # An empty one is about to be written, and not marked yet. A run in both folders began in one and was
            # written anew, and to its end, in the other.
            if entry.size > (kept[run].size if run in kept else 0):
                kept[run] = entry
    return kept


def entry(run: str) -> Entry | None:
    """The file of one run. Raises `OSError` where its folder cannot be read."""
    if not is_run(run):
        return None
    found = [folder / f"{run}{SUFFIX}" for folder in folders()]
    abouts = [(path, path.lstat()) for path in found if path.is_file() and not path.is_symlink()]
    each = [Entry(run, path, about.st_size, about.st_mtime_ns) for path, about in abouts if about.st_size]
    return max(each, key=lambda entry: entry.size, default=None)


def stranded() -> list[Path]:
    """The runs that the spare folder has more of than the runs' own. Raises `OSError` where they cannot be read."""
    spare = _spare()
    return [entry.path for entry in entries().values() if entry.path.parent == spare] if spare.exists() else []


def _listed(folder: Path) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as listing:
        for each in listing:
            run = each.name.removesuffix(SUFFIX)
            if run != each.name and is_run(run) and each.is_file(follow_symlinks=False):
                yield run, Path(each.path)


def is_run(name: str) -> bool:
    """Whether `name` is formed like a run's id; nothing else may become part of a path."""
    return _RUN.fullmatch(name) is not None


def private(folder: Path) -> Path:
    """`folder`, made where it is missing, readable by its owner alone. Raises `OSError` where it is another's."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        about = folder.lstat()
        _check_owner(folder, about)
        if os.name == "posix" and stat.S_IMODE(about.st_mode) & 0o077:
            folder.chmod(0o700)
    return folder


def _own(folder: Path) -> Path:
    """A folder the user named, or the system's: it may be a link, and its mode is left as it is."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        _check_closed(folder)
    return folder


def _check_closed(folder: Path) -> None:
    """Raise `OSError` where a folder is another's, or one in which anybody may put things in the place of ours."""
    about = folder.stat()
    _check_owner(folder, about)
    if os.name == "posix" and about.st_mode & stat.S_IWOTH and not about.st_mode & stat.S_ISVTX:
        raise PermissionError(1, "can be written by everybody: take that away (chmod o-w)", str(folder))


def _check_owner(folder: Path, about: os.stat_result) -> None:
    if not stat.S_ISDIR(about.st_mode):
        raise NotADirectoryError(20, "is not a folder", str(folder))
    if os.name == "posix" and about.st_uid != os.geteuid():
        raise PermissionError(1, "belongs to another user: set FUSION_NB_HOME to a folder of your own", str(folder))


def _spare() -> Path:
    whose = f"-{os.geteuid()}" if os.name == "posix" else ""
    return Path(os.environ.get("TMPDIR") or tempfile.gettempdir()) / f"fusion_nb{whose}"
