"""Text from models and services, made fit for a screen: what would act on it or hide in it is shown by its number."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Callable
from typing import Any

from fusion_nb.views.table_html import compact_html

# C0 without tab and newline, DEL, C1: what terminals obey (ESC, OSC, CSI ...). Lone surrogates: what no wire carries.
_ACTING = r"\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
# Bidirectional controls, zero-width characters, fillers, tags and variation selectors: what eyes do not see.
_UNSEEN = (
    r"\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    r"\U000e0000-\U000e01ef"
)
# Joiners are honest between letters of scripts that need them and between the parts of an emoji.
_JOINER = r"\u200c\u200d"
_LETTER = rf"[^\x00-\x7f\s{_ACTING}{_UNSEEN}{_JOINER}]"
_HIDDEN = re.compile(rf"(?:[{_ACTING}{_UNSEEN}]|(?<!{_LETTER})[{_JOINER}]|[{_JOINER}](?!{_LETTER}))+")
_LONGEST = 8
_SURROGATE = re.compile("[\ud800-\udfff]")
# What a terminal obeys, in text that is data: a carriage return is harmless in front of a newline alone.
_OBEYED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")


def safe_text(raw: str) -> str:
    """`raw` for a terminal or any plain text: `[U+202E]` stands for each character that would act or hide."""
    return _HIDDEN.sub(lambda run: _named(run[0]), raw.replace("\r\n", "\n"))


def safe_line(raw: str) -> str:
    """`raw` as one line of plain text."""
    return " ".join(safe_text(raw).split())


def markup(raw: str) -> str:
    """`raw` as HTML text, also fit for an attribute's value where nothing hides in it."""
    escaped = html.escape(raw.replace("\r\n", "\n"))
    return _HIDDEN.sub(lambda run: f'<span class="fnb-hidden">{_named(run[0])}</span>', escaped)


def attribute(raw: str) -> str:
    """`raw` as the value of an HTML attribute."""
    return html.escape(safe_text(raw))


def count_hidden(raw: str) -> int:
    """In how many places something would act or hide."""
    return sum(1 for _ in _HIDDEN.finditer(raw))


def encodable(raw: str) -> str:
    """`raw` with each lone surrogate replaced, of the same length: the rest of the pipeline speaks UTF-8."""
    return _SURROGATE.sub("\ufffd", raw)


def safe_cell(raw: str) -> str:
    """`raw` for a table: as it came, save that what a terminal would obey is shown by its number.

    Whatever prints a table prints its cells as they are. Directions and joiners of scripts are part of the text.
    """
    return _OBEYED.sub(lambda match: f"[U+{ord(match[0]):04X}]", encodable(raw))


def _named(run: str) -> str:
    if len(run) > _LONGEST:
        return f"[U+{ord(run[0]):04X} and {len(run) - 1} more hidden characters]"
    return "".join(f"[U+{ord(character):04X}]" for character in run)


IGNORED = "mathjax_ignore tex2jax_ignore"
"""The classes that keep MathJax away from what an element holds."""
_TABLES = (("pandas", "DataFrame"), ("pandas.core.frame", "DataFrame"), ("pandas.io.formats.style", "Styler"))
"""Where a table's class says it lives: pandas 3 and before."""
_OURS = (
    {"label", "text"}, {"model", "text"}, {"run", "call"}, {"run", "label"}, {"run", "prompt"}, {"ref", "name"},
)  # fmt: skip
"""Columns that tell our tables when joining or grouping has cost them their `attrs`."""


class TableFormatter:
    """A table of ours as HTML that MathJax leaves alone; other tables as they are shown without us."""

    def __init__(self, previous: Callable[[Any], Any] | None) -> None:
        self.previous = previous

    def __call__(self, table: Any) -> Any:
        styled = type(table).__name__ == "Styler"
        frame = getattr(table, "data", table) if styled else table
        ours = "fusion_nb" in frame.attrs or any(names <= set(frame.columns) for names in _OURS)
        compact = compact_html(table) if ours and not styled and self.previous is None else None
        shown = compact or (self.previous(table) if self.previous else table._repr_html_())
        return f'<div class="{IGNORED}">{shown}</div>' if ours and isinstance(shown, str) else shown


def keep_mathjax_from_tables(shell: Any = None) -> None:
    """Tell IPython, where it runs, how tables of ours are shown: texts of models stand in their cells.

    Loads neither IPython nor pandas. Called again, it changes nothing; a formatter that a person has set stays in use.
    """
    shell = shell or ("IPython" in sys.modules and sys.modules["IPython"].get_ipython())
    if not shell:
        return
    formatter = shell.display_formatter.formatters["text/html"]
    for module, name in _TABLES:
        loaded = getattr(sys.modules.get(module), name, None)
        try:
            previous = formatter.lookup_by_type(loaded or f"{module}.{name}")
        except KeyError:
            previous = None
        if isinstance(previous, TableFormatter):
            continue
        # A class that is loaded is looked up by itself, any other by its name.
        if loaded is not None:
            formatter.for_type(loaded, TableFormatter(previous))
        else:
            formatter.for_type_by_name(module, name, TableFormatter(previous))
