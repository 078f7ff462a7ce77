"""An account that all kernels of a machine share for a day: one small file, one writer at a time.

A day is a UTC day, as it is for OpenRouter's own limits: kernels with different time zones must agree on when it ends.
Every real call is booked here, whether a cap is set or not, so that a cap that is set later knows of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from fusion_nb.accounts.day_book import DayBook, UnreadableDay, read_book
from fusion_nb.accounts.spending_account import ZERO, Denial, lower
from fusion_nb.storage import files
from fusion_nb.storage.file_lock import PATIENCE, LivenessLock, locked
from fusion_nb.storage.files import replace_file

MAX_FILE = 16 * 1024 * 1024
_HURRY = 0.25
"""Seconds to wait for another process where no cap hangs on the answer."""
_SOON = 0.05
"""Seconds that a call's end may wait for others, so that they are written together."""
_SHARE = 10
"""The file is changed for a tenth of the time at most."""
T = TypeVar("T")


class _Hold(NamedTuple):
    """A call that waits to be held."""

    key: str
    worst: Decimal
    cap: Decimal | None
    granted: asyncio.Future[Denial | None]


class _Known(NamedTuple):
    """What this process wrote last: where no other has written since, it need not be read and checked again."""

    text: bytes
    book: DayBook
    data: dict[str, Any]


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

    def _begin(self) -> None:
        """At first, and anew in a forked process: nothing of the parent's is ours, its lock least of all."""
        self._pid, self._me = os.getpid(), ""
        self._lock = threading.Lock()
        self._owed: list[Callable[[DayBook], None]] = []
        """Settled and not written yet."""
        self._flushing: asyncio.Handle | None = None
        self._waiting: list[_Hold] = []
        self._group: asyncio.Handle | None = None
        self._rest_until = 0.0
        self._known: _Known | None = None

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
        try:
            return self._change(lambda book: self._hold(book, key, worst, cap), PATIENCE if cap is not None else _HURRY)
        except (OSError, UnreadableDay) as error:
            return self._denied(worst, cap, error)

    async def hold_together(self, key: str, worst: Decimal, cap: Decimal | None) -> Denial | None:
        """`hold()`, with one change of the file for all calls that begin at about this time. One loop's alone."""
        loop = asyncio.get_running_loop()
        waiting = _Hold(key, worst, cap, loop.create_future())
        self._waiting.append(waiting)
        if self._group is None:
            self._group = loop.call_later(max(0.0, self._rest_until - time.monotonic()), self._hold_group)
        try:
            return await waiting.granted
        except asyncio.CancelledError:
            if not waiting.granted.cancelled() and waiting.granted.result() is None:
                self.release(key, worst)
            raise

    def _hold_group(self) -> None:
        group = [each for each in self._waiting if not each.granted.done()]
        self._waiting, self._group, began = [], None, time.monotonic()
        capped = any(each.cap is not None for each in group)
        try:
            denials = self._change(
                lambda book: [self._hold(book, each.key, each.worst, each.cap) for each in group],
                PATIENCE if capped else _HURRY,
            )
        except (OSError, UnreadableDay) as error:
            denials = [self._denied(each.worst, each.cap, error) for each in group]
        now = time.monotonic()
        self._rest_until = now + min(_SOON, _SHARE * (now - began))
        for each, denial in zip(group, denials, strict=True):
            each.granted.set_result(denial)

    def _hold(self, book: DayBook, key: str, worst: Decimal, cap: Decimal | None) -> Denial | None:
        if cap is not None and book.taken + worst > cap:
            left = cap - book.taken
            return Denial(worst, self.name, cap, left, book.total_held, book.total_unsettled)
        calls = book.held.setdefault(self._me, {})
        calls[key] = calls.get(key, ZERO) + worst
        return None

    def _denied(self, worst: Decimal, cap: Decimal | None, error: Exception) -> Denial | None:
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

    def settle_soon(self, key: str, spent: Decimal, unsettled: Decimal | None = None) -> None:
        """`settle()`, written with the next change or within a moment; at once where no loop turns on this thread.

        Until then other processes see the call as held. `flush()` writes it.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self.settle(key, spent, unsettled)
        with self._lock:
            self._owed.append(lambda book: book.settle(self._me, key, spent, unsettled))
        if self._flushing is None:
            self._flushing = loop.call_later(_SOON, self.flush)
        return None

    def flush(self) -> None:
        """Write what is settled and not written yet."""
        self._flushing = None
        if self._owed:
            self._settled()

    def settle_late(self, key: str, cost: Decimal, unsettled: Decimal | None = None) -> None:
        """A bill came after the end of a call, of this process or another that is gone: book it."""

        def change(book: DayBook) -> None:
            self._bury(book)
            book.settle_late(key, cost, unsettled)

        self._settled(change)

    def _settled(self, change: Callable[[DayBook], None] | None = None) -> None:
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
                text, known = self._contents(), self._known
                if known is not None and known.text == text:
                    book, before = known.book, known.data
                else:
                    book = self._read_from(text)
                    before = book.to_json()
                self._known = None
                if not self._me:
                    self._appear(book)
                self._turn(book)
                for settle in self._owed:
                    settle(book)
                result = change(book)
                after = book.to_json()
                if after != before:
                    text = json.dumps(after).encode()
                    # Not synced: a killed process loses nothing, and calls must not wait for a disk.
                    replace_file(self._file, text, durable=False)
                self._known = None if text is None else _Known(text, book, after)
            self._owed.clear()
            return result

    def _turn(self, book: DayBook) -> None:
        today = self._now().date()
        if today > book.day:
            # What a dead process held belongs to the day that ends.
            self._bury(book)
        book.turn(today)

    def _appear(self, book: DayBook) -> None:
        """Take a name among the kernels, and the lock that shows we live; traces of those that left are swept."""
        for trace in self._folder.glob("alive-*"):
            if trace.name.removeprefix("alive-") not in book.held and LivenessLock.stopped(trace):
                trace.unlink(missing_ok=True)
        me = secrets.token_hex(8)
        self._alive = LivenessLock(self._alive_file(me))
        self._me = me

    def _peek(self) -> DayBook:
        """What the file says now, and what is not written yet, without waiting for other processes."""
        with self._lock if self._pid == os.getpid() else contextlib.nullcontext():
            try:
                book = self._read_from(self._contents())
            except (OSError, UnreadableDay):
                return DayBook(self._now().date())
            for settle in self._owed if self._pid == os.getpid() else ():
                settle(book)
        self._bury(book)
        book.turn(self._now().date())
        return book

    def _contents(self) -> bytes | None:
        """What the file holds; `None` where there is none."""
        try:
            return files.read_own(self._file, MAX_FILE, within=self._home)
        except FileNotFoundError:
            return None

    def _read_from(self, text: bytes | None) -> DayBook:
        return DayBook(self._now().date()) if text is None else read_book(text)

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
