"""A run read back: the state it had, and for one whose kernel died, the state it was left in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from fusion_nb.core import UNDECIDED, Ref, RunState, RunStatus
from fusion_nb.core.events import CallEnded, CallStarted, ChoiceMade, Event, RunEnded, RunStarted, VerdictReached
from fusion_nb.core.fold import fold, join_events
from fusion_nb.errors import FusionError, UnknownName, UserError
from fusion_nb.journal import run_files, table_files
from fusion_nb.storage import files

S = TypeVar("S", bound=RunState)
CRASHED = "crashed"
"""The error of a call that was under way when its kernel died."""
_MOST_LOST = 256
"""Calls that may be missing before one; a larger number is no number of a call."""
DAMAGED = "This run's file is damaged: what could be read of it is here, the rest is lost."
DIED = "The kernel stopped before this run had ended; what had arrived is here."


def load(run: str, state: S) -> S:
    """`state` after everything journalled of the run: the same as on the day.

    A run under way is given as far as it is. In one whose kernel died, open calls are `cancelled` with error `crashed`
    and `maybe_billed`. Raises `UserError` where there is no such run, or this release cannot read it.
    """
    recorded = _recorded(run)
    if recorded.newer:
        raise UserError(f"Run {run} was written by a newer fusion_nb: upgrade fusion_nb to load it.")
    return settled_state(run, recorded, state)


def load_each(runs: Iterable[str], state: S) -> Iterator[S]:
    """As `load`, of many runs; those that cannot be read are left out. Those of a table are looked up together,
    whatever stands between them."""
    by_table: dict[str, list[str]] = {}
    for run in runs:
        by_table.setdefault(table_files.table_of(run) or run, []).append(run)
    for table, own in by_table.items():
        with contextlib.suppress(FusionError, OSError):
            found = table_files.read_each(table, own) if table != own[0] else iter(())
            rest = dict.fromkeys(own)
            for run, recorded in found:
                rest.pop(run)
                if not recorded.newer:
                    yield settled_state(run, recorded, state)
            for run in rest:  # a run that stands alone, whatever its id looks like
                with contextlib.suppress(FusionError, OSError):
                    yield load(run, state)


def _recorded(run: str) -> run_files.RecordedEvents:
    if table_files.is_table(run):
        raise UserError(f"{run} is a table of prompts: runs({run!r}) lists its runs, and each of them can be loaded.")
    return table_files.read(run) or run_files.read(find(run))


def find(run: str) -> Path:
    """The run's file. Raises `UserError` where there is none."""
    try:
        entry = run_files.entry(run)
    except OSError as error:
        raise unreadable(error) from None
    return (entry or entry_of(run, entries())).path


def entry_of(run: str, entries: Mapping[str, run_files.Entry]) -> run_files.Entry:
    """The run's entry among these. Raises `UserError` where there is none."""
    if run not in entries:
        raise UnknownName("run", run, entries, "fusion_nb.runs() and %fuse_runs list them.")
    return entries[run]


def entries(newest: int | None = None) -> dict[str, run_files.Entry]:
    """Every run's file, oldest first, or the newest runs'. Raises `UserError` where the journal cannot be read."""
    try:
        return run_files.entries(newest)
    except OSError as error:
        raise unreadable(error) from None


def unreadable(error: OSError) -> UserError:
    """Why the journal cannot be read, in one sentence."""
    return UserError(f"The journal cannot be read: {error.filename or files.home()}: {error.strerror}.")


def settled_state(run: str, recorded: run_files.RecordedEvents, state: S) -> S:
    """The state a file's events come to."""
    state, whole = folded_state(recorded.events, state)
    damaged = recorded.damaged or not whole or (bool(recorded.events) and not state.run)
    if damaged or not state.run:
        # Without its first line, as where its kernel died in that, its id still tells when it began.
        state = fold(state, _restarted(run, state, (DAMAGED,) if damaged else ()))
    return state if recorded.under_way else closed_state(state, recorded.events)


def folded_state(events: Iterable[Event], state: S) -> tuple[S, bool]:
    """`state` after the events, and whether they fitted together; those that do not are passed over."""
    whole = True
    for event in join_events(events):
        try:
            state, fits = _step(state, event)
            whole = whole and fits
        except (TypeError, LookupError):
            whole = False
    return state, whole


def _step(state: S, event: Event) -> tuple[S, bool]:
    call = getattr(event, "call", None)
    if call is None:
        return fold(state, _whole(state, event) if isinstance(event, VerdictReached) else event), True
    calls = len(state.replies)
    if not isinstance(call, int) or not 1 <= call <= calls + _MOST_LOST:
        return state, False
    begins = isinstance(event, CallStarted)
    if (begins and call <= calls) or (isinstance(event, ChoiceMade) and call > calls):
        return state, False
    missing = range(calls + 1, call if begins else call + 1)
    for lost in missing:
        # Its first line is lost, its text is not.
        ref = state.pool[lost - 1] if lost <= len(state.pool) else Ref("unknown", "unknown", f"call {lost}")
        state = fold(state, CallStarted(call=lost, ref=ref, at=event.at))
    return fold(state, event), not missing


def _whole(state: RunState, event: VerdictReached) -> VerdictReached:
    """With the answer again that `run_files.to_line` left out: the text of the call it chose."""
    verdict = event.verdict
    if verdict.answer is not None or len(verdict.chosen) != 1 or not 1 <= verdict.chosen[0] <= len(state.replies):
        return event
    return replace(event, verdict=replace(verdict, answer=state.reply(verdict.chosen[0]).text))


def _restarted(run: str, state: RunState, notes: tuple[str, ...]) -> RunStarted:
    """The first event again, with what is to be said of the file; made up from its id where even that was lost."""
    return RunStarted(
        run=state.run or run,
        when=state.when or when_of(run),
        prompt=state.prompt,
        mode=state.mode,
        pool=state.pool or tuple(dict.fromkeys(r.ref for r in state.replies if r.role == "candidate")),
        judge=state.judge,
        jury=state.jury,
        selection=state.selection,
        then=state.then,
        seed=state.seed,
        params=state.params,
        limits=state.limits,
        notes=(*state.notes, *notes),
        criteria=state.criteria,
        max_rounds=state.max_rounds,
        orders=state.orders,
        tag=state.tag,
        imported=state.imported,
        of=state.of,
    )


def when_of(run: str) -> str:
    """When a run began (ISO 8601, UTC), as its id tells."""
    d = run[:15]
    return f"{d[:4]}-{d[4:6]}-{d[6:8]}T{d[9:11]}:{d[11:13]}:{d[13:15]}+00:00"


def closed_state(state: S, events: Iterable[Event]) -> S:
    """A run nobody writes any more, with every end that is missing. With its verdict, only its last line was."""
    at = max((event.at for event in events), default=0.0)
    for reply in state.replies:
        if reply.status is not None:
            continue
        ended = CallEnded(
            call=reply.call,
            at=at,
            status="cancelled",
            error=CRASHED,
            detail="The kernel stopped while it was answering; the text is what had arrived.",
            generation_id=reply.generation_id,
            attempts=reply.attempts,
            maybe_billed=True,
            at_most=reply.at_most,
        )
        state = fold(state, ended)
    if state.status != "running":
        return state
    return fold(state, RunEnded(at=at, status=_end(state), notes=() if state.verdict else (DIED,)))


def _end(state: RunState) -> RunStatus:
    if state.verdict is None or state.verdict.state == "by-hand":
        return "cancelled"
    return "unjudged" if state.verdict.state in UNDECIDED else "ok"
