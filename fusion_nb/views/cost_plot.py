"""The picture of what calls cost and took: a row per member, money on the left, seconds on the right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fusion_nb.errors import UserError
from fusion_nb.views import escape, formatting

if TYPE_CHECKING:
    import pandas as pd


_LONGEST = 30
_MANY = 400
"""Points of one member from which on they are drawn fainter."""


class Theme(NamedTuple):
    """Colours that are told apart on their ground, those of the HTML view; members first, the judge last."""

    ground: str
    text: str
    dim: str
    line: str
    members: tuple[str, ...]
    judge: str


LIGHT = Theme(
    "#ffffff",
    "#1f2328",
    "#59636e",
    "#e2e4e8",
    ("#2a6fc9", "#d4752a", "#25915a", "#b5459c", "#1f8fa3", "#a58a17", "#6547c0", "#ab5060"),
    "#7a828b",
)
DARK = Theme(
    "#15171a",
    "#e7e9ea",
    "#a2a9b0",
    "#34383d",
    ("#7db1f7", "#f2ab68", "#74cf9c", "#e58dcd", "#70cbdb", "#d9c264", "#ab98f2", "#e59aa4"),
    "#a2a9b0",
)


EITHER = Theme(
    "none",
    "#747c85",
    "#747c85",
    "#747c8555",
    ("#4a8be0", "#dd8338", "#3aa76d", "#c45fae", "#2f9fb3", "#b39a2c", "#8166d6", "#c06a79"),
    "#8a929b",
)
"""On no ground of its own: read on a light page and on a dark one. Nobody tells the kernel which the notebook has."""


def draw(members: pd.DataFrame, times: pd.DataFrame, total: str, theme_name: str | None) -> Any:
    """Both halves as matplotlib axes. `members`, `times`: the accessor's tables; `total` stands above the left one."""
    pyplot = _pyplot()
    theme = _theme(pyplot, theme_name)
    height = 1.35 + 0.42 * max(len(members), 2)
    figure, (left, right) = pyplot.subplots(
        1, 2, sharey=True, figsize=(10.5, height), facecolor=theme.ground, layout="constrained", width_ratios=(2, 3)
    )
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1, wspace=0.03)
    rows = _rows(members, theme)
    _costs(left, members, rows, theme)
    single = times["run"].nunique() <= 1
    (_lanes if single else _spread)(right, times, rows, theme)
    _title(left, "Cost", total, theme)
    _title(right, "Time", "pale: until the first text" if single else "each call, and their median", theme)
    _frame(left, [row.label for row in rows.values()], theme)
    _frame(right, None, theme)
    right.set_xlabel("seconds since the run's start" if single else "seconds", color=theme.dim, fontsize=9)
    left.set_xlabel("USD", color=theme.dim, fontsize=9)
    return left, right


class _Row(NamedTuple):
    y: int
    label: str
    colour: str


def _rows(members: pd.DataFrame, theme: Theme) -> dict[tuple[str, str], _Row]:
    """(role, label) -> where and in which colour it is drawn."""
    rows: dict[tuple[str, str], _Row] = {}
    for y, (label, role) in enumerate(zip(members.index, members["role"], strict=True)):
        name = formatting.short_name(escape.safe_line(str(label)), _LONGEST)
        judge = role == "judge"
        shown = f"judge · {name}" if judge and "judge" not in name.lower() else name
        rows[str(role), str(label)] = _Row(y, shown, theme.judge if judge else theme.members[y % len(theme.members)])
    return rows


def _costs(axes: Any, members: pd.DataFrame, rows: dict[tuple[str, str], _Row], theme: Theme) -> None:
    costs = [float(c) for c in members["cost_usd"].dropna()]
    most = max(costs, default=0.0) or 1.0
    for row, cost, unpriced in zip(rows.values(), members["cost_usd"], members["unpriced"], strict=True):
        value = _known(cost)
        axes.barh(row.y, value or 0.0, height=0.56, color=row.colour, linewidth=0)
        label = "unknown" if value is None else f"{'≥ ' if unpriced else ''}{_usd(value)}"
        axes.text(
            (value or 0.0) + most * 0.02, row.y, label, va="center", fontsize=9, color=theme.text, parse_math=False
        )
    axes.set_xlim(0, most * 1.32)


def _lanes(axes: Any, times: pd.DataFrame, rows: dict[tuple[str, str], _Row], theme: Theme) -> None:
    """One run: when each call waited and when it wrote."""
    taken: dict[int, list[float]] = {}
    edge = {"height": 0.56, "edgecolor": theme.ground, "linewidth": 1.2}  # so that one round is told from the next
    last = 0.0
    for call in times.to_dict("records"):
        row = rows[str(call["role"]), str(call["label"])]
        start, first, end = (_known(call[name]) for name in ("start_s", "first_text_s", "end_s"))
        if start is None or end is None:
            continue
        first = end if first is None else first
        axes.barh(row.y, first - start, left=start, color=row.colour, alpha=0.28, **edge)
        axes.barh(row.y, end - first, left=first, color=row.colour, **edge)
        taken.setdefault(row.y, []).append(end - start)
        last = max(last, end)
        if call["call"] == times.loc[(times["role"] == call["role"]) & (times["label"] == call["label"]), "call"].max():
            many = f" in {len(taken[row.y])} calls" if len(taken[row.y]) > 1 else ""
            label = f" {formatting.seconds(sum(taken[row.y]))}{many}"
            axes.text(end, row.y, label, va="center", fontsize=9, color=theme.text)
    axes.set_xlim(0, (last or 1.0) * 1.16)


def _spread(axes: Any, times: pd.DataFrame, rows: dict[tuple[str, str], _Row], theme: Theme) -> None:
    """Several runs: how long each call took, and the median."""
    longest = 0.0
    for (role, label), row in rows.items():
        mine = times[(times["role"] == role) & (times["label"] == label)]
        took = [float(s) for s in (mine["end_s"] - mine["start_s"]).dropna()]
        if not took:
            continue
        offsets = [row.y + 0.2 * ((n * 0.618) % 1 - 0.5) for n in range(len(took))]
        faint = 0.35 if len(took) > _MANY else 0.65
        axes.scatter(took, offsets, s=16, color=row.colour, alpha=faint, linewidths=0)
        middle = sorted(took)[len(took) // 2] if len(took) % 2 else sum(sorted(took)[len(took) // 2 - 1 :][:2]) / 2
        axes.vlines(middle, row.y - 0.3, row.y + 0.3, color=theme.text, linewidth=1.6)
        axes.text(
            middle, row.y - 0.34, formatting.seconds(middle), ha="center", va="bottom", fontsize=8, color=theme.text
        )
        longest = max(longest, *took)
    axes.set_xlim(0, (longest or 1.0) * 1.1)


def _frame(axes: Any, labels: list[str] | None, theme: Theme) -> None:
    """Axes without a box, with a thin grid, and with names instead of numbers."""
    axes.set_facecolor(theme.ground)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0, colors=theme.dim, labelsize=9)
    axes.xaxis.grid(visible=True, color=theme.line, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.locator_params(axis="x", nbins=5)
    if labels is not None:
        axes.set_yticks(range(len(labels)), labels, fontsize=10, color=theme.text)
        axes.set_ylim(len(labels) - 0.45, -0.6)
        for tick in axes.get_yticklabels():
            tick.set_parse_math(False)  # a model's name may hold dollars


def _title(axes: Any, title: str, more: str, theme: Theme) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=theme.text, pad=9)
    axes.set_title(more, loc="right", fontsize=9, color=theme.dim, pad=9, parse_math=False)


def _known(value: Any) -> float | None:
    """A figure, or `None` for `<NA>`."""
    return None if str(value) in ("<NA>", "nan", "None") else float(value)


def _usd(value: float) -> str:
    places = 2 if not value else min(8, max(2, 2 - int(f"{value:e}".partition("e")[2])))
    return f"${value:.{places}f}"


def _theme(pyplot: Any, name: str | None) -> Theme:
    if name not in (None, "light", "dark"):
        raise UserError(f"theme is 'light' or 'dark', not {name!r}.")
    if name is not None:
        return DARK if name == "dark" else LIGHT
    import matplotlib.colors  # noqa: PLC0415  it is loaded

    if pyplot.rcParams["figure.facecolor"] == pyplot.rcParamsDefault["figure.facecolor"]:
        return EITHER
    red, green, blue = matplotlib.colors.to_rgb(pyplot.rcParams["figure.facecolor"])
    return DARK if 0.3 * red + 0.6 * green + 0.1 * blue < 0.5 else LIGHT


def _pyplot() -> Any:
    try:
        # Imported here: it takes half a second, and a picture is asked for seldom.
        import matplotlib.pyplot as pyplot  # noqa: PLC0415, PLR0402
    except ImportError:
        raise UserError("The picture needs matplotlib: run `%pip install matplotlib` and try again.") from None
    return pyplot
