"""An account that all kernels of a machine share for a day: one small file, one writer at a time.

A day is a UTC day, as it is for OpenRouter's own limits: kernels with different time zones must agree on when it ends.
Every real call is booked here, whether a cap is set or not, so that a cap that is set later knows of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from fusion_nb.accounts.account import ZERO, Denial, lower
from fusion_nb.storage import files
from fusion_nb.storage.file_lock import PATIENCE, LivenessLock, locked
from fusion_nb.storage.files import replace_file

FORM = "fusion_nb spend"
VERSION = 2
"""Version 1 had one amount for each process, and one amount of what was unsettled."""
MAX_FILE = 16 * 1024 * 1024
_HURRY = 0.25
"""Seconds to wait for another process where no cap hangs on the answer."""
T = TypeVar("T")


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
        if unsettled is not None:
            self.unsettled[key] = unsettled

    def settle_late(self, key: str, cost: Decimal, unsettled: Decimal | None) -> None:
        """Book a bill that came after the call's end. Of a call that is not on the book, only where it is today's."""
        was_unsettled = self.unsettled.pop(key, None) is not None
        if was_unsettled or key.startswith(f"{self.day:%Y%m%d}"):
            self.settle("", key, cost, unsettled)

    def to_json(self) -> dict[str, Any]:
        held = {process: _text(calls) for process, calls in self.held.items() if calls}
        amounts = {"spent": str(self.spent), "unsettled": _text(self.unsettled), "held": held}
        return {"form": FORM, "v": VERSION, "day": self.day.isoformat(), **amounts}


class DayAccount:
    """USD of a day in all kernels that share `home`. Safe between threads and processes.

    Args:
        home: the folder that kernels share; `home/spend` is made, for its owner alone.
        name: the option that sets a cap on it.
        now: the clock.
    """

    def __init__(
        self,
        home: Path,
        name: str = "max_cost_per_day",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self._home, self._folder, self._now = home, home / "spend", now
        self._file = self._folder / "day.json"
        self._begin()

    @property
    def spent(self) -> Decimal:
        """USD settled today by all kernels; zero where the file cannot be read."""
        return self._peek().spent

    @property
    def unsettled(self) -> Decimal:
        """USD that calls without a known cost, those of killed kernels too, may have cost today on top of `spent`."""
        return self._peek().total_unsettled

    def left(self, cap: Decimal | None) -> Decimal | None:
        """USD of `cap` that a further call may cost today; `None` without a cap. Reads, and changes nothing."""
        return None if cap is None else cap - self._peek().taken

    def hold(self, key: str, worst: Decimal, cap: Decimal | None) -> Denial | None:
        """Hold `worst` USD for an attempt of a call; where that would pass `cap`, hold nothing and say why.

        Where the file cannot be kept, a cap cannot be held and the call is denied; without a cap it is not.
        """

        def change(book: DayBook) -> Denial | None:
            if cap is not None and book.taken + worst > cap:
                left = cap - book.taken
                return Denial(worst, self.name, cap, left, book.total_held, book.total_unsettled)
            calls = book.held.setdefault(self._me, {})
            calls[key] = calls.get(key, ZERO) + worst
            return None

        try:
            return self._change(change, PATIENCE if cap is not None else _HURRY)
        except (OSError, UnreadableDay) as error:
            return None if cap is None else Denial(worst, self.name, cap, ZERO, trouble=self._why(error))

    def release(self, key: str, worst: Decimal) -> None:
        """Undo one `hold`: its attempt was not made."""
        self._settled(lambda book: lower(book.held.get(self._me, {}), key, worst))

    def settle(self, key: str, spent: Decimal, unsettled: Decimal | None = None) -> None:
        """The call has ended: replace all that is held for it by what it cost.

        What cannot be written now is written with the next change.

        Args:
            unsettled: USD it may have cost besides, at most; zero where nobody knows a price. `None`: all is known.
        """
        self._settled(lambda book: book.settle(self._me, key, spent, unsettled))

    def settle_late(self, key: str, cost: Decimal, unsettled: Decimal | None = None) -> None:
        """A bill came after the end of a call, of this process or another that is gone: book it."""

        def change(book: DayBook) -> None:
            self._bury(book)
            book.settle_late(key, cost, unsettled)

        self._settled(change)

    def _settled(self, change: Callable[[DayBook], None]) -> None:
        with contextlib.suppress(OSError, UnreadableDay):
            self._change(lambda _: None, _HURRY, owed=change)

    def _bury(self, book: DayBook) -> None:
        for process in [p for p in book.held if p != self._me and LivenessLock.stopped(self._alive_file(p))]:
            book.bury(process)

    def _change(
        self, change: Callable[[DayBook], T], patience: float, owed: Callable[[DayBook], None] | None = None
    ) -> T:
        """Apply to what the file says first what is owed to it, then `change`."""
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            self._owed += [owed] if owed else []
            files.make_private(files.make_home(self._home) / self._folder.name)
            with locked(self._folder / "lock", patience):
                book = self._read()
                if not self._me:
                    self._appear(book)
                before = book.to_json()
                self._turn(book)
                for settle in self._owed:
                    settle(book)
                result = change(book)
                if book.to_json() != before:
                    self._write(book)
            self._owed.clear()
            return result

    def _turn(self, book: DayBook) -> None:
        today = self._now().date()
        if today > book.day:
            # What a dead process held belongs to the day that ends.
            self._bury(book)
        book.turn(today)

    def _begin(self) -> None:
        """At first, and anew in a forked process: nothing of the parent's is ours, its lock least of all."""
        self._pid, self._me = os.getpid(), ""
        self._lock = threading.Lock()
        self._owed: list[Callable[[DayBook], None]] = []
        """Settled while the file could not be written."""

    def _appear(self, book: DayBook) -> None:
        """Take a name among the kernels, and the lock that shows we live; traces of those that left are swept."""
        for trace in self._folder.glob("alive-*"):
            if trace.name.removeprefix("alive-") not in book.held and LivenessLock.stopped(trace):
                trace.unlink(missing_ok=True)
        me = secrets.token_hex(8)
        self._alive = LivenessLock(self._alive_file(me))
        self._me = me

    def _peek(self) -> DayBook:
        """What the file says now, without waiting for anybody: it is replaced as a whole."""
        try:
            book = self._read()
        except (OSError, UnreadableDay):
            return DayBook(self._now().date())
        self._bury(book)
        book.turn(self._now().date())
        return book

    def _read(self) -> DayBook:
        try:
            contents = files.read_own(self._file, MAX_FILE, within=self._home)
        except FileNotFoundError:
            return DayBook(self._now().date())
        return read_book(contents)

    def _write(self, book: DayBook) -> None:
        """As a whole or not at all. Not synced: a killed process loses nothing, and calls must not wait for a disk."""
        replace_file(self._file, json.dumps(book.to_json()).encode(), durable=False)

    def _alive_file(self, process: str) -> Path:
        return self._folder / f"alive-{process}"

    def _why(self, error: Exception) -> str:
        remedy = (
            f"delete {self._file.name} in {self._folder} to begin the day anew, or unset {self.name}"
            if isinstance(error, UnreadableDay)
            else f"make {self._folder} a folder that you, and only you, can write, or unset {self.name}"
        )
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return f"the day's spending cannot be kept ({reason}), so {self.name} cannot hold: {remedy}."


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
