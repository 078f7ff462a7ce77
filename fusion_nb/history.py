"""Past runs: listed, loaded, judged again, gone on with. Nobody is asked, or paid, twice.

What has been spent: by model, today or since a day, in this kernel's session, and what caps and keys have left.

A person's choice over the judge's: one more event on the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion_nb.accounts import policy
from fusion_nb.core import Reply, engine_thread
from fusion_nb.core.events import ChoiceMade
from fusion_nb.core.fold import fold
from fusion_nb.core.spec import RunSpec
from fusion_nb.errors import FusionError, UserError
from fusion_nb.journal import index, maintenance, reader
from fusion_nb.resolve.request import FuseOptions, Member, check_usd, spending_policy
from fusion_nb.resolve.request import check_orders as checked_orders
from fusion_nb.resolve.resolver import Resolver
from fusion_nb.run import derived
from fusion_nb.run.run_handle import FusionResult, Progress, Run, new_run_id, wait_for_result

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
    max_cost: float | str | Decimal | None = None
    """USD for the new run; what is not given is as it was, and for `resume` what is left of that."""
    max_cost_per_session: float | str | Decimal | None = None
    max_cost_per_day: float | str | Decimal | None = None

    @property
    def options(self) -> FuseOptions:
        caps = {name: getattr(self, name) for name in ("max_cost", "max_cost_per_session", "max_cost_per_day")}
        return FuseOptions(prompt="", aliases=self.aliases, services=self.services, **caps)

    def resolver(self) -> Resolver:
        resolver = Resolver(self.options)
        resolver.know(self.functions)
        return resolver


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
        going: `aliases`, `services`, `functions`, `journal`, `progress`, `max_cost`, `max_cost_per_session`,
            `max_cost_per_day`; see `fuse()`.
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
    resolver = how.resolver()
    asked = None if judge is None else resolver.judge_named(judge)
    wanted = None if criteria is None else tuple(criteria)
    turns = None if orders is None else checked_orders(orders)
    spec = derived.rejudge(_result(run), judge=asked, mode=mode, criteria=wanted, orders=turns)
    return _begun(spec, resolver, how)


def add(run: str | FusionResult, members: Sequence[Member], **going: Any) -> FusionResult:
    """New members beside a run's candidates: only they are asked, then the judge on all."""
    return wait_for_result(begin_add(run, members, **going), DerivedOptions(**going).progress)


def begin_add(run: str | FusionResult, members: Sequence[Member], **going: Any) -> Run:
    """`add()`, begun and not waited for."""
    how = DerivedOptions(**going)
    resolver = how.resolver()
    return _begun(derived.add(_result(run), resolver.resolve(members)), resolver, how)


def retry(run: str | FusionResult = LAST, *, call: int | None = None, **going: Any) -> FusionResult:
    """The members of a run that failed, asked once more, then the judge on all.

    Args:
        call: ask the member of that call alone, whether it failed or not; every other reply is kept.
    """
    return wait_for_result(begin_retry(run, call=call, **going), DerivedOptions(**going).progress)


def begin_retry(run: str | FusionResult = LAST, *, call: int | None = None, **going: Any) -> Run:
    """`retry()`, begun and not waited for."""
    how = DerivedOptions(**going)
    return _begun(derived.retry(_result(run), call), how.resolver(), how)


def resume(run: str | FusionResult = LAST, **going: Any) -> FusionResult:
    """Finish a run that crashed or was stopped: the members without a reply, then the judge. What is there is kept.

    Where only a generation id is known of a call that was under way, the service is asked what it cost.
    """
    return wait_for_result(begin_resume(run, **going), DerivedOptions(**going).progress)


def begin_resume(run: str | FusionResult = LAST, **going: Any) -> Run:
    """`resume()`, begun and not waited for."""
    how = DerivedOptions(**going)
    resolver = how.resolver()
    state = _result(run)
    derived.resume(state)
    if reconcile(state, resolver):
        # What the services told counts towards what is left of the run's cap.
        state = load(state.run)
    new = new_run_id()
    return _begun(derived.resume(state), resolver, how, new, claim=lambda: derived.claim_resume(state, new))


def choose(run: str | FusionResult, call: int) -> FusionResult:
    """Take a candidate as the answer instead of what the judge decided, and keep that on the run's record.

    Raises `UserError` where there is no such run, or `call` is no candidate with a text.
    """
    return record_choice(_result(run), call)


def reconcile(state: FusionResult, resolver: Resolver) -> int:
    """Ask the services what calls without a known cost have cost: of a crash, of a stop, of a broken connection.

    What they tell goes on the run's record and into the accounts. Returns of how many calls the cost is known now.
    """
    unbilled = [r for r in state.replies if r.generation_id and r.cost is None and r.maybe_billed and not r.kept_from]
    if not unbilled:
        return 0
    bills = engine_thread.run_on_engine(_bills(unbilled, resolver))
    ended = [
        derived.billed_reply(reply, bill)
        for reply, bill in zip(unbilled, bills, strict=True)
        if bill and bill.cost is not None
    ]
    if ended:
        derived.record_bills(state.run, ended)
        for end in ended:
            policy.settle_late(state.run, end.call, end.cost or Decimal(0), end.at_most or Decimal(0))
    return len(ended)


def delete(*runs: str) -> int:
    """Delete runs from the journal, all of them or, where one is unknown or under way, none; how many were deleted."""
    return maintenance.delete(runs)


def purge_before(day: str) -> int:
    """Delete every run begun before `day` (`2026-11-24`, UTC); how many were deleted."""
    return maintenance.purge_before(day)


def export(path: str | Path, words: str = "") -> int:
    """Write the events of all runs (or of those with `words`) to a new JSONL file; how many runs."""
    return maintenance.export([row.run for row in index.runs(words)], path)


def crash_notice() -> str:
    """One line about runs that crashed; empty where there are none."""
    return maintenance.crash_notice()


def _result(run: str | FusionResult) -> FusionResult:
    return load(run) if isinstance(run, str) else run


def _begun(
    spec: RunSpec,
    resolver: Resolver,
    how: DerivedOptions,
    run: str = "",
    claim: Callable[[], None] = lambda: None,
) -> Run:
    """Start the run. `claim` is called last, once everything that can be refused has been."""
    if spec.judge is None and len(spec.pool) > 1:
        # A run of one had no judge; with company it needs one.
        spec = replace(spec, judge=resolver.default_judge(spec.pool))
    if how.max_cost is not None:
        spec = replace(spec, limits=replace(spec.limits, max_cost=check_usd(how.max_cost)))
    if spec.kept:
        note = f"Kept from run {spec.of}, not asked and not paid again: {', '.join(r.ref.name for r in spec.kept)}."
        spec = replace(spec, notes=(*spec.notes, note))
    kept = {(reply.ref.name, reply.round) for reply in spec.kept}
    resolver.check([ref for ref in spec.pool if (ref.name, 0) not in kept])
    if spec.judge is not None:
        resolver.check([spec.judge])
    caps = spending_policy(how.options, spec.limits.max_cost)
    claim()
    return Run(spec, resolver, caps, journal=how.journal, run=run)


async def _bills(replies: Sequence[Reply], resolver: Resolver) -> list[Generation | None]:
    """What the services kept of each call: all of them asked at once, for each may take its seconds."""

    async def one(reply: Reply) -> Generation | None:
        try:
            return await resolver.reach.generation(reply.ref, reply.generation_id or "")
        except FusionError:
            return None

    return await asyncio.gather(*map(one, replies))


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
