"""Where a run is watched: in place in a notebook, line by line in a terminal, nowhere when quiet."""

from __future__ import annotations

import os
import sys
from typing import Any, Protocol

from IPython.core.display_functions import DisplayHandle, display

from fusion_nb._errors import UserError
from fusion_nb._types import RunState

# The views are imported once the models are already being asked: their loading costs nobody a wait.
# ruff: noqa: PLC0415


class Screen(Protocol):
    def see(self, state: RunState) -> None:
        """Show the state so far. Called often; a screen decides itself what is worth a change."""
        ...

    def finish(self, state: RunState) -> None: ...


class Blank:
    """`--quiet`."""

    def see(self, state: RunState) -> None: ...

    def finish(self, state: RunState) -> None: ...


class Notebook:
    """One display, updated in place."""

    def __init__(self) -> None:
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


class Terminal:
    """A progress line per member, then the answer as text."""

    def __init__(self) -> None:
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

    def __init__(self, screen: type[Screen]) -> None:
        self._kind = screen
        self._screen: Screen | None = None
        self._failed = False

    def see(self, state: RunState) -> None:
        self._guard("see", state)

    def finish(self, state: RunState) -> None:
        self._guard("finish", state)

    def _guard(self, method: str, state: RunState) -> None:
        if self._failed:
            return
        try:
            self._screen = self._screen or self._kind()
            getattr(self._screen, method)(state)
        except Exception as error:  # noqa: BLE001  whatever a view does, the paid answers must reach the person
            self._failed = True
            print(f"fusion_nb: the view failed ({type(error).__name__}: {error}); the run goes on.", file=sys.stderr)


def screen(shell: Any, *, quiet: bool) -> Watched:
    """The screen that fits this shell; `FUSION_NB_UI` (`auto`, `html`, `text`) overrides."""
    wanted = os.environ.get("FUSION_NB_UI", "auto")
    if wanted not in ("auto", "html", "text"):
        raise UserError(f"FUSION_NB_UI={wanted!r} is not known: use auto, html or text.")
    if quiet:
        return Watched(Blank)
    in_notebook = hasattr(shell, "kernel") if wanted == "auto" else wanted == "html"
    return Watched(Notebook if in_notebook else Terminal)
