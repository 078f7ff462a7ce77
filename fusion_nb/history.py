"""Past runs: listed, loaded, judged again, continued, deleted, exported. Nobody is asked, or paid, twice.

>>> import fusion_nb
>>> result = fusion_nb.fuse("How many times does the letter r occur in the word strawberry?", pool="demo")
>>> fusion_nb.history.delete(result.run)
1
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from fusion_nb.accounts import spending_caps
from fusion_nb.core import Reply, engine_thread
from fusion_nb.core import option_checks as check
from fusion_nb.core.fold import fold_all
from fusion_nb.core.member_settings import PoolEntry
from fusion_nb.core.option_types import AddOptions, RejudgeOptions, ResumeOptions, RetryOptions
from fusion_nb.core.run_spec import RunSpec
from fusion_nb.errors import FusionError, UnknownName, UserError
from fusion_nb.journal import imported_runs, maintenance, run_index, run_reader
from fusion_nb.option_signatures import takes
from fusion_nb.options import Settings, recorded_options, settle
from fusion_nb.resolve.estimate import Estimate, confirm_cost, estimate_spec
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.resolve.spec_builder import change_spec, spending_policy, with_recorded_functions
from fusion_nb.run import derived_runs
from fusion_nb.run.result import FusionResult
from fusion_nb.run.run_handle import Run, new_run_id, wait_for_result

if TYPE_CHECKING:
    import pandas as pd

    from fusion_nb.providers.openrouter_api import Generation

LAST = "last"  # the newest run
PastRun = str | FusionResult  # a run by its id, or its result


def runs(words: str = "") -> pd.DataFrame:
    """Past runs, newest first, one row each; `words` (all; `"a phrase"` is one) look into prompt, answer, pool, mode.

    Columns: `run, when, prompt, mode, pool, judge, status, cost_usd, unpriced, seconds, calls, failed, of`. `status` is
    `ok`, `unjudged`, `cancelled`, `error`, `running` or `crashed` (`resume()` goes on). `runs(a table's id)`: its runs.

    >>> import fusion_nb
    >>> result = fusion_nb.fuse("How many times does the letter r occur in the word strawberry?", pool="demo")
    >>> fusion_nb.runs("strawberry")["run"][0] == result.run
    True
    """
    from fusion_nb.views.dataframes import runs_frame  # noqa: PLC0415  pandas is loaded when a table is asked for

    return runs_frame(run_index.runs(check.text("words")(words) or ""))


def load(run: str = LAST) -> FusionResult:
    """A past run's result, the same as on the day; `"last"` is the newest. `load(...).frame()` is the same frame.

    Raises `UserError` where there is no such run.

    >>> import fusion_nb
    >>> result = fusion_nb.fuse("How many times does the letter r occur in the word strawberry?", pool="demo")
    >>> load(result.run).answer == result.answer
    True
    """
    if not isinstance(run, str):
        raise UserError(f"A run is named by its id or 'last', or is a result of fuse(), not {type(run).__name__}.")
    if run == LAST:
        newest = next((row for row in run_index.runs() if not row.table), None)
        if newest is None:
            raise UserError("There is no run in the journal yet.")
        run = newest.run
    return run_reader.load(run, FusionResult())


def calls_of(runs: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """The calls of many past runs in one frame, and how many runs could be read."""
    from fusion_nb.views.dataframes import calls_frame  # noqa: PLC0415  as above

    return calls_frame(run_reader.load_each(runs, FusionResult()), runs)


def result_of(run: PastRun) -> FusionResult:
    """A result as it is, or the one of that id. Raises `UserError` for what is neither."""
    return run if isinstance(run, FusionResult) else load(run)


@takes("rejudge")
def rejudge(run: PastRun = LAST, **options: Unpack[RejudgeOptions]) -> FusionResult:
    """The candidates of a run before a judge again, another one or in another mode: no candidate is asked.

    What is not given is as the run's record says, and else as `fusion_nb.defaults` says.

    >>> import fusion_nb
    >>> result = fusion_nb.fuse("How many times does the letter r occur in the word strawberry?", pool="demo")
    >>> rejudge(result, mode="best-of").mode
    'best-of'
    """
    return wait_for_result(begin_derived("rejudge", run, **options), options.get("progress"))


@takes("add")
def add(run: PastRun, members: str | Sequence[PoolEntry], **options: Unpack[AddOptions]) -> FusionResult:
    """New members beside a run's candidates: only they are asked, then the judge on all.

    >>> import fusion_nb
    >>> result = fusion_nb.fuse("How many times does the letter r occur in the word strawberry?", pool="demo:swift")
    >>> len(add(result, ["demo:careful"]).candidates)
    2
    """
    return wait_for_result(begin_derived("add", run, members=members, **options), options.get("progress"))


@takes("retry")
def retry(run: PastRun = LAST, *, call: int | None = None, **options: Unpack[RetryOptions]) -> FusionResult:
    """The members of a run that failed, asked once more, then the judge on all.

    Args:
        call: ask the member of that call alone, whether it failed or not; every other reply is kept.

    >>> import fusion_nb
    >>> result = fusion_nb.fuse("How many times does the letter r occur in the word strawberry?", pool="demo")
    >>> retry(result, call=1).status
    'ok'
    """
    return wait_for_result(begin_derived("retry", run, call=call, **options), options.get("progress"))


@takes("resume")
def resume(run: PastRun = LAST, **options: Unpack[ResumeOptions]) -> FusionResult:
    """Finish a run that crashed or was stopped: the members without a reply, then the judge. What is there is kept.

    Where only a call's generation id is known, its service is asked what it cost. `max_cost` is the whole run's cap.

    >>> import fusion_nb
    >>> with fusion_nb.stream("How many times does the letter r occur in the word strawberry?", pool="demo") as run:
    ...     run.stop()
    ...     stopped = [event for event in run][-1].status
    >>> stopped, resume(run.result).status
    ('cancelled', 'ok')
    """
    return wait_for_result(begin_derived("resume", run, **options), options.get("progress"))


def begin_derived(
    verb: str,
    run: PastRun = LAST,
    /,
    *,
    ask_cost: Any = None,
    members: str | Sequence[PoolEntry] | None = None,
    **given: Any,
) -> Run:
    """A call of `rejudge()` or its kin, begun and not waited for.

    Args:
        verb: whose options they are, one of `options.DERIVED`.
        ask_cost: asked where `confirm_over` is passed and the call names nobody to ask. `members`: those to add.
    """
    state, spec, resolver, settings = _derived(verb, run, members, given)
    confirm_cost(spec, resolver, settings, ask_cost)
    caps = spending_policy(spec, settings, resolver.reach.metered, resolver.reach.worst)
    new = new_run_id()
    if verb == "resume":  # last, once everything that can be refused has been
        derived_runs.claim_resume(state, new)
    return Run(spec, resolver, caps, journal=settings["journal"], run=new)


def estimate_derived(
    verb: str, run: PastRun = LAST, /, *, members: str | Sequence[PoolEntry] | None = None, **given: Any
) -> Estimate:
    """What a call of `rejudge()` or its kin would take; nobody is asked."""
    return estimate_spec(*_derived(verb, run, members, given)[1:])


def _derived(
    verb: str, run: PastRun, members: str | Sequence[PoolEntry] | None, given: dict[str, Any]
) -> tuple[FusionResult, RunSpec, Resolver, Settings]:
    """The run that is continued, the derived one's spec, checked, and what it needs. Raises `UserError`, unsent."""
    settle(verb, given)  # what cannot be meant is said whatever there is in the journal
    state = result_of(run)
    if verb == "resume":
        state = _newest(state)
    settings = with_recorded_functions(settle(verb, given, recorded_options(state)), given, state)
    resolver = Resolver(settings)
    resolver.know(settings["functions"], [*state.pool, *state.judges])
    match verb:
        case "resume":
            derived_runs.resume(state)
            # What the services tell counts towards what is left of the run's cap.
            state = reconcile(state, resolver)
            settings = {**settings, "max_cost": derived_runs.rest_of_cap(state, settings["max_cost"])}
            spec = derived_runs.resume(state)
        case "retry":
            spec = derived_runs.retry(state, settings["call"])
        case "add":
            spec = derived_runs.add(state, resolver.resolve(check.pool(members or ())))
        case _:
            spec = derived_runs.rejudge(state)
    spec = change_spec(spec, settings)
    if given.get("mode") is not None:
        spec = derived_runs.in_mode(spec, settings["mode"])
    if given.get("judge") is not None:
        spec = derived_runs.with_judges(spec, resolver.judges(spec.pool, needed=False))
    elif given.get("mode") == "vote":
        # A judge breaks a vote's ties only where it is asked for.
        spec = derived_runs.with_judges(spec, ())
    return state, _checked(spec, resolver), resolver, settings


def choose(run: PastRun, call: int) -> FusionResult:
    """Take a candidate as the answer instead of what the judge decided, and keep that on the run's record.

    Raises `UserError` where there is no such run, or `call` is no candidate with a text.

    >>> import fusion_nb
    >>> result = fusion_nb.fuse("How many times does the letter r occur in the word strawberry?", pool="demo")
    >>> choose(result, 2).answer == result.replies[1].text
    True
    """
    return maintenance.record_choice(result_of(run), call)


def reconcile(state: FusionResult, resolver: Resolver) -> FusionResult:
    """Ask the services what calls without a known cost have cost (a crash, a stop, a broken connection; of no imported
    run). What they tell goes on the run's record and into the accounts; `state` with it."""
    unbilled = [reply for reply in state.replies if reply.generation_id and reply.unpriced and not state.imported]
    if not unbilled:
        return state
    bills = engine_thread.run_on_engine(_bills(unbilled, resolver))
    told = ((reply, bill) for reply, bill in zip(unbilled, bills, strict=True) if bill and bill.cost is not None)
    ended = [derived_runs.billed_reply(reply, bill) for reply, bill in told]
    if ended:
        with contextlib.suppress(UnknownName):  # in no journal
            derived_runs.record_bills(state.run, ended)
        for end in ended:
            spending_caps.settle_late(state.run, end.call, end.cost or Decimal(0), end.at_most or Decimal(0))
    return fold_all(ended, state)


def delete(*runs: str) -> int:
    """Delete runs, and tables, from the journal: all, or none where one is unknown or under way; how many were."""
    return maintenance.delete([run if isinstance(run, str) and run != LAST else result_of(run).run for run in runs])


def purge_before(day: str) -> int:
    """Delete every run begun before `day` (`2026-11-24`, UTC); how many were deleted."""
    return maintenance.purge_before(day)


def export(path: str | Path, words: str = "") -> int:
    """Write the events of all runs (or of those with `words`) to a new JSONL file; how many runs."""
    return maintenance.export([row.run for row in run_index.runs(words)], path)


def import_runs(path: str | Path) -> int:
    """Take over the runs of a file of `export()`, marked as another's; how many. They count in no account."""
    return imported_runs.import_runs(path)


crash_notice = maintenance.crash_notice


def _newest(state: FusionResult) -> FusionResult:
    """The run as its record tells by now: a result that was kept in a variable may be older."""
    with contextlib.suppress(UnknownName):
        return load(state.run)
    return state


def _checked(spec: RunSpec, resolver: Resolver) -> RunSpec:
    """`spec` with its judge and a note on what it takes over. Raises `UserError` where somebody cannot be asked."""
    if spec.judge is None and len(spec.pool) > 1 and spec.mode != "vote" and not spec.selection.escalate:
        # A run of one had no judge; with company it needs one.
        spec = replace(spec, judge=resolver.default_judge(spec.pool))
    if spec.reused:
        names = ", ".join(reply.ref.name for reply in spec.reused)
        note = f"Kept from run {spec.of}, not asked and not paid again: {names}."
        spec = replace(spec, notes=(*spec.notes, note))
    taken_over = {(reply.ref.name, reply.round) for reply in spec.reused}
    resolver.check([ref for ref in spec.pool if (ref.name, 0) not in taken_over])
    resolver.check(spec.judges)
    return spec


async def _bills(replies: Sequence[Reply], resolver: Resolver) -> list[Generation | None]:
    """What the services kept of each call: all of them asked at once, for each may take its seconds."""

    async def one(reply: Reply) -> Generation | None:
        with contextlib.suppress(FusionError):
            return await resolver.reach.generation(reply.ref, reply.generation_id or "")
        return None

    return await asyncio.gather(*map(one, replies))
