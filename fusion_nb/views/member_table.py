"""The members of one run or many: what each one's calls cost and took, and who served them. Loads no pandas."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, Literal

from fusion_nb.core.wording import listed
from fusion_nb.views.candidate_wording import upstream

if TYPE_CHECKING:
    import pandas as pd

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
