"""A run that has begun: its events, its result so far, and the ways to end it or one of its calls."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from fusion_nb.accounts.spending_caps import RunAccounts, SpendingPolicy
from fusion_nb.core import engine_thread
from fusion_nb.core.events import Event
from fusion_nb.core.run_spec import CallRates, RunServices, RunSpec
from fusion_nb.core.state import is_play
from fusion_nb.core.values import FetchedReply
from fusion_nb.errors import RunFailed, UserError
from fusion_nb.journal.run_writer import Journal
from fusion_nb.run import run_waiting
from fusion_nb.run.engine import Engine
from fusion_nb.run.event_recorder import EventRecorder
from fusion_nb.run.result import FusionResult
from fusion_nb.run.run_waiting import Hear, pause_run, wait_for_run

Progress = Callable[[FusionResult], None]


@runtime_checkable
class TakesRun(Protocol):
    """A `progress` with buttons: it is handed the run that they act on."""

    def steer(self, run: Any) -> None: ...


class RunRecord(Protocol):
    """Where the events of a run are written."""

    @property
    def trouble(self) -> str | None: ...
    def __call__(self, event: Event, /) -> None: ...


class ServiceResolver(Protocol):
    """How a run reaches its models."""

    @property
    def needs_callers_loop(self) -> bool: ...
    def run_services(self, spec: RunSpec) -> RunServices: ...


def new_run_id(now: datetime | None = None) -> str:
    """The id of a run that begins now; it begins with the moment (UTC)."""
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(5)}"


class Run:
    """A run under way: an iterator of its events, with the result so far and a way to stop it.

    Args:
        spec: what is asked of whom.
        resolver: how its models are reached.
        policy: the caps it is under, from its begin to its end.
        journal: whether its record is kept on disk; or what keeps it.
        run: its id, where that had to be known before it begins.
        on_end: called on the engine's thread when it has ended.
        rates: what runs that are made together share of their services.
        fetched: see `RunServices.fetched`.

    >>> import fusion_nb
    >>> with fusion_nb.stream("How many times does the letter r occur in the word strawberry?", pool="demo") as run:
    ...     seen = [type(event).__name__ for event in run]
    >>> seen[0], seen[-1], run.done
    ('RunStarted', 'RunEnded', True)
    """

    def __init__(
        self,
        spec: RunSpec,
        resolver: ServiceResolver,
        policy: SpendingPolicy,
        *,
        journal: bool | RunRecord = True,
        run: str = "",
        on_end: Callable[[], None] = lambda: None,
        rates: CallRates | None = None,
        fetched: Mapping[str, FetchedReply] | None = None,
    ) -> None:
        now = datetime.now(UTC)
        run = run or new_run_id(now)
        self.run = run
        """Its id, known before its first event."""
        self._needs_loop = lambda: resolver.needs_callers_loop
        self._journal: RunRecord | None = Journal(run) if journal is True else (journal or None)
        services = replace(resolver.run_services(spec), rates=rates, fetched=fetched or {})
        accounts = RunAccounts(run, policy, play=is_play(spec.everyone))
        # The run's clock starts here: what is still to be loaded has been.
        record = EventRecorder(FusionResult(), self._journal)
        self._engine = Engine(spec, services, record, accounts)
        self._handle = run_waiting.Handle(record, self._engine.run(run, now.isoformat()), on_end)

    def __iter__(self) -> Iterator[Event]:
        return self._handle.events(self._needs_loop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._handle.done:
            self.stop()

    @property
    def result(self) -> FusionResult:
        """Everything known so far; the finished result once the run has ended."""
        return self._with_journal_note(self._handle.state)

    @property
    def done(self) -> bool:
        return self._handle.done

    @property
    def kept(self) -> bool:
        """Whether it is written down: by its id it is then found again, in any kernel."""
        return self._journal is not None and not getattr(self._journal, "lost", False)

    def stop(self) -> None:
        """End the run as `cancelled`; what was received is kept."""
        self._handle.stop()

    def stop_call(self, call: int) -> None:
        """End one call as `cancelled`, from any thread; what it said is kept, and the run goes on with the others.

        A judge that is stopped leaves the run without a verdict. Raises `UserError` where there is no such call, or it
        has ended.
        """
        engine_thread.call_on_engine(lambda: self._engine.stop_call(call))

    def retry_call(self, call: int) -> None:
        """Ask the member of a call that is under way, or has failed, once more; from any thread.

        It is a new call with a row of its own. What was under way is stopped, and what it cost stays on record and
        counts towards the caps. The judge waits for it. Raises `UserError` where the member has answered, or the judge
        reads already: `fusion_nb.retry(result, call=...)` asks it after the run.
        """
        if self.done:
            raise UserError("The run is over: fusion_nb.retry(result, call=...) asks that member once more.")
        engine_thread.call_on_engine(lambda: self._engine.retry_call(call))

    def finish(self, progress: Progress | None = None, hear: Hear | None = None) -> FusionResult:
        """Wait for the end, showing `progress`; `hear` gets the events in batches. Raises `RunFailed` where every
        member failed."""
        hear = hear or getattr(progress, "hear", None)
        if isinstance(progress, TakesRun):
            progress.steer(self)
        see = None if progress is None else lambda state: progress(self._with_journal_note(state))
        return raise_if_failed(self._with_journal_note(wait_for_run(self._handle, see, hear, self._needs_loop)))

    def ended_result(self) -> FusionResult:
        """The finished result of a run that is `done`. Raises `RunFailed` where every member failed.

        Unlike `finish()` it takes no interrupt upon itself, which is meant for whoever makes many runs.
        """
        self._handle.raise_defect()
        return raise_if_failed(self._with_journal_note(self._handle.state))

    @property
    def stopping(self) -> bool:
        """Whether somebody wants it to end."""
        return self._handle.stopping

    def pause(self, seconds: float) -> None:
        """Wait for the end, so long at most; takes no event away from who follows the run."""
        pause_run(self._handle, seconds, self._needs_loop)

    def take(self) -> list[Event]:
        """Events not yet taken; empty where there are none yet. For those who must not wait."""
        return self._handle.take(0)

    async def wait(self) -> FusionResult:
        """Await the end on the caller's loop. Raises `RunFailed` where every member failed."""
        return raise_if_failed(self._with_journal_note(await self._handle.wait()))

    def _with_journal_note(self, state: FusionResult) -> FusionResult:
        """`state`, with a word where the journal could not keep it."""
        trouble = self._journal.trouble if self._journal else None
        return state if trouble is None else replace(state, notes=(*state.notes, trouble))


def wait_for_result(started: Run | FusionResult, progress: Progress | None = None) -> FusionResult:
    """Wait for the end of a run that has started. Raises `RunFailed` where every member failed."""
    if isinstance(started, FusionResult):
        return raise_if_failed(started)
    with started as run:
        return run.finish(progress)


def raise_if_failed(result: FusionResult) -> FusionResult:
    """`result`, the newest that has ended. Raises `RunFailed` where every member failed."""
    global _last  # noqa: PLW0603  a kernel has one newest run
    _last = result
    if result.status == "error":
        raise RunFailed(result.error or "The run failed.", result)
    return result


_last: FusionResult | None = None


def last() -> FusionResult | None:
    """The result of the newest run of this kernel that has ended: `%%fuse`'s own value is its DataFrame.

    `None` before the first. `load()` gives the newest of the journal, whichever kernel made it.

    >>> import fusion_nb
    >>> result = fusion_nb.fuse("How many times does the letter r occur in the word strawberry?", pool="demo:swift")
    >>> fusion_nb.last() is result
    True
    """
    return _last
