"""What has been spent as a DataFrame."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pandas as pd

from fusion_nb.views import clean

_DTYPES = {
    "service": "string",
    "model": "string",
    "calls": "Int64",
    "prompt_tokens": "Int64",
    "completion_tokens": "Int64",
    "cost_usd": "Float64",
    "unpriced": "Int64",
    "session_usd": "Float64",
}


def spending_frame(rows: Iterable[Any]) -> pd.DataFrame:
    """One row per model, with the fields of `spending.Spent` as columns."""
    held = [{name: _plain(getattr(row, name)) for name in _DTYPES} for row in rows]
    return pd.DataFrame(held, columns=list(_DTYPES)).astype(_DTYPES)


def _plain(value: Any) -> Any:
    return clean.line(value) if isinstance(value, str) else float(value) if isinstance(value, Decimal) else value
