"""`fuse_frame()`: a frame of prompts in, the same frame with answers out."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any, Unpack

import pandas as pd

import fusion_nb.views.dataframe_accessor  # noqa: F401  what comes back has `.fusion`
from fusion_nb.accounts.spending_account import Account
from fusion_nb.core import Ref, Usage
from fusion_nb.core import option_checks as check
from fusion_nb.core.option_checks import shown
from fusion_nb.core.option_types import FuseFrameOptions
from fusion_nb.core.run_spec import RunSpec, run_started
from fusion_nb.core.values import DEMO_SERVICE
from fusion_nb.dataset.batch_requests import batched_estimate, batched_worst, refuse_unfit
from fusion_nb.dataset.dask_tables import fuse_dask, is_dask
from fusion_nb.dataset.jobs import DONE, Job, Way, paid_for
from fusion_nb.dataset.progress import notes_of, progress_bar
from fusion_nb.dataset.prompt_template import check_frame, filled
from fusion_nb.dataset.run_queue import Progress, RunQueue
from fusion_nb.dataset.table_columns import WAITING, cells, left_out, refuse_taken, undecided_note, with_columns
from fusion_nb.dataset.table_plan import SAMPLE, TablePlan, pilot_note, table_plan
from fusion_nb.errors import UserError
from fusion_nb.journal import run_index
from fusion_nb.option_signatures import takes
from fusion_nb.options import Settings, settle
from fusion_nb.resolve.estimate import ask_person, estimate_spec
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.resolve.spec_builder import build_spec, spending_policy
from fusion_nb.run.result import FusionResult
from fusion_nb.views import escape, formatting
from fusion_nb.views.row_feed import RowFeed

ANY_PROMPT = "?"
"""Whatever a table asks, this could be asked."""
Worst = Callable[[Ref, Usage], Decimal | None]


class Table:
    """The runs of many prompts with one set of options and one cap; names, services and prices are resolved once.

    Args:
        settings: those of `fuse_frame()`, settled; `max_cost` is for all of it.
        labels: of the prompts, for sentences about them.
        title: what the journal says the prompts are; the first of them where empty.
        repeat: whether the same prompt is asked as often as it is there.

    Raises `UserError` for what cannot be sent.
    """

    def __init__(
        self,
        prompts: Sequence[str],
        settings: Settings,
        labels: Sequence[Any] | None = None,
        title: str = "",
        *,
        repeat: bool = False,
        account: Account | None = None,
    ) -> None:
        resolver = Resolver(settings, lambda text: ask_person(text, "Send them?"))
        self._way = Way("table", settings, resolver)
        self.jobs: list[Job] = []
        worst = batched_worst(resolver.reach) if settings["batch"] else resolver.reach.worst
        # What is wrong with any prompt is no row's fault: it is said of none.
        self._checked(ANY_PROMPT, settings, resolver, worst, first=True)
        for at, prompt in enumerate(prompts):
            try:
                spec = self._checked(prompt, settings, resolver, worst)
            except UserError as error:
                if labels is None:
                    raise
                raise type(error)(f"Row {shown(labels[at])}: {error}") from None
            # One cap for the whole: no run has one of its own.
            self.jobs.append(Job(self._way, replace(spec, limits=replace(spec.limits, max_cost=None))))
        spec = self.jobs[0].spec
        side_by_side = max(len(spec.pool), len(spec.selection.escalate), len(spec.judges), 1)
        self.at_once = max(1, spec.limits.concurrency // side_by_side)
        self.queue = RunQueue(
            settings["max_cost"], self.at_once, title=title, take_over=True, repeat=repeat, account=account
        )
        self._repeat = repeat
        self.labels = labels or range(len(prompts))

    @staticmethod
    def _checked(prompt: str, settings: Settings, resolver: Resolver, worst: Worst, *, first: bool = False) -> RunSpec:
        """The spec of one run. `first`: what is the same for all of them is checked too. Raises `UserError`."""
        spec = build_spec(prompt, settings, resolver.resolved, worst)
        if first and settings["batch"]:
            refuse_unfit(spec, settings, resolver.reach)
        resolver.reach.check_fit((spec.params.system or "") + spec.prompt, spec.everyone)
        if first:
            spending_policy(spec, settings, resolver.reach.metered, resolver.reach.worst)
        return spec

    def known(self) -> list[bool]:
        """Which prompts the journal has an answer to."""
        requests = [(run_started(job.spec, "", ""), job.of) for job in self.jobs]
        there = run_index.find_each(requests, DONE, each_once=self._repeat)
        return [run is not None for run in there]

    def plan(self, rows: int, *, fresh: bool = False) -> TablePlan:
        """What asking would take; nothing is sent."""
        known = [False] * len(self.jobs) if fresh else self.known()
        jobs = [job for job, there in zip(self.jobs, known, strict=True) if not there]
        sample = random.Random(0).sample(jobs, SAMPLE) if len(jobs) > SAMPLE else jobs
        estimates = [estimate_spec(job.spec, self._way.resolver, {}) for job in sample]
        if self._way.settings["batch"]:
            estimates = [batched_estimate(each, self._way.resolver.reach) for each in estimates]
        planned = table_plan(rows, len(self.jobs), sum(known), self.at_once, estimates)
        return replace(planned, notes=(*self.demo_note, *planned.notes))

    @property
    def demo_note(self) -> tuple[str, ...]:
        demo = any(ref.service == DEMO_SERVICE for ref in self.jobs[0].spec.everyone)
        return (f"{formatting.DEMO}.",) if demo else ()

    def results(self, places: Sequence[int], *, fresh: bool = False) -> Generator[tuple[int, FusionResult], None, None]:
        """(place of the prompt, its result) as they come."""
        for at, result in self.queue.stream([self.jobs[place] for place in places], fresh=fresh):
            yield places[at], result


def run_rows(
    prompts: Sequence[str],
    options: Mapping[str, Any],
    on_progress: Progress | None = None,
    *,
    fresh: bool = False,
) -> Generator[tuple[int, FusionResult], None, None]:
    """(place of the prompt, its result) as they come: one cap for all, what the journal has first.

    Args:
        options: as `fuse_frame()` takes them.
        on_progress: told (results that are there, prompts, USD spent) after each.

    Raises `UserError` for what cannot be sent, before anything is.
    """
    table = Table(prompts, settle("fuse_frame", options))
    with closing(table.queue.stream(table.jobs, fresh=fresh)) as results:
        for there, (at, result) in enumerate(results, 1):
            if on_progress is not None:
                on_progress(there, len(prompts), table.queue.spent)
            yield at, result


@takes("fuse_frame")
def fuse_frame(
    df: pd.DataFrame,
    template: str,
    pool: Any = None,
    mode: str | None = None,
    *,
    prefix: str = "",
    members: bool = False,
    dry_run: bool = False,
    pilot: int | None = None,
    fresh: bool = False,
    repeat: bool = False,
    show_progress: bool = True,
    parts: Any = None,
    **options: Unpack[FuseFrameOptions],
) -> Any:
    """Ask the pool the prompt of every row; the same frame comes back with the answers.

    The same prompt twice is asked once, and paid on its first row. What the journal has is not asked again: after an
    interrupt, a crash or a cap the same call goes on with what is left. `attrs["notes"]` says what was taken over.

    Args:
        df: one row a prompt; its index has no label twice.
        template: the prompt, with `{column}` of the frame; `{{` and `}}` are braces.
        prefix: goes before the names of the columns that are added.
        members: add the text of each member too, `answer_<member>`.
        dry_run: return what it would take; nothing is sent.
        pilot: ask so many random rows, say what the rest may cost, and stop; going on takes them over.
        fresh: ask anew what the journal has.
        repeat: ask rows with the same prompt once each, not once for all of them.
        show_progress: a bar of prompts and money.
        parts: of a Dask DataFrame, the folder that its answers are kept in, a file a partition.

    Added: `answer`, `status` (ok, unjudged, error, cancelled, budget, waiting), `agreement` (share of the members),
    `chosen_model`, `cost_usd`, `seconds`, `error`, `run`. `max_cost` is the cap of the whole.

    Raises `UserError` where something cannot be sent: nothing was.

    >>> import pandas as pd
    >>> words = pd.DataFrame({"word": ["strawberry"]}, index=["a"])
    >>> prompt = "How many times does the letter r occur in the word {word}?"
    >>> done = fuse_frame(words, prompt, pool="demo", mode="vote", show_progress=False)
    >>> done.loc["a", "status"], round(float(done.loc["a", "agreement"]), 2)
    ('ok', 0.67)
    """
    given = {"pool": pool, "mode": mode, **options}
    settings = settle("fuse_frame", given)
    how: dict[str, Any] = {"prefix": prefix, "fresh": fresh, "repeat": repeat, "show_progress": show_progress}
    if is_dask(df) or parts is not None:
        plan = dry_run or pilot is not None
        return fuse_dask(df, template, settings, given, answer_rows, members=members, plan=plan, parts=parts, **how)
    return answer_rows(df, template, settings, members=members, dry_run=dry_run, pilot=pilot, **how)


def answer_rows(
    df: pd.DataFrame,
    template: str,
    settings: Settings,
    *,
    prefix: str,
    members: bool,
    fresh: bool,
    repeat: bool,
    show_progress: bool,
    dry_run: bool = False,
    pilot: int | None = None,
    account: Account | None = None,
) -> pd.DataFrame | TablePlan:
    """`fuse_frame()` of a pandas frame, with its options settled; `account`: shared with other partitions."""
    check_frame(df)
    prompts = filled(template, df)
    refuse_taken(df, prefix)
    if pilot is not None:
        check.whole("pilot", 1, 1_000_000)(pilot)
        if dry_run:
            raise UserError("pilot pays for some rows and dry_run sends nothing: give one of them.")
    rows_of: dict[tuple[str, int], list[int]] = {}
    for row, prompt in enumerate(prompts):
        rows_of.setdefault((prompt, row if repeat else 0), []).append(row)
    first_rows = [df.index[rows[0]] for rows in rows_of.values()]
    table = Table([prompt for prompt, _ in rows_of], settings, first_rows, template, repeat=repeat, account=account)
    if dry_run:
        return table.plan(len(df), fresh=fresh)
    _confirm(table, settings, len(df), fresh=fresh)
    places = list(range(len(table.jobs)))
    if pilot is not None and pilot < len(places):
        places = sorted(random.Random(0).sample(places, pilot))
    answered, costs, notes = _asked(table, places, members=members, fresh=fresh, bar=show_progress)
    notes[:0] = table.demo_note
    if len(places) < len(table.jobs):
        notes.append(pilot_note(costs, len(table.jobs) - len(places)))
    for note in notes if show_progress else ():
        print(escape.safe_line(note))
    left = left_out("budget" if table.queue.capped else "cancelled", table.queue.stopped)
    waiting = {places[at]: WAITING for at in table.queue.batches.waiting} if table.queue.batches else {}
    asked, records = set(places), [dict[str, Any]() for _ in prompts]
    for place, rows in enumerate(rows_of.values()):
        record = answered.get(place, waiting.get(place, left) if place in asked else {})
        for copy, row in enumerate(rows):
            # Sums over the column are what was paid: a prompt is paid once.
            records[row] = {**record, "cost_usd": 0.0} if copy and record.get("cost_usd") is not None else record
    done = with_columns(df, records, prefix)
    done.attrs["notes"], done.attrs["spent_usd"] = notes, str(table.queue.taken)
    return done


def _asked(
    table: Table, places: Sequence[int], *, members: bool, fresh: bool, bar: bool
) -> tuple[dict[int, dict[str, Any]], list[Decimal | None], list[str]]:
    """Cells by place, what each prompt cost, and sentences. An interrupt ends it: what is there comes back."""
    answered: dict[int, dict[str, Any]] = {}
    costs: list[Decimal | None] = []
    notes: list[str] = []
    queue = table.queue
    feed = closing(RowFeed(shown=bar))
    stream_of_results = closing(table.results(places, fresh=fresh))
    with feed as rows, progress_bar(queue, "fuse_frame", shown=bar), stream_of_results as stream:
        try:
            queue.on_progress(0, len(places), queue.spent)
            for place, result in stream:
                # Cells alone are kept: whole results of many rows would fill the memory.
                answered[place] = cells(result, members=members)
                costs.append(None if result.unpriced else paid_for(result))
                rows.add(table.labels[place], answered[place])
                queue.on_progress(len(answered), len(places), queue.spent)
        except KeyboardInterrupt:
            notes.append(
                f"Interrupted: {len(answered):,} of {len(places):,} prompts are answered; the same call goes on."
            )
    notes += [*notes_of(queue), *undecided_note(answered, table.labels)]
    return answered, costs, notes


def _confirm(table: Table, settings: Settings, rows: int, *, fresh: bool) -> None:
    """Raise `UserError` where the table may cost more than `confirm_over` and nobody says yes."""
    over = settings["confirm_over"]
    if over is None:
        return
    plan = table.plan(rows, fresh=fresh)
    if not plan.unpriced and (plan.usd is None or plan.usd.high <= over):
        return
    if (settings["confirm"] or ask_person)(plan) is not True:
        raise UserError(f"Nothing was sent: it may cost more than ${over}, and nobody confirmed it.")
