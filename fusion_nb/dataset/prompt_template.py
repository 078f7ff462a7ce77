"""From a frame and a template to prompts: what cannot be sent is said with its row, before anything is."""

from __future__ import annotations

import re
from typing import Any

from fusion_nb.core.option_checks import shown
from fusion_nb.errors import UnknownName, UserError

_FIELD = re.compile(r"\{\{|\}\}|\{([^{}\n]+)\}")


def check_frame(frame: Any) -> None:
    """Raise `UserError` for what is no frame of rows that can be told apart."""
    if not hasattr(frame, "columns") or not hasattr(frame, "index"):
        raise UserError(
            f"fuse_frame() takes a DataFrame, not {shown(frame)}: pd.DataFrame({{'text': [...]}}) makes one."
        )
    if not len(frame):
        raise UserError("The frame has no rows: there is nothing to ask.")
    if not frame.index.is_unique:
        label = frame.index[frame.index.duplicated()][0]
        raise UserError(f"The index has {shown(label)} more than once: give df.reset_index(drop=True).")
    if not frame.columns.is_unique:
        label = frame.columns[frame.columns.duplicated()][0]
        raise UserError(f"The frame has two columns {shown(label)}: rename one of them.")


def filled(template: Any, frame: Any) -> list[str]:
    """The prompt of each row. `{column}` is filled in, once; `{{` and `}}` are braces.

    Raises `UserError` for a column that is missing and for a cell that is no text.
    """
    if not isinstance(template, str):
        raise UserError(f"The template must be text like 'Is this a complaint? {{review}}', not {shown(template)}.")
    columns = {str(column): column for column in frame.columns}
    names = [match[1] for match in _FIELD.finditer(template) if match[1] is not None]
    for name in names:
        # Braces of JSON or of a formula are a prompt's own; a name in braces is a slip.
        if name not in columns and name.isidentifier():
            hint = "Write {{" + name + "}} for braces that stay."
            raise UnknownName("column", name, columns, hint)
    used = [name for name in dict.fromkeys(names) if name in columns]
    if not used:
        example = next(iter(columns), "column")
        raise UserError(f"The template names no column, so every row would ask the same: write {{{example}}} in it.")
    cells = {name: _texts(frame[columns[name]], name, frame.index) for name in used}

    def prompt(row: int) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            return match[0][0] if name is None else cells[name][row] if name in cells else match[0]

        return _FIELD.sub(value, template)

    return [prompt(row) for row in range(len(frame))]


def _texts(column: Any, name: str, index: Any) -> list[str]:
    """The cells of a column, all of them texts."""
    missing = column.isna().tolist()
    cells: list[str] = column.tolist()
    for label, cell, absent in zip(index, cells, missing, strict=True):
        if absent:
            raise UserError(
                f"Column {name!r} has no value in row {shown(label)}: fill it with df.fillna({{{name!r}: ''}}), or "
                f"leave such rows out with df.dropna(subset=[{name!r}])."
            )
        if not isinstance(cell, str):
            raise UserError(
                f"Column {name!r} holds {shown(cell)} in row {shown(label)}, which is no text: convert it first, "
                f"df[{name!r}] = df[{name!r}].astype(str)."
            )
    return cells
