"""How a table of ours looks in a terminal: the useful columns, as many as fit, one line a row."""

from __future__ import annotations

import shutil
import sys
from typing import Any

from fusion_nb.views.escape import safe_line
from fusion_nb.views.frame_html import Column, cell_text, columns_to_show, is_ours
from fusion_nb.views.run_text import aligned, width

_NARROWEST = 12
"""Columns a text keeps before whole columns are left out."""
_NARROWEST_FIGURE = 8
"""Columns the head of a figure keeps."""
_TOGETHER = {"completion_usd_per_mtok": "prompt_usd_per_mtok"}
"""What says nothing, or the wrong thing, without the other."""


def compact_text(frame: Any, columns: int | None = None) -> str | None:
    """A whole table of calls, runs, models or spending, in so many columns of a terminal.

    `None` where it is another, or a part somebody chose, or `pandas.options.display` asks for every column.
    """
    shown = columns_to_show(frame) if is_ours(frame) else None
    if shown is None:
        return None
    columns = columns or shutil.get_terminal_size((100, 24)).columns
    longest = sys.modules["pandas"].options.display.max_rows or len(frame)
    part = frame if len(frame) <= longest else frame.head(longest)
    try:
        cells = {
            name: [name, *(safe_line(cell_text(value, column)) for value in part[name])]
            for name, column in shown.items()
        }
    except (TypeError, ValueError, AttributeError):
        # A column that somebody has filled with other things.
        return None
    index = ["", *map(str, part.index)]
    widths = _fitted(cells, shown, columns - max(map(len, index)))
    rows = [list(row) for row in zip(index, *([_cut(t, widths[n]) for t in cells[n]] for n in widths), strict=True)]
    lines = aligned(rows, [True, *(shown[name].right for name in widths)])
    rest = f", {len(frame.columns) - len(widths)} of them not shown here" if len(widths) < len(frame.columns) else ""
    more = [f"… and {len(frame) - len(part)} rows more"] if len(part) < len(frame) else []
    return "\n".join([*lines, *more, "", f"[{len(frame):,} rows × {len(frame.columns)} columns{rest}]"])


def _fitted(cells: dict[str, list[str]], shown: dict[str, Column], room: int) -> dict[str, int]:
    """Widths that fit: first the heads of figures are cut, then the widest texts, then whole columns go, the last ones
    first."""
    widths = {name: max(map(width, texts)) for name, texts in cells.items()}
    narrowest = _NARROWEST
    if sum(widths.values()) + 2 * len(widths) > room:
        figures = [name for name in widths if shown[name].right]
        widths |= {name: max(_NARROWEST, *map(width, cells[name][1:]), 0) for name in figures}
        widths |= {name: min(widths[name], max(map(width, cells[name]))) for name in figures}
    while (over := sum(widths.values()) + 2 * len(widths) - room) > 0 and len(widths) > 1:
        texts = {n: wide for n, wide in widths.items() if wide > _NARROWEST and not (shown[n].right or shown[n].whole)}
        if texts:
            widest = max(texts, key=lambda name: texts[name])
            rival = max([wide for name, wide in texts.items() if name != widest], default=_NARROWEST)
            widths[widest] = max(texts[widest] - over, min(rival, texts[widest] - 1), _NARROWEST)
        else:
            gone = ([name for name in widths if not shown[name].whole] or list(widths))[-1]
            figures = [name for name in widths if shown[name].right and widths[name] > _NARROWEST_FIGURE]
            if figures and narrowest > _NARROWEST_FIGURE:
                # Once more, before one of them goes.
                narrowest = _NARROWEST_FIGURE
                widths |= {name: max(narrowest, *map(width, cells[name][1:]), 0) for name in figures}
                continue
            widths.pop(gone)
            widths.pop(_TOGETHER.get(gone, ""), None)
    return widths


def _cut(text: str, columns: int) -> str:
    while width(text) > columns:
        text = f"{text[:-2]}…"
    return text


def show_compactly(frame_class: type) -> None:
    """Tell IPython, where it runs, how tables of ours are printed; a formatter that a person has set stays in use."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and frame_class not in shell.display_formatter.formatters["text/plain"].type_printers:
        shell.display_formatter.formatters["text/plain"].for_type(frame_class, _print)


def _print(table: Any, printer: Any, cycle: bool) -> None:
    printer.text(compact_text(table) or repr(table))
