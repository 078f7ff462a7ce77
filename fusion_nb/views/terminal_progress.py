"""Progress in a terminal: one line per member, rewritten in place; where there is no terminal, a line at each end."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace

from fusion_nb.core import Reply, RunState
from fusion_nb.views import escape, formatting
from fusion_nb.views.live_display import Pace, clock_at_start
from fusion_nb.views.progress_lanes import current_replies
from fusion_nb.views.run_text import aligned, lane_line, remark_lines, reply_name, width, wrapped

# The only escape sequences this package ever writes.
_UP = "\x1b[{}A"
_CLEAR_LINE = "\r\x1b[2K"
_CLEAR_BELOW = "\x1b[J"


class TerminalProgress:
    """Writes how a run goes.

    Args:
        write: takes text for the terminal and shows it at once.
        tty: whether lines can be rewritten.
        size: the terminal's columns and rows, asked at each drawing.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        tty: bool,
        size: Callable[[], os.terminal_size] = shutil.get_terminal_size,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._tty = tty
        self._size = size
        self._clock = clock
        self._pace = Pace(0.1, clock)
        self._started: float | None = None
        self._drawn = 0
        self._reported: set[int] = set()
        self._demo_reported = self._waiting_reported = False

    def update(self, state: RunState) -> None:
        """Show `state` now, or leave it for a later call."""
        if self._started is None:
            self._started = clock_at_start(state.when, self._clock)
        if not self._tty:
            self._report(state)
        elif self._pace.due():
            self._pace.draw(lambda: self._rewrite(state))

    def finish(self, state: RunState) -> None:
        """Leave the last state standing."""
        if self._tty:
            self._rewrite(state)
            self._drawn = 0
        else:
            self._report(state)

    def _rewrite(self, state: RunState) -> None:
        columns, rows = self._size()
        lines = [_cut(line, columns - 1) for line in self._lines(state, columns - 1, max(1, rows - 1))]
        back = _UP.format(self._drawn) if self._drawn else ""
        self._write(back + "".join(f"{_CLEAR_LINE}{line}\n" for line in lines) + _CLEAR_BELOW)
        self._drawn = len(lines)

    def _lines(self, state: RunState, columns: int, room: int) -> list[str]:
        now = None if self._started is None else self._clock() - self._started
        cells = [lane_line(state, ref, reply, now) for ref, reply in current_replies(state)]
        lines = [*aligned(cells, [False, False, True, True, True]), *remark_lines(state)]
        lines = [formatting.DEMO, *lines] if state.demo else lines
        waiting = formatting.waiting_note(state, now)
        lines = [*lines, *wrapped(escape.safe_line(waiting), columns)] if waiting else lines
        # What has scrolled out of the window cannot be rewritten.
        return lines if len(lines) <= room else [*lines[: room - 1], f"… and {len(lines) - room + 1} more"]

    def _report(self, state: RunState) -> None:
        """A line for each call that has ended since the last time, and for members that hold up the run."""
        if not self._demo_reported and state.demo:
            self._write(f"{formatting.DEMO}\n")
        self._demo_reported = self._demo_reported or bool(state.run)
        for reply in state.replies:
            if reply.status is not None and reply.call not in self._reported:
                self._reported.add(reply.call)
                self._write(f"{_final_line(state, reply)}\n")
        now = None if self._started is None else self._clock() - self._started
        waiting = formatting.waiting_note(state, now)
        if waiting and not self._waiting_reported:
            self._waiting_reported = True
            self._write(f"{escape.safe_line(waiting)}\n")


def _final_line(state: RunState, reply: Reply) -> str:
    named = replace(reply.ref, label=reply_name(reply))
    cells = [cell for cell in lane_line(state, named, reply, None) if cell != formatting.DASH]
    why = f": {escape.safe_line(reply.detail)}" if reply.detail and reply.status != "ok" else ""
    remarks = "".join(f"  ⚠ {escape.safe_line(sentence)}" for sentence in formatting.remarks(reply))
    return "  ".join(cells) + why + remarks


def _cut(line: str, columns: int) -> str:
    """`line` in at most `columns` columns."""
    if width(line) <= columns:
        return line
    while line and width(line) > columns - 1:
        line = line[:-1]
    return f"{line}…" if columns > 0 else ""
