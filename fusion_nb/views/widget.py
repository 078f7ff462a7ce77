"""The widget that shows a run, its static fallback, and whether there is a front end to show it. Decides nothing else.

The one module that imports anywidget. The fallback is the output after the widget: it is seen where the widget is not,
as in a saved notebook. Under nbclient or papermill nobody sees a widget, and the file would keep it: none is made.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Dict, List, Unicode

from fusion_nb.errors import FusionError, UserError
from fusion_nb.views.run_html import style_sheet

Message = dict[str, Any]
_STATIC = Path(str(files("fusion_nb").joinpath("static")))
if not (_STATIC / "panel.js").is_file():
    raise ImportError("The panel is not built: run `npm ci && npm run build` in js/, or install the wheel.")


class View(anywidget.AnyWidget):
    """A run on the screen. `snapshot` is all there is to know of it at the end of a phase; news come as messages."""

    _esm = _STATIC / "panel.js"
    kind = Unicode("live").tag(sync=True)
    """`live`: a run under way, with Stop. `workbench`: everything."""
    sheet = Unicode().tag(sync=True)
    """For the view's own shadow root: a widget's usual styles would leak into the page, and the page's into it."""
    snapshot = Dict().tag(sync=True)
    hears = List(Unicode()).tag(sync=True)
    """The kinds of messages that have a handler: a view offers buttons for these alone."""

    def __init__(self, **traits: Any) -> None:
        super().__init__(sheet=style_sheet() + (_STATIC / "panel.css").read_text(encoding="utf-8"), **traits)
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {}
        self.on_msg(self._dispatch)
        self._receive_while_busy()

    def send_message(self, message: dict[str, Any]) -> None:
        """One message to every open view."""
        self.send(message)

    def set_snapshot(self, snapshot: dict[str, Any]) -> None:
        self.snapshot = snapshot

    def on_message(self, kind: str, do: Callable[[dict[str, Any]], None]) -> None:
        """Call `do(message)` for messages of that kind. While a cell is busy this is on a thread of the kernel's."""
        self._handlers[kind] = do
        if kind not in self.hears:
            self.hears = [*self.hears, kind]

    def on_request(self, kind: str, do: Callable[[Message], Any]) -> None:
        """Like `on_message`, and answer whoever asked, see `respond`."""
        self.on_message(kind, lambda message: self.respond(message, do))

    def respond(self, message: Message, do: Callable[[Message], Any]) -> None:
        """Call `do(message)` and send its result to the sender. A `FusionError` is sent as a sentence, not raised."""
        try:
            response = do(message) or {}
        except FusionError as error:
            response = {"error": str(error)}
        if "id" in message:
            self.send_message({"kind": "reply", "id": message["id"], **response})

    @property
    def bundle(self) -> dict[str, Any]:
        """The MIME bundle that displays the widget."""
        return (self._repr_mimebundle_() or ({},))[0]

    def close(self) -> None:
        """Close the widget in the kernel and in every view, and its layout, which is a widget of its own."""
        layout = self.layout
        super().close()
        if layout is not None:
            layout.close()

    def _dispatch(self, widget: Any, content: Any, buffers: Any) -> None:
        do = self._handlers.get(str(content.get("kind"))) if isinstance(content, dict) else None
        if do is not None:
            do(content)

    def _receive_while_busy(self) -> None:
        """ipykernel 7.4 sends a comm's messages to the shell that last published on it: with a cell that blocks, none
        arrives before its end. Without its private hook they come on the shell the front end chose, a thread."""
        if hasattr(self.comm, "_reply_subshell_for"):
            with contextlib.suppress(AttributeError):
                self.comm._reply_subshell_for = None  # noqa: SLF001  nothing public does it


def call_number(message: Message) -> int:
    """The call a message names. Raises `UserError` where it names none."""
    call = message.get("call")
    if not isinstance(call, int) or isinstance(call, bool):
        raise UserError(f"{call!r} is no call's number.")
    return call


# JupyterLab, Notebook and nbconvert; VS Code. An output is followed by the next one in the same cell.
_OUTPUTS = ":is(.jp-OutputArea-child,.output_container)"
_LIVE = ":has([data-lm-suppress-shortcuts])"
_NEXT = f"{_OUTPUTS} .fnb-behind"
_STYLE = (
    # A notebook that is opened shows this before its widgets: not for the moment they take.
    ".fnb-behind{animation:fnb-behind 1ms 1.5s backwards}"
    "@keyframes fnb-behind{from{visibility:hidden;max-height:0;overflow:hidden}}"
    f"{_OUTPUTS}{_LIVE}+{_NEXT}{{display:none}}"
    # Instead of "Error displaying widget": what there is to see of it stands below.
    f"{_OUTPUTS}:not({_LIVE}):has(+{_NEXT}){{display:none}}"
)
NO_OUTPUT = {"text/html": "", "text/plain": ""}


def static_fallback(bundle: Mapping[str, str]) -> dict[str, str]:
    """`bundle`, to be displayed right after a widget. Front ends that know no widget, or no style, show it too."""
    html = f'<div class="fnb-behind">{bundle["text/html"]}</div><style>{_STYLE}</style>'
    return {"text/html": html, "text/plain": bundle["text/plain"]}


_FRONT_ENDS = ("VSCODE_", "COLAB_")
_SERVER = "SERVER_SOFTWARE"
"""Voilà tells its kernels by it that a page shows them."""
_SESSION = "JPY_SESSION_NAME"
"""Set by the Jupyter server for each of its kernels."""


def has_front_end() -> bool:
    """Whether this kernel has a front end, by its environment."""
    if any(name.startswith(_FRONT_ENDS) for name in os.environ) or os.environ.get(_SERVER, "").startswith("voila"):
        return True
    session = os.environ.get(_SESSION)
    # A papermill that was started from a notebook hands that notebook's session down to its own kernel.
    return session is not None and f"{_SESSION}={session}" not in _parent()


def _parent() -> list[str]:
    """The environment of the parent process, where the system shows it."""
    try:
        return Path(f"/proc/{os.getppid()}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
