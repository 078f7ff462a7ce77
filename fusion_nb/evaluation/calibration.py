"""`calibrate()`: how far a judge can be trusted, by pairs of answers that people have labelled."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Unpack

from fusion_nb import history
from fusion_nb.accounts.token_counts import Range
from fusion_nb.core import ModeInput, Ref, Reply
from fusion_nb.core import option_checks as check_option
from fusion_nb.core.option_checks import shown
from fusion_nb.core.option_types import FuseOptions
from fusion_nb.core.spec import RunSpec
from fusion_nb.core.values import DEMO_SERVICE, PYTHON_SERVICE
from fusion_nb.errors import UserError
from fusion_nb.evaluation.asking import Job, RunQueue, Way, progress_bar
from fusion_nb.evaluation.calibration_report import CalibrationReport
from fusion_nb.evaluation.judge_figures import CONVENTIONS, IllFormed
from fusion_nb.evaluation.observations import paid, total
from fusion_nb.evaluation.pairs import Order, Pair, PairVerdict, chosen_pairs, pairs_of, preferred, verdicts_of
from fusion_nb.evaluation.plan import SAMPLE, EvaluationPlan, PlannedArm, confirm
from fusion_nb.judging.framing import blind_candidates
from fusion_nb.options import Settings, settle
from fusion_nb.resolve.estimate import Estimate, estimate_spec
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.resolve.spec_builder import ResolvedPool, build_spec
from fusion_nb.run.result import FusionResult

RECORDED = "recorded-answers"
"""The run that the answers of a pair are said to be from: nobody was asked for them here."""
_OBEYED = (
    "criteria", "system", "seed", "max_tokens", "timeout", "ttft", "idle", "concurrency", "max_cost_per_session",
    "max_cost_per_day", "confirm_over", "confirm", "allow_unpriced", "base_url", "key_env", "aliases", "services",
)  # fmt: skip
DEPENDENT = (
    "The labels are choices a person made after seeing the judge's verdict, and only where they differed from it: they "
    "are not independent of it, and say nothing of how often the judge is right."
)


def calibrate(
    judges: Any = None,
    pairs: Any = None,
    labels: Any = None,
    *,
    verdicts: Any = None,
    runs: Any = None,
    ill_formed: IllFormed = "wrong",
    smallest: float = 0.02,
    dry_run: bool = False,
    show_progress: bool = True,
    **options: Unpack[FuseOptions],
) -> CalibrationReport | EvaluationPlan:
    """How far a judge agrees with people, with itself when the order is swapped, and with other judges; at what price.

    Args:
        judges: one or several, to be asked about each pair in both orders. Not given: recorded verdicts are compared.
        pairs: pairs of answers: a frame with `prompt`, `a`, `b`, where known `label`, `model_a`, `model_b`, and `pair`
            (else its index names them); or a list of (prompt, a, b).
        labels: which is better, `a`, `b` or `tie`: a list, a dict or Series by pair, or a column's name.
        verdicts: recorded verdicts of any origin, a row each: `judge`, `pair`, `pick` (`first`, `second`, `tie` by the
            place shown; missing: none could be read), where known `order` (`ab`, `ba`), `cost`, `seconds`, `own_right`.
        runs: past runs in which a person took another candidate than the judge did (results, ids, or `runs()`).
        ill_formed: how a verdict that could not be read counts: `wrong`, `tie` or `dropped`.
        smallest: the loss of agreement that matters, for a judge in place of another.
        dry_run: say what asking would cost; nothing is sent.
        show_progress: a bar while judges are asked.
        options: those of `fuse()` that a judge obeys: `criteria`, `system`, `max_tokens`, `services` ...; `max_cost` is
            the cap of the whole.

    Raises `UserError` where there is nothing to compare, or something cannot be sent.

    >>> pairs = [(f"{n} + 1?", str(n + 1), str(n)) for n in range(3)]
    >>> both = [(n, order) for n in range(3) for order in ("ab", "ba")]
    >>> verdicts = [{"judge": "j", "pair": n, "order": order, "pick": "first"} for n, order in both]
    >>> report = calibrate(pairs=pairs, labels=["a", "a", "a"], verdicts=verdicts)
    >>> report.judges[0].agreement, report.judges[0].consistency, report.judges[0].first_shown
    (0.5, 0.0, 1.0)
    """
    if ill_formed not in CONVENTIONS:
        raise UserError(f"ill_formed says how a verdict that could not be read counts: {', '.join(CONVENTIONS)}.")
    check_option.number("smallest", 0.0001, 0.5)(smallest)
    given = {name: value for name, value in options.items() if value is not None}
    if idle := [name for name in given if name not in (*_OBEYED, "max_cost")]:
        raise UserError(f"calibrate() does not take {idle[0]}: a judge alone is asked. Leave it out.")
    max_cost = given.pop("max_cost", None)
    listed, recorded, notes = _material(pairs, labels, verdicts, runs)
    seed = int(options.get("seed") or 0)
    if judges is None:
        if (given.keys() - {"seed"}) or max_cost is not None or dry_run:
            raise UserError("Nobody is asked without judges: name them, judges='opus,haiku', or leave the options out.")
        if not recorded:
            raise UserError("Name a judge to ask, calibrate('opus', pairs, labels), or give recorded verdicts=...")
        return CalibrationReport.of(listed, recorded, ill_formed, smallest, tuple(notes), seed)
    if verdicts is not None:
        raise UserError("verdicts are recorded already: leave judges out, or leave verdicts out to ask them.")
    asker = PairAsker(_judge_names(judges), given, max_cost)
    if dry_run or given.get("confirm_over") is not None:
        planned = asker.plan(listed)
        if dry_run:
            return planned
        confirm(planned, settle("fuse", {"confirm_over": given["confirm_over"]})["confirm_over"], given.get("confirm"))
    with progress_bar(asker.queue, "calibrate", shown=show_progress):
        asked, more = asker.ask(listed)
    if not asked:
        raise UserError(" ".join(more) or "No judge answered.")
    return CalibrationReport.of(listed, asked, ill_formed, smallest, (*notes, *more), seed, demo=asker.demo)


def _material(pairs: Any, labels: Any, verdicts: Any, runs: Any) -> tuple[list[Pair], list[PairVerdict], list[str]]:
    """Pairs, verdicts that are there, and what has to be said of them."""
    if runs is not None:
        if pairs is not None or verdicts is not None:
            raise UserError("Give runs, or pairs and verdicts: not both.")
        entries = (
            list(runs["run"]) if hasattr(runs, "columns") else [runs] if isinstance(runs, str | FusionResult) else runs
        )
        listed, recorded = chosen_pairs(map(history.result_of, dict.fromkeys(entries)))
        if not listed:
            raise UserError(
                "In none of these runs has a person taken another candidate than the judge did: choose(run, call), or "
                "a click in the panel, is such a choice."
            )
        return listed, recorded, [DEPENDENT]
    if verdicts is not None:
        return (*verdicts_of(verdicts, pairs, labels), [])
    if pairs is None:
        raise UserError("Give pairs of answers with labels, verdicts=..., or runs=... with choices of yours.")
    return pairs_of(pairs, labels), [], []


def _judge_names(judges: Any) -> list[Any]:
    named = judges.split(",") if isinstance(judges, str) else judges
    names = [named] if callable(named) or not isinstance(named, Sequence) else list(named)
    names = [name.strip() if isinstance(name, str) else name for name in names]
    if not names or any(name in ("", None) for name in names):
        raise UserError(f"judges takes one or several models, like 'opus,haiku', not {shown(judges)}.")
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"The judge {shown(twice[0])} stands twice: name each once.")
    return names


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
