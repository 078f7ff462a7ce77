"""Past runs: listed, loaded, judged again, gone on with. Nobody is asked, or paid, twice.

What has been spent: by model, today or since a day, in this kernel's session, and what caps and keys have left.

A person's choice over the judge's: one more event on the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion_nb.core import Reply, engine_thread
from fusion_nb.core.events import CallEnded, ChoiceMade
from fusion_nb.core.fold import fold
from fusion_nb.core.spec import RunSpec
from fusion_nb.errors import FusionError, UserError
from fusion_nb.journal import index, maintenance, reader
from fusion_nb.resolve.request import FuseOptions, Member
from fusion_nb.resolve.request import check_orders as checked_orders
from fusion_nb.resolve.resolver import Resolver
from fusion_nb.run import derived
from fusion_nb.run.run_handle import FusionResult, Progress, Run, wait_for_result

if TYPE_CHECKING:
    import pandas as pd

    from fusion_nb.providers.openrouter_api import Generation


LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedOptions:
    """How a past run is gone on with: names of the user's own, functions the record knows only by name."""

    aliases: Mapping[str, str] | None = None
    services: Mapping[str, Mapping[str, str]] | None = None
    functions: Sequence[Callable[..., Any]] = ()
    journal: bool = True
    progress: Progress | None = None

    def session(self) -> Resolver:
        session = Resolver(FuseOptions(prompt="", aliases=self.aliases, services=self.services))
        session.know(self.functions)
        return session


def runs(words: str = "") -> pd.DataFrame:
    """Past runs, newest first, one row each; `words` (all of them) look into prompt, answer, members and mode.

    Columns: `run, when, prompt, mode, pool, judge, status, cost_usd, unpriced, seconds, calls, failed, of`. `status` is
    `ok`, `unjudged`, `cancelled`, `error`, `running`, or `crashed`: its kernel died, and `resume()` finishes it.
    """
    from fusion_nb.views.frame import runs_frame  # noqa: PLC0415  pandas is loaded when a table is asked for

    return runs_frame(index.runs(words))


def load(run: str = LAST) -> FusionResult:
    """A past run's result, the same as on the day; `"last"` is the newest. `load(...).frame()` is the same frame.

    Raises `UserError` where there is no such run.
    """
    if run == LAST:
        newest = next(iter(index.runs()), None)
        if newest is None:
            raise UserError("There is no run in the journal yet.")
        run = newest.run
    return reader.load(run, FusionResult())


def rejudge(
    run: str | FusionResult = LAST,
    *,
    judge: Member | None = None,
    mode: str | None = None,
    criteria: Sequence[str] | None = None,
    orders: int | None = None,
    **going: Any,
) -> FusionResult:
    """The candidates of a run before a judge again, another one or in another mode: no candidate is asked.

    Args:
        run: its id, or its result; `"last"` is the newest.
        judge, mode, criteria, orders: what is not given is as it was.
        going: `aliases`, `services`, `functions`, `journal`, `progress`; see `fuse()`.
    """
    begun = begin_rejudge(run, judge=judge, mode=mode, criteria=criteria, orders=orders, **going)
    return wait_for_result(begun, DerivedOptions(**going).progress)


def begin_rejudge(
    run: str | FusionResult = LAST,
    *,
    judge: Member | None = None,
    mode: str | None = None,
    criteria: Sequence[str] | None = None,
    orders: int | None = None,
    **going: Any,
) -> Run:
    """`rejudge()`, begun and not waited for."""
    how = DerivedOptions(**going)
    session = how.session()
    asked = None if judge is None else session.judge_named(judge)
    wanted = None if criteria is None else tuple(criteria)
    turns = None if orders is None else checked_orders(orders)
    order = derived.rejudge(_held(run), judge=asked, mode=mode, criteria=wanted, orders=turns)
    return _begun(order, session, how)


def add(run: str | FusionResult, members: Sequence[Member], **going: Any) -> FusionResult:
    """New members beside a run's candidates: only they are asked, then the judge on all."""
    return wait_for_result(begin_add(run, members, **going), DerivedOptions(**going).progress)


def begin_add(run: str | FusionResult, members: Sequence[Member], **going: Any) -> Run:
    """`add()`, begun and not waited for."""
    how = DerivedOptions(**going)
    session = how.session()
    return _begun(derived.add(_held(run), session.resolve(members)), session, how)


def retry(run: str | FusionResult = LAST, *, call: int | None = None, **going: Any) -> FusionResult:
    """The members of a run that failed, asked once more, then the judge on all.

    Args:
        call: ask the member of that call alone, whether it failed or not; every other reply is kept.
    """
    return wait_for_result(begin_retry(run, call=call, **going), DerivedOptions(**going).progress)


def begin_retry(run: str | FusionResult = LAST, *, call: int | None = None, **going: Any) -> Run:
    """`retry()`, begun and not waited for."""
    how = DerivedOptions(**going)
    return _begun(derived.retry(_held(run), call), how.session(), how)


def resume(run: str | FusionResult = LAST, **going: Any) -> FusionResult:
    """Finish a run that crashed or was stopped: the members without a reply, then the judge. What is there is kept.

    Where only a generation id is known of a call that was under way, the service is asked what it cost.
    """
    return wait_for_result(begin_resume(run, **going), DerivedOptions(**going).progress)


def begin_resume(run: str | FusionResult = LAST, **going: Any) -> Run:
    """`resume()`, begun and not waited for."""
    how = DerivedOptions(**going)
    session = how.session()
    state = _held(run)
    if reconcile(state, session):
        # What the service told counts towards what is left of the run's cap.
        state = load(state.run)
    return _begun(derived.resume(state), session, how)


def choose(run: str | FusionResult, call: int) -> FusionResult:
    """Take a candidate as the answer instead of what the judge decided, and keep that on the run's record.

    Raises `UserError` where there is no such run, or `call` is no candidate with a text.
    """
    return record_choice(_held(run), call)


def reconcile(state: FusionResult, session: Resolver) -> int:
    """Put tokens and cost of calls that a crash cut off on record, where the service still knows; how many."""
    open_ = [r for r in state.replies if r.error == reader.CRASHED and r.generation_id is not None and r.cost is None]
    if not open_:
        return 0
    told = engine_thread.run_on_engine(_told(open_, session))
    ended = [_ended(reply, found) for reply, found in zip(open_, told, strict=True) if found is not None]
    ended = [end for end in ended if end.cost is not None]
    if ended:
        maintenance.append_events(state.run, ended)
    return len(ended)


def delete(run: str) -> int:
    """Delete a run from the journal; how many were deleted."""
    return maintenance.delete([run])


def purge_before(day: str) -> int:
    """Delete every run begun before `day` (`2026-11-24`, UTC); how many were deleted."""
    return maintenance.purge_before(day)


def export(path: str | Path, words: str = "") -> int:
    """Write the events of all runs (or of those with `words`) to a new JSONL file; how many runs."""
    return maintenance.export([row.run for row in index.runs(words)], path)


def crash_notice() -> str:
    """One line about runs that crashed; empty where there are none."""
    return maintenance.crash_notice()


def _held(run: str | FusionResult) -> FusionResult:
    return load(run) if isinstance(run, str) else run


def _begun(order: RunSpec, session: Resolver, how: DerivedOptions) -> Run:
    if order.judge is None and len(order.pool) > 1:
        # A run of one had no judge; with company it needs one.
        order = replace(order, judge=session.default_judge(order.pool))
    if order.kept:
        said = f"Kept from run {order.of}, not asked and not paid again: {', '.join(r.ref.name for r in order.kept)}."
        order = replace(order, notes=(*order.notes, said))
    there = {(reply.ref.name, reply.round) for reply in order.kept}
    session.check([ref for ref in order.pool if (ref.name, 0) not in there])
    if order.judge is not None:
        session.check([order.judge])
    return Run(session, order, journal=how.journal)


async def _told(replies: Sequence[Reply], session: Resolver) -> list[Generation | None]:
    """What the services kept of each call: all of them asked at once, for each may take its seconds."""

    async def one(reply: Reply) -> Generation | None:
        try:
            return await session.reach.generation(reply.ref, reply.generation_id or "")
        except FusionError:
            return None

    return await asyncio.gather(*map(one, replies))


def _ended(reply: Reply, found: Generation) -> CallEnded:
    """How a call that a crash cut off ended after all, as its service tells."""
    return CallEnded(
        call=reply.call,
        status="cancelled",
        usage=found.usage,
        cost=found.cost,
        cost_source="reported",
        latency=found.latency,
        error=reader.CRASHED,
        detail="The kernel stopped while it was answering; its service told afterwards what it cost.",
        generation_id=reply.generation_id,
        model=found.model,
        attempts=reply.attempts,
        maybe_billed=True,
    )


def record_choice(result: FusionResult, call: int) -> FusionResult:
    """`result` with that candidate as its answer, also in the journal: `load()` gives the choice back.

    The judge's rationale and ranking stay, and its whole verdict is `judged`. Where the run is in no journal, a note
    says that the choice lives in this result alone. Raises `UserError` where there is no such candidate, or it has no
    text, or the run is under way.
    """
    if result.status == "running":
        raise UserError("The run is under way: choose when it is over.")
    if not any(reply.call == call and reply.text.strip() for reply in result.candidates):
        raise UserError(f"Call {call!r} is not a candidate with a text to choose.")
    made = ChoiceMade(call=call, when=datetime.now(UTC).isoformat())
    chosen = fold(result, made)
    try:
        maintenance.append_events(result.run, [made])
    except UserError as error:
        return replace(chosen, notes=(*chosen.notes, f"The choice is kept in this result alone. {error}"))
    return chosen
