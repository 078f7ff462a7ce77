"""The DataFrame: the contract people build on, column by column."""

import io
import json
import pickle
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_nb.core import Ref, RunState, Verdict
from fusion_nb.core.events import VerdictReached
from fusion_nb.journal.run_rows import RunRow
from fusion_nb.views.dataframes import DTYPES, frame, models_frame, runs_frame
from tests import states
from tests.shell import Shell

COLUMNS = [
    "run", "call", "role", "round", "label", "service", "model", "text", "prompt_tokens", "completion_tokens",
    "cached_tokens", "reasoning_tokens", "cost_usd", "cost_source", "ttft_s", "latency_s", "tokens_per_s", "finish",
    "status", "error", "attempts", "score", "rank", "chosen", "share", "generation_id", "warnings",
    "provider", "quantization", "group", "passed", "checks",
]  # fmt: skip
ATTRS = {
    "run", "when", "mode", "prompt", "answer", "rationale", "analysis", "total_cost_usd", "unpriced_calls", "demo",
    "status", "notes", "errors", "labels", "seed", "agreement", "escalation", "verdicts", "judges", "scores", "checks",
    "started_s",
}  # fmt: skip
examples = pytest.mark.parametrize("build", states.EXAMPLES.values(), ids=states.EXAMPLES)


def priced(*costs: str | None) -> RunState:
    script = states.Script(pool=[Ref("s", "m", f"m{i}") for i in range(len(costs))])
    for ref, cost in zip(script.state.pool, costs, strict=True):
        script.reply(ref, "x", cost=cost)
    return script.close()


@examples
def test_columns_and_dtypes_are_the_contract(build: Callable[[], RunState]) -> None:
    """Every phase of every run gives the same columns, in the same order, with the same dtypes."""
    df = frame(build())
    assert list(df.columns) == COLUMNS
    assert {name: str(dtype) for name, dtype in df.dtypes.items()} == {
        n: str(pd.Series(dtype=d).dtype) for n, d in DTYPES.items()
    }
    assert str(df.dtypes["run"]) == "string"
    assert list(df.dtypes["role"].categories) == ["candidate", "judge"]
    assert list(df.dtypes["status"].categories) == [
        "ok",
        "incomplete",
        "filtered",
        "refused",
        "empty",
        "error",
        "timeout",
        "cancelled",
    ]


@examples
def test_one_row_per_call_in_call_order(build: Callable[[], RunState]) -> None:
    """Calls are numbered from 1 without gaps, and each has its row."""
    state = build()
    df = frame(state)
    assert df.call.tolist() == list(range(1, len(state.replies) + 1))
    assert df.text.tolist() == [r.text for r in state.replies]
    assert (df.run == state.run).all()


@examples
def test_attrs_are_plain_json(build: Callable[[], RunState]) -> None:
    """What stands in `df.attrs` survives JSON unchanged: it can be stored, sent and compared."""
    state = build()
    attrs = frame(state).attrs
    assert set(attrs) >= ATTRS
    assert json.loads(json.dumps(attrs, allow_nan=False)) == attrs
    assert attrs["answer"] == state.answer
    assert attrs["demo"] == state.demo


def test_a_merge_column_by_column() -> None:
    """Each column says what the design says it does."""
    df = frame(states.merge())
    assert df.role.tolist() == ["candidate", "candidate", "candidate", "judge"]
    assert df["round"].tolist() == [0, 0, 0, 0]
    assert df.label.tolist() == ["claude", "gemini", "gpt4o", "gpt5"]
    assert df.service.unique().tolist() == ["openrouter"]
    assert df.model.tolist()[0] == "anthropic/claude-sonnet-4.5"
    assert df.prompt_tokens.tolist() == [48] * 4
    assert df.completion_tokens.tolist()[3] == 430
    assert df.cost_usd.tolist() == [0.0031, 0.0038, 0.0045, 0.0094]
    assert df.cost_source.unique().tolist() == ["reported"]
    assert df.ttft_s.tolist()[0] == 0.42
    assert df.latency_s.tolist()[0] == 1.9
    assert df.tokens_per_s.tolist()[3] == pytest.approx(430 / 2.5)
    assert df.finish.unique().tolist() == ["stop"]
    assert df.status.astype("string").unique().tolist() == ["ok"]
    assert df.error.isna().all()
    assert df.attempts.tolist() == [1] * 4
    assert df.score[:3].tolist() == pytest.approx([28 / 3, 26 / 3, 21.5 / 3])
    assert df["rank"][:3].tolist() == [1, 2, 3]
    assert df.chosen.tolist() == [False] * 4
    assert df.share[:3].sum() == pytest.approx(1)
    assert df[["score", "rank", "share"]].iloc[3].isna().all()
    assert df.generation_id.tolist()[0] == "gen-claude"


def test_the_chosen_candidate_is_marked() -> None:
    """best-of: one row is chosen, and the whole answer comes from it."""
    df = frame(states.best_of())
    assert df.chosen.tolist() == [True, False, False, False]
    assert df.share[:3].tolist() == [1.0, 0.0, 0.0]
    assert df[df.chosen].text.item() == df.attrs["answer"]


def test_groups_checks_and_who_served_it_have_columns() -> None:
    """Group 1 gave the answer that won; what no check saw, nobody compared or nobody told is `<NA>`."""
    df = frame(states.checks_decide())
    assert df.group.tolist() == [1, 2, 1]
    assert df.passed.tolist() == [True, False, True]
    assert df.checks.map(json.loads).tolist()[1] == [
        {
            "name": "adds_up", "passed": False, "score": None, "weight": None, "seconds": 0.004,
            "error": "adds_up raised ValueError: 13 × 2 is not what 16 - 3 - 4 gives.",
        },
        {"name": "is_short", "passed": True, "score": 0.95, "weight": None, "seconds": 0.002, "error": ""},
    ]  # fmt: skip
    assert df.attrs["checks"] == ["adds_up", "is_short"]
    served = frame(states.lone_dissenter())
    assert served.provider.tolist()[:2] == ["Together", "DeepInfra"]
    assert served.quantization.isna().tolist()[:2] == [True, False]
    assert served[served.role == "judge"][["group", "passed", "checks", "provider"]].isna().all(axis=None)
    merged = frame(states.tried_again())
    assert merged.passed.tolist() == [True, True, False, True, True]
    assert frame(states.merge())[["provider", "quantization", "group", "passed", "checks"]].isna().all(axis=None)


def test_attrs_tell_how_the_answer_was_found() -> None:
    """Agreement, cascade and each judge's verdict, as plain JSON; the frame's score is the fit over all judges."""
    attrs = frame(states.vote()).attrs
    assert attrs["agreement"] == {
        "asked": 3, "groups": [[1, 3], [2]], "answers": ["18", "26"], "unknown": [], "share": 2 / 3, "tied": False,
        "extract": "", "dissenters": ["gemini"],
    }  # fmt: skip
    assert (attrs["escalation"], attrs["verdicts"], attrs["checks"]) == (None, [], [])
    found = frame(states.last_word()).attrs["escalation"]
    assert found == {"agree": 0.8, "share": 2 / 3, "needed": True, "to": ["gpt4o"], "voted": 1}
    df = frame(states.jury())
    assert df.score[:3].tolist() == pytest.approx([9.8, 9.35, 8.05])
    assert df.attrs["judges"] == ["gpt5", "opus", "llama3.3"]
    opus = df.attrs["verdicts"][1]
    assert (opus["judge"], opus["calls"], opus["state"], opus["ranking"], opus["recused"]) == (
        "opus",
        [5],
        "repaired",
        [2, 3],
        [1],
    )
    assert opus["scores"]["2"] == {"correctness": 6.0, "clarity": 5.0}
    assert opus["rationale"] == "gemini is right, and **short**."
    assert frame(states.merge()).attrs["agreement"] is None


@pytest.mark.parametrize("payload", ["\x1b[2J\x9b1m", "=cmd|' /C calc'!A0", '"}]', "a\nb\u202e", "\ud800"])
def test_hostile_checks_and_routers_are_text(payload: str) -> None:
    """What a check's error, a router or a short answer says acts neither on a terminal nor in a spreadsheet nor in JSON."""
    df = frame(states.hostile_selection(payload))
    printed = df[["label", "provider", "quantization", "checks"]].to_string() + repr(df.attrs)
    assert not set(printed) & set("\x1b\x9b\ud800")
    told = json.loads(df.checks[0])
    assert [each["passed"] for each in told] == [False, True]
    assert not set(told[0]["error"]) & set("\x1b\x9b")
    assert json.loads(json.dumps(df.attrs)) == df.attrs
    assert not df.fusion.to_csv().split("\n", 1)[1].startswith(("=", '"='))
    df.to_parquet(io.BytesIO())


def test_failures_have_rows_and_reasons() -> None:
    """A failed member is a row with the fault's class; the sentence about it stands in the attrs."""
    df = frame(states.one_failed())
    failed = df[df.status == "error"]
    assert failed.error.tolist() == ["rate_limit"]
    assert failed.attempts.tolist() == [3]
    assert failed[["cost_usd", "completion_tokens", "ttft_s", "finish", "rank"]].isna().all(axis=None)
    assert "too many requests" in df.attrs["errors"]["2"]
    assert df.attrs["unpriced_calls"] == 0  # a refused call is billed to nobody


def test_what_is_not_known_yet_is_na() -> None:
    """While a run goes on, nothing is said that is not known: status, chosen, rank are <NA>."""
    df = frame(states.running())
    assert df.status.astype("string").fillna("-").tolist() == ["ok", "-", "-"]
    assert df[["score", "rank", "chosen", "share"]].isna().all(axis=None)
    assert df.attempts.tolist() == [1, 1, 2]
    assert df.attrs["total_cost_usd"] == "0.0031"


def test_an_empty_run_is_an_empty_frame() -> None:
    """No calls: no rows, and the same dtypes all the same."""
    df = frame(RunState())
    assert df.empty
    assert {n: str(d) for n, d in df.dtypes.items()} == {n: str(d) for n, d in frame(states.merge()).dtypes.items()}
    assert df.attrs["total_cost_usd"] is None


def test_no_verdict_no_choice() -> None:
    """A verdict that could not be read ranks and chooses nobody; a run without one says <NA>, not False."""
    assert not frame(states.unread()).chosen.any()
    assert frame(states.cancelled()).chosen.isna().all()


money = st.decimals(min_value=0, max_value=10, allow_nan=False, places=8) | st.decimals(
    min_value=0, max_value=1, places=12
)


@given(st.lists(money, min_size=1, max_size=20))
def test_the_sum_is_what_the_services_reported(costs: list[Decimal]) -> None:
    """The total is exact to the last digit, and every cell is the reported decimal: read as decimals, they sum to it."""
    df = frame(priced(*map(str, costs)))
    total = sum(costs, Decimal(0))
    assert Decimal(df.attrs["total_cost_usd"]) == total
    assert sum((Decimal(str(cost)) for cost in df.cost_usd), Decimal(0)) == total
    assert df.cost_usd.sum() == pytest.approx(float(total), rel=1e-14)


@pytest.mark.parametrize(
    "costs", [("0.00014175", "0.00031", "0.0009412"), ("0.0031", "0.0038", "0.0045", "0.0094"), ("0", "0.01")]
)
def test_the_plain_sum_of_a_usual_run_is_exact(costs: tuple[str, ...]) -> None:
    """`df.cost_usd.sum()` is the float of the exact sum for costs as services report them."""
    assert frame(priced(*costs)).cost_usd.sum() == float(sum(map(Decimal, costs)))


def test_unknown_costs_are_not_zero() -> None:
    """A cost nobody reported is <NA>; the attrs say how many calls the total leaves out."""
    df = frame(priced("0.10", None, "0.20"))
    assert df.cost_usd.isna().tolist() == [False, True, False]
    assert (df.attrs["total_cost_usd"], df.attrs["unpriced_calls"]) == ("0.30", 1)
    nothing = frame(priced(None))
    assert (nothing.attrs["total_cost_usd"], nothing.attrs["unpriced_calls"]) == (None, 1)


@examples
def test_parquet_keeps_all_of_it(build: Callable[[], RunState], tmp_path: Path) -> None:
    """Through Parquet and back: values, nullable dtypes, categories and attrs are the same."""
    df = frame(build())
    df.to_parquet(tmp_path / "run.parquet")
    back = pd.read_parquet(tmp_path / "run.parquet")
    assert back.attrs == df.attrs
    if df.empty:
        # Parquet keeps the categories of rows alone.
        back = back.astype(DTYPES)
    pd.testing.assert_frame_equal(back, df)


@examples
def test_pickle_keeps_all_of_it(build: Callable[[], RunState]) -> None:
    """Through pickle and back: values, dtypes and attrs are the same."""
    df = frame(build())
    back = pickle.loads(pickle.dumps(df))
    pd.testing.assert_frame_equal(back, df)
    assert back.attrs == df.attrs


@pytest.mark.parametrize("name", [name for name in states.EXAMPLES if name not in ("begun",)])
def test_csv_keeps_the_values(name: str) -> None:
    """Through CSV and back with the contract's dtypes: every value is the same, what is missing is missing."""
    df = frame(states.EXAMPLES[name]())
    text = df.to_csv(index=False, lineterminator="\n")
    back = pd.read_csv(io.StringIO(text), dtype=DTYPES, keep_default_na=False, na_values=[""])
    # CSV cannot tell an empty text from a missing one.
    back["text"] = back["text"].fillna("")
    pd.testing.assert_frame_equal(back, df)


def test_hostile_names_cannot_act_on_a_terminal() -> None:
    """Printing the columns a service names (model, finish, error, ids) sends no escape sequence to the terminal."""
    df = frame(states.hostile("\x1b]8;;http://evil\x07x\x1b[2J\x9b1m\u202e"))
    named = df[["model", "finish", "error", "generation_id"]].to_string()
    assert not set(named) & set("\x1b\x07\x9b\u202e")


def test_text_is_the_models_own() -> None:
    """`text` is what the model said, hostile or not; only what a terminal obeys, or no file can hold, is shown instead."""
    said = "=cmd|' /C calc'!A0 \u202e\u200d\r\n\t é 🎉"
    script = states.Script()
    script.reply(states.CLAUDE, said)
    script.reply(states.GEMINI, "a\ud800b\x1b[31m\x9bc\rd")
    state = script.close()
    df = frame(state)
    assert df.text.tolist() == [said, "a\ufffdb[U+001B][31m[U+009B]c[U+000D]d"]
    assert state.reply(2).text == "a\ud800b\x1b[31m\x9bc\rd"
    pickle.dumps(df)
    df.to_parquet(io.BytesIO())


def test_several_chosen_share_alike() -> None:
    """Where two calls are chosen together, each has half of the answer."""
    script = states.Script()
    script.members()
    script.emit(VerdictReached, verdict=Verdict(answer="x", chosen=(1, 3)))
    df = frame(script.close())
    assert df.chosen.tolist() == [True, False, True]
    assert df.share.tolist() == [0.5, 0.0, 0.5]


def test_changing_a_frame_changes_no_run() -> None:
    """A frame is the person's own: what they do to its attrs stays theirs."""
    state = states.merge()
    frame(state).attrs["analysis"]["consensus"].clear()
    assert frame(state).attrs["analysis"]["consensus"] == states.ANALYSIS["consensus"]


def test_models_are_a_table() -> None:
    """Models are listed one a row, with prices per million tokens, <NA> where nobody said."""

    class Listed:
        def __init__(self, ref: Ref, price: Decimal | None) -> None:
            self.ref, self.name, self.context, self.modalities = ref, "Claude\x1b[2J", 200_000, ("text", "image")
            self.alias = ""
            self.prompt_usd_per_mtok, self.completion_usd_per_mtok, self.source, self.created = (
                price,
                None,
                "openrouter.ai",
                None,
            )

    df = models_frame([Listed(states.CLAUDE, Decimal("3.00")), Listed(states.GEMINI, None)])
    assert df.ref.tolist() == ["openrouter:anthropic/claude-sonnet-4.5", "openrouter:google/gemini-2.5-pro"]
    assert df.name.tolist()[0] == "Claude[U+001B][2J"
    assert df.modalities.tolist()[0] == "text, image"
    assert df.prompt_usd_per_mtok.isna().tolist() == [False, True]
    assert [str(d) for d in df.dtypes] == [
        "string",
        "string",
        "Int64",
        "string",
        "Float64",
        "Float64",
        "string",
        "string",
        "string",
    ]
    assert models_frame([]).columns.tolist() == df.columns.tolist()


@pytest.fixture
def shown() -> Iterator[Callable[[Any], str]]:
    """A table as IPython shows it in a notebook."""
    shell = Shell()
    yield lambda table: shell.ip.display_formatter.format(table)[0]["text/html"]
    shell.close()


def heads(page: str) -> list[str]:
    return re.findall(r"<th[^>]*>([a-z_]+)</th>", page)


def test_a_notebook_shows_the_useful_columns_first(shown: Callable[[Any], str]) -> None:
    """The cell's value is one line a call: who, how it ended, score, cost, seconds, words; the rest is named below."""
    df = frame(states.merge())
    page = shown(df)
    assert heads(page) == [
        "label", "role", "status", "rank", "score", "cost_usd", "latency_s", "completion_tokens", "text",
    ]  # fmt: skip
    rows = re.findall(r"<tr>.*?</tr>", page)[1:]
    assert len(rows) == len(df)
    assert all("\n" not in row and len(row) < 600 for row in rows)
    assert "<td>claude</td><td>candidate</td><td>ok</td>" in rows[0]
    assert ">0.00310</td>" in rows[0]
    below = page[page.index("4 rows × 32 columns; not shown here: run, call, round") :]
    assert set(df.columns) <= set(heads(page)) | set(re.findall(r"[a-z_]+", below))
    assert list(df.columns) == list(DTYPES)


def test_groups_and_checks_are_shown_where_there_are_any(shown: Callable[[Any], str]) -> None:
    """A table of a run with votes and checks has their columns; others do not."""
    assert {"group", "passed"} <= set(heads(shown(frame(states.checks_decide()))))
    assert not {"group", "passed"} & set(heads(shown(frame(states.merge()))))


def test_what_nobody_knows_is_a_dash_and_warnings_have_a_column(shown: Callable[[Any], str]) -> None:
    """Unknown is not zero here either; warnings are shown where there are any."""
    script = states.Script()
    script.reply(states.CLAUDE, "Blue.", cost=None, tokens=None, warnings=("no_finish",))
    page = shown(frame(script.close()))
    assert "warnings" in heads(page)
    assert "score" not in heads(page)
    assert '<td class="fnb-right">—</td>' in page
    assert "$0" not in page


def test_parts_and_wishes_are_shown_by_pandas(shown: Callable[[Any], str]) -> None:
    """Columns somebody chose, every column where that is asked, and other people's tables: as pandas shows them."""
    df = frame(states.merge())
    assert heads(shown(df[["call", "cost_usd"]])) == ["call", "cost_usd"]
    with pd.option_context("display.max_columns", None):
        assert heads(shown(df)) == list(DTYPES)
    other = pd.DataFrame({"a": [1.5], "b": ["x" * 200]})
    assert shown(other) == other._repr_html_()
    assert "not shown here" not in shown(df.groupby("role", observed=True).cost_usd.sum().to_frame())


def test_a_table_somebody_has_changed_is_still_shown(shown: Callable[[Any], str]) -> None:
    """Words in a column of figures, several runs, a name that is markup, many rows: no table fails to show."""
    df = frame(states.merge())
    changed = df.assign(cost_usd=["cheap", "dear", None, "?"])
    assert "cheap" in shown(changed)
    other = frame(states.best_of()).assign(run="another")
    both = pd.concat([df, other], ignore_index=True)
    assert heads(shown(both))[0] == "run"
    hostile = shown(frame(states.hostile("<img src=x onerror=alert(1)>$x$")))
    assert "<img" not in hostile
    assert 'class="mathjax_ignore' in hostile
    long = shown(pd.concat([df] * 40, ignore_index=True))
    assert long.count("<tr>") == pd.options.display.max_rows + 1
    assert "160 rows" in long


def test_past_runs_are_one_line_each(shown: Callable[[Any], str]) -> None:
    """The id to load it by, which stays in sight; when, what was asked, of whom, how it ended, what it cost."""
    row = RunRow(
        run="20260301T101500-5f2a9c01de", when="2026-03-01T10:15:00+00:00", mode="merge", status="ok",
        prompt="Why is the sky blue?\n\nAnswer in one sentence, please, and say why the sunset is red then. " * 3,
        pool=("claude", "gemini", "gpt4o"), judge="gpt5", cost=Decimal("0.0208"), calls=4,
    )  # fmt: skip
    page = shown(runs_frame([row]))
    assert heads(page) == ["run", "when", "prompt", "mode", "pool", "status", "cost_usd", "seconds", "calls"]
    assert "<td>2026-03-01 10:15</td><td>Why is the sky blue? Answer in one sentence" in page
    assert "<td>20260301T101500-5f2a9c01de</td>" in page
    assert "white-space:nowrap" in page


def test_models_show_alias_price_and_context_first() -> None:
    """A list of models begins with what a pool is chosen by; the frame keeps all its columns."""
    from fusion_nb import models
    from fusion_nb.views.frame_html import compact_html

    table = models("demo")
    page = compact_html(table) or ""
    assert page.index(">ref<") < page.index(">prompt_usd_per_mtok<") < page.index(">context<") < page.index(">name<")
    assert "not shown here: source, created" in page
    assert "source" in table


def test_spending_shows_model_and_money_first() -> None:
    """`%fuse_spend`: the dearest first; unknown money is a dash, a session without cost has no column."""
    from fusion_nb.views.frame_html import compact_html
    from fusion_nb.views.spending_report import ModelSpending
    from fusion_nb.views.spreadsheet_files import spending_frame

    rows = [
        ModelSpending("openrouter", "a<b>", 12_000, 5, 6, Decimal("1.5")),
        ModelSpending("corp", "=x", 1, None, None, None, unpriced=1),
    ]
    page = compact_html(spending_frame(rows)) or ""
    assert page.index(">model<") < page.index(">cost_usd<") < page.index(">calls<")
    assert "a&lt;b&gt;" in page
    assert ">1.50<" in page
    assert ">12,000<" in page
    assert "—" in page
    assert ">session_usd<" not in page
