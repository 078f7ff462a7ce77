"""What `fuse_frame()` adds to a frame: its columns, and the cells of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from fusion_nb.core.option_checks import shown
from fusion_nb.dataset.jobs import NOT_ASKED, paid_for
from fusion_nb.errors import UserError
from fusion_nb.run.result import FusionResult
from fusion_nb.views import escape

COLUMNS: dict[str, Any] = {
    "answer": "string",
    "status": pd.CategoricalDtype(["ok", "unjudged", "error", "cancelled", "budget", "waiting"]),
    "agreement": "Float64",
    "chosen_model": "string",
    "cost_usd": "Float64",
    "seconds": "Float64",
    "error": "string",
    "run": "string",
}
"""What is added to a frame; `<NA>` is what nobody knows. `status` is `<NA>` of rows that a pilot left for later."""


def refuse_taken(df: pd.DataFrame, prefix: Any) -> None:
    if not isinstance(prefix, str):
        raise UserError(f"prefix must be text, not {shown(prefix)}.")
    for name in COLUMNS:
        if prefix + name in df.columns:
            raise UserError(
                f"The frame has a column {prefix + name!r} already: name those to add otherwise, prefix='fused_', or "
                "rename yours."
            )


def left_out(status: str, why: str) -> dict[str, Any]:
    return {"status": status, "error": why or None}


WAITING = left_out("waiting", "It waits for its batch: the same call goes on.")
"""The cells of a prompt that a batch at a service has, or will have, a reply for."""


def cells(result: FusionResult, *, members: bool) -> dict[str, Any]:
    """The cells of one result; texts of models cannot act in a terminal."""
    errors = {reply.error: reply.detail for reply in result.replies if reply.error in NOT_ASKED}
    unasked = "cancelled" if "unavailable" in errors else "budget" if errors else ""
    chosen = result.verdict.chosen if result.verdict else ()
    undecided = result.verdict.note if result.verdict and result.status == "unjudged" else None
    return {
        "answer": result.answer,
        "status": unasked or result.status,
        "agreement": result.agreement.share if result.agreement else None,
        "chosen_model": str(result.replies[chosen[0] - 1].ref) if len(chosen) == 1 else None,
        "cost_usd": paid_for(result),
        "seconds": result.seconds,
        "error": result.error
        or errors.get("unavailable")
        or ("a cap left part of it unasked" if unasked else undecided or None),
        "run": result.run,
        **({f"answer_{r.ref.name}": r.text if r.usable else None for r in result.candidates} if members else {}),
    }


def undecided_note(records: Mapping[int, Mapping[str, Any]], labels: Sequence[Any]) -> list[str]:
    """A sentence where rows have no verdict: how many, and why the first has none. `records`: cells by place."""
    places = [place for place, record in sorted(records.items()) if record.get("status") == "unjudged"]
    if not places:
        return []
    why = records[places[0]].get("error") or "see its run."
    return [f"No verdict for {len(places):,} of {len(records):,} prompts. Row {shown(labels[places[0]])}: {why}"]


def with_columns(df: pd.DataFrame, records: Sequence[Mapping[str, Any]], prefix: str) -> pd.DataFrame:
    names = dict.fromkeys(name for record in records for name in record if name not in COLUMNS)
    done = df.copy()
    for name, kind in {**COLUMNS, **dict.fromkeys(names, "string")}.items():
        cells = [_cell(record.get(name)) for record in records]
        if prefix + name in done.columns:
            raise UserError(f"The frame has a column {prefix + name!r} already; the answers are kept: give prefix=.")
        done[prefix + name] = pd.array(cells, dtype=kind)
    return done


def _cell(value: Any) -> Any:
    return escape.safe_cell(value) if isinstance(value, str) else float(value) if isinstance(value, Decimal) else value
