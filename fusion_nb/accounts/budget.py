"""Caps that hold under concurrency: the worst case is held before a call, the real cost settled after.

Parallel calls all pass a check against what has been *spent* before any of them has cost anything; only a reservation
keeps them under one cap together. A `Budget` is one cap inside this process, `day.DayBudget` one that kernels share, a
`Purse` several at once; `ask()` sees the same four words on each: `cap`, `left`, `hold`, `settle`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from fusion_nb.accounts.token_counts import PER_MESSAGE
from fusion_nb.core import Message, Usage


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a call may not be made; `str()` is the sentence for people."""

    worst: Decimal
    """USD it could cost at most."""
    name: str
    """The cap that would be passed, as people write it: `--max-cost`."""
    cap: Decimal
    left: Decimal
    """USD neither spent nor held."""
    held: Decimal = Decimal(0)
    """USD held for other calls under way: what they do not cost comes back."""
    trouble: str = ""
    """Where the cap cannot be held at all: why, with the remedy."""

    def __str__(self) -> str:
        if self.trouble:
            return f"Not asked: {self.trouble}"
        waiting = f" ({usd(self.held)} is held for calls under way)" if self.held > 0 else ""
        return (
            f"Not asked: it could cost up to {usd(self.worst)} and {usd(max(self.left, Decimal(0)))} of {self.name} "
            f"${self.cap:f} was left{waiting}. Raise {self.name} or lower --max-tokens."
        )


class SpendingCap(Protocol):
    """What a call is paid from: a `Budget`, a `DayBudget` or a `Purse` of several."""

    @property
    def cap(self) -> Decimal | None: ...
    @property
    def left(self) -> Decimal | None: ...
    @property
    def name(self) -> str: ...
    def hold(self, worst: Decimal) -> Denial | None: ...
    def settle(self, reserved: Decimal, spent: Decimal) -> None: ...


class Budget:
    """USD that may be spent. Safe to share between threads and runs; without a cap it only keeps the account."""

    def __init__(self, cap: Decimal | None, name: str = "--max-cost") -> None:
        self.cap = cap
        """May be changed at any time; what is held or spent already stays counted."""
        self.name = name
        self._lock = threading.Lock()
        self._held = self._spent = Decimal(0)

    @property
    def left(self) -> Decimal | None:
        """USD neither spent nor held; `None` without a cap."""
        with self._lock:
            return self._left()

    @property
    def spent(self) -> Decimal:
        """USD settled so far."""
        return self._spent

    def hold(self, worst: Decimal) -> Denial | None:
        """Hold `worst` USD for a call; where that would pass the cap, hold nothing and say why."""
        with self._lock:
            left = self._left()
            if self.cap is not None and left is not None and worst > left:
                return Denial(worst, self.name, self.cap, left, self._held)
            self._held += worst
            return None

    def reserve(self, worst: Decimal) -> bool:
        """`hold`, without the reason."""
        return self.hold(worst) is None

    def settle(self, reserved: Decimal, spent: Decimal) -> None:
        """Replace a reservation by what the call really cost."""
        with self._lock:
            self._held -= reserved
            self._spent += spent

    def _left(self) -> Decimal | None:
        return None if self.cap is None else self.cap - self._spent - self._held


class CompositeBudget:
    """Several caps as one: a call is paid from all of them or not made."""

    def __init__(self, *budgets: SpendingCap) -> None:
        self.budgets = budgets
        """In the order they are asked: the cheapest to ask first."""

    @property
    def cap(self) -> Decimal | None:
        """The cap with the least left; `None` where there is none."""
        tightest = self._tightest()
        return tightest.cap if tightest else None

    @property
    def left(self) -> Decimal | None:
        """USD that every cap still has; `None` without a cap."""
        tightest = self._tightest()
        return tightest.left if tightest else None

    @property
    def name(self) -> str:
        """The caps that are set, as people write them."""
        return " and ".join(budget.name for budget in self.budgets if budget.cap is not None)

    def hold(self, worst: Decimal) -> Denial | None:
        """Hold `worst` in every budget; where one of them denies, hold nothing and say which and why."""
        taken: list[SpendingCap] = []
        for budget in self.budgets:
            denial = budget.hold(worst)
            if denial is not None:
                for earlier in taken:
                    earlier.settle(worst, Decimal(0))
                return denial
            taken.append(budget)
        return None

    def reserve(self, worst: Decimal) -> bool:
        """`hold`, without the reason."""
        return self.hold(worst) is None

    def settle(self, reserved: Decimal, spent: Decimal) -> None:
        """Replace a reservation by what the call really cost, everywhere."""
        for budget in self.budgets:
            budget.settle(reserved, spent)

    def _tightest(self) -> SpendingCap | None:
        capped = [(left, n) for n, budget in enumerate(self.budgets) if (left := budget.left) is not None]
        return self.budgets[min(capped)[1]] if capped else None


def worst_case(messages: Iterable[Message], max_tokens: int) -> Usage:
    """The most tokens a call can use: a byte-level tokenizer never makes more tokens than there are UTF-8 bytes."""
    prompt = sum(len(m.content.encode("utf-8", "replace")) + PER_MESSAGE for m in messages)
    return Usage(prompt=prompt, completion=max_tokens)


def usd(amount: Decimal) -> str:
    """`amount` for people: four decimals, more where three significant figures need them."""
    places = 4 if not amount else min(12, max(4, 2 - amount.adjusted()))
    return f"${amount:.{places}f}"
