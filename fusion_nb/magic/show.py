"""Which screen fits this shell, and how it is kept from harming the run."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fusion_nb._errors import UserError
from fusion_nb._events import Event
from fusion_nb._types import RunState
from fusion_nb.magic import rooms
from fusion_nb.magic.screens import Blank, Notebook, Panel, Terminal

# The views are imported once the models are already being asked: their loading costs nobody a wait.
# ruff: noqa: PLC0415


class Watched:
    """A screen that may fail without harming the run: it is dropped with one warning.

    Args:
        screen: made when there is something to show, so that nobody waits for its loading.
        warn: takes the warning.
    """

    def __init__(self, screen: type[Blank], warn: Callable[[str], None] | None = None) -> None:
        self._kind = screen
        self._screen: Blank | None = None
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
            from fusion_nb.views import clean

            said = clean.line(f"{type(error).__name__}: {error}")
            self._warn(f"fusion_nb: the view failed ({said}); the run goes on.")


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
    return Watched(_kind(shell, quiet=quiet))


def aside(shell: Any, *, quiet: bool, warn: Callable[[str], None]) -> Watched:
    """The screen of a run in the background. A terminal has none: its prompt is being typed at."""
    kind = _kind(shell, quiet=quiet)
    return Watched(kind if kind.in_place else Blank, warn)


def _kind(shell: Any, *, quiet: bool) -> type[Blank]:
    wanted = os.environ.get("FUSION_NB_UI", "auto")
    screens: dict[str, type[Blank]] = {"panel": Panel, "html": Notebook, "text": Terminal}
    if wanted not in ("auto", *screens):
        raise UserError(f"FUSION_NB_UI={wanted!r} is not known: use auto, panel, html or text.")
    return Blank if quiet else screens[_fitting(shell) if wanted == "auto" else wanted]


def _fitting(shell: Any) -> str:
    if not hasattr(shell, "kernel"):
        return "text"
    from fusion_nb.views.watched import watched

    built = Path(__file__).parents[1].joinpath("static/panel.js").is_file()
    return "panel" if watched() and built and importlib.util.find_spec("anywidget") else "html"
