"""Writes all of a file or nothing: a new one in the place of the old, or more at the end of an open one."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from pathlib import Path

from fusion_nb.storage.file_lock import NO_LINKS, PATIENCE

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
                os.fsync(fd)
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
            os.fsync(fd)
        finally:
            os.close(fd)


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
