"""Past runs from the notebook: listed, loaded, judged again, replayed; the server's own count of requests is asserted."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fusion_nb
from fusion_nb.core.events import CallAccepted
from fusion_nb.journal.run_files import read
from fusion_nb.journal.run_reader import find
from tests.journalled import new_run, written
from tests.replay import Replay
from tests.shell import Shell

FAST, SLOW, JUDGE = "rate/0/5/1000", "rate/0/9/1000", "scripted-judge"


@pytest.fixture(autouse=True)
def own_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


@pytest.fixture
def shell(replay: Replay) -> Iterator[Shell]:
    shell = Shell()
    shell.ip.user_ns["services"] = {"replay": {"base_url": replay.url}}
    shell.run("%config Fuse.services = services")
    shell.run("%config Fuse.quiet = True")
    yield shell
    shell.close()


def asked(replay: Replay) -> dict[str, int]:
    return dict(replay.stats()["requests"])


def fuse(replay: Replay, **options: Any) -> fusion_nb.FusionResult:
    services = {"replay": {"base_url": replay.url}}
    pool = [f"replay:{FAST}", f"replay:{SLOW}"]
    wish = {"services": services, "judge": f"replay:{JUDGE}", "mode": "best-of", **options}
    return fusion_nb.fuse("Count.", pool, **wish)


def test_a_run_is_listed_and_loaded_as_on_the_day(replay: Replay) -> None:
    """`runs()` lists it, `load()` gives the very same result and frame back."""
    result = fuse(replay)
    table = fusion_nb.runs()
    assert list(table["run"]) == [result.run]
    assert table["status"][0] == "ok"
    assert table["cost_usd"][0] == pytest.approx(float(result.cost or 0))
    assert table["when"].dt.tz is not None
    assert fusion_nb.load(result.run) == result == fusion_nb.load()
    pd.testing.assert_frame_equal(fusion_nb.load(result.run).frame(), result.frame())
    assert len(fusion_nb.runs("count")) == 1
    assert len(fusion_nb.runs("no such words")) == 0


def test_a_result_is_a_key(replay: Replay) -> None:
    """A result and the one that is loaded are the same key."""
    result = fusion_nb.fuse("Is 7 prime?", pool="demo:swift")
    assert {result: 1}[fusion_nb.load(result.run)] == 1


def test_nothing_is_kept_where_the_journal_is_off(replay: Replay) -> None:
    """`journal=False` leaves no trace."""
    fuse(replay, journal=False)
    assert len(fusion_nb.runs()) == 0


def test_rejudge_asks_no_candidate(replay: Replay) -> None:
    """Another mode over the same candidates: one request to the judge, none to the members."""
    first = fuse(replay)
    before = asked(replay)
    second = fusion_nb.rejudge(first.run, mode="merge", services={"replay": {"base_url": replay.url}})
    after = asked(replay)
    assert {name: n - before.get(name, 0) for name, n in after.items() if n != before.get(name, 0)} == {JUDGE: 1}
    assert second.answer
    assert second.of == first.run


def test_an_unchanged_cell_is_replayed_at_no_request(shell: Shell, replay: Replay) -> None:
    """`--replay` (or `%config Fuse.replay = True`) serves it from the journal and says from when."""
    cell = f"%%fuse --pool replay:{FAST},replay:{SLOW} --judge replay:{JUDGE} --replay\nCount."
    first = shell.run(cell).value
    before = asked(replay)
    again = shell.run(cell).value
    assert asked(replay) == before
    assert again["run"][0] == first["run"][0]
    assert "From the journal" in " ".join(again.attrs["notes"])
    assert shell.run(cell.replace("Count.", "Count on.")).value["run"][0] != first["run"][0]


def test_add_retry_and_rejudge_from_the_line(shell: Shell, replay: Replay) -> None:
    """`--add` asks the new member and the judge, `--retry` the failed one and the judge, `--rejudge` the judge alone."""
    pool = f"replay:{FAST},replay:{SLOW},replay:fail/404"
    shell.run(f"%%fuse --pool {pool} --judge replay:{JUDGE} --mode best-of\nCount.")
    for options, models in (
        ("--rejudge last --mode merge", {JUDGE: 1}),
        ("--retry", {"fail/404": 1, JUDGE: 1}),
        ("--add replay:rate/0/7/1000", {"rate/0/7/1000": 1, JUDGE: 1}),
    ):
        before = asked(replay)
        ran = shell.run(f"%fuse {options}")
        assert ran.error is None, ran.text
        counts = asked(replay)
        assert {name: n - before.get(name, 0) for name, n in counts.items() if n != before.get(name, 0)} == models


def test_fuse_runs_lists_deletes_and_exports(shell: Shell, replay: Replay, tmp_path: Path) -> None:
    """`%fuse_runs` is the table; `--export` writes the events, `--delete` and `--purge-before` forget."""
    run = fuse(replay).run
    assert list(shell.run("%fuse_runs count").value["run"]) == [run]
    assert "Exported: 1." in shell.run(f"%fuse_runs --export {tmp_path / 'runs.jsonl'}").text
    assert (tmp_path / "runs.jsonl").read_text().count("RunStarted") == 1
    assert "Deleted: 1." in shell.run(f"%fuse_runs --delete {run}").text
    fuse(replay)
    assert "Deleted: 0." in shell.run("%fuse_runs --purge-before 2020-01-01").text
    assert "Unknown run" in shell.run("%fuse --rejudge nothing").text
    assert "takes words" in shell.run("%fuse_runs --delet x").text
    assert "Deleted: 1." in shell.run("%fuse_runs --delete last").text
    assert "There is no run" in shell.run("%fuse_runs --delete last").text


def test_words_in_quotation_marks_are_a_phrase(shell: Shell) -> None:
    """On the line in either mark, and in Python; a mark that is not closed is a part of a word."""
    for prompt in ("q one", "one q", 'say "q'):
        fusion_nb.fuse(prompt, "demo:swift", mode="best-of")
    for words, found in (('"q one"', 1), ("'q one'", 1), ("q one", 2), ('"one q" "swift"', 1)):
        assert len(shell.run(f"%fuse_runs {words}").value) == found, words
    assert [len(fusion_nb.runs(words)) for words in ('"q one"', "q one", '"q', "")] == [1, 2, 1, 3]


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("'my runs.jsonl'", "my runs.jsonl"),
        ('"my runs.jsonl"', "my runs.jsonl"),
        ('"it\\"s.jsonl"', 'it"s.jsonl'),
        ("plain\\back.jsonl", "plain\\back.jsonl"),
        ("$.jsonl", "$.jsonl"),
        ("ü—x.jsonl;", "ü—x.jsonl"),
    ],
)
def test_an_export_has_the_name_that_was_typed(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, name: str
) -> None:
    """In either quotation mark or none, with what a file's name may hold; its words may be quoted too."""
    monkeypatch.chdir(tmp_path)
    fusion_nb.fuse("Count the sheep.", "demo:swift")
    fusion_nb.fuse("Count the goats.", "demo:swift")
    before = set(tmp_path.iterdir())
    assert "Exported: 2." in shell.run(f"%fuse_runs --export {typed}").text
    (file,) = set(tmp_path.iterdir()) - before
    assert file.name == name
    assert "Exported: 1." in shell.run("%fuse_runs --export='the second.jsonl' 'the sheep'").text
    assert b"sheep" in (tmp_path / "the second.jsonl").read_bytes()


@pytest.mark.parametrize("line", ["--export 'open.jsonl", '--export "open.jsonl', "sheep --export x.jsonl", "--export"])
def test_an_export_that_cannot_be_meant(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """A quotation mark left open, an option behind the words, no file: a sentence, and no file."""
    monkeypatch.chdir(tmp_path)
    fusion_nb.fuse("Count the sheep.", "demo:swift")
    before = set(tmp_path.iterdir())
    assert re.search(r"not closed|%fuse_runs takes words", shell.run(f"%fuse_runs {line}").text)
    assert set(tmp_path.iterdir()) == before


def test_an_export_of_nothing_leaves_no_file(shell: Shell, tmp_path: Path) -> None:
    """Neither without runs nor where no run has the words."""
    file = tmp_path / "none.jsonl"
    assert "nothing was exported" in shell.run(f"%fuse_runs --export {file}").text
    fusion_nb.fuse("Count the sheep.", "demo:swift")
    assert "nothing was exported" in shell.run(f"%fuse_runs --export {file} cattle").text
    assert not file.exists()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_deleting_is_all_or_nothing(shell: Shell, place: int) -> None:
    """Wherever among good ones the unknown run stands, it is named and nothing is deleted; without it, all are."""
    runs = [fusion_nb.fuse(f"Hi {n}", "demo:swift").run for n in range(2)]
    bad = "20200101T000000-0123456789"
    named = [*runs[:place], bad, *runs[place:]]
    assert bad in shell.run(f"%fuse_runs --delete {' '.join(named)}").text
    assert set(fusion_nb.runs()["run"]) == set(runs)
    assert "Deleted: 2." in shell.run(f"%fuse_runs --delete {' '.join(runs)}").text
    assert len(fusion_nb.runs()) == 0


def test_a_script_that_leaves_early_is_not_a_crash(replay: Replay, tmp_path: Path) -> None:
    """A process that ends in the middle of a run stops it: its record says cancelled, and nothing looks crashed."""
    script = (
        "import sys, fusion_nb\n"
        "services = {'replay': {'base_url': sys.argv[1]}}\n"
        "for event in fusion_nb.stream('Count.', ['replay:stall/30/2'], services=services):\n"
        "    if type(event).__name__ == 'TextDelta':\n"
        "        break\n"
        "kept = fusion_nb.stream('Count.', ['replay:stall/30/2'], services=services)\n"
        "next(iter(kept))\n"
    )
    subprocess.run([sys.executable, "-c", script, replay.url], check=True, timeout=30)
    assert list(fusion_nb.runs()["status"]) == ["cancelled", "cancelled"]


def test_a_run_of_one_gets_a_judge_with_its_company(replay: Replay) -> None:
    """Adding a member to a lone one brings a judge in; what was kept is said in the notes and in the frame's attrs."""
    services = {"replay": {"base_url": replay.url}}
    first = fusion_nb.fuse("Hi.", ["demo:swift"], "best-of", services=services)
    result = fusion_nb.history.add(first, ["demo:steady"])  # type: ignore[attr-defined]
    assert result.judge is not None
    assert len(result.candidates) == 2
    assert any(first.run in note for note in result.notes)
    assert result.frame().attrs["kept"] == {"1": {"run": first.run, "cost_usd": str(first.cost)}}
    assert "then)" in result.to_markdown()


def test_resume_learns_what_a_cut_off_call_cost() -> None:
    """Where a crash left only a generation id, the service is asked: tokens and cost go on the crashed run's record."""
    whole = fusion_nb.fuse("Hi.", "demo", "best-of")
    start, *rest = read(find(whole.run)).events
    last = next(n for n, event in enumerate(rest) if isinstance(event, CallAccepted) and event.call == 4)
    run, _ = written([replace(start, run=new_run()), *rest[: last + 1]])  # type: ignore[type-var]
    assert fusion_nb.load(run).replies[-1].cost is None
    assert fusion_nb.load(run).replies[-1].error == "crashed"
    resumed = fusion_nb.resume(run)
    assert resumed.status == "ok"
    assert {r.kept_from for r in resumed.candidates} == {run}
    learnt = fusion_nb.load(run).replies[-1]
    assert learnt.cost == whole.replies[-1].cost
    assert learnt.cost_source == "reported"
    assert learnt.usage == whole.replies[-1].usage
