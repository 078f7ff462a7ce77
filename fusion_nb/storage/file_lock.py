"""Advisory locks on open files: one writer at a time, and a way to see whether another process is still there.

The operating system releases such a lock when the process that holds it ends, however it ends. It is used in three
ways: `locked` lets one process at a time into a block, a `LivenessLock` shows that its process lives, and the lock on a
run's own journal file (`try_lock`, `is_locked`) shows that the run is under way.

It is not the `filelock` package, which locks files of its own that it truncates, nor `portalocker`, which on Windows
locks a file from its beginning: the journal locks the file it writes, and others read that file meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 2.0
"""Seconds to wait for another process: it needs a fraction of a millisecond, unless it is stopped."""
_NAP = 0.001
# A link in the place of a file would lead a write, or a reader, somewhere else.
NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

_locked: set[int] = set()
"""The open files on which this process holds a lock."""


@contextlib.contextmanager
def locked(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of the file at `path` for the length of the block; the file is made where it is missing.

    Raises `OSError`: `TimeoutError` where another process keeps the lock longer than `patience` seconds.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINKS, 0o600)
    try:
        if not wait_for_lock(fd, patience):
            raise TimeoutError(f"{path.name} has been locked by another process for {patience:g} s")
        yield
    finally:
        close(fd)


def wait_for_lock(fd: int, patience: float = PATIENCE) -> bool:
    """`try_lock`, again and again for at most `patience` seconds."""
    deadline = time.monotonic() + patience
    while not try_lock(fd):
        if time.monotonic() > deadline:
            return False
        time.sleep(_NAP)
    return True


def try_lock(fd: int) -> bool:
    """Lock an open file until `close(fd)`; `False` where another open file, of this process or another, has the lock.

    Raises `OSError` where the file system has no locks.
    """
    if not _lock(fd, shared=False):
        return False
    _locked.add(fd)
    return True


def is_locked(fd: int) -> bool:
    """Whether another open file, of this process or another, has the lock. Raises `OSError` as `try_lock` does."""
    if not _lock(fd, shared=True):
        return True
    _unlock(fd)
    return False


def close(fd: int) -> None:
    """Close an open file and thereby release its lock."""
    _locked.discard(fd)
    with contextlib.suppress(OSError):
        os.close(fd)


class LivenessLock:
    """A file that is locked for as long as this process lives: other processes see by it whether we are still there."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError` where the file cannot be locked."""
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINKS, 0o600)
        try:
            if not wait_for_lock(self._fd):
                raise BlockingIOError(errno.EAGAIN, "is locked by another process", str(path))
        except OSError:
            close(self._fd)
            raise

    def end(self) -> None:
        """Let go before the process ends: the lock and its file."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        close(self._fd)

    @staticmethod
    def stopped(path: Path) -> bool:
        """Whether the process that had the lock at `path` is gone. In doubt it is not."""
        try:
            fd = os.open(path, os.O_RDWR | NO_LINKS)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            return not is_locked(fd)
        except OSError:
            return False
        finally:
            os.close(fd)


def _release_in_child() -> None:
    """A forked child shares its parent's open files, and with them the locks: they would outlive the parent."""
    for fd in tuple(_locked):
        close(fd)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)

if sys.platform == "win32":  # pragma: no cover  the tests run where there is fcntl
    import msvcrt

    _FAR = 0x7FFF_0000
    """Windows keeps others from reading what is locked, so a byte is locked that no file reaches."""
    _GLANCES = 3

    def _lock(fd: int, *, shared: bool) -> bool:
        """Windows' C library has no shared locks: two processes that look at once may hinder one another for a moment,
        so a look is repeated before it says that somebody has the lock."""
        for glance in range(_GLANCES if shared else 1):
            if glance:
                time.sleep(_NAP)
            if _at_far_byte(fd, msvcrt.LK_NBLCK):
                return True
        return False

    def _unlock(fd: int) -> None:
        _at_far_byte(fd, msvcrt.LK_UNLCK)

    def _at_far_byte(fd: int, operation: int) -> bool:
        position = os.lseek(fd, 0, os.SEEK_CUR)
        os.lseek(fd, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(fd, operation, 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):
                return False
            raise
        finally:
            os.lseek(fd, position, os.SEEK_SET)
        return True

else:
    import fcntl

    def _lock(fd: int, *, shared: bool) -> bool:
        try:
            # Not lockf: a POSIX lock is lost when any other descriptor of the file is closed in this process. Shared to
            # look, so that two who look at once do not take one another for the holder.
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)
