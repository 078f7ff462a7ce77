"""What a lower floor offers by name and an upper floor does: the package's own door puts it here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

HOOKS: dict[str, Callable[..., Any]] = {}
"""`panel`: a result -> the workbench on it."""
