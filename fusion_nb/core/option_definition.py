"""What a row of the table of options says, and the calls that there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Calls that ask a prompt, and calls that continue a run of the journal.
ASKING, DERIVED = ("fuse", "afuse", "stream", "estimate", "panel", "fuse_frame"), ("rejudge", "add", "retry", "resume")
CALLS = (*ASKING, *DERIVED)
LINE = "magic"
"""The line of `%fuse` and `%%fuse` alone: how it is run and shown, not what is asked."""


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table."""

    name: str
    type: str  # the annotation in signatures
    default: Any
    check: Callable[[Any], Any]
    """The value as the product works with it. Raises `UserError`, one sentence."""
    help: str
    calls: tuple[str, ...] = CALLS
    flags: tuple[str, ...] = ()
    """On a magic's line; empty: only Python and `%config` can give it."""
    configurable: bool = False
    record: str = ""
    """Where a run's record (`RunStarted`) keeps it, dotted."""
    needs: str = ""
    """The option without which it means nothing; `a or b`: one of them, and as a function."""
    switch: bool = False  # its flag takes no value
    values: tuple[str, ...] = ()  # what Tab offers

    def can_act(self, settings: Mapping[str, Any]) -> bool:
        """Whether what it needs is given."""
        needed = [settings.get(need) for need in self.needs.split(" or ")]
        # Of several one must be a function: a time limit does not bound the forms of `extract`.
        return not self.needs or any(value and (len(needed) == 1 or not isinstance(value, str)) for value in needed)
