"""Asks what an evaluation lacks: members, then every arm over the same candidates."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from fusion_nb.core.member_settings import Member
from fusion_nb.core.run_spec import RunSpec
from fusion_nb.dataset.jobs import Job, Way
from fusion_nb.dataset.run_queue import RunQueue
from fusion_nb.errors import UserError
from fusion_nb.evaluation.observations import paid, total
from fusion_nb.options import Settings, settle
from fusion_nb.resolve.estimate import Estimate, estimate_spec
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.resolve.spec_builder import build_spec
from fusion_nb.run.result import FusionResult

_CASCADE: Mapping[str, Any] = {"escalate": None, "agree": 0.8}
_OF_THE_ARMS: Mapping[str, Any] = {
    "check": None,
    "deeper": 0,
    "weights": None,
    "quorum": None,
    "replay": False,
    "escalate_shadow": False,
}


@dataclass(slots=True)
class Outcome:
    """What asking came to."""

    runs: list[FusionResult] = field(default_factory=list)
    baselines: list[FusionResult] = field(default_factory=list)
    """Runs of the baseline member alone, asked k times."""
    counts: tuple[int, ...] = ()
    """How often it is asked at the money of one arm or another."""
    notes: list[str] = field(default_factory=list)


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
            with self.queue:
                self._ask(outcome, prompts, wanted, baseline, seed)
        except KeyboardInterrupt:
            outcome.notes.append(
                f"Interrupted: {len(outcome.runs):,} of {wanted:,} runs are there; the same call goes on with the rest."
            )
        if self.queue.stopped:
            outcome.notes.append(self.queue.stopped)
        # In the order of the questions, not in that in which their runs happened to end.
        places = {prompt: place for place, prompt in enumerate(prompts)}
        outcome.runs.sort(key=lambda run: places.get(run.prompt, len(places)))
        return outcome

    def _ask(self, outcome: Outcome, prompts: Sequence[str], wanted: int, baseline: str | None, seed: int) -> None:
        jobs = [Job(self.base, self._spec(self.base, prompt)) for prompt in prompts]
        bases = self.queue.results(jobs, outcome.runs, wanted)
        for way in self.ways:
            taken = [base for base in bases if any(reply.usable for reply in base.candidates)]
            jobs = [Job(way, self._spec(way, base.prompt, base), base.run) for base in taken]
            self.queue.results(jobs, outcome.runs, wanted)
        if baseline is not None and not self.queue.stopped:
            self._ask_baseline(baseline, outcome, bases, wanted, seed)

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


BEST_OF, MERGE, DEBATE, JURY, ESCALATION, VOTE = "best-of", "merge", "debate", "jury", "escalation", "vote"
ASKED = (BEST_OF, MERGE, DEBATE, JURY, ESCALATION)
"""Arms that ask more than the members once."""
_SHORTEST, _LONGEST_K = 2, 16


def _several(options: Mapping[str, Any]) -> list[Any]:
    judge = options.get("judge")
    if isinstance(judge, str):
        return [name.strip() for name in judge.split(",")]
    return list(judge) if isinstance(judge, Sequence) else [judge] if judge is not None else []


def _one_judge(mode: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda options: {"mode": mode, "judge": next(iter(_several(options)), None)}


CHANGES: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    BEST_OF: _one_judge(BEST_OF),
    MERGE: _one_judge(MERGE),
    DEBATE: _one_judge(DEBATE),
    JURY: lambda options: {"mode": BEST_OF, "judge": _several(options)},
    ESCALATION: lambda options: {"mode": VOTE, "judge": None},
}
"""What an arm changes in the options of the call."""


def asked_arms(wanted: Sequence[str] | None, options: Mapping[str, Any]) -> list[str]:
    """The arms to ask for: those that are wanted, else all that the options make possible.

    Raises `UserError` for one that the options do not make possible.
    """
    possible = [BEST_OF, MERGE, DEBATE]
    if len(_several(options)) > 1:
        possible.append(JURY)
    if options.get("escalate"):
        possible.append(ESCALATION)
    if wanted is None:
        return possible
    for name in wanted:
        if name in ASKED and name not in possible:
            needs = 'several judges, judge="a,b"' if name == JURY else 'a stronger model, escalate="..."'
            raise UserError(f"The arm {name!r} needs {needs}: give it, or leave the arm out.")
    return [name for name in possible if name in wanted]


def samples(baseline: str, runs: Sequence[FusionResult]) -> tuple[tuple[int, ...], str]:
    """How often the money of one arm or another pays for the baseline, a question; or why that is not known."""
    alone: list[Decimal | None] = []
    arms: dict[str, list[Decimal | None]] = {}
    for run in runs:
        arms.setdefault(f"{run.mode} {run.judges} {run.selection.escalate}", []).append(total(map(paid, run.replies)))
        alone += [paid(r) for r in run.replies if r.ref.name == baseline and r.round == 0 and r.role == "candidate"]
    if not alone or None in alone or any(None in costs for costs in arms.values()):
        return (), "what it or the others cost is not known"
    price = statistics.fmean(float(cost or 0) for cost in alone)
    if not price:
        return (), "it costs nothing"
    means = [statistics.fmean(float(cost or 0) for cost in costs) for costs in arms.values()]
    counts = {min(int(mean / price + 1e-9), _LONGEST_K) for mean in means} - {0, 1}
    return (tuple(sorted(counts)), "") if counts else ((), f"no arm's money pays for it {_SHORTEST} times")
