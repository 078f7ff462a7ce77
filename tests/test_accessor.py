"""`df.fusion`: what calls cost and took, a picture of it, and files that are safe to open."""

import csv
import decimal
import io
import json
import re
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fusion_nb
from fusion_nb.core import Ref, Reply, RunState, Usage, Verdict
from fusion_nb.views import dataframe_accessor, table_export
from fusion_nb.views.frame import frame
from tests import states
from tests.conftest import SHARED

PAYLOADS = SHARED / "vectors" / "csv-payloads.txt"
BLNS = SHARED / "vectors" / "blns.json"
ENGINES = ("xlsxwriter", "openpyxl")


def reply(call: int, name: str, cost: str | None, **more: Any) -> Reply:
    given = {"usage": Usage(100, 10 * call), "ttft": 0.2, "latency": float(call), "status": "ok", **more}
    source = {"cost_source": "reported"} if cost else {}
    return Reply(call, Ref("s", name, name), cost=Decimal(cost) if cost else None, **{"text": "t", **source, **given})


def state(*replies: Reply, run: str = "r1", **more: Any) -> RunState:
    return RunState(run=run, mode="merge", replies=replies, pool=tuple(r.ref for r in replies), status="ok", **more)


def run(name: str = "r1", *, judge_cost: str | None = "0.3") -> pd.DataFrame:
    replies = (
        reply(1, "claude", "0.1"),
        reply(2, "gpt4o", None, status="error", text=""),
        reply(3, "claude", "0.2", round=1, started=2.0),
        reply(4, "big", judge_cost, role="judge", started=5.0, cost_source="computed" if judge_cost else None),
    )
    verdict = Verdict("x", chosen=(3,), ranking=(3,), scores={1: {"a": 4.0}, 3: {"a": 9.0, "b": 8.0}})
    return frame(state(*replies, run=name, verdict=verdict))


def test_the_total_is_exact_and_names_what_it_leaves_out() -> None:
    """0.1 + 0.2 + 0.3 is 0.6, not the float next to it; unpriced and computed calls are counted and said."""
    cost = run().fusion.cost()
    assert (cost.usd, cost.calls, cost.unpriced, cost.computed, cost.demo) == (Decimal("0.6"), 4, 1, 1, False)
    assert repr(cost) == "≥ $0.6 (4 calls, 1 of them unpriced, 1 computed from price lists)"


def test_nothing_known_is_unknown_not_zero() -> None:
    """Calls without a single known cost have no total; no calls at all have none either."""
    df = frame(state(reply(1, "a", None)))
    assert df.fusion.cost().usd is None
    assert repr(df.fusion.cost()) == "cost unknown (1 call)"
    assert df.head(0).fusion.cost().calls == 0


def test_a_services_own_digits_survive() -> None:
    """More digits than a float holds are still summed as the service wrote them, whatever the notebook's precision."""
    df = frame(state(reply(1, "a", "0.12345678901234567891"), reply(2, "b", "0.00000000000000000009")))
    with decimal.localcontext() as context:
        context.prec = 4
        assert df.fusion.cost().usd == Decimal("0.12345678901234567900")


def test_the_total_is_that_of_the_rows_at_hand() -> None:
    """A part of a frame is summed as the part it is, although it still carries the whole run's facts."""
    df = run()
    assert df[df.role == "candidate"].fusion.cost().usd == Decimal("0.3")
    assert pd.concat([df, run("r2")]).fusion.cost().usd == Decimal("1.2")


def test_play_money_is_called_so() -> None:
    """The demo's cost is not mistaken for money."""
    assert "play money: demo" in repr(fusion_nb.fuse("Hi.", pool="demo:swift").frame().fusion.cost())


def test_by_member_has_a_row_each_and_the_judge_last() -> None:
    """Calls, failures, exact cost, tokens, median seconds, mean score and choices, per member."""
    table = run().fusion.by_member()
    assert list(table.index) == ["claude", "gpt4o", "big"]
    claude = table.loc["claude"]
    assert (claude.calls, claude.failed, claude.cost_usd, claude.unpriced) == (2, 0, 0.3, 0)
    assert (claude.prompt_tokens, claude.completion_tokens, claude.median_latency_s) == (200, 40, 2.0)
    assert (claude.mean_score, claude.chosen) == (6.25, 1)
    assert pd.isna(table.loc["gpt4o"].cost_usd)
    assert (table.loc["gpt4o"].failed, table.loc["gpt4o"].unpriced) == (1, 1)
    assert table.loc["big"].role == "judge"
    assert [str(t) for t in table.dtypes[1:4]] == ["Int64", "Int64", "Float64"]


def test_a_model_that_also_judges_has_two_rows() -> None:
    """What a member cost as a judge is not mixed with what it cost as a member."""
    table = frame(state(reply(1, "a", "0.1"), reply(2, "a", "0.5", role="judge"))).fusion.by_member()
    assert list(table.role) == ["candidate", "judge"]
    assert list(table.cost_usd) == [0.1, 0.5]


def test_the_timeline_puts_rounds_and_the_judge_behind_one_another() -> None:
    """Each round starts where the one before ended, then the judge: what the engine does."""
    together = pd.concat([run(), run("r2")])
    times = together.fusion.timeline()
    assert list(times.start_s) == [0, 0, 2, 5] * 2
    times = times.head(4)
    assert list(times.end_s - times.start_s) == [1, 2, 3, 4]
    assert times.first_text_s[0] == pytest.approx(0.2)


def test_the_timeline_takes_the_frames_own_starts() -> None:
    """Where the frame says when its calls started, that counts, and only for that run."""
    df = run()
    df.attrs["started_s"] = {"1": 0.25, "4": 9.0}
    assert list(df.fusion.timeline().start_s)[0::3] == [0.25, 9.0]
    df.attrs["run"] = "another"
    assert df.fusion.timeline().start_s[0] == 0


def test_a_real_runs_timeline_fits_its_seconds() -> None:
    """On a run that happened: nobody starts before zero, and the last call ends about when the run did."""
    result = fusion_nb.fuse("What is 6 times 7?", pool="demo", mode="best-of")
    times = result.frame().fusion.timeline()
    assert times.start_s.min() >= 0
    assert times.end_s.max() <= result.seconds + 0.2
    assert times.start_s[3] >= times.end_s[:3].max() - 0.05


def test_frames_that_came_back_from_a_file_work_too() -> None:
    """After a round trip through CSV, where dtypes are lost, the same figures come out."""
    df = run()
    back = pd.read_csv(io.StringIO(df.to_csv(index=False)))
    assert back.fusion.cost() == df.fusion.cost()
    pd.testing.assert_frame_equal(back.fusion.by_member(), df.fusion.by_member())
    assert len(back.fusion.timeline()) == 4


def test_any_other_frame_has_no_fusion() -> None:
    """The accessor is absent where it makes no sense, as pandas' own are."""
    other = pd.DataFrame({"a": [1]})
    assert not hasattr(other, "fusion")
    with pytest.raises(AttributeError, match="no column run, call, role, label, cost_usd"):
        _ = other.fusion


def test_registering_again_is_quiet() -> None:
    """%autoreload and a second %load_ext neither warn nor replace anything."""
    before = pd.DataFrame.fusion  # type: ignore[attr-defined]
    dataframe_accessor.register()
    assert pd.DataFrame.fusion is before  # type: ignore[attr-defined]


# The picture.


@pytest.fixture
def pyplot() -> Any:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


@pytest.mark.parametrize("theme", [None, "light", "dark"])
def test_the_picture_shows_each_member_once(pyplot: Any, theme: str | None) -> None:
    """Money on the left, seconds on the right, a row per member, the judge called judge; what is unknown says so."""
    left, right = run().fusion.plot(theme=theme)
    assert [t.get_text() for t in left.get_yticklabels()] == ["claude", "gpt4o", "judge · big"]
    said = [t.get_text() for t in left.texts]
    assert said == ["$0.300", "unknown", "$0.300"]
    assert left.get_title(loc="right") == "≥ $0.60, 4 calls"
    assert right.get_xlabel() == "seconds since the run's start"
    left.figure.canvas.draw()


def test_the_picture_of_several_runs_shows_every_call(pyplot: Any) -> None:
    """With several runs the right half has a point per call and the median per member."""
    _, right = pd.concat([run(f"r{n}") for n in range(5)]).fusion.plot()
    assert sum(len(points.get_offsets()) for points in right.collections if hasattr(points, "get_sizes")) >= 20
    right.figure.canvas.draw()


def test_the_picture_survives_hostile_and_empty_input(pyplot: Any) -> None:
    """Dollars, escapes and long names in labels are words; a frame without a known figure has a picture too."""
    evil = "$\\frac{x}{$" + "\x1b[31m" + "n" * 300
    for df in (frame(state(reply(1, evil, None, latency=None, ttft=None), reply(2, "a$b$", "0"))), run().head(0)):
        left, _ = df.fusion.plot()
        left.figure.canvas.draw()


def test_a_dark_style_is_followed(pyplot: Any) -> None:
    """Who has set matplotlib to a dark style gets a dark picture without saying so again."""
    with pyplot.style.context("dark_background"):
        left, _ = run().fusion.plot()
    assert left.get_facecolor()[0] < 0.2
    with pytest.raises(fusion_nb.UserError, match="'light' or 'dark'"):
        run().fusion.plot(theme="pink")


def test_without_a_style_the_picture_is_read_on_either_page(pyplot: Any) -> None:
    """No white box in a dark notebook: the ground is the page's, and the words stand out from white and from black."""

    to_rgb = pytest.importorskip("matplotlib.colors").to_rgb

    def light(colour: str) -> float:
        red, green, blue = (
            part / 12.92 if part <= 0.04 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    left, right = run().fusion.plot()
    assert left.figure.get_facecolor()[3] == left.get_facecolor()[3] == right.get_facecolor()[3] == 0
    for text in (*left.get_yticklabels(), *left.texts, left.xaxis.label, *right.texts):
        own = light(text.get_color())
        assert 1.05 / (own + 0.05) > 4
        assert (own + 0.05) / (light("#15171a") + 0.05) > 4


def test_without_matplotlib_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing library is named, with the command that brings it."""
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(fusion_nb.UserError, match="%pip install matplotlib"):
        run().fusion.plot()


# Files for spreadsheets.

LEADING = ("", " ", "\u00a0", "'", '"', "\"'", "\ufeff", "\u200b", "\t", "\n", "\r", "\x00", "\x1b", "\u3000")
ACTING = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
HARMLESS = ("plain", "a=b", "1-2", "x@y.z", "", "5", "-5", "+3.25", "-1e-7", "(=x)", "#=x", "naïve 日本語 🎉")


def texts() -> list[str]:
    made = [f"{before}{sign}cmd|' /C calc'!A0" for before in LEADING for sign in ACTING]
    recorded = PAYLOADS.read_text(encoding="utf-8").splitlines() if PAYLOADS.exists() else []
    strings = json.loads(BLNS.read_text(encoding="utf-8")) if BLNS.exists() else []
    return [*made, *recorded, *strings, *HARMLESS, "\tx", "\rx", "\nx", "\x00x"]


def written() -> pd.DataFrame:
    """Every text as a reply, a label and an error, beside numbers that are negative."""
    df = frame(state(*(reply(n, f"m{n}", "0.5", text=text) for n, text in enumerate(texts(), 1))))
    df["model"] = pd.array(texts(), dtype="string")
    df["latency_s"] = pd.array([-float(n) for n in range(len(df))], dtype="Float64")
    df["=1+1"] = pd.Categorical(["=cmd"] * len(df))
    df["mixed"] = [(-1, -2.5, None, "=x", True)[n % 5] for n in range(len(df))]
    return df


def acts(cell: str) -> bool:
    """What a spreadsheet may take for a formula, written apart from the product's own test of it."""
    bare = cell.lstrip(' \t\r\n\u00a0\u3000\ufeff\u200b\x00\x1b"')
    return bool(bare[:1] in "=+-@＝＋－＠" and bare) and not re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", cell, re.I)


def test_no_csv_cell_can_act() -> None:
    """Every payload, behind every blank, quote and control character, is text; numbers stay numbers."""
    df = written()
    text = df.fusion.to_csv()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(rows) == len(df) + 1
    assert [cell for row in rows for cell in row if acts(cell)] == []
    back = pd.read_csv(io.StringIO(text))
    assert list(back.latency_s) == [-float(n) for n in range(len(df))]
    assert back.latency_s.dtype == "float64"
    assert back.cost_usd.sum() == len(df) / 2
    assert "\x00" not in text
    assert "\x1b" not in text


def test_another_separator_cannot_cut_a_text() -> None:
    """Where a spreadsheet cuts at semicolons or tabs instead, no piece of a text can act; a list stays a list."""
    inside = ["a;=cmd|x", "b\t @SUM(1)", "c,=cmd|x", 'd";=cmd|x', "e\n-cmd|'/C calc'!A0", 'f\r\n"=1+1']
    df = frame(state(*(reply(n, "m", "1", text=text) for n, text in enumerate(inside, 1))))
    for separator in ";\t":
        rows = csv.reader(io.StringIO(df.fusion.to_csv(), newline=""), delimiter=separator)
        assert [cell for row in rows for cell in row if acts(cell)] == []
    points = "Two points:\n- first\n- second; -5 is a number"
    assert table_export.csv_text(points) == points


def test_harmless_text_is_left_as_it_is() -> None:
    """Words, numbers and e-mail addresses come out as they went in."""
    df = frame(state(*(reply(n, "m", "1", text=text) for n, text in enumerate(HARMLESS, 1))))
    back = pd.read_csv(io.StringIO(df.fusion.to_csv()), dtype=str, keep_default_na=False)
    assert list(back.text) == list(HARMLESS)


@pytest.mark.parametrize("text", ["\n" * 200_000, "; " * 100_000, "\n-" * 100_000, "=" * 200_000, " " * 200_000 + "="])
def test_no_text_makes_an_export_slow(text: str) -> None:
    """What a model writes cannot keep a kernel busy: the work grows with the text and not with its square."""
    assert len(table_export.csv_text(text)) >= len(text)


def test_csv_takes_pandas_own_options(tmp_path: Path) -> None:
    """A path, a separator, an encoding, an index: as with DataFrame.to_csv."""
    path = tmp_path / "out.tsv"
    assert run().fusion.to_csv(path, sep="\t", index=True, columns=["run", "cost_usd"], encoding="utf-8-sig") is None
    assert path.read_text(encoding="utf-8-sig").splitlines()[1] == '0\t"r1"\t0.1'


@pytest.mark.parametrize("engine", ENGINES)
def test_no_excel_cell_is_a_formula(tmp_path: Path, engine: str) -> None:
    """Reopened, the workbook has no formula and no link; every text is the text it was, every number a number."""
    pytest.importorskip(engine)
    openpyxl = pytest.importorskip("openpyxl")
    df, path = written(), tmp_path / "out.xlsx"
    df.fusion.to_excel(path, engine=engine)
    book = openpyxl.load_workbook(path)
    cells = [cell for row in book["fusion"].iter_rows() for cell in row]
    assert [c.value for c in cells if c.data_type == "f"] == []
    assert [c for c in cells if c.hyperlink] == []
    parts = zipfile.ZipFile(path)
    assert not [n for n in parts.namelist() if b"<f>" in parts.read(n) or b"<f " in parts.read(n)]
    heads = [c.value for c in next(book["fusion"].iter_rows())]
    column = list(book["fusion"].columns)[heads.index("text")][1:]
    kept = [re.sub("[\ufffe\uffff]", "", text).replace("\r\n", "\n") for text in df.text]
    assert [(c.value or "").replace("\r\n", "\n").replace("_x000D_\n", "\n") for c in column] == kept
    assert all(c.quotePrefix for c in column if c.value and acts(c.value))
    seconds = list(book["fusion"].columns)[heads.index("latency_s")][1:]
    assert all(c.data_type == "n" for c in seconds)
    assert "=1+1" in heads


@pytest.mark.parametrize("engine", ENGINES)
def test_a_text_longer_than_a_cell_is_cut_and_says_so(tmp_path: Path, engine: str) -> None:
    """Excel holds 32,767 characters in a cell: what is more is cut, and the end says how much there was."""
    pytest.importorskip(engine)
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "out.xlsx"
    frame(state(reply(1, "m", "1", text="=" + "x" * 50_000))).fusion.to_excel(path, engine=engine)
    found = [c.value for row in openpyxl.load_workbook(path)["fusion"].iter_rows() for c in row if c.value]
    long = max(map(str, found), key=len)
    assert len(long) == table_export.MAX_CELL
    assert long.endswith("[cut: 50,001 characters, of which Excel holds 32,767]")


def test_several_runs_go_into_one_sheet(tmp_path: Path) -> None:
    """Frames put together, with an index of their own, are written as they stand."""
    openpyxl = pytest.importorskip("openpyxl")
    df = pd.concat([run("r1"), run("r2")], keys=["=one", "two"])
    df.fusion.to_excel(tmp_path / "out.xlsx", index=True, sheet_name="all", engine="openpyxl")
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx")["all"]
    assert sheet.max_row == 9
    assert [c for row in sheet.iter_rows() for c in row if c.data_type == "f"] == []


def test_without_a_writer_one_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither xlsxwriter nor openpyxl: the command that brings one, and the way without."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(fusion_nb.UserError, match="%pip install xlsxwriter"):
        run().fusion.to_excel(tmp_path / "out.xlsx")
    with pytest.raises(fusion_nb.UserError, match="ends in"):
        run().fusion.to_excel(tmp_path / "out.xls")


def test_costs_of_groups_that_nobody_knows_are_unknown() -> None:
    """By one column or two: a sum without a known cost is `<NA>` and not 0.0, and what a sum leaves out is counted."""
    df = frame(states.merge())
    df.loc[df.role == "judge", "cost_usd"] = pd.NA
    df.loc[df.index[0], "cost_usd"] = pd.NA
    costs = df.fusion.costs("role")
    assert pd.isna(costs.loc["judge", "cost_usd"])
    assert costs.loc["candidate", "unpriced"] == 1
    assert costs.loc["candidate", "cost_usd"] == pytest.approx(float(df.cost_usd.sum()))
    assert list(df.fusion.costs("role", "label")["calls"]) == [1] * len(df)
    with pytest.raises(fusion_nb.UserError, match="takes columns of this frame"):
        df.fusion.costs("rolle")
