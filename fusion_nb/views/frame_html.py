"""How a table of ours looks in a notebook: one line a row, the useful columns first, no formulas in its cells.

Loads no pandas: whoever has a table has loaded it.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

IGNORED = "mathjax_ignore tex2jax_ignore"
"""The classes that keep MathJax away from what an element holds."""


class Column(NamedTuple):
    show: Callable[[Any], str]
    right: bool = False
    always: bool = True
    """Whether it has a place although nothing is known in it."""
    whole: bool = False
    """Whether a part of it is of no use: in a narrow terminal it is the last to go, and never cut."""


def _line(longest: int) -> Callable[[Any], str]:
    """Text on one line, cut at `longest` characters."""

    def show(value: Any) -> str:
        line = " ".join(str(value)[: 4 * longest].split())
        return line if len(line) <= longest else f"{line[: longest - 1]}…"

    return show


def _places(count: int) -> Callable[[Any], str]:
    return lambda value: f"{float(value):,.{count}f}"


def _money(value: Any) -> str:
    """Three significant figures, at least two decimals."""
    amount = float(value)
    places = max(2, min(8, 2 - int(f"{amount:e}".partition("e")[2]))) if amount else 2
    return f"{amount:.{places}f}"


COLUMNS: dict[str, dict[str, Column]] = {
    "calls": {
        "run": Column(_line(30), always=False, whole=True),
        "label": Column(_line(32), whole=True),
        "role": Column(str),
        "status": Column(str),
        "rank": Column(str, right=True, always=False),
        "score": Column(_places(1), right=True, always=False),
        "group": Column(str, right=True, always=False),
        "passed": Column(str, always=False),
        "cost_usd": Column(_money, right=True),
        "latency_s": Column(_places(1), right=True),
        "completion_tokens": Column(_places(0), right=True),
        "warnings": Column(_line(40), always=False),
        "text": Column(_line(64)),
    },
    "runs": {
        "run": Column(str, whole=True),
        "when": Column(lambda value: f"{value:%Y-%m-%d %H:%M}", whole=True),
        "prompt": Column(_line(48)),
        "mode": Column(str),
        "pool": Column(_line(32)),
        "status": Column(str),
        "cost_usd": Column(_money, right=True),
        "seconds": Column(_places(1), right=True),
        "calls": Column(str, right=True),
    },
    "models": {
        "alias": Column(_line(24), always=False),
        "ref": Column(_line(56), whole=True),
        "prompt_usd_per_mtok": Column(_money, right=True),
        "completion_usd_per_mtok": Column(_money, right=True),
        "context": Column(_places(0), right=True),
        "modalities": Column(_line(32)),
        "name": Column(_line(40)),
    },
    "spending": {
        "model": Column(_line(56), whole=True),
        "service": Column(_line(24)),
        "cost_usd": Column(_money, right=True),
        "calls": Column(_places(0), right=True),
        "unpriced": Column(_places(0), right=True),
        "session_usd": Column(_money, right=True, always=False),
        "prompt_tokens": Column(_places(0), right=True),
        "completion_tokens": Column(_places(0), right=True),
    },
}
STYLE = (
    "<style>.fnb-table{overflow-x:auto}.fnb-table+p{font-size:.85em;opacity:.8}"
    ".fnb-table table.dataframe :is(td,th){white-space:nowrap;text-align:left}"
    ".fnb-table table.dataframe .fnb-right{text-align:right}</style>"
)


def compact_html(frame: Any) -> str | None:
    """A whole table of calls, runs, models or spending.

    `None` where it is another, or a part somebody chose, or shown as asked. `pandas.options.display` is obeyed: with
    `max_columns` at `None` every column is shown by pandas itself.
    """
    columns, options = columns_to_show(frame), sys.modules["pandas"].options.display
    if columns is None or not options.notebook_repr_html:
        return None
    shown = frame if len(frame) <= (options.max_rows or len(frame)) else frame.head(options.max_rows)
    try:
        rows = "".join(map(_row, *_cells(shown, columns)))
    except (TypeError, ValueError, AttributeError):
        # A column that somebody has filled with other things.
        return None
    head = "".join(f"<th{_side(column)}>{name}</th>" for name, column in columns.items())
    hidden = [str(name) for name in frame.columns if name not in columns]
    rest = f"; not shown here: {', '.join(hidden)}" if hidden else ""
    size = f"{len(frame):,} rows × {len(frame.columns)} columns{rest}"
    return (
        f'<div class="fnb-table" tabindex="0"><table class="dataframe"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div><p>{html.escape(size)}</p>{STYLE}"
    )


def columns_to_show(frame: Any) -> dict[str, Column] | None:
    """The useful columns of a whole table of ours, first things first; `None` where pandas itself shows it."""
    kind = kind_of(frame)
    if kind is None or sys.modules["pandas"].options.display.max_columns is None:
        return None
    return {name: column for name, column in COLUMNS[kind].items() if column.always or tells(frame, name)}


def kind_of(frame: Any) -> str | None:
    names = set(map(str, frame.columns))
    if frame.columns.nlevels > 1 or frame.index.nlevels > 1 or not frame.columns.is_unique:
        return None
    if {"run", "call", "label", "text", "cost_usd", "generation_id"} <= names:
        return "calls"
    if {"ref", "name", "context", "prompt_usd_per_mtok", "source"} <= names:
        return "models"
    if {"service", "model", "calls", "unpriced", "session_usd"} <= names:
        return "spending"
    return "runs" if {"run", "when", "prompt", "pool", "judge", "of"} <= names else None


def tells(frame: Any, name: str) -> bool:
    """Whether a column tells anything: a run's id where there are several, else what is known at all."""
    if name not in frame:
        return False
    return bool(frame[name].nunique() > 1 if name == "run" else frame[name].notna().any())


def _cells(frame: Any, columns: dict[str, Column]) -> tuple[list[str], list[str]]:
    index = [f"<th>{html.escape(str(label))}</th>" for label in frame.index]
    by_column = [[_cell(value, column) for value in frame[name]] for name, column in columns.items()]
    return index, ["".join(cells) for cells in zip(*by_column, strict=True)]


def _row(index: str, cells: str) -> str:
    return f"<tr>{index}{cells}</tr>"


def cell_text(value: Any, column: Column) -> str:
    """One value as it is shown; a dash where nobody knows it."""
    is_known = isinstance(value, str) or str(value) not in ("None", "<NA>", "NaT", "nan")
    return column.show(value) if is_known else "—"


def _cell(value: Any, column: Column) -> str:
    return f"<td{_side(column)}>{html.escape(cell_text(value, column))}</td>"


def _side(column: Column) -> str:
    return ' class="fnb-right"' if column.right else ""


_TABLES = (("pandas", "DataFrame"), ("pandas.core.frame", "DataFrame"), ("pandas.io.formats.style", "Styler"))
"""Where a table's class says it lives: pandas 3 and before."""
_OURS = (
    {"label", "text"}, {"model", "text"}, {"run", "call"}, {"run", "label"}, {"run", "prompt"}, {"ref", "name"},
)  # fmt: skip
"""Columns that tell our tables when joining or grouping has cost them their `attrs`."""


def is_ours(frame: Any) -> bool:
    """Whether texts of models may stand in a table's cells."""
    return "fusion_nb" in frame.attrs or any(names <= set(frame.columns) for names in _OURS)


class TableFormatter:
    """A table of ours as HTML that MathJax leaves alone; other tables as they are shown without us."""

    def __init__(self, previous: Callable[[Any], Any] | None) -> None:
        self.previous = previous

    def __call__(self, table: Any) -> Any:
        styled = type(table).__name__ == "Styler"
        frame = getattr(table, "data", table) if styled else table
        ours = is_ours(frame)
        compact = compact_html(table) if ours and not styled and self.previous is None else None
        shown = compact or (self.previous(table) if self.previous else table._repr_html_())
        return f'<div class="{IGNORED}">{shown}</div>' if ours and isinstance(shown, str) else shown


def keep_mathjax_from_tables(shell: Any = None) -> None:
    """Tell IPython, where it runs, how tables of ours are shown: texts of models stand in their cells.

    Loads neither IPython nor pandas. Called again, it changes nothing; a formatter that a person has set stays in use.
    """
    shell = shell or ("IPython" in sys.modules and sys.modules["IPython"].get_ipython())
    if not shell:
        return
    formatter = shell.display_formatter.formatters["text/html"]
    for module, name in _TABLES:
        loaded = getattr(sys.modules.get(module), name, None)
        try:
            previous = formatter.lookup_by_type(loaded or f"{module}.{name}")
        except KeyError:
            previous = None
        if isinstance(previous, TableFormatter):
            continue
        # A class that is loaded is looked up by itself, any other by its name.
        if loaded is not None:
            formatter.for_type(loaded, TableFormatter(previous))
        else:
            formatter.for_type_by_name(module, name, TableFormatter(previous))
