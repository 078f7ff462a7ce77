"""Runs of many prompts, some at a time, under one cap for all of them; what the journal has is not made again."""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import TracebackType
from typing import NamedTuple, Self

from fusion_nb.accounts.account import Account
from fusion_nb.accounts.policy import day_account
from fusion_nb.core import Ref, Reply
from fusion_nb.core.spec import RunSpec, run_started
from fusion_nb.dataset.queue_record import QueueRecord
from fusion_nb.dataset.reply_keys import reply_keys
from fusion_nb.errors import RunFailed
from fusion_nb.journal import index, reader, table_index
from fusion_nb.journal.table_writer import StoredRun
from fusion_nb.options import Settings
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.resolve.spec_builder import spending_policy
from fusion_nb.run.result import FusionResult
from fusion_nb.run.run_handle import Run

AT_ONCE = 8
"""Runs under way at the same time."""
DONE = ("ok", "unjudged")
Progress = Callable[[int, int, Decimal], None]


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of run that is made for every question."""

    name: str
    settings: Settings
    resolver: Resolver


@dataclass(frozen=True, slots=True)
class Job:
    """One run that is wanted."""

    way: Way
    spec: RunSpec
    of: str | None = None
    """The run whose candidates it takes over; `None`: it asks the members itself."""


class _UnderWay(NamedTuple):
    run: Run
    record: StoredRun | None
    resolver: Resolver


class RunQueue:
    """Makes runs, some at a time, under one cap for all of them; what the journal has is not made again.

    Their record is one file, whatever their number: open while the queue is a context, or while it streams.

    Args:
        cap: USD for all of them; `None` is no cap.
        at_once: how many are under way at the same time.
        title: what the record of them says they were.
        take_over: whether a member's reply to the very same request is taken over from whatever run has it.
    """

    def __init__(
        self, cap: Decimal | None, at_once: int = AT_ONCE, *, title: str = "", take_over: bool = False
    ) -> None:
        self._cap = cap
        self._account = Account("max_cost")
        self._at_once = at_once
        self._take_over = take_over
        self._record = QueueRecord(title)
        self.spent = Decimal(0)
        self.taken_over = 0
        """Results that came from the journal."""
        self.replies_taken_over = 0
        """Replies of members that came from other runs."""
        self.stopped = ""
        """Why no more runs are made, a sentence; empty where they are."""
        self.on_progress: Progress = lambda *_: None
        """Who is told (runs that are there, runs wanted, USD spent) after each."""

    @property
    def trouble(self) -> str:
        """Why the record of these runs is not kept, a sentence; empty where it is."""
        return self._record.trouble

    def __enter__(self) -> Self:
        self._record.hold()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._record.let_go("cancelled" if kind is not None or self.stopped else "ok")
        day_account().flush()

    def results(self, jobs: Iterable[Job], into: list[FusionResult], wanted: int) -> list[FusionResult]:
        """The results of all jobs, from the journal where it has them, in their order."""
        results: dict[int, FusionResult] = {}
        for at, result in self.stream(jobs):
            if not is_unpaid(result):
                results[at] = result
                into.append(result)
            self.on_progress(len(into), wanted, self.spent)
        return [results[at] for at in sorted(results)]

    def stream(self, jobs: Iterable[Job], *, fresh: bool = False) -> Generator[tuple[int, FusionResult], None, None]:
        """(place of the job, its result) as they come, what the journal has first; leaving early stops the others.

        A run that a cap cut short comes too, with what was paid for it; jobs that were never begun do not. What comes
        is on the disk. `fresh`: ask anew what the journal has.
        """
        listed = list(jobs)
        waiting = set(range(len(listed)))
        for at, result in () if fresh else self._recorded(listed):
            waiting.discard(at)
            self.taken_over += 1
            yield at, result
        queue = sorted(waiting, reverse=True)
        if not queue:
            return
        known = self._known_replies(listed, queue) if self._take_over and not fresh else {}
        under_way: dict[int, _UnderWay] = {}
        unsaved: deque[tuple[int, FusionResult, StoredRun | None]] = deque()
        with self:
            try:
                while under_way or unsaved or (queue and not self.stopped):
                    while queue and len(under_way) < self._at_once and not self.stopped:
                        at = queue.pop()
                        listed[at] = self._with_known(listed[at], known.pop(at, {}))
                        under_way[at] = self._begin(at, listed[at])
                    for at in self._record.ended_places():
                        each = under_way.pop(at)
                        result = self._ended(each)
                        if is_unpaid(result) and self._may_try_again(result):
                            listed[at] = _rest_of(listed[at], result)
                            queue.append(at)
                        else:
                            unsaved.append((at, result, each.record))
                    while unsaved and ((record := unsaved[0][2]) is None or record.durable):
                        yield unsaved.popleft()[:2]
                    if under_way or unsaved:
                        self._wait(under_way)
            finally:
                for each in under_way.values():
                    each.run.stop()
                for each in under_way.values():
                    each.run.pause(1.0)
                    self._ended(each)

    def _recorded(self, listed: list[Job]) -> Iterator[tuple[int, FusionResult]]:
        """What the journal has of the jobs. Those that a cap cut short go on from what they have."""
        there = index.find_each([(run_started(job.spec, "", ""), job.of) for job in listed], DONE)
        for at, run in enumerate(there):
            if run is None:
                continue
            result = reader.load(run, FusionResult())
            if is_unpaid(result):
                listed[at] = _rest_of(listed[at], result)
            else:
                yield at, result

    def _known_replies(self, listed: Sequence[Job], places: Iterable[int]) -> dict[int, dict[str, tuple[str, int]]]:
        """By place and member, the (run, call) of the reply to the very same request."""
        keys = {at: self._keys(listed[at]) for at in places if not listed[at].spec.reused and listed[at].of is None}
        found = table_index.find_replies([key for own in keys.values() for key in own.values()])
        # Each is taken once: the same prompt asked twice has two replies.
        taken = {at: {n: found[key].pop(0) for n, key in own.items() if found.get(key)} for at, own in keys.items()}
        return {at: replies for at, replies in taken.items() if replies}

    def _keys(self, job: Job) -> dict[str, str]:
        return reply_keys(job.spec, job.way.resolver.reach.own) if self._take_over else {}

    def _with_known(self, job: Job, known: Mapping[str, tuple[str, int]]) -> Job:
        """The job with the replies that other runs have to the requests of its members."""
        runs = {run: reader.load(run, FusionResult()) for run in {run for run, _ in known.values()}}
        reused = [
            _taken_over(ref, runs[known[ref.name][0]], known[ref.name][1]) for ref in job.spec.pool if ref.name in known
        ]
        self.replies_taken_over += len(reused)
        return replace(job, spec=replace(job.spec, reused=tuple(reused))) if reused else job

    def _begin(self, at: int, job: Job) -> _UnderWay:
        way = job.way
        policy = spending_policy(job.spec, way.settings, way.resolver.reach.metered, way.resolver.reach.worst)
        policy = replace(policy, shared=self._account, shared_cap=self._cap)
        record = self._record.begin(job.spec, self._keys(job)) if way.settings["journal"] else None
        run = Run(
            job.spec,
            way.resolver,
            policy,
            journal=record or False,
            run=record.run if record else "",
            on_end=lambda: self._record.ended(at),
        )
        return _UnderWay(run, record, way.resolver)

    def _ended(self, each: _UnderWay) -> FusionResult:
        result = each.run.result
        with contextlib.suppress(RunFailed):
            result = each.run.finish()
        if each.record is not None:
            each.record.finish(result)
        self.spent += sum((reply.cost for reply in result.replies if reply.cost is not None), Decimal(0))
        return result

    def _wait(self, under_way: Mapping[int, _UnderWay]) -> None:
        """Until a run has ended, or what has ended is on the disk."""
        some = next(iter(under_way.values()), None)
        if some is not None and some.resolver.needs_callers_loop:
            some.run.pause(0.05)
        else:
            self._record.wait(0.05)

    def _may_try_again(self, result: FusionResult) -> bool:
        """Whether a run that a cap cut short is made once more: others held money at that time, and give it back."""
        unpriced = next((reply.detail for reply in result.replies if reply.error == "unpriced"), None)
        if unpriced is not None:
            self.stopped = unpriced
        elif self._at_once > 1:
            self._at_once //= 2
            return True
        else:
            why = next(reply.detail for reply in result.replies if reply.error == "budget") or ""
            cap = "max_cost" if "max_cost_per" not in why else "A cap"
            amount = f" (${self._cap})" if cap == "max_cost" else ""
            self.stopped = (
                f"{cap}{amount} is reached: what is left was not asked. The same call with a higher cap goes "
                "on, and pays for nothing twice."
            )
        return False


@contextlib.contextmanager
def progress_bar(queue: RunQueue, what: str, *, shown: bool) -> Iterator[None]:
    """A bar of runs and money, in a notebook or a terminal."""
    # As text: what tqdm draws as a widget stays in a saved notebook as "Error displaying widget".
    from tqdm.std import tqdm  # noqa: PLC0415  loaded when there is one to draw

    # A notebook shows standard error as if something had gone wrong.
    out = sys.stdout if type(sys.stdout).__module__.startswith("ipykernel") else sys.stderr
    with tqdm(total=0, unit="run", desc=what, disable=not shown, leave=False, file=out, ncols=80) as bar:

        def progress(there: int, wanted: int, usd: Decimal) -> None:
            bar.total = wanted
            bar.set_postfix_str(f"${usd:.4f}", refresh=False)
            bar.update(there - bar.n)

        queue.on_progress = progress
        yield


def paid_for(result: FusionResult) -> Decimal | None:
    """USD of a result, with what was paid for replies that it took over from a run a cap had cut short."""
    kept = [reply.kept_cost for reply in result.replies if reply.kept_from and reply.kept_cost is not None]
    return result.cost if result.cost is None and not kept else (result.cost or Decimal(0)) + sum(kept, Decimal(0))


def is_unpaid(result: FusionResult) -> bool:
    """Whether a cap left something of a run unasked."""
    return any(reply.error in ("budget", "unpriced") for reply in result.replies)


def _taken_over(ref: Ref, result: FusionResult, call: int) -> Reply:
    """A reply of another run as that of `ref`, with the run that paid for it."""
    reply = replace(result.reply(call), ref=ref)
    return reply if reply.kept_from else replace(reply, kept_from=result.run, kept_cost=reply.cost)


def _rest_of(job: Job, result: FusionResult) -> Job:
    """A job that takes over what a run cut short has of it."""
    if job.of:  # of a run whose replies it takes over already
        return job
    usable = tuple(reply for reply in result.candidates if reply.usable)
    return replace(job, spec=replace(job.spec, reused=usable, of=result.run)) if usable else job
