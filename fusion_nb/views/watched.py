"""Whether a kernel has a front end: under nbclient or papermill nobody sees a widget, and the file would keep it."""

from __future__ import annotations

import os
from pathlib import Path

_FRONT_ENDS = ("VSCODE_", "COLAB_")
_SESSION = "JPY_SESSION_NAME"
"""Set by the Jupyter server for each of its kernels."""


def watched() -> bool:
    """Whether the environment is that of a kernel that a person looks at."""
    if any(name.startswith(_FRONT_ENDS) for name in os.environ):
        return True
    session = os.environ.get(_SESSION)
    # A papermill that was started from a notebook hands that notebook's session down to its own kernel.
    return session is not None and f"{_SESSION}={session}" not in _parent()


def _parent() -> list[str]:
    """The environment of who started this process, where the system tells."""
    try:
        return Path(f"/proc/{os.getppid()}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
