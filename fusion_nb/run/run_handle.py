"""A run under way, with its events, its result so far and the ways to end it; and the result it comes to."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from fusion_nb.accounts.policy import RunAccounts, SpendingPolicy
from fusion_nb.core import RunState, engine_thread
from fusion_nb.core.events import Event
from fusion_nb.core.spec import RunServices, RunSpec
from fusion_nb.core.state import is_play
from fusion_nb.errors import RunFailed, UserError
from fusion_nb.journal.writer import Journal
from fusion_nb.run import handle
from fusion_nb.run.engine import Engine
from fusion_nb.run.event_recorder import EventRecorder
from fusion_nb.run.handle import Hear, pause_run, wait_for_run

if TYPE_CHECKING:
    import pandas as pd


# The views are imported when one is asked for: a script that only reads `.answer` pays for no renderer and no pandas.
# ruff: noqa: PLC0415


@dataclass(frozen=True, slots=True)
class FusionResult(RunState):
    """One finished (or stopped) run.

    `answer`, `rationale`, `analysis`, `candidates`, `verdict`, `cost` (USD, `Decimal` or `None`), `usage`, `replies`;
    `frame()` has one row per call. In a notebook its last expression shows the answer, the candidates and the ledger.

    >>> import fusion_nb
    >>> result = fusion_nb.fuse("How many times does the letter r occur in the word strawberry?", pool="demo")
    >>> result.status, len(result.candidates), result.answer is not None
    ('ok', 3, True)
    >>> list(result.frame().groupby("role", observed=True).size())
    [3, 1]
    """

    def frame(self) -> pd.DataFrame:
        """One row per call, in call order: text, tokens, `cost_usd`, seconds, status, score, rank, share.

        Nullable dtypes; what nobody reported is `<NA>`, not zero. `df.attrs` holds the run's own facts as plain JSON.
        """
        from fusion_nb.views.frame import frame

        return frame(self)

    def to_markdown(self) -> str:
        """The answer, the judge's rationale, the candidates and the ledger as Markdown."""
        return self._bundle()["text/markdown"]

    def to_html(self) -> str:
        """The whole view as one piece of HTML: no script, no remote resource."""
        return self._bundle()["text/html"]

    def panel(self) -> Any:
        """The workbench on this run: compare candidates, choose another, change the prompt, run again."""
        # By the package's own door: the panel is built on results, so this file cannot know it.
        return sys.modules["fusion_nb"].Panel(result=self)

    def _bundle(self) -> dict[str, str]:
        from fusion_nb.views import bundle

        return bundle(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return self._bundle()

    def __str__(self) -> str:
        return self._bundle()["text/plain"]

    def __repr__(self) -> str:
        answer = "no answer" if self.answer is None else f"answer of {len(self.answer)} characters"
        cost = "cost unknown" if self.cost is None else f"${self.cost}"
        demo = " DEMO: scripted models," if self.demo else ""
        answered = len(self.pool) - len(self.missing)
        partial = f" {answered} of {len(self.pool)} models," if self.missing and self.status != "running" else ""
        calls = f"{len(self.replies)} calls"
        return f"<FusionResult {self.run}:{demo} {self.mode},{partial} {calls}, {self.status}, {answer}, {cost}>"


Progress = Callable[[FusionResult], None]


@runtime_checkable
class TakesRun(Protocol):
    """A `progress` with buttons: it is handed the run that they act on."""

    def steer(self, run: Any) -> None: ...


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
        journal: whether its record is kept on disk.
        run: its id, where that had to be known before it begins.

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
        journal: bool = True,
        run: str = "",
    ) -> None:
        now = datetime.now(UTC)
        run = run or new_run_id(now)
        self._needs_loop = lambda: resolver.needs_callers_loop
        self._journal = Journal(run) if journal else None
        services = resolver.run_services(spec)
        accounts = RunAccounts(run, policy, play=is_play(spec.pool, spec.judge))
        # The run's clock starts here: what is still to be loaded has been.
        record = EventRecorder(FusionResult(), self._journal)
        self._engine = Engine(spec, services, record, accounts)
        self._handle = handle.Handle(record, self._engine.run(run, now.isoformat()))

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

    >>> import fusion_nb
    >>> result = fusion_nb.fuse("How many times does the letter r occur in the word strawberry?", pool="demo:swift")
    >>> fusion_nb.last() is result
    True
    """
    return _last
