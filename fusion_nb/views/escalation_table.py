"""What the cascades of one run or many came to, and what stopping at the vote would have saved. Loads no pandas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fusion_nb.views.call_times import run_times
from fusion_nb.views.member_table import exact, exact_sum, is_missing

if TYPE_CHECKING:
    import pandas as pd

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
