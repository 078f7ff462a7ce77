"""Runs of many prompts, some at a time, under one cap for all of them; what the journal has is not made again."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import TracebackType
from typing import Self

from fusion_nb.accounts.spending_account import Account
from fusion_nb.accounts.spending_caps import SpendingPolicy, day_account
from fusion_nb.core.run_spec import run_started
from fusion_nb.dataset.batch_queue import BatchQueue
from fusion_nb.dataset.batch_start import planned_batches
from fusion_nb.dataset.jobs import DONE, NOT_ASKED, Job, Making, UnderWay, is_unpaid, reply_keys, rest_of, with_replies
from fusion_nb.dataset.table_record import QueueRecord
from fusion_nb.errors import RunFailed
from fusion_nb.journal import run_index, run_reader, table_index
from fusion_nb.resolve.spec_builder import spending_policy
from fusion_nb.run.result import FusionResult
from fusion_nb.run.run_handle import Run
from fusion_nb.run.service_rates import ServiceRates

AT_ONCE = 8
"""Runs under way at the same time."""
Progress = Callable[[int, int, Decimal], None]


class RunQueue:
    """Makes runs, some at a time, under one cap for all of them; what the journal has is not made again.

    Their record is one file, whatever their number: open while the queue is a context, or while it streams.

    Args:
        cap: USD for all of them; `None` is no cap.
        at_once: how many are under way at the same time.
        title: what the record of them says they were.
        take_over: whether a member's reply to the very same request is taken over from whatever run has it.
        repeat: whether jobs that are the same are made as often.
        account: that the cap holds in, where others share it.
        hand_over: whether new batches are, where members are asked in batches; else earlier ones are waited for.
    """

    def __init__(
        self,
        cap: Decimal | None,
        at_once: int = AT_ONCE,
        *,
        title: str = "",
        take_over: bool = False,
        repeat: bool = False,
        account: Account | None = None,
        hand_over: bool = True,
    ) -> None:
        self._cap = cap
        self._account = account or Account("max_cost")
        self._at_once = at_once
        self._take_over = take_over
        self._repeat, self._submits = repeat, hand_over
        self._record = QueueRecord(title)
        self._rates: ServiceRates | None = None
        self.batches: BatchQueue | None = None
        """What the members are asked in; `None` where they are asked one by one."""
        self._news: deque[str] = deque()
        self.spent = Decimal(0)
        self.taken_over = 0
        """Results that came from the journal."""
        self.replies_taken_over = 0
        """Replies of members that came from other runs."""
        self.stopped = ""
        """Why no more runs are made, a sentence; empty where they are."""
        self.capped = False
        """Whether that is a cap."""
        self._keyed: dict[int, dict[str, str]] = {}
        """By place, the keys of a job's replies, from when they were looked for until it begins."""
        self.failures: Counter[str] = Counter()
        """Calls that failed, by the class of the error."""
        self.on_progress: Progress = lambda *_: None
        """Who is told (runs that are there, runs wanted, USD spent) after each."""
        self.on_wait: Callable[[], None] = lambda: None
        """Called now and then while batches are waited for."""

    @property
    def trouble(self) -> str:
        """Why the record of these runs is not kept, a sentence; empty where it is."""
        return self._record.trouble

    @property
    def taken(self) -> Decimal:
        """USD that this queue's calls have cost, and may be billed for still."""
        return self._account.taken

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
        listed, self._keyed = list(jobs), {}
        waiting = set(range(len(listed)))
        rows_answered: set[str] = set()
        for at, result in () if fresh else self._recorded(listed):
            waiting.discard(at)
            rows_answered.add(result.run)
            self.taken_over += 1
            yield at, result
        queue = sorted(waiting, reverse=True)
        if not queue:
            return
        known = {} if fresh or not self._take_over else self._known_replies(listed, queue, rows_answered)
        making = Making(listed, queue)
        with self:
            try:
                if listed[queue[0]].way.settings.get("batch"):
                    self._hand_over(making, listed, known)
                while making.under_way or making.unsaved or self._more(making):
                    self._move(making, listed, known)
                    for at, result in making.saved():
                        if self.batches is not None:
                            self.batches.saved(at)
                        yield at, result
                    self.stopped = self.stopped or (self._rates.gone if self._rates else "")
                    self._wait(making)
                yield from making.left()
            finally:
                self._leave(making)

    def _hand_over(self, making: Making, listed: list[Job], known: dict[int, dict[str, tuple[str, int]]]) -> None:
        """Hand the members' calls over in batches; jobs that lack none of them are left to begin."""
        for at in making.queue:
            listed[at] = self._with_known(listed[at], known.pop(at, {}))
        jobs = {at: listed[at] for at in sorted(making.queue)}
        self.batches, calls = planned_batches(jobs, self._keys, self._record, self._policy, self._news.append)
        making.queue = [at for at in jobs if not calls[at]][::-1]
        self.batches.begin(calls, hand_over=self._submits)

    def _more(self, making: Making) -> bool:
        """Whether there is something left to begin, by now or once a batch has brought it."""
        if self.batches is not None and not (self.stopped or making.to_begin() or self.batches.pending):
            self.stopped, self.capped = self.batches.denied, self.batches.capped
            return False
        return not self.stopped and (self.batches is not None or making.to_begin())

    def _move(self, making: Making, listed: list[Job], known: dict[int, dict[str, tuple[str, int]]]) -> None:
        """Begin what there is room for, and see what has ended."""
        if self.batches is not None:
            self.batches.step()
            making.queue[:0] = self.batches.take_ready()
            self.on_wait()
        while making.queue and len(making.under_way) < self._at_once and not self.stopped:
            at = making.queue.pop()
            listed[at] = self._with_known(listed[at], known.pop(at, {}))
            making.begun(at, self._begin(at, listed[at]))
        for at in self._record.ended_places():
            each = making.under_way.pop(at)
            result = self._ended(each)
            if not making.goes_on(at, result, unpaid=is_unpaid(result) and self._may_try_again(result)):
                making.unsaved.append((at, result, each.record))

    def _leave(self, making: Making) -> None:
        if self.batches is not None:
            self.batches.leave()
        for each in making.under_way.values():
            each.run.stop()
        for each in making.under_way.values():
            each.run.pause(1.0)
            self._ended(each)

    def _recorded(self, listed: list[Job]) -> Iterator[tuple[int, FusionResult]]:
        """What the journal has of the jobs. Those that a cap cut short go on from what they have."""
        requests = [(run_started(job.spec, "", ""), job.of) for job in listed]
        there = run_index.find_each(requests, DONE, each_once=self._repeat)
        for at, run in enumerate(there):
            if run is None:
                continue
            result = run_reader.load(run, FusionResult())
            if is_unpaid(result):
                listed[at] = rest_of(listed[at], result)
            else:
                yield at, result

    def _known_replies(
        self, listed: Sequence[Job], places: Iterable[int], used: Container[str]
    ) -> dict[int, dict[str, tuple[str, int]]]:
        """By place and member, the (run, call) of the reply to the very same request. `used`: runs that other jobs
        have taken over as they are."""
        keys = {at: self._keys(listed[at]) for at in places if not listed[at].spec.reused and listed[at].of is None}
        self._keyed = dict(keys)
        every = table_index.find_replies([key for own in keys.values() for key in own.values()])
        found = {
            key: [(run, call) for run, call in replies if not (self._repeat and run in used)]
            for key, replies in every.items()
        }
        # Each is taken once: the same prompt asked twice has two replies.
        taken = {at: {n: found[key].pop(0) for n, key in own.items() if found.get(key)} for at, own in keys.items()}
        return {at: replies for at, replies in taken.items() if replies}

    def _keys(self, job: Job) -> dict[str, str]:
        return reply_keys(job.spec, job.way.resolver.reach.own) if self._take_over else {}

    def _with_known(self, job: Job, known: Mapping[str, tuple[str, int]]) -> Job:
        """The job with the replies that other runs have to the requests of its members."""
        given = with_replies(job, known)
        self.replies_taken_over += len(given.spec.reused) if given is not job else 0
        return given

    def _begin(self, at: int, job: Job) -> UnderWay:
        way, policy = job.way, self._policy(job)
        self._rates = self._rates or ServiceRates(job.spec.limits.concurrency, self._news.append)
        keys, record = self._keyed.pop(at, None), None
        if way.settings["journal"]:
            record = self._record.begin(job.spec, self._keys(job) if keys is None else keys)
        run = Run(
            job.spec,
            way.resolver,
            policy,
            journal=record or False,
            run=record.run if record else "",
            on_end=lambda: self._record.ended(at),
            rates=self._rates,
            fetched=self.batches.fetched.get(at) if self.batches else None,
        )
        return UnderWay(run, record, way.resolver)

    def _policy(self, job: Job) -> SpendingPolicy:
        way = job.way
        policy = spending_policy(job.spec, way.settings, way.resolver.reach.metered, way.resolver.reach.worst)
        return replace(policy, shared=self._account, shared_cap=self._cap)

    def _ended(self, each: UnderWay) -> FusionResult:
        result = each.run.result
        with contextlib.suppress(RunFailed):
            result = each.run.ended_result() if each.run.done else each.run.finish()
        if each.record is not None:
            each.record.finish(result)
        self.spent += sum((reply.cost for reply in result.replies if reply.cost is not None), Decimal(0))
        failed = (reply for reply in result.replies if not reply.usable and reply.status != "cancelled")
        self.failures.update(reply.error for reply in failed if reply.error and reply.error not in NOT_ASKED)
        return result

    def news(self) -> Iterator[str]:
        """Sentences that people should read while it goes on, each once: a service that is waited for."""
        while self._news:
            yield self._news.popleft()

    def _wait(self, making: Making) -> None:
        """Until a run has ended, or what has ended is on the disk."""
        some = next(iter(making.under_way.values()), None)
        if some is not None and some.resolver.needs_callers_loop:
            some.run.pause(0.05)
            if some.run.stopping:
                raise KeyboardInterrupt  # the wait took it for this one run's
        elif some is not None or making.unsaved:
            self._record.wait(0.05)
        elif self.batches is not None and self.batches.pending:
            self._record.wait(0.2)

    def _may_try_again(self, result: FusionResult) -> bool:
        """Whether a run that a cap cut short is made once more: others held money at that time, and give it back."""
        if any(reply.error == "unavailable" for reply in result.replies):
            self.stopped = self._rates.gone if self._rates else ""
            return False
        unpriced = next((reply.detail for reply in result.replies if reply.error == "unpriced"), None)
        if unpriced is not None:
            self.stopped, self.capped = unpriced, True
        elif self._at_once > 1:
            self._at_once //= 2
            return True
        else:
            why = next(reply.detail for reply in result.replies if reply.error == "budget") or ""
            cap = "A cap" if "max_cost_per" in why else f"max_cost (${self._cap})"
            self.capped = True
            self.stopped = (
                f"{cap} is reached: what is left was not asked. The same call with a higher cap goes "
                "on, and pays for nothing twice."
            )
        return False
