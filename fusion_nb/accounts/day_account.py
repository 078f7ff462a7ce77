"""A cap that all kernels of a machine share for a day: one small file, one writer at a time.

A day is a UTC day, as it is for OpenRouter's own limits: kernels with different time zones must agree on when it ends.
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

from fusion_nb.accounts.budget import Denial
from fusion_nb.storage.file_lock import Pulse, locked

FORM = "fusion_nb spend"
VERSION = 1
T = TypeVar("T")


class UnreadableDay(Exception):
    """The day's file holds something else, or belongs to a newer release."""


@dataclass(slots=True)
class DayBook:
    """What the file says."""

    day: date
    spent: Decimal = Decimal(0)
    unsettled: Decimal = Decimal(0)
    """Held by processes that ended before they settled: their services may have billed up to so much more."""
    held: dict[str, Decimal] = field(default_factory=dict)
    """By process."""

    @property
    def taken(self) -> Decimal:
        """USD spent or held."""
        return self.spent + sum(self.held.values(), Decimal(0))

    def turn(self, today: date) -> None:
        """Begin a new day. A clock that went back begins none, and one that was far ahead keeps what was spent."""
        if today > self.day:
            self.spent = self.unsettled = Decimal(0)
        if today > self.day or self.day > today + timedelta(days=1):
            self.day = today

    def to_json(self) -> dict[str, Any]:
        held = {name: str(amount) for name, amount in self.held.items() if amount}
        amounts = {"spent": str(self.spent), "unsettled": str(self.unsettled), "held": held}
        return {"form": FORM, "v": VERSION, "day": self.day.isoformat(), **amounts}


class DayBudget:
    """USD that may be spent in a day by all kernels that share `home`. Safe between threads and processes.

    Args:
        home: the folder that kernels share; `home/spend` is made, for its owner alone.
        cap: USD; `None` keeps the account without a cap. May be changed at any time.
        name: the cap as people write it.
        now: the clock.
    """

    def __init__(
        self,
        home: Path,
        cap: Decimal | None = None,
        name: str = "Fuse.max_cost_per_day",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.cap, self.name = cap, name
        self._folder, self._now = home / "spend", now
        self._file = self._folder / "day.json"
        self._begin()

    @property
    def spent(self) -> Decimal:
        """USD settled today by all kernels; zero where the file cannot be read."""
        return self._peek().spent

    @property
    def unsettled(self) -> Decimal:
        """USD that kernels held today when they were killed: up to so much may have been billed on top of `spent`."""
        return self._peek().unsettled

    @property
    def left(self) -> Decimal | None:
        """USD neither spent nor held today; `None` without a cap."""
        return None if self.cap is None else self.cap - self._peek().taken

    def hold(self, worst: Decimal) -> Denial | None:
        """Hold `worst` USD for a call; where that would pass the cap, hold nothing and say why.

        Where the file cannot be kept, a cap cannot be held and the call is denied; without a cap it is not.
        """
        try:
            return self._change(lambda book: self._hold(book, worst))
        except (OSError, UnreadableDay) as error:
            cap = self.cap
            return None if cap is None else Denial(worst, self.name, cap, Decimal(0), trouble=self._why(error))

    def reserve(self, worst: Decimal) -> bool:
        """`hold`, without the reason."""
        return self.hold(worst) is None

    def settle(self, reserved: Decimal, spent: Decimal) -> None:
        """Replace a reservation by what the call really cost. What cannot be written now is written with the next."""
        if reserved or spent:
            with contextlib.suppress(OSError, UnreadableDay):
                self._change(lambda _: None, owed=(reserved, spent))

    def _hold(self, book: DayBook, worst: Decimal) -> Denial | None:
        cap = self.cap
        if cap is not None and book.taken + worst > cap:
            for name in self._bury(book):
                self._pulse(name).unlink(missing_ok=True)
        if cap is not None and book.taken + worst > cap:
            return Denial(worst, self.name, cap, cap - book.taken, book.taken - book.spent)
        book.held[self._me] = book.held.get(self._me, Decimal(0)) + worst
        return None

    def _bury(self, book: DayBook) -> list[str]:
        """Let go of what processes held that are gone; their names."""
        gone = [name for name in book.held if name != self._me and Pulse.stopped(self._pulse(name))]
        book.unsettled += sum((book.held.pop(name) for name in gone), Decimal(0))
        return gone

    def _change(self, change: Callable[[DayBook], T], owed: tuple[Decimal, Decimal] | None = None) -> T:
        """Apply to what the file says first what is owed to it, then `change`."""
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            self._owed += [owed] if owed else []
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self._folder / "lock"):
                book = self._read()
                if not self._me:
                    self._appear(book)
                before = book.to_json()
                book.turn(self._now().date())
                for reserved, spent in self._owed:
                    book.held[self._me] = max(book.held.get(self._me, Decimal(0)) - reserved, Decimal(0))
                    book.spent += spent
                result = change(book)
                if book.to_json() != before:
                    self._write(book)
            self._owed.clear()
            return result

    def _begin(self) -> None:
        """At first, and anew in a forked process: nothing of the parent's is ours, its lock least of all."""
        self._pid, self._me = os.getpid(), ""
        self._lock = threading.Lock()
        self._owed: list[tuple[Decimal, Decimal]] = []
        """Settled while the file could not be written."""

    def _appear(self, book: DayBook) -> None:
        """A name of its own among the kernels, and the pulse that goes with it; traces of those that left are swept."""
        for trace in self._folder.glob("alive-*"):
            if trace.name.removeprefix("alive-") not in book.held and Pulse.stopped(trace):
                trace.unlink(missing_ok=True)
        me = secrets.token_hex(8)
        self._alive = Pulse(self._pulse(me))
        self._me = me

    def _peek(self) -> DayBook:
        """What the file says now, without waiting for anybody: it is replaced as a whole."""
        try:
            book = self._read()
        except (OSError, UnreadableDay):
            return DayBook(self._now().date())
        book.turn(self._now().date())
        self._bury(book)
        return book

    def _read(self) -> DayBook:
        try:
            text = self._file.read_bytes()
        except FileNotFoundError:
            return DayBook(self._now().date())
        return read_book(text)

    def _write(self, book: DayBook) -> None:
        """As a whole or not at all. Not synced: a killed process loses nothing, and calls must not wait for a disk."""
        beside = self._folder / f"day.{self._me}.tmp"
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(book.to_json(), file)
        beside.replace(self._file)

    def _pulse(self, name: str) -> Path:
        return self._folder / f"alive-{name}"

    def _why(self, error: Exception) -> str:
        remedy = (
            f"delete {self._file.name} in {self._folder} to begin the day anew, or unset {self.name}"
            if isinstance(error, UnreadableDay)
            else f"make {self._folder} writable, or unset {self.name}"
        )
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return f"the day's spending cannot be kept ({said}), so {self.name} cannot hold: {remedy}."


def read_book(text: bytes) -> DayBook:
    """What a day's file says. Raises `Unreadable`."""
    try:
        said = json.loads(text)
        if said["form"] != FORM or said["v"] > VERSION:
            raise UnreadableDay("its file was written by a newer fusion_nb")
        held = said["held"].items() if isinstance(said["held"], Mapping) else ()
        names = {name: _amount(amount) for name, amount in held if name.isalnum()}
        return DayBook(date.fromisoformat(said["day"]), _amount(said["spent"]), _amount(said["unsettled"]), names)
    except (ValueError, KeyError, TypeError, ArithmeticError, AttributeError, RecursionError):
        raise UnreadableDay("its file is damaged") from None


def _amount(said: Any) -> Decimal:
    amount = Decimal(said) if isinstance(said, str) and len(said) < 60 else Decimal("NaN")
    if not amount.is_finite() or not (amount == 0 or -40 < amount.adjusted() < 10) or amount < 0:
        raise ValueError(said)
    return amount
