"""Dies in the middle of writing a line: after so many writes to files, half of one is written, and nothing ever again."""

from __future__ import annotations

import os
import signal
import stat
from typing import Any


def tear(countdown: int) -> None:
    """Let this process die so."""
    write, left = os.write, countdown

    def torn(fd: int, data: Any) -> int:
        nonlocal left
        left -= stat.S_ISREG(os.fstat(fd).st_mode)
        if left == 0 and len(data) > 1:
            write(fd, bytes(data)[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(fd, data)

    os.write = torn
