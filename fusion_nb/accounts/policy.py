"""Caps that outlive a run: of this kernel's session, and of the day for all kernels of this user."""

from __future__ import annotations

import functools
from decimal import Decimal

from fusion_nb.accounts.budget import Budget, SpendingCap
from fusion_nb.accounts.day_account import DayBudget
from fusion_nb.storage import folders

SESSION = Budget(None, "Fuse.max_cost_per_session")


@functools.cache
def day_account() -> DayBudget:
    """The day's account, shared by kernels through a file. Made when a cap is first set: it takes a lock file."""
    return DayBudget(folders.home())


def shared_caps(session_cap: Decimal | None, day_cap: Decimal | None) -> tuple[SpendingCap, ...]:
    """The caps that a run is paid from beside its own."""
    SESSION.cap = session_cap
    if day_cap is None:
        return (SESSION,)
    account = day_account()
    account.cap = day_cap
    return (SESSION, account)
