"""What a run can be watched on: a live panel or text in place in a notebook, lines in a terminal, nothing.

Which screen fits this shell, and how it is kept from harming the run.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from IPython.core.display_functions import DisplayHandle, display

from fusion_nb.core import RunState
from fusion_nb.core.events import Event
from fusion_nb.errors import UserError
from fusion_nb.magic import lazy_imports

# The views are imported once the models are already being asked: their loading costs nobody a wait.
# ruff: noqa: PLC0415


def _way(run: str) -> str:
    """How a run is opened again, in this kernel and any other, whatever was asked since. `run`: its id; empty where no
    journal keeps it."""
    return f'import fusion_nb; fusion_nb.load("{run}").panel()' if run else "import fusion_nb; fusion_nb.last().panel()"


def _reloaded(run: str) -> dict[str, str]:
    """What stands where a live view was, once the page no longer knows its widget."""
    said = "If this page was reloaded while the run went on:"
    listed = " and <code>%fuse_runs</code> lists it" if run else ""
    html = f"{said} <code>{_way(run)}</code> shows it{listed}. Nothing is asked or paid again."
    return {"text/html": f'<p class="fnb-meta">{html}</p>', "text/plain": f"{said} {_way(run)} shows it."}


class NoScreen:
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


class PanelScreen(NoScreen):
    """A widget with Stop while the run goes on; then, in the same place, what a saved notebook can keep."""

    in_place = True

    def __init__(self, run: Any) -> None:
        from fusion_nb.views.panel_messages import Feed
        from fusion_nb.views.widget import View, call_number, static_fallback

        super().__init__(run)
        self._widget = View()
        self._feed = Feed(self._widget.send_message, self._widget.set_snapshot)
        # What it hears is told in one message.
        with self._widget.hold_sync():
            self._widget.on_message("stop", lambda _: run.stop())
            self._widget.on_message("again", lambda _: self._feed.request_snapshot())
            self._widget.on_request("stop_member", lambda message: run.stop_call(call_number(message)))
            self._widget.on_request("retry_member", lambda message: run.retry_call(call_number(message)))
        self._handle = _show(self._widget.bundle)
        self._behind = _show(static_fallback(_reloaded(_kept_as(run))))

    def hear(self, events: Sequence[Event]) -> None:
        self._feed.handle_events(events)

    def finish(self, state: RunState) -> None:
        from fusion_nb.views import bundle
        from fusion_nb.views.widget import NO_OUTPUT

        self._behind.update(NO_OUTPUT)
        # A result that came from the journal has no run under way, and is kept.
        way = _way(state.run if self._run is None else _kept_as(self._run))
        foot = f'<p class="fnb-meta">Open the panel to compare or choose another: <code>{way}</code></p>'
        self._handle.update(bundle(state, foot=foot))
        self._widget.close()


def _kept_as(run: Any) -> str:
    """The id by which the journal has a run under way; empty where it does not."""
    return run.run if run is not None and run.kept else ""


class HtmlScreen(NoScreen):
    """One display, updated in place."""

    in_place = True

    def __init__(self, run: Any) -> None:
        from fusion_nb.views.live_display import Live

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


class TerminalScreen(NoScreen):
    """A progress line per member, then the answer as text."""

    def __init__(self, run: Any) -> None:
        from fusion_nb.views.terminal_progress import TerminalProgress

        self._progress = TerminalProgress(_write, tty=sys.stdout.isatty())

    def see(self, state: RunState) -> None:
        self._progress.update(state)

    def finish(self, state: RunState) -> None:
        from fusion_nb.views.rich_markdown import is_available, render_rich
        from fusion_nb.views.run_text import render_text

        self._progress.finish(state)
        columns = shutil.get_terminal_size().columns - 1
        looks = (lambda text: render_rich(text, columns)) if sys.stdout.isatty() and is_available() else None
        _write(render_text(state, columns, looks) + "\n")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


# The views are imported once the models are already being asked: their loading costs nobody a wait.
# ruff: noqa: PLC0415


class GuardedScreen:
    """A screen that may fail without harming the run: it is dropped with one warning.

    Args:
        screen: made when there is something to show, so that nobody waits for its loading.
        warn: takes the warning.
    """

    def __init__(self, screen: type[NoScreen], warn: Callable[[str], None] | None = None) -> None:
        self._kind = screen
        self._screen: NoScreen | None = None
        self._failed = False
        self._run: Any = None
        self._warn = warn or (lambda said: print(said, file=sys.stderr))
        self._on_first_text = _OnFirstText()

    @property
    def in_place(self) -> bool:
        """Whether it can be seen to the end: it stands where its cell's output is, and has not failed."""
        return self._kind.in_place and not self._failed

    def steer(self, run: Any) -> None:
        """Take the run that the buttons act on."""
        self._run = run

    def open(self, state: RunState) -> None:
        """Make the screen, in the cell that runs now; later it is only changed, from wherever."""
        self.hear(())
        self.see(state)

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
            self._screen = self._screen or self._kind(self._run)
            getattr(self._screen, method)(what)
        except Exception as error:  # noqa: BLE001  whatever a view does, the paid answers must reach the person
            self._failed = True
            from fusion_nb.views import escape

            said = escape.safe_line(f"{type(error).__name__}: {error}")
            self._warn(f"fusion_nb: the view failed ({said}); the run goes on.")


class _OnFirstText:
    """Loads pandas (over half a second) on a thread of its own while the models talk: not before, not after."""

    def __init__(self) -> None:
        self._begun = False

    def see(self, state: RunState) -> None:
        if not self._begun and any(reply.text for reply in state.replies):
            self._begun = True
            threading.Thread(target=lazy_imports.api().load_pandas, name="fusion_nb-pandas", daemon=True).start()


def screen_for(shell: Any, *, quiet: bool) -> GuardedScreen:
    """The screen that fits this shell; `FUSION_NB_UI` (`auto`, `panel`, `html`, `text`) overrides."""
    return GuardedScreen(_kind(shell, quiet=quiet))


def background_screen_for(shell: Any, *, quiet: bool, warn: Callable[[str], None]) -> GuardedScreen:
    """The screen of a run in the background. A terminal has none: its prompt is being typed at."""
    kind = _kind(shell, quiet=quiet)
    return GuardedScreen(kind if kind.in_place else NoScreen, warn)


def _kind(shell: Any, *, quiet: bool) -> type[NoScreen]:
    wanted = os.environ.get("FUSION_NB_UI", "auto")
    screens: dict[str, type[NoScreen]] = {"panel": PanelScreen, "html": HtmlScreen, "text": TerminalScreen}
    if wanted not in ("auto", *screens):
        raise UserError(f"FUSION_NB_UI={wanted!r} is not known: use auto, panel, html or text.")
    return NoScreen if quiet else screens[_fitting(shell) if wanted == "auto" else wanted]


def _fitting(shell: Any) -> str:
    if not hasattr(shell, "kernel"):
        return "text"
    from fusion_nb.views.widget import has_front_end

    built = Path(__file__).parents[1].joinpath("static/panel.js").is_file()
    return "panel" if has_front_end() and built and importlib.util.find_spec("anywidget") else "html"
