"""`evaluate()`: every way to an answer over the same candidates, counted, priced, and compared beyond chance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fusion_nb.core import option_checks as check_option
from fusion_nb.core import selection_checks
from fusion_nb.core.option_checks import shown
from fusion_nb.errors import UserError
from fusion_nb.evaluation import arms as arms_of
from fusion_nb.evaluation.grading import Grader, gold_answers
from fusion_nb.evaluation.observations import Observations, of_answers, of_runs
from fusion_nb.evaluation.report import EvaluationReport
from fusion_nb.run.result import FusionResult

_RUN = re.compile(r"\d{8}T\d{6}-[0-9a-f]+")


def evaluate(
    questions: Any,
    known: Any = None,
    *,
    pool: Any = None,
    arms: str | Sequence[str] = "all",
    baseline: str | None = None,
    by: Any = None,
    smallest: float = 0.02,
    extract: Any = None,
    weights: Any = None,
    check: Any = None,
    escalate: str | None = None,
    agree: Any = 0.8,
    seed: int = 0,
) -> EvaluationReport:
    """Whether fusing was worth it: each member alone, their vote, what was fused, over the same candidates.

    Nobody is asked. "Better" is said where an arm beats every member beyond chance, "worse" where some member beats it.

    Args:
        questions: past runs (results, ids, or the frame of `runs()`), or a frame of recorded answers of any origin,
            one a row: `prompt`, `model`, `text`, where known `cost` (USD) and `seconds`.
        known: the right answers (a dict by prompt, a Series, the name of a column; a column of booleans says of each
            recorded answer whether it is right), or `correct(result, text)` or `correct(text)`: a bool, or 0 to 1.
            Without it nothing is said about quality.
        pool: the members to compare, by name; all of them where not given.
        arms: names of the ways to compare beside the members: `vote`, `check`, `escalation`, and those the runs took.
        baseline: the one member to test against, named before anybody looked: more power than against all.
        by: the kind of each question: a column's name, or a dict or Series by prompt.
        smallest: the loss of share that matters, for members that could leave.
        extract: how short answers are found, as in `fuse()`.
        weights: of the members' votes, as in `fuse()`.
        check: the person's own checks, for an arm in which they choose.
        escalate: a model of the records that is no member: it is asked where fewer than `agree` of the members agree.
        agree: that share.
        seed: of resampling.

    Raises `UserError` where there is nothing to compare, or `known` tells nothing.

    >>> import pandas as pd
    >>> said = {"swift": "3 4 5 6 8 8".split(), "steady": "3 4 5 6 7 9".split(), "slow": "3 4 9 6 7 8".split()}
    >>> rows = [(f"{n} + 1?", model, text) for model, texts in said.items() for n, text in enumerate(texts, 2)]
    >>> answers = pd.DataFrame(rows, columns=["prompt", "model", "text"])
    >>> report = evaluate(answers, {f"{n} + 1?": n + 1 for n in range(2, 8)})
    >>> report.arm("vote").total_right, report.finding(report.arm("vote")).word
    (6.0, 'no difference shown')
    """
    members = _names(pool)
    extract = None if extract is None else selection_checks.extract(extract)
    seen, known = _observations(questions, known, members)
    if members is None and escalate is not None and escalate in seen.members:
        # Whoever is asked later is no member.
        members = [name for name in seen.members if name != escalate]
        seen, known = _observations(questions, known, members)
    _check_options(seen, arms, baseline, escalate, smallest)
    _set_kinds(seen, by, questions)
    grader = None if known is None and not _marked(seen) else Grader(known, extract)
    table = arms_of.build(
        seen,
        grader,
        wanted=None if arms == "all" else _listed(arms),
        weights=_weights(weights, seen.members),
        checks=() if check is None else selection_checks.checks(check),
        escalate=escalate,
        agree=selection_checks.agree(agree),
    )
    _check_arms(arms, table)
    return EvaluationReport(table, seen.notes, baseline, smallest, seen.demo, seed)


def worth(runs: Iterable[FusionResult | str], correct: Any = None) -> EvaluationReport:
    """`evaluate()` of past runs, by its first name.

    >>> import fusion_nb
    >>> question = "How many times does the letter r occur in the word strawberry?"
    >>> worth([fusion_nb.fuse(question, pool="demo")], {question: "3"}).n
    1
    """
    return evaluate([runs] if isinstance(runs, str | FusionResult) else runs, correct)


def _names(pool: Any) -> list[str] | None:
    if pool is None:
        return None
    names = [str(name).strip() for name in (pool.split(",") if isinstance(pool, str) else pool)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{twice[0]} stands twice in pool: name each member once.")
    if len(names) < 2:
        raise UserError("Name at least two members to compare: one alone has nobody beside it.")
    return names


def _listed(arms: str | Sequence[str]) -> list[str]:
    return [name.strip() for name in (arms.split(",") if isinstance(arms, str) else arms)]


def _observations(questions: Any, known: Any, members: list[str] | None) -> tuple[Observations, Any]:
    """The questions with their answers, and what is known of them as a function or a dict by prompt."""
    columns = set(getattr(questions, "columns", ()))
    if columns and "run" not in columns:
        marks = _marks(questions, known)
        seen = of_answers(questions, members, marks)
        return seen, None if marks else gold_answers(known, map(str, questions["prompt"]), questions)
    if columns:
        runs: Iterable[Any] = list(dict.fromkeys(map(str, questions["run"])))
    elif isinstance(questions, str | FusionResult):
        runs = [questions]
    elif isinstance(questions, Iterable):
        runs = list(questions)
    else:
        raise UserError(
            f"evaluate() takes runs (results, ids, runs()) or a frame of recorded answers, not {shown(questions)}."
        )
    for run in runs:
        if not isinstance(run, FusionResult) and not (isinstance(run, str) and (_RUN.fullmatch(run) or run == "last")):
            raise UserError(
                f"{shown(run)} is no run: give results of fuse(), ids of runs, or a frame of recorded answers "
                "(columns prompt, model, text)."
            )
    seen = of_runs(runs, members)
    prompts = [question.prompt for question in seen.questions]
    return seen, gold_answers(known, prompts, questions if columns and isinstance(known, str) else None)


def _marks(frame: Any, known: Any) -> str | None:
    """The column that says of each answer whether it is right, where `known` names one."""
    if isinstance(known, str) and known in frame and str(frame[known].dtype).casefold() in ("bool", "boolean"):
        return known
    return None


def _marked(seen: Observations) -> bool:
    return any(answer.mark is not None for question in seen.questions for answer in question.members.values())


def _check_options(seen: Observations, arms: Any, baseline: str | None, escalate: str | None, smallest: float) -> None:
    members = ", ".join(seen.members)
    if len(seen.members) < 2:
        raise UserError(f"Only {members} answered: compare two or more members.")
    if baseline is not None and baseline not in seen.members:
        raise UserError(f"baseline={baseline!r} is no member: {members}.")
    if escalate is not None and not any(escalate in question.others for question in seen.questions):
        raise UserError(f"escalate={escalate!r} has no recorded answer beside those of the members ({members}).")
    check_option.number("smallest", 0.0001, 0.5)(smallest)
    if not isinstance(arms, str | Sequence) or not all(isinstance(name, str) for name in arms):
        raise UserError(f'arms takes "all" or names of arms, like "vote,merge", not {shown(arms)}.')


def _check_arms(arms: Any, table: arms_of.Table) -> None:
    if arms == "all":
        return
    present = [arm.name for arm in table.fused]
    if missing := [name for name in _listed(arms) if name not in present]:
        raise UserError(
            f'There is no arm {missing[0]!r} in these answers: leave arms out, arms="all", to see those there are.'
        )


def _weights(weights: Any, members: Sequence[str]) -> tuple[float, ...] | None:
    if weights is None:
        return None
    checked = selection_checks.weights(weights)
    if isinstance(checked, Mapping):
        if unknown := [name for name in checked if name not in members]:
            raise UserError(f"weights names {unknown[0]}, which is no member: {', '.join(members)}.")
        return tuple(float(checked.get(name, 1.0)) for name in members)
    if len(checked) != len(members):
        raise UserError(f"weights has {len(checked)} numbers for {len(members)} members: give one for each.")
    return tuple(checked)


def _set_kinds(seen: Observations, by: Any, questions: Any) -> None:
    """Put on each question of which kind it is."""
    if by is None:
        return
    if isinstance(by, str):
        if by not in getattr(questions, "columns", ()) or "prompt" not in questions:
            raise UserError(f"by={by!r} is no column of the questions: name one, or give a dict by prompt.")
        kinds: Mapping[str, Any] = dict(zip(map(str, questions["prompt"]), questions[by], strict=True))
    elif hasattr(by, "items"):
        kinds = {str(prompt): kind for prompt, kind in by.items()}
    else:
        raise UserError(f"by takes a column's name, or a dict or Series by prompt, not {shown(by)}.")
    for question in seen.questions:
        question.kind = kinds.get(question.prompt)
