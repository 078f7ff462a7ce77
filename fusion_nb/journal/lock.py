"""The mark of a run under way: a lock on its open file. It goes with its process, however that ends.

On a file system that knows no locks, every run without an end looks like one whose kernel died.
"""

from __future__ import annotations

import contextlib
import os
import sys

_open: set[int] = set()


def close(fd: int) -> None:
    """Close a file that is held."""
    _open.discard(fd)
    with contextlib.suppress(OSError):
        os.close(fd)


def _after_fork() -> None:
    """A child shares the marks of its parent's files: it would keep a run under way after the parent's death."""
    for fd in list(_open):
        close(fd)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

if sys.platform == "win32":  # pragma: no cover  the tests run where there is fcntl
    import msvcrt

    _FAR = 0x7FFF_0000
    """Windows keeps others from reading what is locked, so a byte is locked that no file reaches."""

    def hold(fd: int) -> None:
        """Mark the file as being written, until `close`."""
        _open.add(fd)
        with contextlib.suppress(OSError):
            os.lseek(fd, _FAR, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            os.lseek(fd, 0, os.SEEK_SET)

    def held(fd: int) -> bool:
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

    def hold(fd: int) -> None:
        """Mark the file as being written, until `close`."""
        _open.add(fd)
        with contextlib.suppress(OSError):
            # Not lockf: a POSIX lock is lost when any other descriptor of the file is closed in this process.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def held(fd: int) -> bool:
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
