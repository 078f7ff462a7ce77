"""`calibrate()`: how far a judge can be trusted, by pairs of answers that people have labelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from fusion_nb import history
from fusion_nb.core import option_checks as check_option
from fusion_nb.core.option_checks import shown
from fusion_nb.core.option_types import FuseOptions
from fusion_nb.dataset.progress import progress_bar
from fusion_nb.errors import UserError
from fusion_nb.evaluation.asked_pairs import PairAsker
from fusion_nb.evaluation.calibration_report import CalibrationReport
from fusion_nb.evaluation.evaluation_plan import EvaluationPlan, confirm
from fusion_nb.evaluation.grading import gold_answers
from fusion_nb.evaluation.judge_figures import CONVENTIONS, IllFormed
from fusion_nb.evaluation.labelled_pairs import Pair, PairVerdict, chosen_pairs, pairs_of, verdicts_of
from fusion_nb.journal.table_index import each_run
from fusion_nb.options import settle
from fusion_nb.run.result import FusionResult

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
    known: Any = None,
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
        known: the right answers of the prompts, by prompt, or `correct(text)`: each judge is also asked each prompt
            once, and its agreement is told where its own answer is right and where it is wrong.
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
    if known is not None and judges is None:
        raise UserError("known is for judges that are asked: name them, or say own_right in the recorded verdicts.")
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
        if known is not None:
            asked = asker.with_own_answers(asked, listed, gold_answers(known, [pair.prompt for pair in listed], pairs))
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
        listed, recorded = chosen_pairs(map(history.result_of, each_run(dict.fromkeys(entries))))
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
