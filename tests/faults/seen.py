"""What the tests of the fault matrix have seen so far, for docs/reliability.md."""

from __future__ import annotations

SERVICES: dict[str, set[str]] = {}
"""By scenario: rows 1 to 65 and 90, of one service."""
KERNEL: dict[int, dict[str, str]] = {}
"""By row and scenario: rows 65 to 89, through the magic in a kernel."""


def saw(row: int, scenario: str, what: str) -> None:
    """Put on record what a kernel has shown; called once all of it has been asserted."""
    KERNEL.setdefault(row, {})[scenario] = what
