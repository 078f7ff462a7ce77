"""The newest rows of a table that is being asked, and those that failed, in a notebook; changed in place."""

from __future__ import annotations

import html
import sys
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from fusion_nb.views import escape, formatting
from fusion_nb.views.frame_html import IGNORED, STYLE

SHOWN = 5
"""Rows of each kind."""
_INTERVAL = 0.5
"""Seconds between two drawings, at least."""
_LONGEST = 90
FAILED = ("error", "cancelled", "budget")


class RowFeed:
    """Takes the cells of rows as they come. Draws in a notebook's kernel alone; at its end only what failed stays."""

    def __init__(self, *, shown: bool) -> None:
        self._newest: deque[tuple[str, Mapping[str, Any]]] = deque(maxlen=SHOWN)
        self._failed: deque[tuple[str, Mapping[str, Any]]] = deque(maxlen=SHOWN)
        self._failures = 0
        self._drawn = -_INTERVAL
        shell = sys.modules["IPython"].get_ipython() if shown and "IPython" in sys.modules else None
        self._shown = hasattr(shell, "kernel")
        self._handle: Any = None
        if self._shown:
            # Before the bar, whose line could not be rewritten across another output.
            self._draw("")

    def add(self, label: Any, cells: Mapping[str, Any]) -> None:
        row = (str(label), cells)
        self._newest.append(row)
        if cells["status"] in FAILED:
            self._failed.append(row)
            self._failures += 1
        if self._shown and time.monotonic() - self._drawn >= _INTERVAL:
            self._drawn = time.monotonic()
            self._draw(self.html())

    def close(self) -> None:
        """Leave the rows that failed; nothing where none did."""
        if self._handle is not None:
            self._draw(self.html(ended=True))

    def html(self, *, ended: bool = False) -> str:
        """Both tables as one piece; texts of models are text."""
        parts = [] if ended else [("Newest rows", self._newest)]
        if self._failed:
            last = f", the last {len(self._failed)}" if self._failures > len(self._failed) else ""
            parts.append((f"{formatting.plural(self._failures, 'row')} without an answer{last}", self._failed))
        tables = "".join(_table(title, rows) for title, rows in parts)
        return f'<div class="{IGNORED}">{tables}{STYLE}</div>' if tables else ""

    def _draw(self, shown: str) -> None:
        bundle = {"text/html": shown, "text/plain": ""}
        if self._handle is None:
            self._handle = sys.modules["IPython.display"].display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def _table(title: str, rows: Any) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("status", "USD", "seconds", "answer"))
    body = "".join(_row(label, cells) for label, cells in reversed(rows))
    return (
        f'<div class="fnb-table" tabindex="0"><table class="dataframe"><caption style="text-align:left">'
        f"{html.escape(title)}</caption><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(label: str, cells: Mapping[str, Any]) -> str:
    usd, seconds = cells.get("cost_usd"), cells.get("seconds")
    texts = (
        cells["status"],
        formatting.DASH if usd is None else formatting.money(usd),
        formatting.DASH if seconds is None else formatting.seconds(seconds),
        _line(str(cells.get("answer") or cells.get("error") or formatting.DASH)),
    )
    return f"<tr><th>{html.escape(_line(label))}</th>{''.join(f'<td>{html.escape(text)}</td>' for text in texts)}</tr>"


def _line(text: str) -> str:
    line = " ".join(escape.safe_cell(text[: 4 * _LONGEST]).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
