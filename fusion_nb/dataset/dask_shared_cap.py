"""The one cap of a table whose partitions are asked by several workers: leases, kept where Dask's scheduler is.

A worker that dies takes its leases with it: they count as spent, since they may have been.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fusion_nb.accounts.spending_account import ZERO, Account, Denial


@dataclass
class Ledger:
    """USD of one table: what its partitions have taken, and what they have spent."""

    cap: Decimal
    spent: Decimal = ZERO
    leases: dict[str, Decimal] = field(default_factory=dict)

    def take(self, lease: str, wanted: Decimal) -> Decimal:
        """Lend as much more as is wanted, or as is left."""
        lent = max(ZERO, min(wanted, self.left()))
        self.leases[lease] = self.leases.get(lease, ZERO) + lent
        return lent

    def settle(self, lease: str, spent: Decimal) -> None:
        """Give back what a partition did not spend of its lease."""
        self.leases.pop(lease, None)
        self.spent += spent

    def left(self) -> Decimal:
        return self.cap - self.spent - sum(self.leases.values(), ZERO)

    def so_far(self) -> tuple[Decimal, Decimal]:
        """What was spent, and what is leased."""
        return self.spent, sum(self.leases.values(), ZERO)


_ledgers: dict[str, Ledger] = {}
"""By table; of this process, which is the scheduler's or, without one, the caller's own."""


def on_ledger(table: str, action: str, *arguments: Any, dask_scheduler: Any = None) -> Any:
    """Runs where the ledgers are, one call after another."""
    match action:
        case "open":
            _ledgers[table] = Ledger(*arguments)
            return None
        case "close":
            return _ledgers.pop(table).so_far()
        case _:
            return getattr(_ledgers[table], action)(*arguments)


def ask_ledger() -> Callable[..., Any]:
    """The way to the ledgers from within a partition's task: `ask(table, action, ...)`, from any thread of it."""
    distributed = importlib.import_module("distributed") if "distributed" in sys.modules else None
    if distributed is not None:
        with contextlib.suppress(ValueError):  # this is no worker: the ledger is here
            client: Any = distributed.get_worker().client
            return lambda *what: client.run_on_scheduler(on_ledger, *what)
    return on_ledger


class LeasedAccount(Account):
    """The account of one partition under the cap of the whole: it has what it was lent so far, and is lent more when a
    call needs it, a fiftieth of the cap at least. What is not spent goes back when the partition is done."""

    def __init__(self, table: str, lease: str, cap: Decimal) -> None:
        super().__init__("max_cost")
        self._ask, self._table, self._lease = ask_ledger(), table, lease
        self._step, self._lent = cap / 50, ZERO

    def hold(self, key: str, worst: Decimal, cap: Decimal | None) -> Denial | None:
        needed = self.taken + worst - self._lent
        if needed > 0:
            self._lent += self._ask(self._table, "take", self._lease, max(needed, self._step))
        return super().hold(key, worst, self._lent if cap is None else min(cap, self._lent))

    def give_back(self) -> None:
        """Keep what was spent, or may be billed still."""
        self._ask(self._table, "settle", self._lease, self.taken)
