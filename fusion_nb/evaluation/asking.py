"""The candidates and fused answers that an evaluation lacks, asked once: through the product's own runs and caps.

One run asks the members of each question; every other arm takes their replies over and asks only what it adds. What the
journal has is not asked again, so a second identical call sends nothing, and an interrupted one goes on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from fusion_nb.accounts.account import Account
from fusion_nb.core.member_settings import Member
from fusion_nb.core.spec import RunSpec, run_started
from fusion_nb.errors import RunFailed
from fusion_nb.evaluation.asked_arms import ASKED, CHANGES, ESCALATION, VOTE, samples
from fusion_nb.journal import index, reader
from fusion_nb.options import Settings, settle
from fusion_nb.resolve.estimate import Estimate, estimate_spec
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.resolve.spec_builder import build_spec, spending_policy
from fusion_nb.run.result import FusionResult
from fusion_nb.run.run_handle import Run

AT_ONCE = 8
"""Runs under way at the same time."""
_DONE = ("ok", "unjudged")
_CASCADE: Mapping[str, Any] = {"escalate": None, "agree": 0.8}
_OF_THE_ARMS: Mapping[str, Any] = {
    "check": None,
    "deeper": 0,
    "weights": None,
    "quorum": None,
    "replay": False,
    "escalate_shadow": False,
}
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


@dataclass(slots=True)
class Outcome:
    """What asking came to."""

    runs: list[FusionResult] = field(default_factory=list)
    baselines: list[FusionResult] = field(default_factory=list)
    """Runs of the baseline member alone, asked k times."""
    counts: tuple[int, ...] = ()
    """How often it is asked at the money of one arm or another."""
    notes: list[str] = field(default_factory=list)


class RunQueue:
    """Makes runs, some at a time, under one cap for all of them; what the journal has is not made again.

    Args:
        cap: USD for all of them; `None` is no cap.
    """

    def __init__(self, cap: Decimal | None) -> None:
        self._cap = cap
        self._account = Account("max_cost")
        self._at_once = AT_ONCE
        self.spent = Decimal(0)
        self.stopped = ""
        """Why no more runs are made, a sentence; empty where they are."""
        self.on_progress: Progress = lambda *_: None
        """Who is told (runs that are there, runs wanted, USD spent) after each."""

    def results(self, jobs: Iterable[Job], into: list[FusionResult], wanted: int) -> list[FusionResult]:
        """The results of all jobs, from the journal where it has them, in their order."""
        listed = list(jobs)
        results = self._recorded(listed)
        into += results.values()
        self.on_progress(len(into), wanted, self.spent)
        waiting = [at for at in reversed(range(len(listed))) if at not in results]
        under_way: dict[int, Run] = {}
        try:
            while under_way or (waiting and not self.stopped):
                while waiting and len(under_way) < self._at_once and not self.stopped:
                    at = waiting.pop()
                    under_way[at] = self._begin(listed[at])
                for at, run in [(at, run) for at, run in under_way.items() if run.done]:
                    del under_way[at]
                    result = self._ended(run)
                    if not _unpaid(result):
                        results[at] = result
                        into.append(result)
                    elif self._may_try_again(result):
                        listed[at] = _rest_of(listed[at], result)
                        waiting.append(at)
                    self.on_progress(len(into), wanted, self.spent)
                if under_way:
                    next(iter(under_way.values())).pause(0.05)
        finally:
            for run in under_way.values():
                run.stop()
        return [results[at] for at in sorted(results)]

    def _recorded(self, listed: list[Job]) -> dict[int, FusionResult]:
        """What the journal has of the jobs. Those that a cap cut short go on from what they have."""
        there = index.find_each([(run_started(job.spec, "", ""), job.of) for job in listed], _DONE)
        results = {}
        for at, run in enumerate(there):
            if run is None:
                continue
            result = reader.load(run, FusionResult())
            if _unpaid(result):
                listed[at] = _rest_of(listed[at], result)
            else:
                results[at] = result
        return results

    def _begin(self, job: Job) -> Run:
        way = job.way
        policy = spending_policy(job.spec, way.settings, way.resolver.reach.metered, way.resolver.reach.worst)
        policy = replace(policy, shared=self._account, shared_cap=self._cap)
        return Run(job.spec, way.resolver, policy, journal=way.settings["journal"])

    def _ended(self, run: Run) -> FusionResult:
        result = run.result
        with contextlib.suppress(RunFailed):
            result = run.finish()
        self.spent += sum((reply.cost for reply in result.replies if reply.cost is not None), Decimal(0))
        return result

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
                f"{cap}{amount} is reached: the questions left were not asked. The same call with a higher cap goes "
                "on, and pays for nothing twice."
            )
        return False


@contextlib.contextmanager
def progress_bar(queue: RunQueue, what: str, *, shown: bool) -> Iterator[None]:
    """A bar of runs and money, in a notebook or a terminal."""
    # It draws widgets in a notebook: loaded when there is one to draw.
    from tqdm.auto import tqdm  # noqa: PLC0415

    with tqdm(total=0, unit="run", desc=what, disable=not shown, leave=False) as bar:

        def progress(there: int, wanted: int, usd: Decimal) -> None:
            bar.total = wanted
            bar.set_postfix_str(f"${usd:.4f}", refresh=False)
            bar.update(there - bar.n)

        queue.on_progress = progress
        yield


class Asker:
    """Makes the runs that an evaluation needs.

    Args:
        options: as `fuse()` takes them; `judge` may be several.
        arms: those to ask for, of `ASKED`; the vote needs no more than the members.
        max_cost: USD for all of it.
    """

    def __init__(self, options: Mapping[str, Any], arms: Sequence[str], max_cost: Any = None) -> None:
        self._options = {name: value for name, value in options.items() if value is not None}
        self.queue = RunQueue(settle("fuse", {"max_cost": max_cost})["max_cost"])
        self.base = self._way(VOTE, mode=VOTE, judge=None)
        self.ways = [self._way(arm, **CHANGES[arm](self._options)) for arm in arms if arm in ASKED]
        for way in (self.base, *self.ways):
            # Whatever cannot be sent is said before anything is.
            self._spec(way, "?")

    def _way(self, name: str, **changes: Any) -> Way:
        cascade = name == ESCALATION
        given = {key: value for key, value in {**self._options, **changes}.items() if cascade or key not in _CASCADE}
        # Defaults that choose among candidates, or leave some out, are for the arms, not for what all of them share.
        settings: Settings = {**settle("fuse", given), **_OF_THE_ARMS, **({} if cascade else _CASCADE)}
        return Way(name, settings, Resolver(settings))

    # ---- before anything is sent

    def estimates(self, prompts: Sequence[str]) -> dict[str, list[Estimate]]:
        """What each kind of run would take for these prompts, by its name; nothing is sent."""
        return {
            way.name: [
                estimate_spec(self._spec(way, prompt), way.resolver, way.settings) for prompt in prompts
            ]
            for way in (self.base, *self.ways)
        }  # fmt: skip

    # ---- asking

    def ask(self, prompts: Sequence[str], baseline: str | None = None, seed: int = 0) -> Outcome:
        """Every run for every prompt. An interrupt ends it: what is there comes back."""
        outcome, wanted = Outcome(), len(prompts) * (1 + len(self.ways) + bool(baseline))
        try:
            jobs = [Job(self.base, self._spec(self.base, prompt)) for prompt in prompts]
            bases = self.queue.results(jobs, outcome.runs, wanted)
            for way in self.ways:
                taken = [base for base in bases if any(reply.usable for reply in base.candidates)]
                jobs = [Job(way, self._spec(way, base.prompt, base), base.run) for base in taken]
                self.queue.results(jobs, outcome.runs, wanted)
            if baseline is not None:
                self._ask_baseline(baseline, outcome, bases, wanted, seed)
        except KeyboardInterrupt:
            outcome.notes.append(
                f"Interrupted: {len(outcome.runs):,} of {wanted:,} runs are there; the same call goes on with the rest."
            )
        if self.queue.stopped:
            outcome.notes.append(self.queue.stopped)
        return outcome

    def _ask_baseline(
        self, baseline: str, outcome: Outcome, bases: Sequence[FusionResult], wanted: int, seed: int
    ) -> None:
        """The member asked as often as the dearest arm's money pays for."""
        counts, why = samples(baseline, outcome.runs)
        if why:
            outcome.notes.append(f"{baseline} asked several times: not available, because {why}.")
            return
        entry = next(self._entries(baseline), baseline)
        pool = [Member(entry, seed=seed + n) for n in range(1, max(counts) + 1)]
        way = self._way(VOTE, mode=VOTE, judge=None, pool=pool)
        self.queue.results([Job(way, self._spec(way, base.prompt)) for base in bases], outcome.baselines, wanted)
        outcome.counts = counts

    def _entries(self, name: str) -> Iterator[Any]:
        """The pool's own entry behind a member's name."""
        pool = self.base.settings["pool"]
        for ref, entry in zip(
            self.base.resolver.resolved.pool, pool if not isinstance(pool, str) else (), strict=False
        ):
            if ref.name == name:
                yield entry

    def _spec(self, way: Way, prompt: str, base: FusionResult | None = None) -> RunSpec:
        spec = build_spec(prompt, way.settings, way.resolver.resolved, way.resolver.reach.worst)
        # One cap for the whole: no run has one of its own.
        spec = replace(spec, limits=replace(spec.limits, max_cost=None))
        if base is None:
            return spec
        reused = tuple(replace(reply, round=0) for reply in base.candidates)
        return replace(spec, reused=reused, of=base.run, seed=base.seed)


def _unpaid(result: FusionResult) -> bool:
    """Whether a cap left something of a run unasked."""
    return any(reply.error in ("budget", "unpriced") for reply in result.replies)


def _rest_of(job: Job, result: FusionResult) -> Job:
    """A job that takes over what a run cut short has of it."""
    if job.of:  # of a run whose replies it takes over already
        return job
    usable = tuple(reply for reply in result.candidates if reply.usable)
    return replace(job, spec=replace(job.spec, reused=usable, of=result.run)) if usable else job
