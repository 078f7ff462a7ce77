"""TBD."""

from __future__ import annotations

import os
import stat
from pathlib import Path

# A link in the place of a file would lead a write, or a reader, somewhere else.
NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def home() -> Path:
    """The folder of everything fusion_nb keeps for this user. It need not exist."""
    if given := os.environ.get("FUSION_NB_HOME"):
        return Path(given).expanduser()
    import platformdirs  # noqa: PLC0415  most processes never come here without FUSION_NB_HOME more than once

    return platformdirs.user_data_path("fusion_nb", appauthor=False)


def own_folder() -> Path:
    """`home()`, made where it is missing. Raises `OSError` where it cannot be made, or is somebody else's."""
    return _own(home())


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
