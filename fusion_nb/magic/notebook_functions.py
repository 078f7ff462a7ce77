"""What a line names of the notebook: checks, the reading of short answers, tables of questions, right answers."""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fusion_nb.core.plugins import plugin_names
from fusion_nb.core.selection_option_checks import FORMS, KINDS, names_of
from fusion_nb.errors import UnknownName, UserError

_NAME = re.compile(r"(?<!\{)\{([A-Za-z_]\w*)\}(?!\})")


def named_functions(given: Mapping[str, Any], notebook: Mapping[str, Any]) -> dict[str, Any]:
    """`check` and `extract` of a line, with functions in the place of their names.

    Args:
        given: the options of the line.
        notebook: the notebook's variables.

    Raises `UnknownName` for a check that is no function there.
    """
    found: dict[str, Any] = {}
    if isinstance(checks := given.get("check"), str):
        names = names_of(checks) if checks.strip() != "none" else []
        found["check"] = [_check(name, notebook) for name in names]
    if isinstance(extract := given.get("extract"), str) and extract.isidentifier() and extract not in KINDS:
        found["extract"] = _function(extract, notebook, FORMS)
    return found


def _check(name: str, notebook: Mapping[str, Any]) -> Any:
    """A function of the notebook, else the name of a package's check."""
    return name if name in plugin_names("checks") and name not in notebook else _function(name, notebook)


def function_names(notebook: Mapping[str, Any]) -> list[str]:
    """The functions that a person has in the notebook, by name."""
    return [name for name, value in notebook.items() if callable(value) and not name.startswith("_")]


def _function(name: str, notebook: Mapping[str, Any], forms: Sequence[str] = ()) -> Any:
    value = notebook.get(name)
    if name not in notebook and callable(getattr(builtins, name, None)):
        # Their results are no verdict on a text: `len` would be a score of 27.
        raise UserError(
            f"{name} is Python's own, and says nothing of an answer as it stands: write a function of yours that calls "
            f"it, and name that one."
        )
    if not callable(value):
        or_forms = f", or take one of {', '.join(forms)}" if forms else ""
        hint = f"Define it in a cell of this notebook first{or_forms}."
        raise UnknownName("function", name, [*forms, *function_names(notebook)], hint)
    return value


class Template:
    """The text of a cell over a table: its columns are filled in later, for each row; now the notebook's variables are.

    Args:
        text: as typed.
        columns: of the table; they come before variables of the same name.
        notebook: the variables.
        raw: whether every other brace is text.

    Raises `UnknownName` for a name in braces that is neither.
    """

    def __init__(self, text: str, columns: Sequence[str], notebook: Mapping[str, Any], *, raw: bool) -> None:
        for match in _NAME.finditer(text):
            if not raw and match[1] not in columns and match[1] not in notebook:
                raise UnknownName("column", match[1], columns, "--raw leaves braces that name no column as they are.")
        self._columns = {f"\ue000{place}\ue001": column for place, column in enumerate(columns)}
        self.hidden = text
        """The text with its columns out of sight, for whoever fills in variables."""
        for mark, column in self._columns.items():
            self.hidden = self.hidden.replace(f"{{{column}}}", mark)

    def of(self, text: str) -> str:
        """The template: columns in braces, every other brace doubled, those inside of variables too."""
        text = text.replace("{", "{{").replace("}", "}}")
        for mark, column in self._columns.items():
            text = text.replace(mark, f"{{{column}}}")
        return text


def variable_named(name: str, notebook: Mapping[str, Any], flag: str) -> Any:
    """The variable that an option names. Raises `UnknownName` where there is none."""
    if name not in notebook:
        raise UnknownName(
            "variable", name, tables_of(notebook), f"{flag} takes the name of a variable: define it first."
        )
    return notebook[name]


def known_answers(name: str | None, columns: Sequence[str], notebook: Mapping[str, Any], flag: str = "--known") -> Any:
    """What is known of the questions: a column of theirs by its name, else a variable or a function."""
    if name is None or name in columns:
        return name
    return variable_named(name, notebook, flag)


def columns_of(table: Any) -> list[str]:
    """The columns of a frame; none of what is none."""
    return [str(column) for column in getattr(table, "columns", ())]


def tables_of(notebook: Mapping[str, Any]) -> list[str]:
    """The frames, series, lists and dicts of a notebook, by name."""
    kinds = (list, dict)
    return [
        name
        for name, value in notebook.items()
        if not name.startswith("_")
        and (isinstance(value, kinds) or hasattr(value, "columns") or hasattr(value, "dtype"))
    ]
