"""`df.fusion`: what calls cost and took, a picture of it, and files that are safe to open."""

import csv
import decimal
import doctest
import gzip
import io
import json
import re
import zipfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fusion_nb
from fusion_nb.core import Ref, Reply, RunState, Usage, Verdict
from fusion_nb.views import agreement_statistics, agreement_table, dataframe_accessor, run_facts, spreadsheet_files
from fusion_nb.views.agreement_statistics import effective_votes
from fusion_nb.views.dataframes import frame
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
    assert spreadsheet_files.csv_text(points) == points


def test_harmless_text_is_left_as_it_is() -> None:
    """Words, numbers and e-mail addresses come out as they went in."""
    df = frame(state(*(reply(n, "m", "1", text=text) for n, text in enumerate(HARMLESS, 1))))
    back = pd.read_csv(io.StringIO(df.fusion.to_csv()), dtype=str, keep_default_na=False)
    assert list(back.text) == list(HARMLESS)


@pytest.mark.parametrize("text", ["\n" * 200_000, "; " * 100_000, "\n-" * 100_000, "=" * 200_000, " " * 200_000 + "="])
def test_no_text_makes_an_export_slow(text: str) -> None:
    """What a model writes cannot keep a kernel busy: the work grows with the text and not with its square."""
    assert len(spreadsheet_files.csv_text(text)) >= len(text)


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
    assert len(long) == spreadsheet_files.MAX_CELL
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
    assert df.fusion.costs(["role", "label"]).equals(df.fusion.costs("role", "label"))
    for wrong in ("rolle", ["role", "rolle"], []):
        with pytest.raises(fusion_nb.UserError, match="takes columns of this frame"):
            df.fusion.costs(wrong)


# Who agreed, and what stopping would have saved.


GSM8K = SHARED / "data" / "gsm8k_pool" / "answers.jsonl.gz"
MID = (
    "claude-3-haiku-20240307", "gemma-2-9b-it", "Meta-Llama-3.1-8B-Instruct", "gpt-3.5-turbo-0125", "Qwen2-7B-Instruct",
)  # fmt: skip
TOP = (
    "claude-3-5-sonnet-20241022", "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "Meta-Llama-3.1-70B-Instruct",
    "gemini-1.5-pro",
)  # fmt: skip


def named(build: Any, run: str) -> pd.DataFrame:
    """The frame of an example state as that of a run of its own."""
    return frame(replace(build(), run=run))


def voted(answers: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Frames of votes put together. `answers`: run -> each member's short answer; empty for none."""
    frames = []
    for run, given in answers.items():
        script = states.Script(
            mode="vote", judge=None, run=run, pool=[Ref("s", n, n) for n in "abcdefgh"[: len(given)]]
        )
        script.members([f"It is {answer}." for answer in given])
        groups: dict[str, list[int]] = {}
        for call, answer in enumerate(given, 1):
            groups.setdefault(answer, []).append(call)
        silent = groups.pop("", [])
        ranked = sorted(groups, key=lambda answer: -len(groups[answer]))
        tied = len(ranked) > 1 and len(groups[ranked[0]]) == len(groups[ranked[1]])
        script.agreed(*(tuple(groups[a]) for a in ranked), answers=ranked, unknown=tuple(silent), tied=tied)
        frames.append(frame(script.close()))
    return pd.concat(frames, ignore_index=True)


def test_agreement_of_one_run_and_of_many() -> None:
    """A row per run: the share of the members asked, who differs, whether a tie was decided by order; `<NA>`, and no
    number, where nothing could be compared."""
    alone = frame(states.vote()).fusion.agreement()
    assert alone.to_dict("records") == [
        {"share": 2 / 3, "asked": 3, "groups": 2, "answer": "18", "dissenters": "gemini", "tied": False}
    ]
    many = pd.concat([named(states.vote_tied, "t"), named(states.uncounted, "u"), named(states.lone_dissenter, "d")])
    table = many.fusion.agreement()
    assert table.index.tolist() == ["t", "u", "d"]
    assert table.share.fillna(-1).tolist() == [0.5, -1, 7 / 8]
    assert table.asked.tolist() == [4, 3, 8]
    assert table.tied.fillna(False).tolist() == [True, False, False]
    assert table.dissenters["t"] == "gemini, llama3.3"
    assert table.loc["u"][["share", "answer", "dissenters", "tied"]].isna().all()
    assert [str(kind) for kind in table.dtypes] == ["Float64", "Int64", "Int64", "string", "string", "boolean"]


def test_labels_are_categories() -> None:
    """With `extract="label:..."` the answers are a categorical column: counts have a row for the label nobody gave."""
    options: dict[str, Any] = {"pool": "demo", "mode": "vote", "extract": "label:Yes, No, Unsure"}
    runs = [fusion_nb.fuse(f"Say {word}: is {n} odd?", **options).frame() for n, word in enumerate(("yes", "no"))]
    table = pd.concat(runs).fusion.agreement()
    assert list(table["answer"].cat.categories) == ["yes", "no", "unsure"]
    assert isinstance(table["answer"].value_counts().index, pd.CategoricalIndex)
    other = fusion_nb.fuse("Say yes.", **{**options, "extract": "choice"}).frame()
    assert pd.concat([*runs, other]).fusion.agreement()["answer"].dtype == "string"


def test_agreement_is_read_off_the_rows_where_nothing_else_is_left(tmp_path: Path) -> None:
    """A frame of another process, of which only the columns are known, has the same shares, dissenters and ties."""
    run_facts._remembered.clear()
    columns = ["run", "call", "role", "round", "label", "group", "status", "cost_usd"]
    df = pd.concat([named(states.vote_tied, "x1"), named(states.tried_again, "x2"), named(states.last_word, "x3")])
    run_facts._remembered.clear()
    bare = pd.DataFrame(df[columns].to_dict("list"))
    table = bare.fusion.agreement()
    assert table.share.fillna(-1).tolist() == [0.5, -1, 0.5]
    assert table.tied.fillna(False).tolist() == [True, False, True]
    assert table.dissenters["x3"] == "gemini, gpt4o"
    old = bare.drop(columns="group").fusion.agreement()
    assert old.share.isna().all()


@pytest.mark.skipif(not GSM8K.exists(), reason="the shared data are not beside this checkout")
@pytest.mark.parametrize(("pool", "votes"), [(MID, 2.06), (TOP, 1.71), (None, 2.76)])
def test_effective_votes_of_recorded_answers(pool: tuple[str, ...] | None, votes: float) -> None:
    """The figures on 1,319 questions of GSM8K, exact; the interval holds them, and comes out the same every time."""
    rows = [json.loads(line) for line in gzip.decompress(GSM8K.read_bytes()).splitlines()]
    df = pd.DataFrame({
        "run": [str(row["pid"]) for row in rows], "call": range(len(rows)), "role": "candidate",
        "label": [row["model"] for row in rows], "cost_usd": None, "right": [row["correct"] for row in rows],
    })  # fmt: skip
    df = df if pool is None else df[df.label.isin(pool)]
    found = df.fusion.effective_votes("right")
    assert round(found.value, 2) == votes
    assert found.low < found.value < found.high
    assert found.high - found.low < 0.6
    assert (len(found.members), found.runs) == (len(pool or range(15)), 1319)
    assert df.fusion.effective_votes(df.right) == found
    assert df.fusion.agreement("right").attrs["effective_votes"]["value"] == found.value


def test_effective_votes_by_the_right_answers() -> None:
    """With the right answer of each run: numbers by value whatever the unit, texts but for case; silence is wrong."""
    answers = {
        "r1": ("18 eggs", "18 eggs", "26"), "r2": ("Paris", "Rome", "paris"), "r3": ("", "5", "5"), "r4": ("7", "7", "7"),
    }  # fmt: skip
    df = voted(answers)
    known = {"r1": "$18.00", "r2": " PARIS", "r3": 5, "r4": "8"}
    wrong = [[False, False, True], [False, True, False], [True, False, False], [True, True, True]]
    found = df.fusion.effective_votes(known)
    assert found == effective_votes(("a", "b", "c"), wrong)
    assert df.fusion.effective_votes(pd.Series(known)) == found
    table = df.fusion.agreement(known)
    assert table.right.tolist() == [True, True, True, False]
    assert table.attrs["effective_votes"]["members"] == ["a", "b", "c"]
    assert json.loads(json.dumps(table.attrs)) == table.attrs
    left = df.fusion.effective_votes({"r1": "18", "r2": None, "r3": "5"})
    assert left.runs == 2


def test_effective_votes_are_at_most_the_members_and_never_made_up() -> None:
    """Members that err apart are worth no more than they are; one that is always right or wrong has no correlation."""
    assert effective_votes(("a", "b"), [[1, 0], [0, 1]] * 20).value == 2.0
    assert effective_votes(("a", "b"), [[1, 1], [0, 0]] * 20).value == 1.0
    for wrong in ([[0, 1], [0, 0]], [[1, 1], [1, 0]], []):
        found = effective_votes(("a", "b"), wrong)
        assert (found.value, found.low, found.high, found.correlation) == (None, None, None, None)
        assert str(found).startswith("<NA> of 2 votes")
    assert effective_votes(("a",), [[1], [0]]).value is None
    assert all(0 < v <= 3 for v in effective_votes(("a", "b", "c"), [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])[:3])


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ("rihgt", "no column 'rihgt'"),
        (pd.Series([True, False, True]), "a value for each row"),
        (5, "takes the right answer by run"),
    ],
)
def test_what_is_no_truth_is_one_sentence(known: Any, said: str) -> None:
    """A slip in a column's name, a column of another frame, a bare number: what is wrong, and what it takes."""
    with pytest.raises(fusion_nb.UserError, match=said):
        voted({"r1": ("1", "2")}).fusion.effective_votes(known)


def test_members_of_a_cascade_do_not_count_as_the_pool() -> None:
    """Who is asked only where the pool differs is none of those whose votes are weighed; a run without a member is out."""
    df = pd.concat([named(states.last_word, "a"), named(states.stopped_at_the_vote, "b"), named(states.vote, "c")])
    found = df.fusion.effective_votes({"a": "18", "b": "18", "c": "18"})
    assert found.members == ("llama3.3", "gemini", "qwen")
    assert found.runs == 2


def test_each_score_of_each_judge_is_a_row() -> None:
    """Run, judge, candidate and criterion; of a single judge too, and of the rows at hand alone."""
    df = frame(states.jury())
    table = df.fusion.scores()
    assert len(table) == 3 * 2 + 4 + 6
    own = table[(table.judge == "opus") & (table.candidate == "gemini")]
    assert own[["criterion", "score"]].values.tolist() == [["correctness", 6.0], ["clarity", 5.0]]
    assert set(table[table.judge == "gpt5"].candidate) == {"claude", "gemini"}
    assert set(df[df.label != "claude"].fusion.scores().candidate) == {"gemini", "gpt4o"}
    both = pd.concat([named(states.jury, "j1"), named(states.merge, "j2")]).fusion.scores()
    assert both.groupby("run").size().to_dict() == {"j1": 16, "j2": 9}
    assert set(both[both.run == "j2"].judge) == {"gpt5"}
    assert both.attrs["left_out"] == 0
    assert frame(states.vote()).fusion.scores().empty


def test_judges_agreement_is_told_over_many_runs_alone() -> None:
    """Krippendorff's alpha: his own example to three digits; none below 30 runs; a harsh judge agrees all the same."""
    nobody = None
    raters = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nobody, nobody, nobody], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nobody, 3],
        [nobody, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nobody], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nobody],
    ]  # fmt: skip
    units = [[float(value) for value in unit if value is not None] for unit in zip(*raters, strict=True)]
    assert agreement_statistics.alpha(units) == pytest.approx(0.849, abs=5e-4)
    harsh = [
        {"run": f"r{n}", "judge": judge, "call": call, "score": 9.0 - 2 * call - less}
        for n in range(30)
        for judge, less in (("mild", 0), ("harsh", 2))
        for call in (1, 2, 3)
    ]
    assert agreement_statistics.jury_alpha(harsh) == (pytest.approx(1.0), 30)
    assert agreement_statistics.jury_alpha(harsh[6:]) == (None, 29)
    assert agreement_statistics.jury_alpha([]) == (None, 0)
    table = frame(states.jury()).fusion.scores()
    assert (table.attrs["alpha"], table.attrs["jury_runs"]) == (None, 1)
    assert json.loads(json.dumps(table.attrs)) == table.attrs


def test_what_a_cascade_came_to() -> None:
    """Per run: the share, whether more was needed, the vote, whether the answer is another one, money and seconds that
    stopping would have saved; and the sums."""
    df = pd.concat([
        named(states.stopped_at_the_vote, "stopped"), named(states.last_word, "last"), named(states.in_shadow, "shadow"),
        named(states.vote, "none"),
    ])  # fmt: skip
    table = df.fusion.escalation()
    assert table.index.tolist() == ["stopped", "last", "shadow"]
    assert table.needed.tolist() == [False, True, False]
    assert table.asked.fillna("-").tolist() == ["-", "gpt4o", "gpt4o, claude"]
    assert table.vote.tolist() == ["18"] * 3
    assert table.differs.tolist() == [False, True, True]
    assert table.saved_usd.tolist() == [0.0, 0.02, 0.0244]
    assert table.unpriced.tolist() == [0, 0, 1]
    # The third of the cheap members ended after 3.3 s, the last call of the shadow's after 5.5 + 2.5 s.
    assert table.saved_s.tolist() == pytest.approx([0.0, 3.4 + 2.0 - 3.3, 8.0 - 3.3])
    sums = table.attrs["sums"]
    assert (sums["all"]["runs"], sums["all"]["asked"], sums["all"]["differs"], sums["all"]["saved_usd"]) == (
        3,
        2,
        2,
        "0.0444",
    )
    assert (sums["not_needed"]["runs"], sums["not_needed"]["compared"], sums["not_needed"]["saved_usd"]) == (
        2,
        2,
        "0.0244",
    )
    assert table.attrs["left_out"] == 0
    assert json.loads(json.dumps(table.attrs)) == table.attrs
    assert frame(states.merge()).fusion.escalation().empty


def test_a_merged_answer_is_not_compared() -> None:
    """A written answer is no member's: whether it differs from the vote nobody knows."""
    state = states.escalated_and_judged()
    merged = replace(state, run="m", verdict=Verdict(answer="26, I think."))
    assert frame(merged).fusion.escalation().differs.isna().all()


def test_facts_of_many_runs_are_found_in_the_journal() -> None:
    """Frames put together know more than their rows: from this process, else from the record; what is nowhere is counted."""
    prompt = "How many times does the letter r occur in the word strawberry?"
    pool = ("demo:swift", "demo:steady")
    results = [fusion_nb.fuse(prompt, pool=pool, escalate="demo:careful", agree=1.0, seed=n) for n in (1, 2)]
    df = pd.concat([result.frame() for result in results], ignore_index=True)
    assert "run" not in df.attrs
    here = df.fusion.escalation()
    assert here.needed.tolist() == [True, True]
    run_facts._remembered.clear()
    lost = pd.concat([df, df.head(2).assign(run="20200101T000000-0000000000")])
    found = lost.fusion.escalation()
    assert found.reset_index().to_dict("records") == here.reset_index().to_dict("records")
    assert found.attrs["left_out"] == 1
    assert lost.assign(run="last").fusion.scores().attrs["left_out"] == 1


def test_few_facts_are_kept_of_each_run() -> None:
    """What is remembered is bounded, and the judges' reasons are no part of it."""
    run_facts._remembered.clear()
    facts = frame(states.jury()).attrs
    (kept,) = run_facts._remembered.values()
    assert "rationale" not in kept["verdicts"][0]
    assert facts["verdicts"][0]["rationale"]
    for n in range(run_facts.MOST + 5):
        run_facts.remember({**kept, "run": f"run{n}"})
    assert len(run_facts._remembered) == run_facts.MOST
    assert "run0" not in run_facts._remembered


def test_a_model_of_two_providers_is_told() -> None:
    """The table of members lists who served each; a model that two served is named, and one provider is no news."""
    script = states.Script(pool=(states.CLAUDE, states.GEMINI), judge=None)
    for turn, provider in enumerate(("DeepInfra", "Together")):
        script.reply(states.CLAUDE, "x", round=turn, provider=provider, quantization="fp8" if turn else None)
        script.reply(states.GEMINI, "y", round=turn, provider="Google")
    table = frame(script.close()).fusion.by_member()
    assert table.providers.tolist() == ["DeepInfra, Together (fp8)", "Google"]
    assert table.attrs["notes"] == [
        "openrouter:anthropic/claude-sonnet-4.5 was served by DeepInfra and Together (fp8): its replies may differ by that."
    ]
    plain = run().fusion.by_member()
    assert plain.providers.isna().all()
    assert plain.attrs["notes"] == []


def test_the_judges_of_a_jury_have_a_row_each(pyplot: Any) -> None:
    """Members, timeline and picture know as many judges as there are."""
    df = frame(states.jury())
    assert df.fusion.by_member().query("role == 'judge'").index.tolist() == ["gpt5", "opus", "llama3.3"]
    times = df.fusion.timeline()
    assert times[times.role == "judge"].start_s.tolist() == [2.6] * 3
    left, _ = df.fusion.plot()
    assert [t.get_text() for t in left.get_yticklabels()][3:] == ["judge · gpt5", "judge · opus", "judge · llama3.3"]


@pytest.mark.parametrize("module", [dataframe_accessor, agreement_statistics, agreement_table])
def test_the_examples_in_the_docstrings_run(module: Any) -> None:
    """What a docstring shows is what comes."""
    shown = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert shown.attempted
    assert not shown.failed
