"""Accounts of many runs as DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from fusion_nb.views import clean

_SPENT = {
    "service": "string",
    "model": "string",
    "calls": "Int64",
    "prompt_tokens": "Int64",
    "completion_tokens": "Int64",
    "cost_usd": "Float64",
    "unpriced": "Int64",
    "session_usd": "Float64",
}
_WORTH = {
    "who": "string",
    "runs": "Int64",
    "right": "Int64",
    "share": "Float64",
    "low": "Float64",
    "high": "Float64",
    "cost_usd": "Float64",
    "unpriced": "Int64",
    "median_s": "Float64",
    "chosen": "Int64",
}


def spending_frame(rows: Iterable[Any]) -> pd.DataFrame:
    """One row per model, with the fields of `spending.Spent` as columns."""
    return _frame(rows, _SPENT)


def worth_frame(rows: Iterable[Any]) -> pd.DataFrame:
    """One row per way to an answer, with the fields of `worth.Way` as columns."""
    return _frame(rows, _WORTH).set_index("who")


def _frame(rows: Iterable[Any], dtypes: Mapping[str, str]) -> pd.DataFrame:
    held = [{name: _plain(getattr(row, name)) for name in dtypes} for row in rows]
    return pd.DataFrame(held, columns=list(dtypes)).astype(dict(dtypes))


def _plain(value: Any) -> Any:
    return clean.line(value) if isinstance(value, str) else float(value) if isinstance(value, Decimal) else value
