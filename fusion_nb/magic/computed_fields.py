"""Braces that a person may take for those of an f-string: they hold a variable, and more than its name."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator

_BRACES = re.compile(r"(?<![{$\w])\{([^{}\n]{1,120})\}(?!\})")
_COMPUTED = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Attribute, ast.Subscript)


def computed_fields(text: str, known: Callable[[str], bool], literal: Callable[[int], bool]) -> Iterator[str]:
    """Braces of `text`, as written, that Python would format or compute from a variable: `{x:.2f}`, `{x!r}`, `{x+1}`.

    Args:
        known: whether a variable of that name could be filled in.
        literal: whether the place is in code or in a formula, where braces are meant as they stand.
    """
    for braces in _BRACES.finditer(text):
        field = _field(braces[1])
        if field is None or literal(braces.start()):
            continue
        formats = field.conversion != -1 or field.format_spec is not None
        if not isinstance(field.value, _COMPUTED) and not (formats and isinstance(field.value, ast.Name)):
            continue
        if any(isinstance(node, ast.Name) and known(node.id) for node in ast.walk(field.value)):
            yield braces[0]


def _field(inner: str) -> ast.FormattedValue | None:
    """What stands in braces, read as Python reads it in an f-string; `None` where it is no such thing."""
    if inner[0].isspace() or ": " in inner:  # a template's, or JSON
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = ast.parse(f"f'''{{{inner}}}'''", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    fields = parsed.values if isinstance(parsed, ast.JoinedStr) else []
    return fields[-1] if fields and isinstance(fields[-1], ast.FormattedValue) else None
