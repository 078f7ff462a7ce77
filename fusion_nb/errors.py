"""The error tree. The class says whose fault it is; every message carries the remedy.

FusionError                     anything this package raises on purpose; shown as one sentence, no traceback
├── UserError                   the request cannot be sent as written: nothing was sent, nothing was spent
│   ├── UnknownName             a model, alias, mode, option or service nobody knows; suggests the nearest
│   └── KeyMissing              no API key where one is needed, or a key where none may stand
├── ProviderError               one call failed: it becomes a reply with an error, the run goes on
└── RunFailed                   every member failed; `.result` holds what there is
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

__all__ = ["FusionError", "KeyMissing", "ProviderError", "RunFailed", "UnknownName", "UserError"]


# What a terminal obeys and what turns text around: a sentence may quote a service or a name that came from one.
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class FusionError(Exception):
    """Root of everything this package raises on purpose.

    >>> import fusion_nb
    >>> try:
    ...     fusion_nb.fuse("Hi?", pool="demo", mode="poll")
    ... except fusion_nb.FusionError as error:
    ...     print(error)
    Unknown mode 'poll'. There are best-of, merge, debate, vote.
    """

    def __str__(self) -> str:
        return _ACTING.sub(lambda found: f"[U+{ord(found[0]):04X}]", super().__str__())

    def _render_traceback_(self) -> list[str]:
        """IPython's own hook: one sentence in the cell, whatever `%xmode` says."""
        return [f"{type(self).__name__}: {self}"]


class UserError(FusionError):
    """The request cannot be sent as written. Nothing was sent and nothing was spent.

    >>> import fusion_nb
    >>> try:
    ...     fusion_nb.fuse("", pool="demo")
    ... except fusion_nb.UserError as error:
    ...     print(str(error).partition(":")[0])
    The prompt is empty
    """


class UnknownName(UserError):
    """A name nobody knows. The message offers the nearest known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        known = tuple(known)
        self._arguments = (kind, name, known, hint)
        near = difflib.get_close_matches(name, sorted(set(known)), n=3, cutoff=0.5)
        offer = f" Did you mean {' or '.join(near)}?" if near else ""
        super().__init__(f"Unknown {kind} {name!r}.{offer}{f' {hint}' if hint else ''}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickled and copied by what it was made of: a pool of processes sends errors back in this way.
        return type(self), self._arguments


class KeyMissing(UserError):
    """No API key where one is needed, or a key in a place where none may stand."""

    service = ""
    """Whose key can be asked for; empty where that is not the remedy."""


class ProviderError(FusionError):
    """One call failed. Never reaches the person as an exception: `ask()` turns it into a reply with an error.

    Args:
        error: the fault's class, one word (`connect`, `auth`, `rate_limit`, `disconnect` ...).
        detail: one sentence with the remedy, already free of keys and control characters.
        status: the reply's status, `error` unless the fault is a timeout or a filter.
        retryable: whether asking again may help, provided no text has arrived yet.
        retry_after: seconds the service asked to wait; `None` where it said nothing.
        maybe_billed: whether the service may charge for it (the request may have been running).
        max_retries: further attempts this fault is worth.
    """

    stale = False
    """Whether a connection that was used before ended without a byte of an answer: the service was closing it, and has
    hardly heard of the request."""

    def __init__(
        self,
        error: str,
        detail: str,
        *,
        status: str = "error",
        retryable: bool = False,
        retry_after: float | None = None,
        maybe_billed: bool = False,
        max_retries: int = 2,
    ) -> None:
        super().__init__(detail)
        self.error = error
        self.detail = detail
        self.status = status
        self.retryable = retryable
        self.retry_after = retry_after
        self.maybe_billed = maybe_billed
        self.max_retries = max_retries


class RunFailed(FusionError):
    """Every member of the pool failed. `result` holds the replies, one row each.

    >>> import fusion_nb
    >>> def broken(prompt):
    ...     raise ValueError("no luck")
    >>> try:
    ...     fusion_nb.fuse("Hi?", pool=[broken])
    ... except fusion_nb.RunFailed as failed:
    ...     print(failed.result.replies[0].status)
    error
    """

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result
