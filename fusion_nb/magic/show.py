"""Where a run is watched: a live panel or text in place in a notebook, lines in a terminal, nowhere when quiet."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from IPython.core.display_functions import DisplayHandle, display

from fusion_nb._errors import UserError
from fusion_nb._events import Event
from fusion_nb._types import RunState
from fusion_nb.magic import rooms

# The views are imported once the models are already being asked: their loading costs nobody a wait.
# ruff: noqa: PLC0415


_AGAIN = '<p class="fnb-meta">Open the panel to compare or choose another: <code>fusion_nb.last().panel()</code></p>'


class Blank:
    """`--quiet`; and what every screen may leave out."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop

    def hear(self, events: Sequence[Event]) -> None:
        """What happened since the last call: often nothing."""

    def see(self, state: RunState) -> None:
        """Show the state so far. Called often; a screen decides itself what is worth a change."""

    def finish(self, state: RunState) -> None:
        """Show the end."""


class Panel(Blank):
    """A widget with Stop while the run goes on; then, in the same place, what a saved notebook can keep."""

    def __init__(self, stop: Callable[[], None]) -> None:
        from fusion_nb.views.feed import Feed
        from fusion_nb.views.widget import View

        self._widget = View()
        self._feed = Feed(self._widget.tell, self._widget.show)
        self._widget.on("stop", lambda _: stop())
        self._widget.on("again", lambda _: self._feed.again())
        self._handle = _show(self._widget.bundle)

    def hear(self, events: Sequence[Event]) -> None:
        self._feed.hear(events)

    def finish(self, state: RunState) -> None:
        from fusion_nb.views import bundle

        self._handle.update(bundle(state, foot=_AGAIN))
        self._widget.close()


class Notebook(Blank):
    """One display, updated in place."""

    def __init__(self, stop: Callable[[], None]) -> None:
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

    def __init__(self, stop: Callable[[], None]) -> None:
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


class Watched:
    """A screen that may fail without harming the run: it is dropped with one warning."""

    def __init__(self, screen: type[Blank]) -> None:
        self._kind = screen
        self._screen: Blank | None = None
        self._failed = False
        self.stop: Callable[[], None] = lambda: None
        """What a Stop button does; to be set when there is a run to stop."""

        self._on_first_text = _OnFirstText()

    def __call__(self, state: RunState) -> None:
        """As `fuse()`'s `progress`."""
        self.see(state)
        self._on_first_text.see(state)

    def hear(self, events: Sequence[Event]) -> None:
        self._guard("hear", events)

    def see(self, state: RunState) -> None:
        self._guard("see", state)

    def finish(self, state: RunState) -> None:
        self._guard("finish", state)

    def _guard(self, method: str, what: Any) -> None:
        if self._failed:
            return
        try:
            self._screen = self._screen or self._kind(self.stop)
            getattr(self._screen, method)(what)
        except Exception as error:  # noqa: BLE001  whatever a view does, the paid answers must reach the person
            self._failed = True
            from fusion_nb.views import clean

            said = clean.line(f"{type(error).__name__}: {error}")
            print(f"fusion_nb: the view failed ({said}); the run goes on.", file=sys.stderr)


class _OnFirstText:
    """Loads pandas (over half a second) on a thread of its own while the models talk: not before, not after."""

    def __init__(self) -> None:
        self._begun = False

    def see(self, state: RunState) -> None:
        if not self._begun and any(reply.text for reply in state.replies):
            self._begun = True
            threading.Thread(target=rooms.known().load_frame, name="fusion_nb-pandas", daemon=True).start()


def screen(shell: Any, *, quiet: bool) -> Watched:
    """The screen that fits this shell; `FUSION_NB_UI` (`auto`, `panel`, `html`, `text`) overrides."""
    wanted = os.environ.get("FUSION_NB_UI", "auto")
    screens: dict[str, type[Blank]] = {"panel": Panel, "html": Notebook, "text": Terminal}
    if wanted not in ("auto", *screens):
        raise UserError(f"FUSION_NB_UI={wanted!r} is not known: use auto, panel, html or text.")
    if quiet:
        return Watched(Blank)
    return Watched(screens[_fitting(shell) if wanted == "auto" else wanted])


def _fitting(shell: Any) -> str:
    if not hasattr(shell, "kernel"):
        return "text"
    from fusion_nb.views.watched import watched

    built = Path(__file__).parents[1].joinpath("static/panel.js").is_file()
    return "panel" if watched() and built and importlib.util.find_spec("anywidget") else "html"
