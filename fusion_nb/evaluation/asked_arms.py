"""The arms that ask more than the members once: what each changes in the options of the call, and what it costs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from fusion_nb.errors import UserError
from fusion_nb.evaluation.observations import paid, total
from fusion_nb.run.result import FusionResult

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
