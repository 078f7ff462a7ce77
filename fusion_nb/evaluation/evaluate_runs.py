"""`evaluate()`: every way to an answer over the same candidates, counted, priced, and compared beyond chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

from fusion_nb.core import option_checks as check_option
from fusion_nb.core import selection_option_checks
from fusion_nb.core.option_checks import shown
from fusion_nb.core.option_types import FuseOptions
from fusion_nb.errors import UserError
from fusion_nb.evaluation import arms as arms_of
from fusion_nb.evaluation.asked_questions import SEVERAL_TIMES, ask_questions
from fusion_nb.evaluation.evaluation_inputs import compared, member_names, prompts_to_ask, set_kinds
from fusion_nb.evaluation.evaluation_plan import EvaluationPlan
from fusion_nb.evaluation.evaluation_report import EvaluationReport
from fusion_nb.evaluation.grading import Grader, gold_answers
from fusion_nb.evaluation.observations import Observations
from fusion_nb.run.result import FusionResult


def evaluate(
    questions: Any,
    known: Any = None,
    *,
    pool: Any = None,
    arms: str | Sequence[str] = "all",
    baseline: str | None = None,
    by: Any = None,
    smallest: float = 0.02,
    template: str | None = None,
    dry_run: bool = False,
    show_progress: bool = True,
    **options: Unpack[FuseOptions],
) -> EvaluationReport | EvaluationPlan:
    """Whether fusing was worth it: each member alone, their vote, what was fused, over the same candidates.

    Past runs and recorded answers are compared as they are: nobody is asked. Questions are asked once, and what the
    journal has is not asked again. "Better" is said where an arm beats every member beyond chance, "worse" where some
    member beats it.

    Args:
        questions: past runs (results, ids, or the frame of `runs()`); or a frame of recorded answers of any origin, one
            a row: `prompt`, `model`, `text`, where known `cost` (USD) and `seconds`; or prompts to ask: a list, a
            Series, or a frame with a column `prompt`.
        known: the right answers (a dict by prompt, a Series, the name of a column; a column of booleans says of each
            recorded answer whether it is right), or `correct(result, text)` or `correct(text)`: a bool, or 0 to 1.
            Without it nothing is said about quality.
        pool: the members to ask, as in `fuse()`; of runs and recorded answers, those to compare, by name.
        arms: names of the ways to compare beside the members: `vote`, `check`, `escalation`, `best-of`, `merge`,
            `debate`, `jury`; of past runs, those they took.
        baseline: the one member to test against, named before anybody looked: more power than against all. Where
            questions are asked it is also asked as often as an arm's money pays for, and its answers vote.
        by: the kind of each question: a column's name, or a dict or Series by prompt.
        smallest: the loss of share that matters, for members that could leave.
        template: the prompt, with `{column}` of the frame of questions.
        dry_run: say what asking would cost, arm by arm; nothing is sent.
        show_progress: a bar of runs and money while questions are asked.
        options: `extract`, `weights`, `check`, `escalate`, `agree` and `seed` are obeyed everywhere (`escalate` names,
            of recorded answers, a model that is no member); all others are those of `fuse()`, for questions that are
            asked. `max_cost` is the cap of the whole.

    Raises `UserError` where there is nothing to compare, `known` tells nothing, or something cannot be sent.

    >>> import pandas as pd
    >>> texts = {"swift": "3 4 5 6 8 8".split(), "steady": "3 4 5 6 7 9".split(), "slow": "3 4 9 6 7 8".split()}
    >>> rows = [(f"{n} + 1?", model, text) for model, each in texts.items() for n, text in enumerate(each, 2)]
    >>> answers = pd.DataFrame(rows, columns=["prompt", "model", "text"])
    >>> report = evaluate(answers, {f"{n} + 1?": n + 1 for n in range(2, 8)})
    >>> report.arm("vote").total_right, report.finding(report.arm("vote")).word
    (6.0, 'no difference shown')
    """
    given = {name: value for name, value in options.items() if value is not None}
    check_option.number("smallest", 0.0001, 0.5)(smallest)
    wanted = _listed(arms)
    asked = prompts_to_ask(questions, given, template, pool)
    if asked is None:
        _refuse_asking(given, dry_run)
        seen, known = compared(questions, known, member_names(pool), given.get("escalate"))
        if baseline is not None:
            why = (
                f"{baseline} asked several times: not available from answers that are there, which hold one of it each."
            )
            seen = replace(seen, notes=(*seen.notes, why))
    else:
        prompts, rows = asked
        known = gold_answers(known, prompts, rows)
        answer = ask_questions(
            list(dict.fromkeys(prompts)), {**given, "pool": pool}, wanted, baseline, dry_run=dry_run, bar=show_progress
        )
        if isinstance(answer, EvaluationPlan):
            return answer
        seen = answer
        if wanted is not None:
            # Named by `baseline`, not by `arms`.
            delivered = {name for question in seen.questions for name in question.delivered}
            wanted += sorted(name for name in delivered if SEVERAL_TIMES in name)
        if rows is not None and isinstance(by, str) and by in rows:
            by = dict(zip(prompts, rows[by], strict=True))
    return _report(seen, questions, known, wanted, baseline, by, smallest, given)


def _report(
    seen: Observations,
    questions: Any,
    known: Any,
    wanted: list[str] | None,
    baseline: str | None,
    by: Any,
    smallest: float,
    given: Mapping[str, Any],
) -> EvaluationReport:
    """The report on observations, whoever made them."""
    extract, check, escalate = given.get("extract"), given.get("check"), given.get("escalate")
    _check_names(seen, baseline, escalate if seen.recorded else None)
    set_kinds(seen, by, questions)
    extract = None if extract is None else selection_option_checks.extract(extract)
    grader = None if known is None and not _marked(seen) else Grader(known, extract)
    table = arms_of.build(
        seen,
        grader,
        wanted=wanted,
        extract=extract,
        weights=_weights(given.get("weights"), seen.members),
        checks=() if check is None else selection_option_checks.checks(check),
        escalate=escalate if seen.recorded else None,
        agree=selection_option_checks.agree(given.get("agree", 0.8)),
    )
    _check_arms(wanted, table)
    return EvaluationReport(table, seen.notes, baseline, smallest, seen.demo, given.get("seed") or 0)


def worth(runs: Iterable[FusionResult | str], correct: Any = None) -> EvaluationReport:
    """`evaluate()` of past runs, by its first name.

    >>> import fusion_nb
    >>> question = "How many times does the letter r occur in the word strawberry?"
    >>> worth([fusion_nb.fuse(question, pool="demo")], {question: "3"}).n
    1
    """
    report = evaluate([runs] if isinstance(runs, str | FusionResult) else runs, correct)
    assert isinstance(report, EvaluationReport)  # noqa: S101  runs are compared, not planned
    return report


def _listed(arms: Any) -> list[str] | None:
    """The arms that are wanted; `None` for all."""
    if arms == "all":
        return None
    if not isinstance(arms, str | Sequence) or not all(isinstance(name, str) for name in arms):
        raise UserError(f'arms takes "all" or names of arms, like "vote,merge", not {shown(arms)}.')
    return [name.strip() for name in (arms.split(",") if isinstance(arms, str) else arms)]


_EVERYWHERE = ("extract", "weights", "check", "escalate", "agree", "seed")


def _refuse_asking(given: Mapping[str, Any], dry_run: bool) -> None:
    """Raise `UserError` for options that mean nothing where nobody is asked."""
    idle = [name for name in given if name not in _EVERYWHERE] + ["dry_run"] * dry_run
    if idle:
        raise UserError(f"{idle[0]} means nothing here, where nobody is asked: leave it out, or give questions to ask.")


def _marked(seen: Observations) -> bool:
    return any(answer.mark is not None for question in seen.questions for answer in question.members.values())


def _check_names(seen: Observations, baseline: str | None, escalate: Any) -> None:
    members = ", ".join(seen.members)
    if len(seen.members) < 2:
        raise UserError(f"Only {members} answered: compare two or more members.")
    if baseline is not None and baseline not in seen.members:
        raise UserError(f"baseline={baseline!r} is no member: {members}.")
    if escalate is not None and not any(escalate in question.others for question in seen.questions):
        raise UserError(f"escalate={escalate!r} has no recorded answer beside those of the members ({members}).")


def _check_arms(wanted: list[str] | None, table: arms_of.Table) -> None:
    present = [arm.name for arm in table.fused]
    if missing := [name for name in wanted or () if name not in present]:
        raise UserError(f'There is no arm {missing[0]!r} in these answers: arms="all" shows those there are.')


def _weights(weights: Any, members: Sequence[str]) -> tuple[float, ...] | None:
    if weights is None:
        return None
    checked = selection_option_checks.weights(weights)
    if isinstance(checked, Mapping):
        if unknown := [name for name in checked if name not in members]:
            raise UserError(f"weights names {unknown[0]}, which is no member: {', '.join(members)}.")
        return tuple(float(checked.get(name, 1.0)) for name in members)
    if len(checked) != len(members):
        raise UserError(f"weights has {len(checked)} numbers for {len(members)} members: give one for each.")
    return tuple(checked)
