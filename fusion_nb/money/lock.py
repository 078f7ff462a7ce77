"""Locks between processes: one writer at a time, and a way to see that a process is gone. Advisory, crash-safe.

The kernel lets go of these locks when the process that has them ends, however it ends.
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
