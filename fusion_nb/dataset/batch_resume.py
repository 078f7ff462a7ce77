"""`resume()` of a table: waits for the batches it left at its services, without the frame and the call it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Unpack

import pandas as pd

import fusion_nb.views.dataframe_accessor  # noqa: F401  what comes back has `.fusion`
from fusion_nb import history
from fusion_nb.core.events import RunStarted
from fusion_nb.core.fold import fold_all
from fusion_nb.core.option_types import ResumeOptions
from fusion_nb.core.run_spec import RunSpec
from fusion_nb.dataset.jobs import Job, Way
from fusion_nb.dataset.progress import notes_of, progress_bar
from fusion_nb.dataset.run_queue import RunQueue
from fusion_nb.dataset.table_columns import WAITING, cells, left_out, undecided_note, with_columns
from fusion_nb.errors import UserError
from fusion_nb.history import LAST, PastRun
from fusion_nb.journal import table_batches, table_files
from fusion_nb.option_signatures import takes
from fusion_nb.options import recorded_options, settle
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.resolve.spec_builder import with_recorded_functions
from fusion_nb.run.derived_runs import same_spec
from fusion_nb.run.result import FusionResult
from fusion_nb.views import escape, formatting


@takes("resume")
def resume(run: PastRun = LAST, **options: Unpack[ResumeOptions]) -> Any:
    """Finish a run that crashed or was stopped: the members without a reply, then the judge. What is there is kept.

    Where only a call's generation id is known, its service is asked what it cost. `max_cost` is the whole run's cap.

    Of a table that was asked with `batch=True`, by its id: wait for the batches it handed over, and fill its rows in. A
    frame comes back, one row a prompt, with the columns of `fuse_frame()`. Nothing more is handed over.

    >>> import fusion_nb
    >>> with fusion_nb.stream("How many times does the letter r occur in the word strawberry?", pool="demo") as run:
    ...     run.stop()
    ...     stopped = [event for event in run][-1].status
    >>> stopped, resume(run.result).status
    ('cancelled', 'ok')
    """
    if isinstance(run, str) and table_files.is_table(run):
        return resume_table(run, options)
    return history.resume(run, **options)


def resume_table(table: str, options: Mapping[str, Any], *, show_progress: bool = True) -> pd.DataFrame:
    """The rows of a table, with what its batches brought. Raises `UserError` where it has none."""
    rows = table_batches.rows_of(table)
    if not rows:
        raise UserError(
            f"Table {table} was not asked in batches: the same call of fuse_frame() goes on with what it lacks."
        )
    queue, jobs = _queue(rows, options)
    answered: dict[int, dict[str, Any]] = {}
    notes: list[str] = []
    stream = queue.stream(jobs)
    with progress_bar(queue, "resume", shown=show_progress), closing(stream):
        try:
            queue.on_progress(0, len(jobs), queue.spent)
            for at, result in stream:
                answered[at] = cells(result, members=False)
                queue.on_progress(len(answered), len(jobs), queue.spent)
        except KeyboardInterrupt:
            notes.append(f"Interrupted: {len(answered):,} of {formatting.plural(len(jobs), 'prompt')} are answered.")
    notes += [*notes_of(queue), *undecided_note(answered, range(len(jobs)))]
    waiting = queue.batches.waiting if queue.batches else set()
    left = left_out("budget" if queue.capped else "cancelled", queue.stopped)
    records = [answered.get(at, WAITING if at in waiting else left) for at in range(len(jobs))]
    done = with_columns(pd.DataFrame({"prompt": [job.spec.prompt for job in jobs]}), records, "")
    done.attrs["notes"], done.attrs["spent_usd"] = notes, str(queue.taken)
    for note in notes if show_progress else ():
        print(escape.safe_line(note))
    return done


def _queue(rows: Sequence[RunStarted], options: Mapping[str, Any]) -> tuple[RunQueue, list[Job]]:
    state = fold_all([rows[0]], FusionResult())
    settings = with_recorded_functions(settle("resume", options, recorded_options(state)), options, state)
    resolver = Resolver(settings)
    resolver.know(settings["functions"], [*state.pool, *state.judges])
    resolver.check((*state.pool, *state.judges))
    way = Way("table", {**settings, "batch": True}, resolver)
    jobs = [Job(way, _spec(row)) for row in rows]
    at_once = max(1, jobs[0].spec.limits.concurrency // max(1, len(jobs[0].spec.judges)))
    return RunQueue(settings["max_cost"], at_once, title=rows[0].prompt, take_over=True, hand_over=False), jobs


def _spec(row: RunStarted) -> RunSpec:
    spec = same_spec(fold_all([row], FusionResult()))
    # What was open in names of its own services is part of what its requests are known by.
    return replace(spec, of="", also=row.also, notes=row.notes)
