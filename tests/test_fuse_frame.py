"""`fuse_frame()`: a table of prompts asked once, under one cap, going on after a kill; nothing sent that cannot be."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fusion_nb
from fusion_nb import UserError, fuse_frame
from fusion_nb.dataset.table_columns import COLUMNS
from fusion_nb.dataset.table_plan import TablePlan
from fusion_nb.dataset.table_runs import run_rows
from fusion_nb.journal import table_files
from fusion_nb.journal.table_writer import TableWriter
from fusion_nb.judging.vote import extract_answer
from fusion_nb.run.run_handle import new_run_id
from fusion_nb.storage import files
from tests.replay import Replay, recordings
from tests.shell import Shell
from tests.test_vote import MID, by_number, votes

needs_recordings = pytest.mark.skipif(bool(recordings.MISSING), reason=recordings.MISSING or "recordings")
PROMPT = "How many times does the letter r occur in the word {word}?"
QUIET: dict[str, Any] = {"pool": "demo", "mode": "vote", "show_progress": False}
EVERY = 40


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


@pytest.fixture
def words() -> pd.DataFrame:
    return pd.DataFrame({"word": ["strawberry", "berry", "strawberry"], "n": [1, 2, 3]}, index=["a", "b", "c"])


def requests(replay: Replay) -> int:
    return sum(replay.stats()["requests"].values())


def test_the_same_frame_comes_back_with_answers(words: pd.DataFrame) -> None:
    """Index and columns are the frame's own, the frame that was given is untouched, one prompt is paid once."""
    before = words.copy()
    done = fuse_frame(words, PROMPT, members=True, **QUIET)
    pd.testing.assert_frame_equal(words, before)
    assert isinstance(done, pd.DataFrame)
    assert list(done.index) == ["a", "b", "c"]
    assert list(done)[:10] == ["word", "n", *COLUMNS]
    assert set(done.status) <= {"ok", "unjudged"}
    assert done.run["a"] == done.run["c"] != done.run["b"]
    assert done.cost_usd["a"] > 0
    assert done.cost_usd["c"] == 0
    assert len([name for name in done if name.startswith("answer_")]) == 3
    assert len(own_runs()) == 2


def test_what_is_there_is_not_asked_again(words: pd.DataFrame) -> None:
    """A second call takes over, an added row is asked alone, `fresh` asks anew."""
    first = fuse_frame(words, PROMPT, **QUIET)
    again = fuse_frame(words, PROMPT, **QUIET)
    pd.testing.assert_frame_equal(first, again)
    assert "2 prompts taken over" in " ".join(again.attrs["notes"])
    more = pd.concat([words, pd.DataFrame({"word": ["barrier"], "n": [4]}, index=["d"])])
    fuse_frame(more, PROMPT, **QUIET)
    assert len(own_runs()) == 3
    fuse_frame(words, PROMPT, fresh=True, **QUIET)
    assert len(own_runs()) == 5


def test_a_plan_sends_nothing_and_knows_what_is_there(words: pd.DataFrame) -> None:
    """Cost, time and tokens of the whole, without what is answered already."""
    plan = fuse_frame(words, PROMPT, dry_run=True, **QUIET)
    assert isinstance(plan, TablePlan)
    assert (plan.rows, plan.prompts, plan.known) == (3, 2, 0)
    assert plan.usd is not None
    assert 0 < plan.usd.low <= plan.usd.high
    assert "nothing has been sent" in str(plan)
    assert len(fusion_nb.runs()) == 0
    fuse_frame(words, PROMPT, **QUIET)
    plan = fuse_frame(words, PROMPT, dry_run=True, **QUIET)
    assert (plan.known, plan.usd.high) == (2, 0)


def test_a_pilot_pays_for_some_and_says_what_the_rest_may_cost() -> None:
    """Rows of the pilot are taken over when the call goes on."""
    frame = pd.DataFrame({"word": ["berry", "cherry", "arrow", "mirror"]})
    piloted = fuse_frame(frame, PROMPT, pilot=2, **QUIET)
    assert piloted.status.notna().sum() == 2
    assert "The 2 left may cost $" in piloted.attrs["notes"][-1]
    whole = fuse_frame(frame, PROMPT, **QUIET)
    assert set(whole.status) <= {"ok", "unjudged"}
    assert len(own_runs()) == 4
    with pytest.raises(UserError, match="give one of them"):
        fuse_frame(frame, PROMPT, pilot=2, dry_run=True, **QUIET)


def test_one_cap_for_the_whole_and_going_on_pays_nothing_twice() -> None:
    """Rows beyond the cap say so; a higher cap asks those alone."""
    frame = pd.DataFrame({"word": [f"{letter}arrow" for letter in "abcdefgh"]})
    single = {**QUIET, "pool": "demo:swift"}
    worth = fuse_frame(frame.head(1), PROMPT, **single).cost_usd.sum()
    capped = fuse_frame(frame, PROMPT, fresh=True, max_cost=0.00017, max_tokens=200, **single)
    assert capped.cost_usd.sum() <= 0.00017
    assert set(capped.status) <= {"ok", "unjudged", "budget"}
    assert "budget" in set(capped.status)
    assert worth > 0
    whole = fuse_frame(frame, PROMPT, max_cost=5, max_tokens=200, **single)
    assert set(whole.status) <= {"ok", "unjudged"}


def own_runs() -> list[str]:
    """The runs of all tables in the journal."""
    return [run for table in fusion_nb.runs()["run"] for run in fusion_nb.runs(table)["run"]]


@pytest.mark.parametrize(
    ("change", "template", "message"),
    [
        (lambda df: df.assign(word=["x", None, "y"]), PROMPT, "no value in row 'b'"),
        (lambda df: df.assign(word=["x", "y", 3]), PROMPT, "row 'c', which is no text"),
        (lambda df: df.set_axis(["a", "a", "b"]), PROMPT, "reset_index"),
        (lambda df: df.head(0), PROMPT, "no rows"),
        (lambda df: df.assign(answer="x"), PROMPT, "prefix="),
        (lambda df: df, "What of {wort}?", "Did you mean word"),
        (lambda df: df, "What?", "names no column"),
        (lambda df: df.assign(word=["x", "y", " "]), "{word}", "Row 'c': The prompt is empty"),
        (lambda df: list(df.word), PROMPT, "takes a DataFrame"),
    ],
)
def test_what_cannot_be_sent_is_said_before_anything_is(
    change: Any, template: str, message: str, words: pd.DataFrame
) -> None:
    """One sentence with the row, and nobody is asked."""
    with pytest.raises(UserError, match=message):
        fuse_frame(change(words), template, **QUIET)
    assert len(fusion_nb.runs()) == 0


def test_one_word_is_an_answer_and_rows_without_a_verdict_say_why() -> None:
    """README's example: yes or no. Where nothing can be counted the frame, its notes and the screen say what helps."""
    frame = pd.DataFrame({"review": ["It broke.", "Fine."]})
    prompt = "Is this review a complaint? Answer yes or no.\n{review}"
    broke = [lambda p: "Yes" if "broke" in p else "no", lambda p: "yes." if "broke" in p else "**No**", lambda p: "No"]
    done = fuse_frame(frame, prompt, pool=broke, mode="vote", show_progress=False)
    assert done.status.tolist() == ["ok", "ok"]
    assert done.agreement.tolist() == [pytest.approx(2 / 3), 1]
    assert [answer.strip("*.").casefold() for answer in done.answer] == ["yes", "no"]
    essays = [lambda p: "It seems that the person complains.", lambda p: "One might call this a complaint, yes."]
    done = fuse_frame(frame, prompt, pool=essays, mode="vote", show_progress=False)
    assert done.status.tolist() == ["unjudged", "unjudged"]
    assert done.error.str.contains("No short answer was found").all()
    assert any("No verdict for 2 of 2 prompts. Row 0: No short answer" in note for note in done.attrs["notes"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": "gpt5o"}, "^Unknown model 'gpt5o'. Did you mean gpt4o"),
        ({"pool": "claude"}, "^No API key for openrouter"),
        ({"judge": "nobody"}, "^Unknown model 'nobody'"),
        ({"mode": "poll"}, "^Unknown mode 'poll'"),
        ({"mode": "vote", "orders": 2}, "^orders is for a judge, and this vote has none"),
        ({"mode": "vote", "criteria": "short"}, "^criteria is for a judge"),
        ({"quorum": 9}, "^quorum must be at most"),
        ({"mode": "debate", "deeper": 1}, "^deeper means nothing without check"),
        ({"batch": True}, "^demo:"),
        ({"mode": "best-of", "judge": lambda a, b, c: "x"}, "cannot be called"),
        ({"pool": "demo:swift", "escalate": "demo:careful"}, "^escalate needs at least two members"),
        ({"pool": "demo", "weights": {"nobody": 1}}, "^Unknown member 'nobody'"),
        ({"services": {"words": {"base_url": "http://127.0.0.1:9/v1"}}, "pool": "words/one"}, "written words:one.$"),
    ],
)
def test_what_no_row_is_to_blame_for_is_said_of_none(options: Any, message: str, words: pd.DataFrame) -> None:
    with pytest.raises(UserError, match=message):
        fuse_frame(words, PROMPT, **{**QUIET, **options})
    assert len(fusion_nb.runs()) == 0


def test_cells_are_filled_in_once_and_braces_stay() -> None:
    """What a cell holds is no template, and JSON in a prompt is JSON."""
    frame = pd.DataFrame({"word": ["{n} r"], "n": ["7"]})
    done = fuse_frame(frame, '{{x}} {"a": 1} {word}', **QUIET)
    assert fusion_nb.load(done.run[0]).prompt == '{x} {"a": 1} {n} r'


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("member", ["demo:swift", "coroutine"])
def test_an_interrupt_ends_the_table_whenever_it_comes(member: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of whatever the queue does, and with members that are bound to the caller's loop: what is there comes
    back, and the same call goes on."""

    async def coroutine(prompt: str) -> str:
        await asyncio.sleep(0.02)
        return prompt

    words = pd.DataFrame({"word": [f"word{n}" for n in range(300)]})
    asked = {"pool": [coroutine if member == "coroutine" else member], "mode": "vote", "show_progress": False}
    done: list[int] = []

    def interrupt() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and fusion_nb.runs()["calls"].sum() < 20:
            time.sleep(0.05)
        done.append(1)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    part = fuse_frame(words, PROMPT, concurrency=4, **asked)
    assert done
    assert "cancelled" in set(part.status)
    assert "Interrupted" in " ".join(part.attrs["notes"])
    assert part.answer.notna().sum() > 0


def test_calls_of_all_rows_are_found_by_their_runs(words: pd.DataFrame) -> None:
    """Also under a prefix, of parts, and after operations that lose `attrs`."""
    done = fuse_frame(words, PROMPT, prefix="f_", **QUIET)
    calls = done.sort_values("n").fusion.calls()
    assert set(calls.run) == set(done.f_run)
    assert len(calls) == 6
    assert calls.cost_usd.sum() == pytest.approx(done.f_cost_usd.sum())
    assert len(done.head(1).fusion.calls().fusion.by_member()) == 3
    with pytest.raises(UserError, match=r"df\.fusion\.calls\(\)\.fusion\.cost\(\)"):
        _ = done.fusion.cost()
    assert [name for name in dir(done.fusion) if name[0] != "_"] == ["calls", "to_csv", "to_excel"]
    assert repr(done.fusion) == "<df.fusion: calls, to_csv, to_excel>"
    assert not hasattr(words, "fusion")


def test_calls_of_many_rows_are_read_together(words: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table's runs are read with one query, in the order of its rows; the frame is the one that each run by itself
    comes to, with single runs among them, and without those that are gone."""
    done = fuse_frame(words, PROMPT, **QUIET).iloc[::-1]
    alone = fusion_nb.fuse("Is 7 prime?", pool="demo:swift")
    first, *others = done.run.unique()
    runs = [first, alone.run, *others]
    table = pd.DataFrame({"run": runs, "answer": "", "agreement": 1.0, "chosen_model": ""})
    each = pd.concat([fusion_nb.load(run).frame() for run in runs], ignore_index=True)
    read = table_files.read
    monkeypatch.setattr(table_files, "read", lambda run: None if table_files.table_of(run) is None else 1 / 0)
    pd.testing.assert_frame_equal(table.fusion.calls(), each)
    monkeypatch.setattr(table_files, "read", read)
    fusion_nb.history.delete(alone.run)
    calls = table.fusion.calls()
    assert (calls.attrs["left_out"], calls.run.nunique()) == (1, len(runs) - 1)


def test_another_mode_or_member_pays_only_for_what_is_new(words: pd.DataFrame) -> None:
    """A reply is known by what was sent: another mode, check or label, an added member ask nobody a second time."""
    first = fuse_frame(words, PROMPT, **QUIET)
    judged = fuse_frame(words, PROMPT, **{**QUIET, "mode": "best-of"})
    assert "6 answers of members taken over" in " ".join(judged.attrs["notes"])
    calls = judged.fusion.calls()
    assert calls.query("role == 'candidate'")["cost_usd"].tolist() == [0.0] * 6
    assert calls.query("role == 'judge'")["cost_usd"].gt(0).all()
    # What a row cost holds what its members cost when they were asked.
    assert (judged["cost_usd"].dropna() >= first["cost_usd"].dropna()).all()
    named = fuse_frame(words, PROMPT, **{**QUIET, "pool": "demo:swift,demo:steady", "aliases": {"x": "demo:swift"}})
    assert named.fusion.calls()["cost_usd"].sum() == 0
    checked = fuse_frame(words, PROMPT, check=lambda text: "3" in text, **QUIET)
    assert checked.fusion.calls()["cost_usd"].sum() == 0
    hot = fuse_frame(words, PROMPT, temperature=1.5, **QUIET)
    assert hot.fusion.calls()["cost_usd"].gt(0).all()
    assert "taken over" not in " ".join(hot.attrs["notes"])


def test_rows_with_one_prompt_are_asked_as_often_as_wanted(words: pd.DataFrame) -> None:
    """`repeat` asks each row, pays each, and goes on with as many as are there."""
    done = fuse_frame(words, PROMPT, repeat=True, **QUIET)
    assert len(set(done.run)) == 3
    assert done.cost_usd.gt(0).all()
    again = fuse_frame(words, PROMPT, repeat=True, **QUIET)
    assert set(again.run) == set(done.run)
    more = pd.concat([words, words.rename(index=str.upper)])
    whole = fuse_frame(more, PROMPT, repeat=True, **QUIET)
    assert len(set(whole.run)) == 6
    assert set(done.run) < set(whole.run)
    assert whole.fusion.calls()["cost_usd"].gt(0).all()


def test_a_table_is_one_file_and_one_run_of_the_past(words: pd.DataFrame, tmp_path: Path) -> None:
    """`runs()` has one row with its money, `runs(id)` its runs; it is searched, exported and deleted as a whole."""
    done = fuse_frame(words, PROMPT, **QUIET)
    [table] = fusion_nb.runs("letter r word vote")["run"]
    row = fusion_nb.runs().iloc[0]
    assert (row["prompt"], row["calls"], row["status"]) == (PROMPT, 6, "ok")
    assert row["cost_usd"] == pytest.approx(done.cost_usd.sum())
    assert fusion_nb.runs("nothing of that").empty
    assert set(fusion_nb.runs(table)["run"]) == set(done.run)
    result = fusion_nb.load(done.run["a"])
    assert result.answer == done.answer["a"]
    assert fusion_nb.choose(result, 1).answer == fusion_nb.load(done.run["a"]).answer == result.replies[0].text
    assert fusion_nb.rejudge(done.run["b"], mode="best-of", judge="demo:judge").of == done.run["b"]
    with pytest.raises(UserError, match="is a table of prompts: runs"):
        fusion_nb.load(table)
    with pytest.raises(UserError, match="is one of the table"):
        fusion_nb.history.delete(done.run["a"])
    assert fusion_nb.history.export(tmp_path / "runs.jsonl", "letter r") == 3
    own = [path for path in files.home().rglob("*") if path.is_file() and table in path.name and path.stat().st_size]
    assert [path.suffix for path in own] == [".table"]
    assert own[0].stat().st_mode & 0o77 == 0
    assert fusion_nb.history.delete(table) == 1
    assert table not in fusion_nb.runs()["run"].tolist()
    with pytest.raises(UserError):
        fusion_nb.load(done.run["b"])


def test_a_table_that_cannot_be_written_is_answered_all_the_same() -> None:
    """Its answers live in the frame, and that is said; nobody waits for a disk that does not come."""
    files.make_home().joinpath("tables").write_text("in the way")
    table = TableWriter(new_run_id(), {"prompt": "Hi."})
    stored = table.journal("", {})
    stored.finish(fusion_nb.fuse("Hi.", pool="demo:swift"))
    until = time.monotonic() + 20
    while not stored.durable and time.monotonic() < until:
        time.sleep(0.01)
    table.close("ok")
    assert "its answers live in this kernel alone" in table.trouble
    assert "is not a folder" in table.trouble
    with pytest.raises(UserError, match="cannot be read"):
        fuse_frame(pd.DataFrame({"word": ["berry"]}), PROMPT, **QUIET)


def test_a_damaged_table_is_one_damaged_row(words: pd.DataFrame) -> None:
    """Everything else is still listed, found and taken over."""
    fuse_frame(words, PROMPT, **QUIET)
    kept = fusion_nb.fuse("How many r has berry?", pool="demo:swift")
    [path] = (files.home() / "tables").glob("*.table")
    path.write_bytes(b"SQLite format 3" + b"x" * 5000)
    listed = fusion_nb.runs()
    assert listed["run"].tolist().count(kept.run) == 1
    assert listed.set_index("run").loc[path.stem, "status"] == "error"
    again = fuse_frame(words, PROMPT, **QUIET)
    assert set(again.status) <= {"ok", "unjudged"}


def gsm8k(replay: Replay) -> tuple[pd.DataFrame, dict[str, Any]]:
    problems = recordings.gsm8k()[::EVERY]
    pool = [f"replay:gsm8k/{model}" for model in MID]
    options = {"pool": pool, "mode": "vote", "extract": "number", "services": {"replay": {"base_url": replay.url}}}
    return pd.DataFrame({"q": [p.question for p in problems], "gold": [p.gold for p in problems]}), options


@needs_recordings
def test_gsm8k_comes_to_what_the_arithmetic_says(replay: Replay) -> None:
    """Each fortieth question by five recorded models: the vote of the table is the pure count, question by question."""
    frame, options = gsm8k(replay)
    done = fuse_frame(frame, "{q}", show_progress=False, **options)
    right = [
        (short := extract_answer(answer, "number")) is not None and float(short.value) == float(gold.replace(",", ""))
        for answer, gold in zip(done.answer, done.gold, strict=True)
    ]
    assert right == [counted for _, counted, _, _ in votes(MID, by_number)[::EVERY]]


@needs_recordings
def test_after_a_kill_only_rows_under_way_are_asked_again(replay: Replay) -> None:
    """A real SIGKILL in the middle: the same call goes on, and every finished row is kept."""
    rows, models = 30, MID[:2]
    before = requests(replay)
    child = subprocess.Popen([sys.executable, "-m", "tests.table_child", replay.url, str(rows), *models])
    until = time.monotonic() + 60
    while requests(replay) - before < 20 and child.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    child.kill()
    child.wait()
    sent = requests(replay) - before
    assert fusion_nb.runs()["status"].tolist() == ["crashed"]
    finished = sum(reply.usable for run in own_runs() for reply in fusion_nb.load(run).candidates)
    frame = pd.DataFrame({"q": [p.question for p in recordings.gsm8k()[:rows]]})
    options = {"services": {"replay": {"base_url": replay.url}}, "extract": "number", "mode": "vote"}
    pool = [f"replay:gsm8k/{model}" for model in models]
    results = dict(run_rows(list(frame.q), {**options, "pool": pool}))
    assert sorted(results) == list(range(rows))
    assert {result.status for result in results.values()} == {"ok"}
    assert requests(replay) - before - sent == rows * len(models) - finished


def test_what_comes_back_has_its_calls_in_a_fresh_process() -> None:
    """`.fusion.calls()` is there although nothing else of the package was used."""
    code = (
        "import pandas as pd, fusion_nb; d = pd.DataFrame({'q': ['How many r has strawberry?']});"
        "print(len(fusion_nb.fuse_frame(d, '{q}', pool='demo', mode='vote', show_progress=False).fusion.calls()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ran.stdout.strip().endswith("3"), ran.stderr


def test_the_column_of_costs_is_what_was_paid() -> None:
    """Also of rows that a cap cut short and that were finished later: the sum is that of all calls."""
    words = pd.DataFrame({"word": [f"word{n}" for n in range(12)]})
    options = {**QUIET, "pool": "demo:swift,demo:careful", "max_tokens": 300}
    part = fuse_frame(words, PROMPT, max_cost=0.02, **options)
    assert "budget" in part["status"].tolist()
    whole = fuse_frame(words, PROMPT, **options)
    assert "budget" not in whole["status"].tolist()
    every = map(fusion_nb.load, own_runs())
    paid = sum(float(reply.cost or 0) for result in every for reply in result.replies)
    assert whole["cost_usd"].sum() == pytest.approx(paid)


CELLS: list[tuple[str, str]] = [
    ("%%fuse --each words --pool demo --mode vote --quiet\nHow many r has {word}? {note}", "answer"),
    ("%%fuse --each words --pool demo --mode vote --dry-run\nHow many r has {word}?", "2 rows"),
    ("%%fuse --each words --pool demo --mode vote --quiet --prefix f_\nHow many r has {word}?", "f_answer"),
    ("%%fuse --each words --pool demo --quiet --pilot 1 --mode vote\nHow many r has {word} in it?", "answer"),
    ("%%fuse --each words --pool demo --quiet --pilot none\nHow many r has {word}?", "pilot must be"),
    ("%%fuse --each words --pool demo --pilot 1 --dry-run\nHow many r has {word}?", "give one of them"),
    ("%%fuse --each words --pool demo --quiet --repeat --mode vote\nHow many r has {word}?", "answer"),
    ("%%fuse --repeat --pool demo\nHow many?", "--repeat means nothing without --each"),
    ("%%fuse --each words --pool demo\nHow many r has {wort}?", "Unknown column 'wort'"),
    ("%%fuse --each words --pool demo --raw --dry-run\nHow many r has {word}? {wort} {{x}}", "2 rows"),
    ("%%fuse --each nowhere --pool demo\nHow many?", "Unknown variable 'nowhere'"),
    ("%%fuse --each words --evaluate words\n{word}", "--each does not go with --evaluate"),
    ("%fuse --each words --rejudge last", "--rejudge does not go with --each"),
    ("%%fuse --pilot 3 --pool demo\nHow many?", "--pilot means nothing without --each"),
]


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    shell = Shell()
    shell.run(
        "import pandas as pd\nnote = 'Say a number, {word} {x}.'\nwords = pd.DataFrame({'word': ['strawberry', 'banana']})"
    )
    yield shell
    shell.close()


@pytest.mark.parametrize(("cell", "words"), CELLS, ids=[cell for cell, _ in CELLS])
def test_on_a_line(cell: str, words: str, shell: Shell) -> None:
    """`--each` names a frame of the notebook: columns first, then variables; what cannot be is one sentence."""
    ran = shell.run(cell)
    assert words in (str(ran.error) if ran.error else str(ran.value) + str(list(getattr(ran.value, "columns", ()))))
    if ran.error is None and "{note}" in cell:
        assert fusion_nb.load(ran.value.run.iloc[0]).prompt.endswith("Say a number, {word} {x}.")
