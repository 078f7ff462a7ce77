"""Sums over the rows of a frame of calls: by member, by second, by what was asked more. Loads no pandas."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, Literal

from fusion_nb.core.wording import listed
from fusion_nb.views.candidate_wording import upstream

if TYPE_CHECKING:
    import pandas as pd
from collections.abc import Mapping
from typing import TYPE_CHECKING

MEMBER_DTYPES: dict[str, Any] = {
    "label": "string",
    "role": "string",
    "calls": "Int64",
    "failed": "Int64",
    "cost_usd": "Float64",
    "unpriced": "Int64",
    "prompt_tokens": "Int64",
    "completion_tokens": "Int64",
    "median_latency_s": "Float64",
    "mean_score": "Float64",
    "chosen": "Int64",
    "providers": "string",
}


def member_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for each member, judges last."""
    groups = [
        (role, label, part) for (role, label), part in frame.groupby(["role", "label"], sort=False, observed=True)
    ]
    return [_member(role, label, part) for role, label, part in sorted(groups, key=lambda row: row[0] == "judge")]


def _member(role: Any, label: Any, part: pd.DataFrame) -> dict[str, Any]:
    costs = [exact(value) for value in part["cost_usd"] if not is_missing(value)]
    usable = part["status"].isin(["ok", "incomplete"]) if "status" in part else None
    return {
        "label": label,
        "role": role,
        "calls": len(part),
        "failed": None if usable is None else int((~usable).sum()),
        "cost_usd": float(exact_sum(costs)) if costs else None,
        "unpriced": len(part) - len(costs),
        "prompt_tokens": _total(part, "prompt_tokens"),
        "completion_tokens": _total(part, "completion_tokens"),
        "median_latency_s": _average(part, "latency_s", "median"),
        "mean_score": _average(part, "score", "mean"),
        "chosen": int((part["chosen"] == True).fillna(False).sum()) if "chosen" in part else None,  # noqa: E712  a column
        "providers": ", ".join(_upstreams(part)) or None,
    }


def _upstreams(part: pd.DataFrame) -> list[str]:
    """Who served these calls, where a router told, each once."""
    if "provider" not in part:
        return []
    weights = part["quantization"] if "quantization" in part else [None] * len(part)
    told = [
        upstream(provider, None if is_missing(kind) else kind)
        for provider, kind in zip(part["provider"], weights, strict=True)
        if not is_missing(provider)
    ]
    return sorted(set(told))


def served_twice(frame: pd.DataFrame) -> list[str]:
    """A sentence for each model that was served by more than one upstream, or with more than one kind of weights."""
    if not {"service", "model", "provider"} <= set(frame.columns):
        return []
    sentences = []
    for (service, model), part in frame.groupby(["service", "model"], sort=False, observed=True):
        served = _upstreams(part)
        if len(served) > 1:
            sentences.append(f"{service}:{model} was served by {listed(served)}: its replies may differ by that.")
    return sentences


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: `None`, NaN or `<NA>`."""
    return value is None or str(value) in ("<NA>", "nan", "NaT")


def _numbers(part: pd.DataFrame, name: str) -> pd.Series[Any]:
    return part[name].astype("Float64")


def _average(part: pd.DataFrame, name: str, how: Literal["median", "mean"]) -> Any:
    values = _numbers(part, name).dropna() if name in part else ()
    return getattr(values, how)() if len(values) else None


def _total(part: pd.DataFrame, name: str) -> Any:
    return _numbers(part, name).sum(min_count=1) if name in part else None


def exact(value: Any) -> Decimal:
    """The decimal a service reported: of a float, the shortest that is this float."""
    return value if isinstance(value, Decimal) else Decimal(repr(float(value)))


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Exact, whatever precision the notebook has set for its own decimals."""
    with localcontext() as context:
        context.prec = 60
        return sum(amounts, Decimal(0))


TIME_DTYPES: dict[str, Any] = {
    "run": "string",
    "call": "Int64",
    "role": "string",
    "round": "Int64",
    "label": "string",
    "start_s": "Float64",
    "first_text_s": "Float64",
    "end_s": "Float64",
}


def time_rows(frame: pd.DataFrame, facts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each call, in seconds since its run's start. `facts`: of the runs that can be found, by run."""
    return [
        row for run, part in frame.groupby("run", sort=False) for row in run_times(run, part, facts.get(str(run), {}))
    ]


def run_times(run: Any, part: pd.DataFrame, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of one run. Where nobody knows a start, each round begins when the one before has ended, then come those that a
    cascade asks, then the judges."""
    starts = facts.get("started_s") or {}
    later = set((facts.get("escalation") or {}).get("to", ()))
    times = []
    begin = end = 0.0
    phase: tuple[Any, ...] | None = None
    for row in part.sort_values("call").to_dict("records"):
        turn: Any = row.get("round")
        this = (row["role"], 0 if is_missing(turn) else int(turn), row["label"] in later)
        if this != phase:
            begin, phase = end, this
        start = float(starts.get(str(row["call"]), begin))
        first, last = (_after(start, row.get(name)) for name in ("ttft_s", "latency_s"))
        end = max(end, start if last is None else last)
        values = (run, row["call"], *this[:2], row["label"], start, first, last)
        times.append(dict(zip(TIME_DTYPES, values, strict=True)))
    return times


def _after(start: float, seconds: Any) -> float | None:
    return None if is_missing(seconds) else start + float(seconds)


ESCALATION_DTYPES: dict[str, Any] = {
    "run": "string",
    "share": "Float64",
    "agree": "Float64",
    "needed": "boolean",
    "asked": "string",
    "vote": "string",
    "differs": "boolean",
    "saved_usd": "Float64",
    "unpriced": "Int64",
    "saved_s": "Float64",
}


def escalation_rows(frame: pd.DataFrame, facts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each run with a cascade; its exact cost under `_usd`."""
    return [
        _row(run, part, facts[str(run)])
        for run, part in frame.groupby("run", sort=False)
        if facts.get(str(run), {}).get("escalation")
    ]


def _row(run: Any, part: pd.DataFrame, facts: Mapping[str, Any]) -> dict[str, Any]:
    found = facts["escalation"]
    calls: list[Mapping[Any, Any]] = [*part.to_dict("records")]
    later = [call for call in calls if _is_later(call, found["to"])]
    costs = [exact(call["cost_usd"]) for call in later if not is_missing(call["cost_usd"])]
    usd = exact_sum(costs) if costs or not later else None
    return {
        "run": run,
        "share": found["share"],
        "agree": found["agree"],
        "needed": found["needed"],
        "asked": ", ".join(found["to"]) or None,
        "vote": _answer(found["voted"], facts),
        "differs": _differs(found["voted"], calls, facts),
        "saved_usd": None if usd is None else float(usd),
        "unpriced": len(later) - len(costs),
        "saved_s": _seconds(run, part, facts, found["to"]),
        "_usd": usd,
    }


def _is_later(call: Mapping[Any, Any], to: Iterable[str]) -> bool:
    return call["role"] == "judge" or call["label"] in to


def _group(call: int, facts: Mapping[str, Any]) -> int | None:
    groups = (facts.get("agreement") or {}).get("groups", ())
    return next((place for place, group in enumerate(groups) if call in group), None)


def _answer(voted: int | None, facts: Mapping[str, Any]) -> str | None:
    group = None if voted is None else _group(voted, facts)
    answers = (facts.get("agreement") or {}).get("answers", ())
    return answers[group] if group is not None and group < len(answers) else None


def _differs(voted: int | None, calls: Iterable[Mapping[Any, Any]], facts: Mapping[str, Any]) -> bool | None:
    """Whether the answer has another short answer than the vote's; `None` where that is not known, as of a merge."""
    chosen = [int(call["call"]) for call in calls if not is_missing(call.get("chosen")) and call["chosen"]]
    if voted is None or len(chosen) != 1:
        return None
    if chosen[0] == voted:
        return False
    groups = _group(voted, facts), _group(chosen[0], facts)
    return None if None in groups else groups[0] != groups[1]


def _seconds(run: Any, part: pd.DataFrame, facts: Mapping[str, Any], to: Iterable[str]) -> float | None:
    """From the end of the first members to the end of the last call; `None` where a call's end is not known."""
    first, later = list[Any](), list[Any]()
    for row in run_times(run, part, facts):
        (later if _is_later(row, to) else first).append(row["end_s"])
    if not later:
        return 0.0
    if None in (*first, *later) or not first:
        return None
    return float(max(0.0, max(later) - max(first)))


def escalation_sums(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """`all` rows together, and those where it was `not_needed`: there stopping would have been the rule."""
    rows = list(rows)
    return {"all": _sums(rows), "not_needed": _sums([row for row in rows if not row["needed"]])}


def _sums(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    costs: list[Decimal] = [row["_usd"] for row in rows if row["_usd"] is not None]
    seconds = [row["saved_s"] for row in rows if row["saved_s"] is not None]
    return {
        "runs": len(rows),
        "asked": sum(row["asked"] is not None for row in rows),
        "compared": sum(row["differs"] is not None for row in rows),
        "differs": sum(row["differs"] is True for row in rows),
        "saved_usd": f"{exact_sum(costs):f}" if costs else None,
        "unpriced": sum(row["unpriced"] for row in rows),
        "saved_s": sum(seconds) if seconds else None,
    }
