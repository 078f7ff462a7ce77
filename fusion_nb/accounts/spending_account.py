"""Accounts in which a cap holds under concurrency: the worst case is held before a call, the real cost settled after.

Parallel calls all pass a check against what has been *spent* before any of them has cost anything; only a reservation
keeps them under one cap together. An account has no cap of its own: the cap comes with every `hold`, so that no caller
can change the cap of another. `Account` lives in this process, `day_account.DayAccount` in a file that kernels share.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from fusion_nb.accounts.token_counts import PER_MESSAGE
from fusion_nb.core import Message, Usage

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a call may not be made; `str()` is the sentence for people."""

    worst: Decimal
    """USD it could cost at most."""
    name: str
    """The cap that would be passed: `max_cost`."""
    cap: Decimal
    left: Decimal
    """USD neither spent, nor held, nor unsettled."""
    held: Decimal = ZERO
    """USD held for other calls under way: what they do not cost comes back."""
    unsettled: Decimal = ZERO
    """USD of calls that ended without a bill: counted until their service says what they cost."""
    trouble: str = ""
    """Where the cap cannot be held at all: why, with the remedy."""

    def __str__(self) -> str:
        if self.trouble:
            return f"Not asked: {self.trouble}"
        parts = [f"{usd(self.held)} is held for calls under way"] if self.held > 0 else []
        parts += [f"{usd(self.unsettled)} for calls without a bill"] if self.unsettled > 0 else []
        aside = f" ({', '.join(parts)})" if parts else ""
        return (
            f"Not asked: it could cost up to {usd(self.worst)} and {usd(max(self.left, ZERO))} of {self.name} "
            f"${self.cap:f} was left{aside}. Raise it (--{self.name.replace('_', '-')}), or lower max_tokens "
            "(--max-tokens)."
        )


class SpendingAccount(Protocol):
    """What calls are booked in. A call has one key from its first attempt to its late bill."""

    @property
    def name(self) -> str: ...
    def hold(self, key: str, worst: Decimal, cap: Decimal | None) -> Denial | None: ...
    def release(self, key: str, worst: Decimal) -> None: ...
    def settle(self, key: str, spent: Decimal, unsettled: Decimal | None = None) -> None: ...
    def settle_late(self, key: str, cost: Decimal, unsettled: Decimal | None = None) -> None: ...


class Account:
    """USD of one process: held for calls under way, spent, and unsettled. Safe to share between threads and runs."""

    def __init__(self, name: str = "max_cost") -> None:
        self.name = name
        """The option that sets a cap on it."""
        self._lock = threading.Lock()
        self._spent = ZERO
        self._held = _Amounts()
        self._unsettled = _Amounts()

    @property
    def spent(self) -> Decimal:
        """USD that is known to be billed."""
        return self._spent

    @property
    def unsettled(self) -> Decimal:
        """USD that calls without a known cost may have cost at most."""
        with self._lock:
            return self._unsettled.total

    @property
    def taken(self) -> Decimal:
        """USD spent, held or unsettled: what counts against a cap."""
        with self._lock:
            return self._taken()

    def left(self, cap: Decimal | None) -> Decimal | None:
        """USD of `cap` that a further call may cost; `None` without a cap."""
        return None if cap is None else cap - self.taken

    def hold(self, key: str, worst: Decimal, cap: Decimal | None) -> Denial | None:
        """Hold `worst` USD for an attempt of a call; where that would pass `cap`, hold nothing and say why."""
        with self._lock:
            left = None if cap is None else cap - self._taken()
            if cap is not None and left is not None and worst > left:
                return Denial(worst, self.name, cap, left, self._held.total, self._unsettled.total)
            self._held.add(key, worst)
            return None

    def release(self, key: str, worst: Decimal) -> None:
        """Undo one `hold`: its attempt was not made."""
        with self._lock:
            rest = self._held.pop(key) - worst
            if rest > 0:
                self._held.add(key, rest)

    def settle(self, key: str, spent: Decimal, unsettled: Decimal | None = None) -> None:
        """The call has ended: replace all that is held for it by what it cost.

        Args:
            unsettled: USD it may have cost besides, at most; zero where nobody knows a price. `None`: all is known.
        """
        with self._lock:
            self._held.pop(key)
            self._book(key, spent, unsettled)

    def settle_late(self, key: str, cost: Decimal, unsettled: Decimal | None = None) -> None:
        """A bill came after the end of an unsettled call: book it. A call that this account never held is not its."""
        with self._lock:
            if key in self._unsettled:
                self._unsettled.pop(key)
                self._book(key, cost, unsettled)

    def _book(self, key: str, spent: Decimal, unsettled: Decimal | None) -> None:
        self._spent += spent
        if unsettled is not None:
            self._unsettled.pop(key)
            self._unsettled.add(key, unsettled)

    def _taken(self) -> Decimal:
        return self._spent + self._held.total + self._unsettled.total


class _Amounts:
    """USD by call, with their sum: a table of prompts has many thousands."""

    def __init__(self) -> None:
        self._by_key: dict[str, Decimal] = {}
        self.total = ZERO

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def add(self, key: str, amount: Decimal) -> None:
        self._by_key[key] = self._by_key.get(key, ZERO) + amount
        self.total += amount

    def pop(self, key: str) -> Decimal:
        """What stands under `key`, which is taken off; zero where nothing does."""
        amount = self._by_key.pop(key, ZERO)
        # Nothing is nothing, whatever rounding left of a long sum.
        self.total = self.total - amount if self._by_key else ZERO
        return amount


def lower(amounts: dict[str, Decimal], key: str, by: Decimal) -> None:
    """Take `by` off what stands under `key`; nothing is kept where nothing is left."""
    rest = amounts.pop(key, ZERO) - by
    if rest > 0:
        amounts[key] = rest


def worst_case(messages: Iterable[Message], max_tokens: int) -> Usage:
    """The most tokens a call can use: a byte-level tokenizer never makes more tokens than there are UTF-8 bytes."""
    prompt = sum(len(m.content.encode("utf-8", "replace")) + PER_MESSAGE for m in messages)
    return Usage(prompt=prompt, completion=max_tokens)


def usd(amount: Decimal) -> str:
    """`amount` for people: four decimals, more where three significant figures need them."""
    places = 4 if not amount else min(12, max(4, 2 - amount.adjusted()))
    return f"${amount:.{places}f}"
