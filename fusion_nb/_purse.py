"""Caps that outlive a run: of this kernel's session, and of the day for all kernels of this user."""

from __future__ import annotations

import functools
from decimal import Decimal

from fusion_nb.journal import home
from fusion_nb.money.budget import Budget, Capped
from fusion_nb.money.day import DayBudget

SESSION = Budget(None, "Fuse.max_cost_per_session")


@functools.cache
def day() -> DayBudget:
    """The day's account, shared by kernels through a file. Made when a cap is first set: it takes a lock file."""
    return DayBudget(home.home())


def shared(session_cap: Decimal | None, day_cap: Decimal | None) -> tuple[Capped, ...]:
    """The caps that a run is paid from beside its own."""
    SESSION.cap = session_cap
    if day_cap is None:
        return (SESSION,)
    account = day()
    account.cap = day_cap
    return (SESSION, account)
