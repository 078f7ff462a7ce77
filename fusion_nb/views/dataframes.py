"""A run as a pandas DataFrame: one row per call. With the accessor, the one place that imports pandas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol, get_args

import pandas as pd

import fusion_nb.views.dataframe_accessor  # noqa: F401  makes `df.fusion` known to pandas
from fusion_nb.core import Ref, Reply, Role, RunState, Status
from fusion_nb.core.warnings_text import remarks
from fusion_nb.views import escape, frame_html, frame_text, run_facts
from fusion_nb.views.ledger_cells import model, speed

ROLES = pd.CategoricalDtype(list(get_args(Role)))
STATUSES = pd.CategoricalDtype(list(get_args(Status)))
DTYPES: dict[str, Any] = {
    "run": "string",
    "call": "Int64",
    "role": ROLES,
    "round": "Int64",
    "label": "string",
    "service": "string",
    "model": "string",
    "text": "string",
    "prompt_tokens": "Int64",
    "completion_tokens": "Int64",
    "cached_tokens": "Int64",
    "reasoning_tokens": "Int64",
    "cost_usd": "Float64",
    "cost_source": "string",
    "ttft_s": "Float64",
    "latency_s": "Float64",
    "tokens_per_s": "Float64",
    "finish": "string",
    "status": STATUSES,
    "error": "string",
    "attempts": "Int64",
    "score": "Float64",
    "rank": "Int64",
    "chosen": "boolean",
    "share": "Float64",
    "generation_id": "string",
    "warnings": "string",
    "provider": "string",
    "quantization": "string",
    "group": "Int64",
    "passed": "boolean",
    "checks": "string",
}
"""The contract: columns in their order, with their dtypes. Seconds, USD, tokens; `<NA>` is what nobody reported.

`provider`, `quantization`: which upstream served the call, and with which weights, where a router tells. `group`: of
candidates with the same short answer, 1 for the one that won. `passed`: whether the person's own checks let the text
through; of a judge's call, the merged answer. `checks`: JSON, a list of `{name, passed, score, weight, seconds,
error}`.
"""

_MODEL_DTYPES: dict[str, Any] = {
    "ref": "string",
    "name": "string",
    "context": "Int64",
    "modalities": "string",
    "prompt_usd_per_mtok": "Float64",
    "completion_usd_per_mtok": "Float64",
    "source": "string",
    "created": "string",
    "alias": "string",
}
_RUN_DTYPES: dict[str, Any] = {
    "run": "string",
    "when": "datetime64[ns, UTC]",
    "prompt": "string",
    "mode": "string",
    "pool": "string",
    "judge": "string",
    "status": "string",
    "cost_usd": "Float64",
    "unpriced": "Int64",
    "seconds": "Float64",
    "calls": "Int64",
    "failed": "Int64",
    "of": "string",
}


def frame(state: RunState) -> pd.DataFrame:
    """One row per call, in call order; columns and dtypes as in `DTYPES`, in any phase of a run.

    `cost_usd` is the reported decimal as the nearest float; the exact sum is `df.attrs["total_cost_usd"]`, as text.
    `df.attrs` holds plain JSON alone: the run, its prompt, answer, rationale, analysis, notes and errors; `agreement`
    and `escalation` (`None` where there is none), `verdicts` (one for each judge of a jury), `checks`. Texts are as
    the models wrote them, save that characters a terminal would obey are shown by their number: `print(df)` is safe.
    `state.replies` and the journal hold the characters themselves.
    """
    df = _table([_row(state, reply) for reply in state.replies], DTYPES, "calls")
    attrs = _attrs(state)
    df.attrs.update(attrs)
    if state.status != "running":
        run_facts.remember(attrs)
    return df


def calls_frame(states: Iterable[RunState], runs: Iterable[str]) -> tuple[pd.DataFrame, int]:
    """The calls of many runs as one frame, made at once, and the number of the runs. `runs`: their order."""
    place = {run: number for number, run in enumerate(runs)}
    rows: list[dict[str, Any]] = []
    count = 0
    for state in states:
        rows += [_row(state, reply) for reply in state.replies]
        count += 1
        if state.status != "running":
            run_facts.remember({"run": state.run, **run_facts.run_facts(state)})
    rows.sort(key=lambda row: place.get(row["run"], 0))
    return _table(rows, DTYPES, "calls"), count


class ListedModel(Protocol):
    """What a model is known by; `None` where nobody said."""

    @property
    def ref(self) -> Ref: ...
    @property
    def name(self) -> str: ...
    @property
    def context(self) -> int | None: ...
    @property
    def modalities(self) -> tuple[str, ...]: ...
    @property
    def prompt_usd_per_mtok(self) -> Any: ...
    @property
    def completion_usd_per_mtok(self) -> Any: ...
    @property
    def source(self) -> str: ...
    @property
    def created(self) -> str | None: ...
    @property
    def alias(self) -> str: ...


def models_frame(models: Iterable[ListedModel]) -> pd.DataFrame:
    """One row per model: `ref` names it in a pool; prices are USD per million tokens."""
    return _table([_model_row(listed) for listed in models], _MODEL_DTYPES, "models")


def forecast_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per member and for the judge; money and seconds as numbers."""
    plain = [{name: _figure(value) for name, value in row.items()} for row in rows]
    return _ours(pd.DataFrame(plain).convert_dtypes(), "forecast")


def runs_frame(runs: Iterable[Any]) -> pd.DataFrame:
    """One row per past run, as `journal.run_rows.RunRow` has it."""
    return _table([_run_row(row) for row in runs], _RUN_DTYPES, "runs")


def _run_row(row: Any) -> dict[str, Any]:
    values = {name: getattr(row, name, None) for name in _RUN_DTYPES}
    return {
        **{name: _name(value) if isinstance(value, str) else value for name, value in values.items()},
        "when": pd.to_datetime(row.when, utc=True, errors="coerce").floor("s"),
        "prompt": escape.safe_cell(row.prompt),
        "pool": ", ".join(escape.safe_line(label) for label in row.pool),
        "cost_usd": _float(row.cost),
        "of": _name(row.of) or None,
    }


def _table(rows: list[dict[str, Any]], dtypes: Mapping[str, Any], kind: str) -> pd.DataFrame:
    columns = {name: pd.array([row[name] for row in rows], dtype=dtype) for name, dtype in dtypes.items()}
    return _ours(pd.DataFrame(columns), kind)


def _ours(df: pd.DataFrame, kind: str) -> pd.DataFrame:
    """`df`, marked as a table of ours: its parts and copies are shown without formulas too."""
    frame_html.keep_mathjax_from_tables()
    frame_text.show_compactly(pd.DataFrame)
    df.attrs["fusion_nb"] = kind
    return df


def _row(state: RunState, reply: Reply) -> dict[str, Any]:
    usage = reply.usage
    return {
        "run": state.run,
        "call": reply.call,
        "role": reply.role,
        "round": reply.round,
        "label": escape.safe_cell(reply.ref.name),
        "service": escape.safe_cell(reply.ref.service),
        "model": _name(model(reply)),
        "text": escape.safe_cell(reply.text),
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "cached_tokens": usage.cached,
        "reasoning_tokens": usage.reasoning,
        "cost_usd": _float(reply.cost),
        "cost_source": reply.cost_source,
        "ttft_s": reply.ttft,
        "latency_s": reply.latency,
        "tokens_per_s": speed(reply),
        "finish": _name(reply.finish),
        "status": reply.status,
        "error": _name(reply.error),
        "attempts": reply.attempts,
        "generation_id": _name(reply.generation_id),
        "warnings": _name(", ".join(reply.warnings)) or None,
        "provider": _name(reply.provider),
        "quantization": _name(reply.quantization),
        "group": run_facts.group_of(state, reply) if reply.role == "candidate" else None,
        "passed": reply.passed,
        "checks": json.dumps(run_facts.check_results(reply), ensure_ascii=False) if reply.checks else None,
        **_verdict_columns(state, reply),
    }


def _verdict_columns(state: RunState, reply: Reply) -> dict[str, Any]:
    """What the verdict says of this call."""
    verdict = state.verdict
    if verdict is None:
        return dict.fromkeys(("score", "rank", "chosen", "share"))
    ranked = verdict.ranking.index(reply.call) + 1 if reply.call in verdict.ranking else None
    share = verdict.share(reply.call) if reply.role == "candidate" else None
    return {"score": verdict.score(reply.call), "rank": ranked, "chosen": reply.call in verdict.chosen, "share": share}


def _attrs(state: RunState) -> dict[str, Any]:
    return {
        "run": state.run,
        "when": state.when,
        "mode": state.mode,
        "prompt": _json_copy(state.prompt),
        "answer": _json_copy(state.answer),
        "rationale": _json_copy(state.rationale),
        "analysis": _json_copy(state.analysis),
        "total_cost_usd": None if state.cost is None else f"{state.cost:f}",
        "unpriced_calls": state.unpriced,
        "demo": state.demo,
        "status": state.status,
        "notes": _json_copy(list(state.notes)),
        "kept": {
            str(r.call): {"run": r.kept_from, "cost_usd": None if r.kept_cost is None else f"{r.kept_cost:f}"}
            for r in state.replies
            if r.kept_from
        },
        "errors": {str(r.call): _json_copy(r.detail or r.error) for r in state.replies if r.detail or r.error},
        "partial": state.partial,
        "missing": _json_copy(_missing(state)),
        "remarks": {str(r.call): _json_copy(remarks(r.warnings)) for r in state.replies if r.warnings},
        "suspect": {str(r.call): list(r.suspect) for r in state.replies if r.suspect},
        "judge_agreed": state.verdict.agreed if state.verdict else None,
        "labels": dict((state.verdict and state.verdict.labels) or state.labels),
        "seed": state.seed,
        **run_facts.run_facts(state),
    }


def _missing(state: RunState) -> dict[str, str | None]:
    """Name -> status of each member whose whole reply the answer does without; `None`: it was not asked."""
    absent = {name: reply.status if reply else None for name, reply in state.missing.items()}
    return {**absent, **{reply.ref.name: reply.status for reply in state.cut}}


def _json_copy(value: Any) -> Any:
    """A copy nobody else holds, fit for any JSON writer and for a terminal."""
    if isinstance(value, str):
        return escape.safe_cell(value)
    if isinstance(value, Mapping):
        return {_json_copy(name): _json_copy(item) for name, item in value.items()}
    return [_json_copy(item) for item in value] if isinstance(value, (list, tuple)) else value


def _name(text: str | None) -> str | None:
    """A name a service gave: on one line, with nothing in it that acts on a terminal."""
    return None if text is None else escape.safe_line(text)


def _figure(value: Any) -> Any:
    return _float(value) if isinstance(value, Decimal) else escape.safe_cell(value) if isinstance(value, str) else value


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _model_row(listed: ListedModel) -> dict[str, Any]:
    return {
        "ref": escape.safe_line(str(listed.ref)),
        "name": escape.safe_line(listed.name),
        "context": listed.context,
        "modalities": escape.safe_line(", ".join(listed.modalities)),
        "prompt_usd_per_mtok": _float(listed.prompt_usd_per_mtok),
        "completion_usd_per_mtok": _float(listed.completion_usd_per_mtok),
        "source": escape.safe_line(listed.source),
        "created": _name(listed.created),
        "alias": _name(listed.alias or None),
    }
