"""Which money a run may spend: caps of the run, of this kernel's session, and of the day for all kernels.

No paid call begins without a `SpendingPolicy`: a run demands one. Its caps are arguments of every `hold`, never state
of a shared account, so a run keeps the caps it began with whatever other runs, or questions about money, do meanwhile.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from fusion_nb.accounts.day_account import DayAccount
from fusion_nb.accounts.spending_account import ZERO, Account, Denial, SpendingAccount
from fusion_nb.core import engine_thread
from fusion_nb.storage import files

SESSION = Account("max_cost_per_session")
"""The account of this process."""


def day_account() -> DayAccount:
    """The day's account of the folder that kernels share now."""
    return _day_account(files.home())


@functools.cache
def _day_account(home: Path) -> DayAccount:
    # One for each folder: a process has one name there, and one lock file.
    account = DayAccount(home)

    async def flush() -> None:
        account.flush()

    engine_thread.close_at_exit(flush)
    return account


@dataclass(frozen=True, slots=True)
class SpendingPolicy:
    """The caps a run is under, in USD; `None` is no cap."""

    run_cap: Decimal | None
    session_cap: Decimal | None
    day_cap: Decimal | None
    shared: Account | None = None
    """An account that several runs share, such as those of one evaluation."""
    shared_cap: Decimal | None = None

    @property
    def names(self) -> str:
        """The caps that are set, by their options; empty where none is."""
        accounts: tuple[SpendingAccount, ...] = (self.shared or Account(), Account(), SESSION, day_account())
        caps = zip(accounts, (self.shared_cap, self.run_cap, self.session_cap, self.day_cap), strict=True)
        return " and ".join(dict.fromkeys(account.name for account, cap in caps if cap is not None))


class RunAccounts:
    """What the calls of one run are paid from: all accounts, or the call is not made.

    Args:
        run: its id; a call is booked under `run/call`.
        play: whether the run costs play money alone. Its own cap holds, so that people can see a cap work; the session
            and the day know nothing of it.
    """

    def __init__(self, run: str, policy: SpendingPolicy, *, play: bool = False) -> None:
        self._run = run
        self._day = None if play else day_account()
        self._alone = policy.shared is None
        capped: list[tuple[SpendingAccount, Decimal | None]] = [(Account(), policy.run_cap)]
        if policy.shared is not None:
            capped.append((policy.shared, policy.shared_cap))
        if self._day is not None:
            # In the order they are asked: the cheapest first.
            capped += [(SESSION, policy.session_cap), (self._day, policy.day_cap)]
        self._capped = tuple(capped)
        self.cap_names = " and ".join(account.name for account, cap in capped if cap is not None)
        """The caps that are set, by their options; empty where none is."""

    def hold(self, call: int, worst: Decimal) -> Denial | None:
        """Hold `worst` USD in every account; where one of them denies, hold nothing and say which and why."""
        key = self._key(call)
        for place, (account, cap) in enumerate(self._capped):
            denial = account.hold(key, worst, cap)
            if denial is not None:
                self._release(key, worst, place)
                return denial
        return None

    async def hold_together(self, call: int, worst: Decimal) -> Denial | None:
        """`hold()`, the file that kernels share being changed once for all calls that begin at about this time."""
        key, denial = self._key(call), None
        for place, (account, cap) in enumerate(self._capped):
            try:
                if isinstance(account, DayAccount):
                    denial = await account.hold_together(key, worst, cap)
                else:
                    denial = account.hold(key, worst, cap)
            except asyncio.CancelledError:
                self._release(key, worst, place)
                raise
            if denial is not None:
                self._release(key, worst, place)
                break
        return denial

    def _release(self, key: str, worst: Decimal, first: int) -> None:
        for account, _ in self._capped[:first]:
            account.release(key, worst)

    def settle(self, call: int, spent: Decimal, unsettled: Decimal | None = None) -> None:
        """The call has ended: book what it cost, and keep what it may have cost besides as unsettled."""
        for account, _ in self._capped:
            settled = account.settle_soon if isinstance(account, DayAccount) else account.settle
            settled(self._key(call), spent, unsettled)

    def flush(self) -> None:
        """The run ends: what other kernels have to know of it is written. Of many runs together, whoever makes them
        does this."""
        if self._day is not None and self._alone:
            self._day.flush()

    def _key(self, call: int) -> str:
        return f"{self._run}/{call}"


def settle_late(run: str, call: int, cost: Decimal, unsettled: Decimal = ZERO) -> None:
    """Book what a service told of a call after its run had ended, in this process or another that is gone."""
    accounts: tuple[SpendingAccount, ...] = (SESSION, day_account())
    for account in accounts:
        account.settle_late(f"{run}/{call}", cost, unsettled or None)
