"""What a run can be watched on: a live panel or text in place in a notebook, lines in a terminal, nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from IPython.core.display_functions import DisplayHandle, display

from fusion_nb._events import Event
from fusion_nb._types import RunState

# The views are imported once the models are already being asked: their loading costs nobody a wait.
# ruff: noqa: PLC0415

_WAY = "import fusion_nb; fusion_nb.last().panel()"
_AGAIN = f'<p class="fnb-meta">Open the panel to compare or choose another: <code>{_WAY}</code></p>'


class Blank:
    """`--quiet`; and what every screen may leave out.

    Args:
        run: what the buttons act on: `stop()`, `stop_call(call)`, `retry_call(call)`.
    """

    in_place = False
    """Whether it stands where the cell's output is, and changes there, whatever cell runs by then."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def hear(self, events: Sequence[Event]) -> None:
        """What happened since the last call: often nothing."""

    def see(self, state: RunState) -> None:
        """Show the state so far. Called often; a screen decides itself what is worth a change."""

    def finish(self, state: RunState) -> None:
        """Show the end."""


class Panel(Blank):
    """A widget with Stop while the run goes on; then, in the same place, what a saved notebook can keep."""

    in_place = True

    def __init__(self, run: Any) -> None:
        from fusion_nb.views.feed import Feed
        from fusion_nb.views.widget import View, call_of

        self._widget = View()
        self._feed = Feed(self._widget.tell, self._widget.show)
        # What it hears is told in one message.
        with self._widget.hold_sync():
            self._widget.on("stop", lambda _: run.stop())
            self._widget.on("again", lambda _: self._feed.again())
            self._widget.on_asked("stop_member", lambda message: run.stop_call(call_of(message)))
            self._widget.on_asked("retry_member", lambda message: run.retry_call(call_of(message)))
        self._handle = _show(self._widget.bundle)

    def hear(self, events: Sequence[Event]) -> None:
        self._feed.hear(events)

    def finish(self, state: RunState) -> None:
        from fusion_nb.views import bundle

        self._handle.update(bundle(state, foot=_AGAIN))
        self._widget.close()


class Notebook(Blank):
    """One display, updated in place."""

    in_place = True

    def __init__(self, run: Any) -> None:
        from fusion_nb.views.live import Live

        self._live = Live(_show)

    def see(self, state: RunState) -> None:
        self._live.update(state)

    def finish(self, state: RunState) -> None:
        self._live.finish(state)


class _Handle:
    def __init__(self, handle: DisplayHandle) -> None:
        self._handle = handle

    def update(self, bundle: dict[str, str]) -> None:
        self._handle.update(bundle, raw=True)


def _show(bundle: dict[str, str]) -> _Handle:
    handle = display(bundle, raw=True, display_id=True)
    if handle is None:  # pragma: no cover  display() gives a handle whenever it is asked for one
        raise RuntimeError("IPython gave no display handle")
    return _Handle(handle)


class Terminal(Blank):
    """A progress line per member, then the answer as text."""

    def __init__(self, run: Any) -> None:
        from fusion_nb.views.text import Progress

        self._progress = Progress(_write, tty=sys.stdout.isatty())

    def see(self, state: RunState) -> None:
        self._progress.update(state)

    def finish(self, state: RunState) -> None:
        from fusion_nb.views import bundle

        self._progress.finish(state)
        _write(bundle(state)["text/plain"] + "\n")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
