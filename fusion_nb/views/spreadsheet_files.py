"""Summaries of many runs as DataFrames, and files for spreadsheets in which no text of a model can become a formula.

A spreadsheet takes a text that begins with `= + - @` (or a character like it, behind blanks or quotes) for a formula,
which may call programs or send data away (OWASP, "CSV Injection").
"""

from __future__ import annotations

import csv
import importlib.util
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusion_nb.errors import UserError
from fusion_nb.views import escape

if TYPE_CHECKING:
    import pandas as pd


_SPENT = {
    "service": "string",
    "model": "string",
    "calls": "Int64",
    "prompt_tokens": "Int64",
    "completion_tokens": "Int64",
    "cost_usd": "Float64",
    "unpriced": "Int64",
    "session_usd": "Float64",
}


def spending_frame(rows: Iterable[Any]) -> pd.DataFrame:
    """One row per model, with the fields of `spending.Spent` as columns."""
    records = ({name: getattr(row, name) for name in _SPENT} for row in rows)
    return records_frame([{**row, "model": escape.safe_line(row["model"])} for row in records], _SPENT)


def sums_frame(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> pd.DataFrame:
    """A row per combination of what is named, with calls, tokens, cost and what the cost leaves out."""
    amounts = {name: dtype for name, dtype in _SPENT.items() if name not in ("service", "model", "session_usd")}
    return records_frame(rows, {**dict.fromkeys(names, "string"), **amounts})


def records_frame(rows: Iterable[Mapping[str, Any]], dtypes: Mapping[str, str]) -> pd.DataFrame:
    """Rows of facts as a table of these columns; `None` is `<NA>`, and no text in it acts."""
    records = [{name: _cell(row.get(name)) for name in dtypes} for row in rows]
    return pd.DataFrame(records, columns=list(dtypes)).astype(dict(dtypes))


def _cell(value: Any) -> Any:
    return escape.safe_cell(value) if isinstance(value, str) else float(value) if isinstance(value, Decimal) else value


MAX_CELL = 32_767
"""Characters an Excel cell holds."""
_LEADING = rf"[\s\"'`\u00b4\u2018-\u201f\u2028-\u202f\x00-\x1f\x7f-\x9f{escape.UNSEEN}]*"
_ACTS = r"[=+\-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u207a-\u207c\u208a-\u208c]"
_FORMULA = re.compile(rf"[\t\r\n\x00]|{_LEADING}{_ACTS}")
# Inside of a text: what would begin a cell if the file were cut at commas, semicolons, tabs, bars or lines, whatever it
# was written with. A bullet (`- item`) is left alone where nothing in its line could be a call. Each part is bounded by
# the next separator: linear in the text.
_INSIDE = (
    r"(?<=[,;|\t\r\n{0}])((?:(?![\t\r\n])[\s\"'\ufeff\u200b-\u200f\u2060]){{0,20}})"
    r"(?=[=@\uff1d\uff20]|[+\-\uff0b\uff0d][^,;\t\r\n{0}]*?[(|!])"
)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
# What XML 1.0 cannot hold; carriage returns come out of it as line feeds.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet might take `text` for a formula. A plain number is none."""
    return bool(_FORMULA.match(text)) and not _NUMBER.fullmatch(text)


def csv_text(text: str, separator: str = ",") -> str:
    """`text` for a cell of a CSV file: behind an apostrophe where it could act, without control characters."""
    clean = re.sub(_INSIDE.format(re.escape(separator)), r"\1'", _NOT_XML.sub("", text))
    return f"'{clean}" if is_formula(text) or is_formula(clean) else clean


def to_csv(frame: pd.DataFrame, path: Any = None, **options: Any) -> str | None:
    """`DataFrame.to_csv` with every text made harmless and quoted, even where a spreadsheet cuts at other separators.

    Takes the options of `DataFrame.to_csv`; `index` is off by default. Returns the text where `path` is `None`. Raises
    `UserError` for options that would leave texts without the quotes that spreadsheets know.
    """
    wanted = {"index": False, "quoting": csv.QUOTE_NONNUMERIC, **options}
    if (
        wanted["quoting"] == csv.QUOTE_NONE
        or wanted.get("quotechar", '"') != '"'
        or not wanted.get("doublequote", True)
    ):
        raise UserError(
            "to_csv writes every text in double quotes, which spreadsheets know: leave out quotechar, doublequote and "
            "csv.QUOTE_NONE, or take DataFrame.to_csv, which makes no text harmless."
        )
    safe, wanted = _harmless(frame, wanted, lambda text: csv_text(text, wanted.get("sep", ",")))
    text: str | None = safe.to_csv(path, **wanted)
    return text


def to_excel(frame: pd.DataFrame, path: Any, writer_of: Any, *, sheet_name: str = "fusion", **options: Any) -> None:
    """`DataFrame.to_excel` with every text written as a text, whatever it begins with, and marked as one.

    Takes the options of `DataFrame.to_excel`; `index` is off by default. Texts of more than 32,767 characters are cut,
    which is said at their end. `writer_of` is `pandas.ExcelWriter`. Raises `UserError` where neither xlsxwriter nor
    openpyxl is installed.
    """
    if isinstance(path, (str, Path)) and Path(path).suffix.lower() not in (".xlsx", ".xlsm"):
        raise UserError(f"An Excel file ends in .xlsx: {Path(path).name!r} does not.")
    engine = _engine(options.pop("engine", None))
    safe, wanted = _harmless(frame, {"index": False, "freeze_panes": (1, 0), **options}, _excel_text)
    inner = {"options": {"strings_to_formulas": False, "strings_to_urls": False}} if engine == "xlsxwriter" else None
    with writer_of(path, engine=engine, engine_kwargs=inner) as writer:
        if engine == "xlsxwriter":
            _mark_xlsxwriter(writer.book, sheet_name)
        _without_zones(safe).to_excel(writer, sheet_name=sheet_name, **wanted)
        if engine == "openpyxl":
            _mark_openpyxl(writer.sheets[sheet_name])


def _harmless(
    frame: pd.DataFrame, options: Mapping[str, Any], change: Callable[[str], str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A copy of the wanted columns with `change` applied to every text in cells and labels, and the other options."""

    def changed(value: Any) -> Any:
        if isinstance(value, (list, tuple, dict, set, frozenset)):
            value = str(value)
        return change(value) if isinstance(value, str) else value

    wanted = dict(options)
    columns = wanted.pop("columns", None)
    frame = frame if columns is None else frame[list(columns)]
    safe = frame.copy()
    for place, kind in enumerate(frame.dtypes):
        if kind.kind not in "biufcmM":
            safe.isetitem(place, frame.iloc[:, place].astype(object).map(changed, na_action="ignore").array)
    safe.columns = _relabelled(safe.columns, changed)
    safe.index = _relabelled(safe.index, changed)
    for name in ("header", "index_label", "na_rep"):
        if name in wanted:
            value = wanted[name]
            wanted[name] = [changed(label) for label in value] if isinstance(value, (list, tuple)) else changed(value)
    return safe, wanted


def _relabelled(index: pd.Index[Any], change: Callable[[Any], Any]) -> pd.Index[Any]:
    """`index` with `change` applied to its labels and names, on every level."""
    names = [change(name) for name in index.names]
    if isinstance(index, pd.MultiIndex):
        levels = [_relabelled(index.get_level_values(place), change) for place in range(index.nlevels)]
        return pd.MultiIndex.from_arrays(levels, names=names)
    if index.dtype.kind not in "biufcmM":
        index = pd.Index([change(label) for label in index], dtype=object)
    return index.set_names(names)


def _without_zones(frame: pd.DataFrame) -> pd.DataFrame:
    """Times in UTC, without saying so: Excel knows no time zones."""
    for place, kind in enumerate(frame.dtypes):
        if getattr(kind, "tz", None) is not None:
            frame.isetitem(place, frame.iloc[:, place].dt.tz_convert("UTC").dt.tz_localize(None))
    if isinstance(frame.index, pd.DatetimeIndex) and frame.index.tz is not None:
        frame.index = frame.index.tz_convert("UTC").tz_localize(None)
    return frame


def _excel_text(text: str) -> str:
    clean = _NOT_XML.sub("", text)
    if len(clean) <= MAX_CELL:
        return clean
    end = f" … [cut: {len(clean):,} characters, of which Excel holds {MAX_CELL:,}]"
    return clean[: MAX_CELL - len(end)] + end


def _engine(requested: str | None) -> str:
    installed = [name for name in ("xlsxwriter", "openpyxl") if importlib.util.find_spec(name)]
    if requested is not None and requested not in installed:
        raise UserError(
            f"to_excel cannot use {requested!r}: {' and '.join(installed) or 'nothing'} is installed for it."
        )
    if not installed:
        raise UserError("An Excel file needs xlsxwriter or openpyxl: run `%pip install xlsxwriter`, or use to_csv().")
    return requested or installed[0]


def _mark_xlsxwriter(book: Any, sheet_name: str) -> None:
    """Have what could act written as marked text, wherever it stands: it stays text when somebody edits the cell."""
    sheet, mark = book.add_worksheet(sheet_name), book.add_format({"quote_prefix": True})

    def write_text(sheet: Any, row: int, column: int, text: str, style: Any = None) -> Any:
        return sheet.write_string(row, column, text, mark if is_formula(text) else style)

    sheet.add_write_handler(str, write_text)


def _mark_openpyxl(sheet: Any) -> None:
    """openpyxl takes a text that begins with = for a formula: give it back its type, and mark what could act."""
    for row in sheet.iter_rows():
        for cell in row:
            if isinstance(cell.value, str):
                cell.data_type = "s"
                cell.quotePrefix = is_formula(cell.value)
