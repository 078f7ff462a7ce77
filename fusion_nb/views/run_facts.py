"""What is known of a run beside its calls' rows: who agreed, whom a cascade asked, what each judge decided.

Plain JSON, for `df.attrs`. `pd.concat` drops attrs, so a part of them is kept by run for the frames of this process.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from fusion_nb.core import JurorVerdict, Reply, RunState
from fusion_nb.errors import FusionError
from fusion_nb.views import escape

MOST = 2_000
"""Runs that are remembered."""
_KEPT = ("run", "agreement", "escalation", "verdicts", "judges", "scores", "started_s")
_REASONS = "rationale"
_lock = threading.Lock()
_remembered: OrderedDict[str, dict[str, Any]] = OrderedDict()


def run_facts(state: RunState) -> dict[str, Any]:
    """The facts of one run. Calls stand as text where they are keys, as JSON has it."""
    verdict = state.verdict
    return {
        "agreement": _agreement(state),
        "escalation": _escalation(state),
        "judges": [safe(ref.name) for ref in state.judges],
        "verdicts": [_juror(juror) for juror in verdict.jury] if verdict else [],
        "scores": _scores(verdict.scores) if verdict else {},
        "checks": [safe(name) for name in state.selection.checks],
        "started_s": {str(reply.call): reply.started for reply in state.replies},
    }


def safe(text: str) -> str:
    """A name or an answer on one line, fit for a terminal."""
    return escape.safe_line(text)


def _agreement(state: RunState) -> dict[str, Any] | None:
    found = state.agreement
    if found is None:
        return None
    return {
        "asked": found.asked,
        "groups": [list(group) for group in found.groups],
        "answers": [safe(answer) for answer in found.answers],
        "unknown": list(found.unknown),
        "share": found.share,
        "tied": found.tied,
        "extract": safe(state.selection.extract),
        "dissenters": [name for call in found.dissenters if (name := _name(state, call)) is not None],
    }


def _escalation(state: RunState) -> dict[str, Any] | None:
    found = state.escalation
    if found is None:
        return None
    return {
        "agree": found.agree,
        "share": found.share,
        "needed": found.needed,
        "to": [escape.safe_cell(ref.name) for ref in found.to],
        "voted": found.voted,
    }


def _juror(juror: JurorVerdict) -> dict[str, Any]:
    return {
        "judge": escape.safe_cell(juror.judge),
        "calls": list(juror.calls),
        "state": juror.state,
        "note": escape.safe_cell(juror.note),
        _REASONS: escape.safe_cell(juror.rationale),
        "ranking": list(juror.ranking),
        "scores": _scores(juror.scores),
        "recused": list(juror.recused),
        "seconds": juror.seconds,
    }


def _scores(scores: Mapping[int, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {str(call): {safe(name): float(score) for name, score in own.items()} for call, own in scores.items()}


def _name(state: RunState, call: int) -> str | None:
    return escape.safe_cell(state.reply(call).ref.name) if 0 < call <= len(state.replies) else None


def group_of(state: RunState, reply: Reply) -> int | None:
    """Which group of equal short answers a call is in: 1 is the one that won; `None` where it is in none."""
    groups = state.agreement.groups if state.agreement else ()
    return next((place for place, group in enumerate(groups, 1) if reply.call in group), None)


def check_results(reply: Reply) -> list[dict[str, Any]]:
    """What each check said of a reply, as plain JSON."""
    return [
        {
            "name": safe(outcome.name),
            "passed": outcome.passed,
            "score": outcome.score,
            "weight": outcome.weight,
            "seconds": round(outcome.seconds, 6),
            "error": escape.safe_cell(outcome.error),
        }
        for outcome in reply.checks
    ]


# ---- by run


def remember(facts: Mapping[str, Any]) -> None:
    """Keep a run's facts, without the judges' reasons, for frames of several runs. `facts`: the attrs of its frame."""
    kept = {name: facts.get(name) for name in _KEPT}
    kept["verdicts"] = [{k: v for k, v in each.items() if k != _REASONS} for each in kept["verdicts"] or []]
    with _lock:
        _remembered[str(facts["run"])] = kept
        _remembered.move_to_end(str(facts["run"]))
        while len(_remembered) > MOST:
            _remembered.popitem(last=False)


def facts_by_run(runs: Iterable[str], attrs: Mapping[str, Any], *, recorded: bool = True) -> dict[str, dict[str, Any]]:
    """The facts of each run that can be found: in a frame's own `attrs`, among those remembered, in the journal.

    `recorded`: whether to look there too.
    """
    return {run: facts for run in runs if (facts := _facts_of(run, attrs, recorded=recorded)) is not None}


def _facts_of(run: str, attrs: Mapping[str, Any], *, recorded: bool) -> dict[str, Any] | None:
    if attrs.get("run") == run and {"agreement", "escalation", "verdicts"} <= set(attrs):
        return dict(attrs)
    with _lock:
        kept = _remembered.get(run)
    return _recorded(run) if kept is None and recorded else kept


def _recorded(run: str) -> dict[str, Any] | None:
    """From the run's record, by the package's own door: what reads the journal is built on views."""
    load = getattr(sys.modules.get("fusion_nb"), "load", None)
    try:
        state = load(run) if load is not None and run else None
    except (FusionError, OSError):
        state = None
    if state is None or state.run != run:  # "last" names another run
        return None
    facts = {"run": run, **run_facts(state)}
    remember(facts)
    return facts


# ---- the judges' scores


SCORE_DTYPES: dict[str, Any] = {
    "run": "string",
    "judge": "string",
    "candidate": "string",
    "call": "Int64",
    "criterion": "string",
    "score": "Float64",
}


def score_rows(run: str, facts: Mapping[str, Any], labels: Mapping[int, str]) -> list[dict[str, Any]]:
    """A row for each score that a judge gave. `labels`: call -> name of the candidates at hand."""
    judges = facts.get("judges") or []
    # A single judge's own scores are those of the run.
    single = [{"judge": judges[0], "scores": facts.get("scores") or {}}] if judges else []
    return [
        {"run": run, "judge": each["judge"], "candidate": labels[int(call)], "call": int(call), **_score(name, score)}
        for each in facts.get("verdicts") or single
        for call, own in each["scores"].items()
        if int(call) in labels
        for name, score in own.items()
    ]


def _score(criterion: str, score: float) -> dict[str, Any]:
    return {"criterion": criterion, "score": score}
