"""A run that has begun: its events, its result so far, and the ways to end it or one of its calls."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from fusion_nb._errors import RunFailed, UserError
from fusion_nb._events import Event
from fusion_nb._result import FusionResult
from fusion_nb._session import Session
from fusion_nb.journal.writer import Journal
from fusion_nb.run import loop
from fusion_nb.run.drive import Hear, drive, drive_turning, turn, turning
from fusion_nb.run.engine import Engine
from fusion_nb.run.order import Order
from fusion_nb.run.record import Record

Progress = Callable[[FusionResult], None]


@runtime_checkable
class Steering(Protocol):
    """A `progress` with buttons: it is handed the run that they act on."""

    def steer(self, run: Any) -> None: ...


class Run:
    """A run under way: an iterator of its events, with the result so far and a way to stop it."""

    def __init__(self, session: Session, order: Order, *, journal: bool = True) -> None:
        now = datetime.now(UTC)
        run = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(5)}"
        self._turns = session.needs_callers_loop
        self._journal = Journal(run) if journal else None
        tools = session.tools(order)
        # The run's clock starts here: what is still to be loaded has been.
        record = Record(FusionResult(), self._journal)
        self._engine = Engine(order, tools, record)
        self._handle = loop.Handle(record, self._engine.run(run, now.isoformat()))

    def __iter__(self) -> Iterator[Event]:
        if not self._turns:
            return self._handle.events()
        return (event for batch in turning(self._handle) for event in batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._handle.done:
            self.stop()

    @property
    def result(self) -> FusionResult:
        """Everything known so far; the finished result once the run has ended."""
        return self._told(self._handle.state)

    @property
    def done(self) -> bool:
        return self._handle.done

    def stop(self) -> None:
        """End the run as `cancelled`; what was received is kept."""
        self._handle.stop()

    def stop_call(self, call: int) -> None:
        """End one call as `cancelled`, from any thread; what it said is kept, and the run goes on with the others.

        A judge that is stopped leaves the run without a verdict. Raises `UserError` where there is no such call, or it
        has ended.
        """
        loop.at_once(lambda: self._engine.stop_call(call))

    def retry_call(self, call: int) -> None:
        """Ask the member of a call that is under way, or has failed, once more; from any thread.

        It is a new call with a row of its own. What was under way is stopped, and what it cost stays on record and
        counts towards the caps. The judge waits for it. Raises `UserError` where the member has answered, or the judge
        reads already: `history.retry(run, call=...)` asks it after the run.
        """
        if self.done:
            raise UserError("The run is over: fusion_nb.history.retry(result, call=...) asks that member once more.")
        loop.at_once(lambda: self._engine.retry_call(call))

    def finish(self, progress: Progress | None = None, hear: Hear | None = None) -> FusionResult:
        """Wait for the end, showing `progress`; `hear` gets the events in batches. Raises `RunFailed` where every
        member failed."""
        # On a thread of ours there is no loop that could turn: the caller's own turns while nobody waits on it.
        wait = drive_turning if self._turns and loop.running() else drive
        hear = hear or getattr(progress, "hear", None)
        if isinstance(progress, Steering):
            progress.steer(self)
        see = None if progress is None else lambda state: progress(self._told(state))
        return checked(self._told(wait(self._handle, see, hear)))

    def pause(self, seconds: float) -> None:
        """Wait for the end, so long at most; takes no event away from who follows the run."""
        if self._turns and loop.running():
            turn(self._handle, seconds)
        else:
            self._handle.pause(seconds)

    def take(self) -> list[Event]:
        """Events not yet taken; empty where there are none yet. For those who must not wait."""
        return self._handle.take(0)

    async def wait(self) -> FusionResult:
        """Await the end on the caller's loop. Raises `RunFailed` where every member failed."""
        return checked(self._told(await self._handle.wait()))

    def _told(self, state: FusionResult) -> FusionResult:
        """`state`, with a word where the journal could not keep it."""
        trouble = self._journal.trouble if self._journal else None
        return state if trouble is None else replace(state, notes=(*state.notes, trouble))


def finished(begun: Run | FusionResult, progress: Progress | None = None) -> FusionResult:
    """Wait for the end of what has begun. Raises `RunFailed` where every member failed."""
    if isinstance(begun, FusionResult):
        return checked(begun)
    with begun as run:
        return run.finish(progress)


def checked(result: FusionResult) -> FusionResult:
    """`result`, the newest that has ended. Raises `RunFailed` where every member failed."""
    global _last  # noqa: PLW0603  a kernel has one newest run
    _last = result
    if result.status == "error":
        raise RunFailed(result.error or "The run failed.", result)
    return result


_last: FusionResult | None = None


def last() -> FusionResult | None:
    """The result of the newest run of this kernel that has ended: `%%fuse`'s own value is its DataFrame."""
    return _last
