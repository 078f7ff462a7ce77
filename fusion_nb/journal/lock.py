"""The mark of a run under way: a lock on its open file. It goes with its process, however that ends; no ids are guessed.

On a file system that knows no locks, every run without an end looks like one whose kernel died.
"""

from __future__ import annotations

import contextlib
import os
import sys

if sys.platform == "win32":  # pragma: no cover  the tests run where there is fcntl
    import msvcrt

    _FAR = 0x7FFF_0000
    """Windows keeps others from reading what is locked, so a byte is locked that no file reaches."""

    def hold(fd: int) -> None:
        """Mark the file as being written, until it is closed."""
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
        """Mark the file as being written, until it is closed."""
        with contextlib.suppress(OSError):
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
