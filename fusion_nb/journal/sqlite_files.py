"""SQLite files of ours: opened safely, written so that a crash, or a power failure, tears nothing."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from fusion_nb.storage import files


def connect(path: Path, wait: float, *, create: bool = True, within: Path | None = None) -> sqlite3.Connection:
    """The database at `path`, for its owner alone; its caller closes it, and begins and ends its transactions.

    Args:
        wait: seconds to wait for another process that writes.
        create: make it where it is missing.
        within: the home, where the file is in a folder of it.

    Raises `OSError` where the file is not ours or cannot be opened, `sqlite3.Error` where it cannot be read.
    """
    # Through the file system first: SQLite would follow a link, read another's file, and give its own the umask's mode.
    os.close(files.open_own(path, os.O_RDWR | (os.O_CREAT if create else 0), within=within))
    db = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
    try:
        # Not WAL: two writers can corrupt one (SQLite 3.7.0 to 3.51.2), and a network folder cannot hold one.
        db.execute("PRAGMA journal_mode = TRUNCATE")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA fullfsync = ON")  # means something on macOS alone
        # What was deleted is gone, not free space that still holds the words.
        db.execute("PRAGMA secure_delete = ON")
    except BaseException:
        db.close()
        raise
    return db
