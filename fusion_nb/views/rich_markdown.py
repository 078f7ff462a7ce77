"""A text of a model in a terminal: bold, lists, tables, where `rich` is installed. The one door to it.

Markdown is read by rich with links shown as addresses. Nothing in the text reaches the terminal as a command: what acts
or hides is a number before rich sees it, and rich's own console markup is never switched on.
"""

from __future__ import annotations

import importlib.util
import io
import os
import re

from fusion_nb.views import escape

# The language of a block of code: rich hands it to Pygments, which took 48 s on 20 kB of hostile text.
_LANGUAGE = re.compile(r"(?m)^([ >\t]*(?:`{3,}|~{3,}))[^`\n]+$")

MAX_TEXT = 50_000
"""Characters; rich takes about a second for a megabyte of prose. A longer text stands as it is."""


def is_available() -> bool:
    """Whether text can be set with rich: it is installed, and the person's terminal is not a dumb one."""
    return importlib.util.find_spec("rich") is not None and os.environ.get("TERM") != "dumb"


def render_rich(text: str, columns: int) -> str | None:
    """`text` (Markdown) set for `columns`; `None` where it stays as it is. `NO_COLOR` is obeyed: bold remains."""
    if len(text) > MAX_TEXT:
        return None
    try:
        from rich.console import Console  # noqa: PLC0415  an optional package
        from rich.markdown import Markdown  # noqa: PLC0415

        out = io.StringIO()
        # Only a terminal asks for this, so `out` counts as one.
        console = Console(
            file=out, width=max(20, columns), force_terminal=True, force_jupyter=False, legacy_windows=False,
            markup=False, emoji=False, highlight=False, no_color=bool(os.environ.get("NO_COLOR")),
        )  # fmt: skip
        console.print(
            Markdown(_LANGUAGE.sub(r"\1text", escape.safe_text(text)), hyperlinks=False, code_theme="ansi_dark")
        )
    except Exception:  # noqa: BLE001  a look must not cost the answer
        return None
    lines = (line.rstrip() for line in out.getvalue().strip("\n").split("\n"))
    return "\n".join(lines)
