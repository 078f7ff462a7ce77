"""What `evaluate()` is given: past runs, recorded answers, or questions that are still to be asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fusion_nb.core.option_checks import shown
from fusion_nb.dataset.prompt_template import filled
from fusion_nb.errors import UserError
from fusion_nb.evaluation.grading import gold_answers
from fusion_nb.evaluation.observations import Observations, of_answers, of_runs
from fusion_nb.options import configured, project_options
from fusion_nb.run.result import FusionResult

_RUN = re.compile(r"\d{8}T\d{6}-[0-9a-f]+")


def member_names(pool: Any) -> list[str] | None:
    if pool is None:
        return None
    names = [str(name).strip() for name in (pool.split(",") if isinstance(pool, str) else pool)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{twice[0]} stands twice in pool: name each member once.")
    if len(names) < 2:
        raise UserError("Name at least two members to compare: one alone has nobody beside it.")
    return names


def prompts_to_ask(
    questions: Any, given: Mapping[str, Any], template: str | None, pool: Any
) -> tuple[list[str], Any] | None:
    """The prompts to ask and the frame they are from; `None` where answers are there already."""
    columns = set(getattr(questions, "columns", ()))
    if columns:
        if columns & {"run", "model", "text"} and (template is None or {"model", "text"} <= columns):
            if template is not None:
                raise UserError("template makes prompts of questions to ask; these are answered: leave it out.")
            return None
        prompts = _prompts(questions, template)
        _needs_pool(prompts, pool)
        return prompts, questions
    if isinstance(questions, FusionResult) or not isinstance(questions, Iterable):
        return None
    entries = [questions] if isinstance(questions, str) else list(questions)
    if not entries or any(not isinstance(entry, str) or _is_run(entry) for entry in entries):
        return None
    if template is not None:
        raise UserError("template fills in columns of a frame: give questions as a frame, or whole prompts.")
    _needs_pool(entries, pool)
    return entries, questions if hasattr(questions, "index") and hasattr(questions, "dtype") else None


def _prompts(questions: Any, template: str | None) -> list[str]:
    """The prompt of each row of questions. Raises `UserError` where a part of it is missing."""
    if template is None:
        if "prompt" not in questions.columns:
            raise UserError(
                'The questions have no column prompt: rename yours, df.rename(columns={"question": "prompt"}), or '
                'say how prompts are made, template="... {question}".'
            )
        template = "{prompt}"
    # Numbers are questions too: what is there is written out, what is missing stays missing.
    return filled(
        template, questions.apply(lambda column: column.astype(object).where(column.isna(), column.astype(str)))
    )


def _needs_pool(prompts: Sequence[str], pool: Any) -> None:
    """Raise `UserError` where nobody was named to be asked: money is spent on questions that are meant to be."""
    if pool is None and configured("pool") is None and "pool" not in project_options()[1]:
        raise UserError(
            f"{shown(next(iter(prompts), ''))} is no run. To ask these questions name a pool, "
            "pool='claude,gemini,gpt4o'; to compare past runs give their ids, or runs()."
        )


def _is_run(text: str) -> bool:
    return bool(_RUN.fullmatch(text)) or text == "last"


def compared(questions: Any, known: Any, members: list[str] | None, escalate: Any) -> tuple[Observations, Any]:
    """Observations of answers that are there, and what is known of them."""
    seen, golds = _observations(questions, known, members)
    if members is None and escalate is not None and escalate in seen.members and seen.recorded:
        # Whoever is asked later is no member.
        members = [name for name in seen.members if name != escalate]
        seen, golds = _observations(questions, known, members)
    return seen, golds


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
        if isinstance(run, str) and not _is_run(run):
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


def set_kinds(seen: Observations, by: Any, questions: Any) -> None:
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
