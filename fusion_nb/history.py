"""Past runs: listed, loaded, judged again, gone on with. Nobody is asked, or paid, twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion_nb import _choice
from fusion_nb._begun import Progress, Run, finished
from fusion_nb._errors import FusionError, UserError
from fusion_nb._events import CallEnded
from fusion_nb._plan import Member, Wish
from fusion_nb._plan import orders as checked_orders
from fusion_nb._result import FusionResult
from fusion_nb._session import Session
from fusion_nb._types import Reply
from fusion_nb.journal import index, keep, past
from fusion_nb.run import again, loop
from fusion_nb.run.order import Order

if TYPE_CHECKING:
    import pandas as pd

    from fusion_nb.providers.generation import Generation

LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """How a past run is gone on with: names of the user's own, functions the record knows only by name."""

    aliases: Mapping[str, str] | None = None
    services: Mapping[str, Mapping[str, str]] | None = None
    functions: Sequence[Callable[..., Any]] = ()
    journal: bool = True
    progress: Progress | None = None

    def session(self) -> Session:
        session = Session(Wish(prompt="", aliases=self.aliases, services=self.services))
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
    return past.load(run, FusionResult())


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
    begun = judging(run, judge=judge, mode=mode, criteria=criteria, orders=orders, **going)
    return finished(begun, Going(**going).progress)


def judging(
    run: str | FusionResult = LAST,
    *,
    judge: Member | None = None,
    mode: str | None = None,
    criteria: Sequence[str] | None = None,
    orders: int | None = None,
    **going: Any,
) -> Run:
    """`rejudge()`, begun and not waited for."""
    how = Going(**going)
    session = how.session()
    asked = None if judge is None else session.judge_named(judge)
    wanted = None if criteria is None else tuple(criteria)
    turns = None if orders is None else checked_orders(orders)
    order = again.rejudge(_held(run), judge=asked, mode=mode, criteria=wanted, orders=turns)
    return _begun(order, session, how)


def add(run: str | FusionResult, members: Sequence[Member], **going: Any) -> FusionResult:
    """New members beside a run's candidates: only they are asked, then the judge on all."""
    return finished(adding(run, members, **going), Going(**going).progress)


def adding(run: str | FusionResult, members: Sequence[Member], **going: Any) -> Run:
    """`add()`, begun and not waited for."""
    how = Going(**going)
    session = how.session()
    return _begun(again.add(_held(run), session.resolve(members)), session, how)


def retry(run: str | FusionResult = LAST, *, call: int | None = None, **going: Any) -> FusionResult:
    """The members of a run that failed, asked once more, then the judge on all.

    Args:
        call: ask the member of that call alone, whether it failed or not; every other reply is kept.
    """
    return finished(retrying(run, call=call, **going), Going(**going).progress)


def retrying(run: str | FusionResult = LAST, *, call: int | None = None, **going: Any) -> Run:
    """`retry()`, begun and not waited for."""
    how = Going(**going)
    return _begun(again.retry(_held(run), call), how.session(), how)


def resume(run: str | FusionResult = LAST, **going: Any) -> FusionResult:
    """Finish a run that crashed or was stopped: the members without a reply, then the judge. What is there is kept.

    Where only a generation id is known of a call that was under way, the service is asked what it cost.
    """
    return finished(resuming(run, **going), Going(**going).progress)


def resuming(run: str | FusionResult = LAST, **going: Any) -> Run:
    """`resume()`, begun and not waited for."""
    how = Going(**going)
    session = how.session()
    state = _held(run)
    if reconcile(state, session):
        # What the service told counts towards what is left of the run's cap.
        state = load(state.run)
    return _begun(again.resume(state), session, how)


def choose(run: str | FusionResult, call: int) -> FusionResult:
    """Take a candidate as the answer instead of what the judge decided, and keep that on the run's record.

    Raises `UserError` where there is no such run, or `call` is no candidate with a text.
    """
    return _choice.choose(_held(run), call)


def reconcile(state: FusionResult, session: Session) -> int:
    """Put tokens and cost of calls that a crash cut off on record, where the service still knows; how many."""
    open_ = [r for r in state.replies if r.error == past.CRASHED and r.generation_id is not None and r.cost is None]
    if not open_:
        return 0
    told = loop.on_engine(_told(open_, session))
    ended = [_ended(reply, found) for reply, found in zip(open_, told, strict=True) if found is not None]
    ended = [end for end in ended if end.cost is not None]
    if ended:
        keep.amend(state.run, ended)
    return len(ended)


def delete(run: str) -> int:
    """Delete a run from the journal; how many were deleted."""
    return keep.delete([run])


def purge_before(day: str) -> int:
    """Delete every run begun before `day` (`2026-11-24`, UTC); how many were deleted."""
    return keep.purge_before(day)


def export(path: str | Path, words: str = "") -> int:
    """Write the events of all runs (or of those with `words`) to a new JSONL file; how many runs."""
    return keep.export([row.run for row in index.runs(words)], path)


def notice() -> str:
    """One line about runs that crashed; empty where there are none."""
    return keep.notice()


def _held(run: str | FusionResult) -> FusionResult:
    return load(run) if isinstance(run, str) else run


def _begun(order: Order, session: Session, how: Going) -> Run:
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


async def _told(replies: Sequence[Reply], session: Session) -> list[Generation | None]:
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
        error=past.CRASHED,
        detail="The kernel stopped while it was answering; its service told afterwards what it cost.",
        generation_id=reply.generation_id,
        model=found.model,
        attempts=reply.attempts,
        maybe_billed=True,
    )
