"""Functions of the notebook that a line names: checks, and the reading of short answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fusion_nb.core.selection_checks import FORMS, KINDS, names_of
from fusion_nb.errors import UnknownName


def named_functions(given: Mapping[str, Any], notebook: Mapping[str, Any]) -> dict[str, Any]:
    """`check` and `extract` of a line, with functions in the place of their names.

    Args:
        given: the options of the line.
        notebook: the notebook's variables.

    Raises `UnknownName` for a check that is no function there.
    """
    found: dict[str, Any] = {}
    if isinstance(checks := given.get("check"), str):
        found["check"] = [_function(name, notebook) for name in names_of(checks) if checks.strip() != "none"]
    if isinstance(extract := given.get("extract"), str) and extract.isidentifier() and extract not in KINDS:
        found["extract"] = _function(extract, notebook, FORMS)
    return found


def function_names(notebook: Mapping[str, Any]) -> list[str]:
    """The functions that a person has in the notebook, by name."""
    return [name for name, value in notebook.items() if callable(value) and not name.startswith("_")]


def _function(name: str, notebook: Mapping[str, Any], forms: Sequence[str] = ()) -> Any:
    value = notebook.get(name)
    if not callable(value):
        or_forms = f", or take one of {', '.join(forms)}" if forms else ""
        hint = f"Define it in a cell of this notebook first{or_forms}."
        raise UnknownName("function", name, [*forms, *function_names(notebook)], hint)
    return value
