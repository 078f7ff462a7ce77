"""Locks between processes: one writer at a time, and a way to see that a process is gone. Advisory, crash-safe.

The kernel lets go of these locks when the process that has them ends, however it ends.


The mark of a run under way: a lock on its open file. It goes with its process, however that ends.

On a file system that knows no locks, every run without an end looks like one whose kernel died.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 2.0
"""Seconds to wait for another process: it needs a fraction of a millisecond, unless it is stopped."""
_NAP = 0.001


@contextlib.contextmanager
def locked(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock at `path` for the length of the block. Raises `OSError` (`TimeoutError` where it stays taken)."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + patience
        while not _take(handle):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path.name} has been locked by another process for {patience:g} s")
            time.sleep(_NAP)
        yield
    finally:
        os.close(handle)  # and with it the lock


class Pulse:
    """A file that is locked for as long as this process lives: others see by it that we are still there."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        _take(self._handle)
        _pulses.add(self._handle)

    @staticmethod
    def stopped(path: Path) -> bool:
        """Whether the process that had the pulse at `path` is gone. In doubt it is not."""
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            return _take(handle)
        finally:
            os.close(handle)


_pulses: set[int] = set()


def _after_fork() -> None:
    """A child shares its parent's locks while it has their files open: it would keep the parent alive after its end."""
    for handle in _pulses:
        with contextlib.suppress(OSError):
            os.close(handle)
    _pulses.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

if sys.platform == "win32":
    import msvcrt

    def _take(handle: int) -> bool:
        os.lseek(handle, 0, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(handle: int) -> bool:
        try:
            # flock and not lockf: a POSIX lock is lost when any handle of the file is closed in this process.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


_open: set[int] = set()


def close_marked(fd: int) -> None:
    """Close a file that is held."""
    _open.discard(fd)
    with contextlib.suppress(OSError):
        os.close(fd)


def _lock_after_fork() -> None:
    """A child shares the marks of its parent's files: it would keep a run under way after the parent's death."""
    for fd in list(_open):
        close_marked(fd)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_lock_after_fork)

if sys.platform == "win32":  # pragma: no cover  the tests run where there is fcntl
    import msvcrt

    _FAR = 0x7FFF_0000
    """Windows keeps others from reading what is locked, so a byte is locked that no file reaches."""

    def hold_mark(fd: int) -> None:
        """Mark the file as being written, until `close`."""
        _open.add(fd)
        with contextlib.suppress(OSError):
            os.lseek(fd, _FAR, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            os.lseek(fd, 0, os.SEEK_SET)

    def is_marked(fd: int) -> bool:
        """Whether another open file holds the mark."""
        os.lseek(fd, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
        except OSError:
            return True
        finally:
            os.lseek(fd, 0, os.SEEK_SET)
        return False

else:
    import fcntl

    def hold_mark(fd: int) -> None:
        """Mark the file as being written, until `close`."""
        _open.add(fd)
        with contextlib.suppress(OSError):
            # Not lockf: a POSIX lock is lost when any other descriptor of the file is closed in this process.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def is_marked(fd: int) -> bool:
        """Whether another open file, of this process or another, holds the mark."""
        try:
            # Shared, so that two who ask at once do not take one another for a writer.
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        fcntl.flock(fd, fcntl.LOCK_UN)
        return False
