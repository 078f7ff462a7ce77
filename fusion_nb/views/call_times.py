"""When each call of a frame started, said its first word and ended. Loads no pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fusion_nb.views.member_table import is_missing

if TYPE_CHECKING:
    import pandas as pd

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
