"""The folders and files of this user: where they are, and whether they are this user's alone.

A folder that others may write, a file of somebody else and a link in the place of a file are neither written nor read:
false prices would lift a cap, and a pool or a confirmed address could send a prompt somewhere else.


Writes all of a file or nothing: a new one in the place of the old, or more at the end of an open one.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fusion_nb.storage.file_lock import NO_LINKS, PATIENCE

if sys.platform == "darwin":  # pragma: no cover
    import fcntl

# A pipe in the place of a file must not keep its reader waiting.
_NO_WAITING = getattr(os, "O_NONBLOCK", 0)


_path = functools.lru_cache(16)(Path)


def home() -> Path:
    """The folder of everything fusion_nb keeps for this user. It need not exist."""
    if configured := os.environ.get("FUSION_NB_HOME"):
        return _path(configured).expanduser() if configured.startswith("~") else _path(configured)
    import platformdirs  # noqa: PLC0415  most processes never come here without FUSION_NB_HOME more than once

    return platformdirs.user_data_path("fusion_nb", appauthor=False)


def make_home(folder: Path | None = None) -> Path:
    """`folder`, by default `home()`, made where it is missing, for its owner alone.

    The user, or the system, named it: it may be a link, and the mode of one that exists is left as it is. Raises
    `OSError` where it cannot be made, is somebody else's, or can be written by everybody.
    """
    folder = folder or home()
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        check_home(folder)
    return folder


def make_private(folder: Path) -> Path:
    """`folder`, made where it is missing, readable by its owner alone. Raises `OSError` where it is another's."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        status = folder.lstat()
        check_owner(folder, status)
        if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
            folder.chmod(0o700)
    return folder


def check_home(folder: Path) -> None:
    """Raise `OSError` where a folder is another's, or one in which anybody may put things in the place of ours."""
    status = folder.stat()
    check_owner(folder, status)
    if os.name == "posix" and status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        raise PermissionError(errno.EPERM, "can be written by everybody: take that away (chmod o-w)", str(folder))


def check_owner(folder: Path, status: os.stat_result) -> None:
    """Raise `OSError` where this is no folder, or another's."""
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "is not a folder", str(folder))
    if os.name == "posix" and status.st_uid != os.geteuid():
        raise PermissionError(
            errno.EPERM, "belongs to another user: set FUSION_NB_HOME to a folder of your own", str(folder)
        )


def read_own(path: Path, most: int, *, within: Path | None = None) -> bytes:
    """The contents of a file that nobody but this user can have written.

    Args:
        most: bytes; a larger file is refused.
        within: the home, where the file is in a folder of it; by default the file's own folder is the home.

    Raises `FileNotFoundError` where there is none, `OSError` where it is not ours, or may be another's work.
    """
    fd = open_own(path, os.O_RDONLY, within=within)
    with os.fdopen(fd, "rb") as file:
        contents = file.read(most + 1)
    if len(contents) > most:
        raise OSError(errno.EFBIG, f"is larger than {most:,} bytes", str(path))
    return contents


def read_trusted(path: Path, most: int) -> bytes | None:
    """The contents of a file that only this user, or the system's administrator, can have written; `None` where there
    is none, it is a link or no plain file, larger than `most` bytes, or may be another's work."""
    try:
        fd = os.open(path, os.O_RDONLY | NO_LINKS | _NO_WAITING)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        of_others = os.name == "posix" and (
            status.st_uid not in (0, os.geteuid()) or bool(status.st_mode & stat.S_IWOTH)
        )
        if not stat.S_ISREG(status.st_mode) or status.st_size > most or of_others:
            return None
        return file.read(most)


def folders_upwards() -> Iterator[Path]:
    """The working folder and those above it, up to this user's home; none where the working folder is gone."""
    try:
        here = Path.cwd()
    except OSError:
        return
    for folder in (here, *here.parents):
        yield folder
        if folder == Path.home():
            return  # what lies above a home is not this person's


def open_own(path: Path, flags: int, *, within: Path | None = None) -> int:
    """The descriptor of a file that nobody but this user can have written. Raises `OSError` as `read_own` does."""
    check_home(within or path.parent)
    if within is not None:
        check_owner(path.parent, path.parent.lstat())
    try:
        fd = os.open(path, flags | NO_LINKS | _NO_WAITING, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "is a link: put the file itself there", str(path)) from None
        raise
    try:
        _check_file(path, os.fstat(fd))
    except OSError:
        os.close(fd)
        raise
    return fd


def _check_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "is not a file", str(path))
    if os.name != "posix":
        return
    if status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "belongs to another user: move it away", str(path))
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(errno.EPERM, "can be written by others: take that away (chmod go-w)", str(path))


_NAP = 0.005


def replace_file(path: Path, data: bytes, *, durable: bool) -> None:
    """Put `data` in the place of the file at `path`, for its owner alone: a reader sees the old file or the new one.

    Args:
        durable: the new file is on the disk itself before this returns, and so survives a power failure.

    Raises `OSError`; the old file is then as it was, and nothing else is left.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINKS, 0o600)
        with os.fdopen(fd, "wb") as out:
            out.write(data)
            if durable:
                out.flush()
                sync_file(fd)
        _rename_over(part, path)
        if durable:
            sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`, where `os.write` may write a part of it. Raises `OSError`."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def sync_folder(folder: Path) -> None:
    """Make a new file's name durable. Windows needs, and can do, nothing of the kind."""
    if os.name == "posix":
        fd = os.open(folder, os.O_RDONLY)
        try:
            sync_file(fd)
        finally:
            os.close(fd)


def sync_file(fd: int) -> None:
    """What was written is on the disk itself when this returns. Raises `OSError`."""
    if sys.platform == "darwin":  # pragma: no cover  the tests run where fsync means it
        # There fsync leaves it in the drive's own memory; not every file system knows the other word.
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    os.fsync(fd)


if sys.platform == "win32":  # pragma: no cover  the tests run where a file that is being read can be replaced

    def _rename_over(part: Path, path: Path) -> None:
        """Windows refuses to replace a file while somebody reads it, which takes others a moment."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                part.replace(path)
            except PermissionError:
                if time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(_NAP)

else:

    def _rename_over(part: Path, path: Path) -> None:
        part.replace(path)
