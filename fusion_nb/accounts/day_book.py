"""What the file of a day's account says: spent, held for calls under way, and unsettled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from fusion_nb.accounts.spending_account import ZERO

FORM = "fusion_nb spend"
VERSION = 2
"""Version 1 had one amount for each process, and one amount of what was unsettled."""


class UnreadableDay(Exception):
    """The day's file holds something else, or belongs to a newer release."""


@dataclass(slots=True)
class DayBook:
    """What the file says. Calls stand under their keys, `run/call`."""

    day: date
    spent: Decimal = ZERO
    unsettled: dict[str, Decimal] = field(default_factory=dict)
    """Calls that ended without a known cost, or whose process died: their services may have billed up to so much."""
    held: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    """By process: calls under way."""

    @property
    def total_held(self) -> Decimal:
        return sum((amount for calls in self.held.values() for amount in calls.values()), ZERO)

    @property
    def total_unsettled(self) -> Decimal:
        return sum(self.unsettled.values(), ZERO)

    @property
    def taken(self) -> Decimal:
        """USD spent, held or unsettled."""
        return self.spent + self.total_held + self.total_unsettled

    def turn(self, today: date) -> None:
        """Begin a new day. A clock that went back begins none, and one that was far ahead keeps what was spent."""
        if today > self.day:
            self.spent, self.unsettled = ZERO, {}
        if today > self.day or self.day > today + timedelta(days=1):
            self.day = today

    def bury(self, process: str) -> None:
        """What a process held that is gone may have been billed: it counts until it is settled, or the day ends."""
        for key, amount in self.held.pop(process, {}).items():
            self.unsettled[key] = self.unsettled.get(key, ZERO) + amount

    def settle(self, process: str, key: str, spent: Decimal, unsettled: Decimal | None) -> None:
        """Replace what a process holds for a call by what it cost, and by what it may have cost besides."""
        self.held.get(process, {}).pop(key, None)
        self.spent += spent
        # Of a call that may have cost nothing, only a bill of another day has to be known by its key.
        if unsettled or (unsettled is not None and not self._of_today(key)):
            self.unsettled[key] = unsettled

    def settle_late(self, key: str, cost: Decimal, unsettled: Decimal | None) -> None:
        """Book a bill that came after the call's end. Of a call that is not on the book, only where it is today's."""
        was_unsettled = self.unsettled.pop(key, None) is not None
        if was_unsettled or self._of_today(key):
            self.settle("", key, cost, unsettled)

    def _of_today(self, key: str) -> bool:
        return key.startswith(f"{self.day:%Y%m%d}")

    def to_json(self) -> dict[str, Any]:
        held = {process: _text(calls) for process, calls in self.held.items() if calls}
        amounts = {"spent": str(self.spent), "unsettled": _text(self.unsettled), "held": held}
        return {"form": FORM, "v": VERSION, "day": self.day.isoformat(), **amounts}


def read_book(text: bytes) -> DayBook:
    """What a day's file says, of version 1 too. Raises `UnreadableDay`."""
    try:
        data = json.loads(text)
        if data["form"] != FORM or data["v"] > VERSION:
            raise UnreadableDay("its file was written by a newer fusion_nb")
        processes = data["held"] if isinstance(data["held"], Mapping) else {}
        held = {process: _amounts(calls) for process, calls in processes.items() if process.isalnum()}
        return DayBook(date.fromisoformat(data["day"]), _amount(data["spent"]), _amounts(data["unsettled"]), held)
    except (ValueError, KeyError, TypeError, ArithmeticError, AttributeError, RecursionError):
        raise UnreadableDay("its file is damaged") from None


def _amounts(data: Any) -> dict[str, Decimal]:
    """By call; version 1 has one amount, of which nobody knows the calls."""
    return {key: _amount(each) for key, each in (data if isinstance(data, Mapping) else {"": data}).items()}


def _amount(text: Any) -> Decimal:
    amount = Decimal(text) if isinstance(text, str) and len(text) < 60 else Decimal("NaN")
    if not amount.is_finite() or not (amount == 0 or -40 < amount.adjusted() < 10) or amount < 0:
        raise ValueError(text)
    return amount


def _text(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {key: str(amount) for key, amount in amounts.items()}
