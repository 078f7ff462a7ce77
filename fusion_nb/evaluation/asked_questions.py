"""Questions to observations: what is missing is asked, at most at the price that was said before."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fusion_nb.core.values import DEMO_SERVICE
from fusion_nb.dataset.progress import progress_bar
from fusion_nb.errors import UserError
from fusion_nb.evaluation.asking import ASKED, Asker, Outcome, asked_arms
from fusion_nb.evaluation.evaluation_plan import SAMPLE, EvaluationPlan, confirm, plan
from fusion_nb.evaluation.observations import Answer, Observations, Question, of_runs, paid, total
from fusion_nb.judging.vote import count_votes, extract_answer
from fusion_nb.run.result import FusionResult

SEVERAL_TIMES = " ×"
"""In the name of the arm that asks one member several times: `gpt4o ×3`."""
_FREE = ("vote", "check")
_REFUSED = {
    "mode": "arms says which ways are compared",
    "then": "a debate is compared as it ends by default",
    "replay": "what the journal has is never asked again",
    "progress": "show_progress=False hides the bar",
    "deeper": "members are compared by their first answers",
    "quorum": "every member is waited for",
    "escalate_shadow": "every member answers every question anyway",
}
"""Options of `fuse()` that an evaluation cannot obey, and why."""


def ask_questions(
    prompts: Sequence[str],
    options: Mapping[str, Any],
    wanted: Sequence[str] | None,
    baseline: str | None,
    *,
    dry_run: bool,
    bar: bool,
) -> Observations | EvaluationPlan:
    """Observations of every question, or, with `dry_run`, what asking would take.

    Args:
        prompts: each once.
        options: those of `fuse()`; `max_cost` is for all of it.
        wanted: the arms; `None` for all that the options make possible.
        baseline: a member that is also asked several times.
        dry_run: send nothing.
        bar: whether progress is shown.

    Raises `UserError` for what cannot be sent; nothing was sent then.
    """
    given = _checked(options)
    if unknown := [name for name in wanted or () if name not in (*_FREE, *ASKED)]:
        raise UserError(f"There is no arm {unknown[0]!r} to ask for: {', '.join((*_FREE, *ASKED))}.")
    if "check" in (wanted or ()) and not options.get("check"):
        raise UserError("The arm 'check' needs a function that checks, check=...: give it, or leave the arm out.")
    arms = asked_arms(wanted, given)
    over, ask = given.pop("confirm_over", None), given.pop("confirm", None)
    asker = Asker(given, arms, options.get("max_cost"))
    names = [ref.name for ref in asker.base.resolver.resolved.pool]
    if len(names) < 2:
        raise UserError(f"Only {', '.join(names)} would be asked: name two or more members to compare.")
    if baseline is not None and baseline not in names:
        raise UserError(f"baseline={baseline!r} is no member: {', '.join(names)}.")
    if dry_run or over is not None:
        planned = _planned(asker, prompts, baseline)
        if dry_run:
            return planned
        confirm(planned, over, ask)
    outcome = _ask(asker, prompts, baseline, given, bar)
    if not outcome.runs:
        raise UserError(" ".join(outcome.notes) or "Nobody answered.")
    seen = of_runs(outcome.runs, names)
    _add_baselines(seen.questions, outcome, baseline or "", given.get("extract"))
    return replace(seen, notes=(*outcome.notes, *(note for note in seen.notes if "derived from" not in note)))


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value is not None and name != "max_cost"}
    for name, why in _REFUSED.items():
        if name in given:
            raise UserError(f"evaluate() does not take {name}: {why}. Leave it out.")
    if given.get("journal") is False:
        raise UserError("evaluate() keeps its runs in the journal, or would pay for them twice: leave journal out.")
    # The person's own checks choose among the candidates afterwards, free of charge; weights count then too.
    for name in ("check", "check_timeout", "weights"):
        given.pop(name, None)
    if "agree" in given and "escalate" not in given:
        raise UserError("agree means nothing without escalate: give escalate, or leave agree out.")
    return given


def _planned(asker: Asker, prompts: Sequence[str], baseline: str | None) -> EvaluationPlan:
    sample = list(prompts)
    if len(sample) > SAMPLE:
        sample = random.Random(0).sample(sample, SAMPLE)
    notes = [f"{baseline} asked several times comes on top: at most what the dearest arm costs."] if baseline else []
    planned = plan(asker.estimates(sample), len(prompts), asker.base.name, notes)
    return replace(planned, demo=any(ref.service == DEMO_SERVICE for ref in asker.base.resolver.resolved.pool))


def _ask(asker: Asker, prompts: Sequence[str], baseline: str | None, given: Mapping[str, Any], bar: bool) -> Outcome:
    with progress_bar(asker.queue, "evaluate", shown=bar):
        return asker.ask(prompts, baseline, given.get("seed") or 0)


def _add_baselines(questions: Sequence[Question], outcome: Outcome, baseline: str, extract: Any) -> None:
    """The baseline member asked k times, combined by vote, as an arm of its own for each k."""
    by_prompt: dict[str, FusionResult] = {run.prompt: run for run in outcome.baselines}
    for question in questions:
        run = by_prompt.get(question.prompt)
        if run is None:
            continue
        for k in outcome.counts:
            replies = run.candidates[:k]
            texts = [reply.text if reply.usable else None for reply in replies]
            short = [None if text is None else extract_answer(text, extract, question.prompt) for text in texts]
            winner = count_votes(short).winner
            slowest = max((reply.latency for reply in replies if reply.latency is not None), default=None)
            question.delivered[f"{baseline}{SEVERAL_TIMES}{k}"] = Answer(
                None if winner is None else texts[winner], total(map(paid, replies)), slowest, len(replies)
            )
