"""A cap that holds under concurrency: the worst case is reserved before a call, the real cost settled after.

Parallel calls all pass a check against what has been *spent* before any of them has cost anything; only a reservation
keeps them under one cap together.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from decimal import Decimal

from fusion_nb._types import Message, Usage

_PER_MESSAGE = 16
"""Tokens a service adds around each message (role, separators): generous."""


class Budget:
    """USD that may be spent. Safe to share between threads and runs."""

    def __init__(self, cap: Decimal | None) -> None:
        self.cap = cap
        self._lock = threading.Lock()
        self._held = Decimal(0)

    @property
    def left(self) -> Decimal | None:
        """USD neither spent nor reserved; `None` without a cap."""
        return None if self.cap is None else self.cap - self._held

    def reserve(self, worst: Decimal) -> bool:
        """Hold `worst` USD for a call; `False`, holding nothing, where it would pass the cap."""
        with self._lock:
            if self.cap is not None and self._held + worst > self.cap:
                return False
            self._held += worst
            return True

    def settle(self, reserved: Decimal, spent: Decimal) -> None:
        """Replace a reservation by what the call really cost."""
        with self._lock:
            self._held += spent - reserved


def worst_case(messages: Iterable[Message], max_tokens: int) -> Usage:
    """The most tokens a call can use: a byte-level tokenizer never makes more tokens than there are UTF-8 bytes."""
    prompt = sum(len(m.content.encode("utf-8", "replace")) + _PER_MESSAGE for m in messages)
    return Usage(prompt=prompt, completion=max_tokens)
