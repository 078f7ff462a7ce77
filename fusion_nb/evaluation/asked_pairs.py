"""Judges asked about pairs of answers, each in both orders, through the product's own runs and caps."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from fusion_nb.accounts.token_counts import Range
from fusion_nb.core import ModeInput, Ref, Reply
from fusion_nb.core.run_spec import RunSpec
from fusion_nb.core.values import DEMO_SERVICE, PYTHON_SERVICE
from fusion_nb.dataset.jobs import Job, Way
from fusion_nb.dataset.run_queue import RunQueue
from fusion_nb.evaluation.evaluation_plan import SAMPLE, EvaluationPlan, PlannedArm
from fusion_nb.evaluation.grading import Grader
from fusion_nb.evaluation.labelled_pairs import Order, Pair, PairVerdict, preferred
from fusion_nb.evaluation.observations import Answer, Question, paid, total
from fusion_nb.judging.blind_candidates import blind_candidates
from fusion_nb.options import Settings, settle
from fusion_nb.resolve.estimate import Estimate, estimate_spec
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.resolve.spec_builder import ResolvedPool, build_spec
from fusion_nb.run.result import FusionResult

RECORDED = "recorded-answers"
"""The run that the answers of a pair are said to be from: nobody was asked for them here."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One job: who is asked about which pair, in which order."""

    judge: Ref
    pair: Pair
    order: Order
    job: Job


class PairAsker:
    """Asks judges about pairs, each in both orders, through the product's own runs and caps.

    Args:
        judges: who is asked.
        options: those of `fuse()` that a judge obeys.
        max_cost: USD for all of it.
    """

    def __init__(self, judges: Sequence[Any], options: Mapping[str, Any], max_cost: Any) -> None:
        own = {name: value for name, value in options.items() if name not in ("confirm_over", "confirm")}
        self.queue = RunQueue(settle("fuse", {"max_cost": max_cost})["max_cost"])
        self._ways: list[tuple[Ref, Way]] = []
        for judge in judges:
            settings: Settings = {
                **settle("fuse", {**own, "judge": judge, "mode": "best-of", "pool": ["a", "b"]}),
                "orders": 1, "check": None, "deeper": 0, "weights": None, "quorum": None, "escalate": None,
                "extract": None,
            }  # fmt: skip
            resolver = Resolver(settings)
            (ref,) = resolver.judges(_refs(Pair("", None, "", "a", "b"), "ab"), needed=True)
            resolver.check([ref])
            self._ways.append((ref, Way(ref.name, settings, resolver)))

    @property
    def demo(self) -> bool:
        return any(ref.service == DEMO_SERVICE for ref, _ in self._ways)

    def plan(self, pairs: Sequence[Pair]) -> EvaluationPlan:
        """What asking would cost, a row a judge; nothing is sent."""
        sample = list(pairs)
        if len(sample) > SAMPLE:
            sample = random.Random(0).sample(sample, SAMPLE)
        arms, notes = [], dict[str, None]()
        for ref, way in self._ways:
            each = [self._estimate(way, ref, pair) for pair in sample]
            notes |= dict.fromkeys(note for one in each for note in one.notes)
            known = [one.usd for one in each if one.usd is not None]
            times = Decimal(2 * len(pairs)) / len(sample)
            usd = Range(sum(u.low for u in known) * times, sum(u.high for u in known) * times) if known else None
            unpriced = tuple(dict.fromkeys(who for one in each for who in one.unpriced))
            arms.append(PlannedArm(ref.name, 2 * len(pairs), usd, unpriced))
        return EvaluationPlan(len(pairs), len(sample), tuple(arms), tuple(notes), "pair", self.demo)

    def _estimate(self, way: Way, ref: Ref, pair: Pair) -> Estimate:
        return estimate_spec(self._spec(way, ref, pair, "ab"), way.resolver, way.settings)

    def ask(self, pairs: Sequence[Pair]) -> tuple[list[PairVerdict], list[str]]:
        """The verdicts, and what came between. An interrupt ends it: what is there comes back."""
        alike = [pair for pair in pairs if pair.a.strip() == pair.b.strip()]
        different = [pair for pair in pairs if pair not in alike]
        notes = [f"{len(alike):,} pairs of twice the same text are left out: no judge is needed."] if alike else []
        asked = [
            _Asked(ref, pair, order, Job(way, self._spec(way, ref, pair, order)))
            for ref, way in self._ways
            for pair in different
            for order in ("ab", "ba")
        ]
        results: list[FusionResult] = []
        try:
            self.queue.results([each.job for each in asked], results, len(asked))
        except KeyboardInterrupt:
            notes.append(f"Interrupted: {len(results):,} of {len(asked):,} verdicts are there; the same call goes on.")
        if self.queue.stopped:
            notes.append(self.queue.stopped)
        by_request = {_request(result.prompt, result.pool, result.judges): result for result in results}
        verdicts, failed = [], 0
        for each in asked:
            result = by_request.get(_request(each.job.spec.prompt, each.job.spec.pool, each.job.spec.judges))
            if result is None or result.verdict is None:
                continue
            if result.verdict.state == "failed":
                failed += 1
                continue
            judged = [reply for reply in result.replies if reply.role == "judge"]
            times = [reply.latency for reply in judged if reply.latency is not None]
            verdicts.append(
                PairVerdict(
                    each.judge.name,
                    each.pair.key,
                    each.order,
                    preferred(result.verdict, 1, 2),
                    total(map(paid, judged)),
                    sum(times) if times else None,
                )
            )
        if failed:
            notes.append(f"{failed:,} calls of judges failed and are left out: the same call asks them again.")
        return verdicts, notes

    def with_own_answers(self, verdicts: Sequence[PairVerdict], pairs: Sequence[Pair], known: Any) -> list[PairVerdict]:
        """The verdicts with whether their judge's own answer to the prompt is right: each is asked each prompt once."""
        prompts, grader = {pair.key: pair.prompt for pair in pairs}, Grader(known)
        jobs = [
            Job(way, replace(spec, limits=replace(spec.limits, max_cost=None)))
            for ref, way in self._ways
            for prompt in dict.fromkeys(prompts.values())
            for spec in [build_spec(prompt, way.settings, ResolvedPool((ref,)), way.resolver.reach.worst)]
        ]
        own: dict[tuple[str, str], bool] = {}
        for result in self.queue.results(jobs, [], len(jobs)):
            for reply in result.candidates:
                answer = Answer(reply.text if reply.usable else None)
                right = grader.right(Question(result.prompt, result, {}), [answer])
                if right is not None and reply.usable:
                    own[reply.ref.name, result.prompt] = right[0] >= 0.5
        return [replace(each, own_right=own.get((each.judge, prompts[each.pair]))) for each in verdicts]

    def _spec(self, way: Way, judge: Ref, pair: Pair, order: Order) -> RunSpec:
        refs = _refs(pair, order)
        texts = (pair.a, pair.b) if order == "ab" else (pair.b, pair.a)
        replies = tuple(
            Reply(call, ref, text=text, status="ok")
            for call, (ref, text) in enumerate(zip(refs, texts, strict=True), 1)
        )
        spec = build_spec(pair.prompt, way.settings, ResolvedPool(refs, (judge,)), way.resolver.reach.worst)
        spec = replace(spec, reused=replies, of=RECORDED, limits=replace(spec.limits, max_cost=None))
        return replace(spec, seed=_seed_that_keeps(spec, replies))


def _refs(pair: Pair, order: Order) -> tuple[Ref, ...]:
    """The two answers as members, in the order shown; what they say is in their names, so that a journal tells other
    answers to the same prompt apart."""
    sides = [("a", pair.a, pair.model_a), ("b", pair.b, pair.model_b)]
    return tuple(
        Ref(
            PYTHON_SERVICE,
            hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16],
            f"{model or 'answer'} {side}",
        )
        for side, text, model in (sides if order == "ab" else reversed(sides))
    )


def _seed_that_keeps(spec: RunSpec, replies: tuple[Reply, ...]) -> int:
    """The first seed, from the spec's own, by which a judge is shown the two answers in the order given."""
    for seed in itertools.count(spec.seed):
        task = ModeInput(prompt=spec.prompt, candidates=replies, judge=spec.judge, seed=seed)
        if [blind.reply.call for blind in blind_candidates(task).shown] == [1, 2]:
            return seed
    raise AssertionError("unreachable")


def _request(prompt: str, pool: Iterable[Ref], judges: Iterable[Ref]) -> tuple[Any, ...]:
    return prompt, tuple((ref.model, ref.label) for ref in pool), tuple(str(ref) + ref.name for ref in judges)
