"""`df.fusion`: what people ask of the calls in a frame, of one run or of many put together with `pd.concat`."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Any, Literal, NamedTuple

import pandas as pd

from fusion_nb.errors import UserError
from fusion_nb.views import formatting, plot, table_export

NEEDED = ("run", "call", "role", "label", "cost_usd")
_TABLES = (("run", "when", "prompt", "pool"), ("ref", "name", "context", "source"))
"""What tells the other tables of ours: past runs, and models. They have no calls, but texts of others."""


class Cost(NamedTuple):
    """What calls cost, and what the sum leaves out."""

    usd: Decimal | None
    """Sum of every known cost, to the last digit; `None` where none is known."""
    calls: int
    unpriced: int
    """Calls whose cost nobody reported or could compute."""
    computed: int
    """Calls whose cost was computed from a price list, because their service did not report it."""
    demo: bool
    """Whether some of it is the demo's play money."""

    def __str__(self) -> str:
        if self.usd is None:
            return f"cost unknown ({formatting.plural(self.calls, 'call')})"
        left_out = f", {self.unpriced} of them unpriced" if self.unpriced else ""
        listed = f", {self.computed} computed from price lists" if self.computed else ""
        play = "; play money: demo" if self.demo else ""
        calls = formatting.plural(self.calls, "call")
        return f"{'≥ ' if self.unpriced else ''}${self.usd:f} ({calls}{left_out}{listed}{play})"

    def __repr__(self) -> str:
        return str(self)

    @property
    def short(self) -> str:
        """The total in a few words."""
        total = "unknown" if self.usd is None else f"{'≥ ' if self.unpriced else ''}{formatting.money(self.usd)}"
        return f"{total}, {formatting.plural(self.calls, 'call')}{', play money (demo)' if self.demo else ''}"


class Fusion:
    """What a frame's calls cost and took, member by member; a picture of it; files that are safe to open.

    `cost()`, `costs()`, `by_member()`, `timeline()`, `plot()`, `to_csv()`, `to_excel()`. Works on parts of a frame, and
    on frames of several runs put together; the files are made of `runs()` and `models()` too.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        missing = [name for name in NEEDED if name not in frame.columns]
        if missing and not any(set(table) <= set(frame.columns) for table in _TABLES):
            # What pandas expects of an accessor that does not fit: `hasattr(df, "fusion")` is then false.
            raise AttributeError(f"df.fusion is for frames of fusion_nb; this one has no column {', '.join(missing)}.")
        self._all, self._no_calls = frame, bool(missing)

    @property
    def _frame(self) -> pd.DataFrame:
        if self._no_calls:
            raise UserError("This table has no calls: to_csv() and to_excel() are what df.fusion has for it.")
        return self._all

    def cost(self) -> Cost:
        """The exact total of all known costs, with how many calls it leaves out."""
        df = self._frame
        costs = [_exact(v) for v in df["cost_usd"] if not pd.isna(v)]
        computed = int((df["cost_source"] == "computed").fillna(False).sum()) if "cost_source" in df else 0
        demo = "service" in df and bool((df["service"] == "demo").fillna(False).any())
        total = self._exact_total(costs) if costs else None
        return Cost(total, len(df), len(df) - len(costs), computed, demo)

    def by_member(self) -> pd.DataFrame:
        """A row per member, the judge last: calls, cost, tokens, median seconds, mean score, how often it was chosen.

        `failed` counts calls without a usable reply. A cost or a count that nobody knows is `<NA>`; `unpriced` says how
        many calls `cost_usd` leaves out.
        """
        df = self._frame
        groups = [
            (role, label, part) for (role, label), part in df.groupby(["role", "label"], sort=False, observed=True)
        ]
        rows = [_member(role, label, part) for role, label, part in sorted(groups, key=lambda row: row[0] == "judge")]
        table = pd.DataFrame(rows, columns=list(_MEMBER_DTYPES))
        return table.astype(_MEMBER_DTYPES).set_index("label")

    def costs(self, *by: str) -> pd.DataFrame:
        """What calls cost by one column or several: `df.fusion.costs("role")`. A sum that nobody knows is `<NA>`.

        A plain `groupby(...).cost_usd.sum()` makes it 0.0. `unpriced` says how many calls `cost_usd` leaves out.
        """
        df = self._frame
        unknown = [name for name in by if name not in df]
        if unknown or not by:
            raise UserError(
                f"costs() takes columns of this frame, such as 'role' or 'label'; not {', '.join(unknown) or 'none'}."
            )
        cost = df["cost_usd"].astype("Float64")
        groups = cost.groupby([df[name] for name in by], sort=False, observed=True, dropna=False)
        calls, priced = groups.size().astype("Int64"), groups.count().astype("Int64")
        return pd.DataFrame({"calls": calls, "cost_usd": groups.sum(min_count=1), "unpriced": calls - priced})

    def timeline(self) -> pd.DataFrame:
        """A row per call: seconds from the run's start to its start, its first text and its end.

        Where the frame does not say when calls started (several runs put together), each round is taken to start when
        the one before has ended, which is what the engine does.
        """
        parts = [self._run_times(run, part) for run, part in self._frame.groupby("run", sort=False)]
        empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _TIME_DTYPES.items()})
        return pd.concat(parts, ignore_index=True) if parts else empty

    def plot(self, *, theme: str | None = None) -> Any:
        """Cost and seconds by member and role, side by side; returns the two matplotlib axes.

        Args:
            theme: `light` or `dark`. `None` follows the style that matplotlib was given; without one the picture has no
                ground of its own and is read on a light page and on a dark one.

        Raises `UserError` without matplotlib.
        """
        return plot.draw(self.by_member(), self.timeline(), self.cost().short, theme)

    def to_csv(self, path: Any = None, **options: Any) -> str | None:
        """Like `DataFrame.to_csv`, but no text in it can act as a formula in a spreadsheet.

        What could act stands behind an apostrophe, so a file that is to be read back to the very same texts is made by
        `DataFrame.to_csv` or `to_parquet`.
        """
        return table_export.to_csv(self._all, path, **options)

    def to_excel(self, path: Any, *, sheet_name: str = "fusion", **options: Any) -> None:
        """Like `DataFrame.to_excel`, but no text in it can act as a formula in a spreadsheet.

        Texts are written to the letter, as text, and read back the same; only what XML cannot hold is left out.
        """
        table_export.to_excel(self._all, path, pd.ExcelWriter, sheet_name=sheet_name, **options)

    def _exact_total(self, costs: list[Decimal]) -> Decimal:
        """The sum; to the last digit of the services' own decimals where the frame is a whole run and keeps them."""
        total = _sum(costs)
        recorded = self._frame.attrs.get("total_cost_usd")
        if not isinstance(recorded, str) or self._frame["run"].nunique() != 1:
            return total
        return exact if float(exact := Decimal(recorded)) == float(total) else total

    def _run_times(self, run: Any, part: pd.DataFrame) -> pd.DataFrame:
        attrs = self._frame.attrs
        starts = attrs.get("started_s", {}) if attrs.get("run") == run else {}
        times: list[tuple[Any, ...]] = []
        begin = end = 0.0
        phase: tuple[Any, int] | None = None
        for row in part.sort_values("call").to_dict("records"):
            this = (row["role"], 0 if pd.isna(row.get("round", pd.NA)) else int(row["round"]))
            if this != phase:
                begin, phase = end, this
            start = float(starts.get(str(row["call"]), begin))
            first, last = (_after(start, row.get(name)) for name in ("ttft_s", "latency_s"))
            end = max(end, start if last is None else last)
            times.append((run, row["call"], *this, row["label"], start, first, last))
        return pd.DataFrame(times, columns=list(_TIME_DTYPES)).astype(_TIME_DTYPES)


_MEMBER_DTYPES: dict[str, Any] = {
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
}
_TIME_DTYPES: dict[str, Any] = {
    "run": "string",
    "call": "Int64",
    "role": "string",
    "round": "Int64",
    "label": "string",
    "start_s": "Float64",
    "first_text_s": "Float64",
    "end_s": "Float64",
}


def _member(role: Any, label: Any, part: pd.DataFrame) -> list[Any]:
    costs = [_exact(v) for v in part["cost_usd"] if not pd.isna(v)]
    usable = part["status"].isin(["ok", "incomplete"]) if "status" in part else None
    return [
        label,
        role,
        len(part),
        pd.NA if usable is None else int((~usable).sum()),
        float(_sum(costs)) if costs else pd.NA,
        len(part) - len(costs),
        *(_total(part, name) for name in ("prompt_tokens", "completion_tokens")),
        _average(part, "latency_s", "median"),
        _average(part, "score", "mean"),
        int((part["chosen"] == True).fillna(False).sum()) if "chosen" in part else pd.NA,  # noqa: E712  a column
    ]


def _numbers(part: pd.DataFrame, name: str) -> pd.Series[Any]:
    return part[name].astype("Float64")


def _average(part: pd.DataFrame, name: str, how: Literal["median", "mean"]) -> Any:
    values = _numbers(part, name).dropna() if name in part else ()
    return getattr(values, how)() if len(values) else pd.NA


def _total(part: pd.DataFrame, name: str) -> Any:
    return _numbers(part, name).sum(min_count=1) if name in part else pd.NA


def _exact(value: Any) -> Decimal:
    """The decimal a service reported: of a float, the shortest that is this float."""
    return value if isinstance(value, Decimal) else Decimal(repr(float(value)))


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    """Exact, whatever precision the notebook has set for its own decimals."""
    with localcontext() as context:
        context.prec = 60
        return sum(amounts, Decimal(0))


def _after(start: float, seconds: Any) -> float | None:
    return None if seconds is None or pd.isna(seconds) else start + float(seconds)


def register() -> None:
    """Make `df.fusion` known to pandas; once, however often the module is loaded."""
    if not hasattr(pd.DataFrame, "fusion"):
        pd.api.extensions.register_dataframe_accessor("fusion")(Fusion)


register()
