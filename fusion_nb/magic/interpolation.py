"""`{name}` in a prompt becomes the notebook's variable, where it resolves. Every other brace is text.

Prompts are full of JSON and LaTeX, so `str.format` is the wrong tool: only a bare, dotted or indexed name is looked up,
nothing is called or computed, and what does not resolve stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAME = r"[A-Za-z_]\w*"
_STEP = rf"\.{_NAME}|\[-?\d+\]|\['[^'\]\n]*'\]|\[\"[^\"\]\n]*\"\]"
_FIELD = re.compile(rf"(?<!\{{)\{{({_NAME})((?:{_STEP})*)\}}(?!\}})")
_EACH_STEP = re.compile(_STEP)


def interpolate(text: str, names: Mapping[str, Any]) -> str:
    """`text` with every field that resolves in `names` replaced by its value. Values are not expanded again."""

    def value(field: re.Match[str]) -> str:
        try:
            held = names[field[1]]
            for step in _EACH_STEP.findall(field[2]):
                held = _step(held, step)
        except Exception:  # noqa: BLE001  a property may raise anything: what does not resolve is text
            return field[0]
        return _text(held)

    return _FIELD.sub(value, text)


def _step(held: Any, step: str) -> Any:
    if step[0] == ".":
        return getattr(held, step[1:])
    key = step[1:-1]
    return held[key[1:-1]] if key[0] in "'\"" else held[int(key)]


def _text(held: Any) -> str:
    # A long table is shortened by str(); a model that is shown "..." answers about dots.
    whole = getattr(held, "to_string", None)
    return str(whole()) if callable(whole) and type(held).__module__.startswith("pandas") else str(held)
