"""All runs of the past: found, filtered, deleted and exported, from as many kernels at once as there are."""

import json
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb.core import Limits, Params, Ref, RunState
from fusion_nb.core.events import CallEnded, CallStarted, RunStarted, TextDelta
from fusion_nb.core.run_spec import run_started
from fusion_nb.errors import UserError
from fusion_nb.journal import maintenance, run_files, run_index
from fusion_nb.journal.run_files import read
from fusion_nb.journal.run_reader import load
from fusion_nb.journal.run_rows import OPEN, fingerprint, summary
from fusion_nb.journal.run_writer import Journal
from fusion_nb.run.result import FusionResult
from tests.journalled import Kernel, new_run, tiny, written
from tests.replay import Replay

ROOT = Path(__file__).parents[1]
PROCESSES, RUNS, REAL = 8, 200, 3


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / "home"


def from_files() -> dict[str, object]:
    """What the index should say, straight from the files."""
    return {entry.run: summary(entry).row for entry in run_files.entries().values()}


def test_a_rescued_run_stays_with_its_home(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch, replay: Replay
) -> None:
    """What could not be written into its home is listed by kernels of that home alone, and taken home by them alone;
    by its id every kernel loads it."""
    own_home.write_text("no folder can be made here")
    kernel = Kernel(replay.url)
    rescued = kernel.run(["burst/3"])
    path = kernel.journal.path if kernel.journal else None
    assert path is not None
    assert path.is_file()
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "another"))
    assert maintenance.adopt_spare_files() == 0
    assert run_index.runs() == []
    assert maintenance.crash_notice() == ""
    assert load(rescued.run, FusionResult()) == rescued
    assert path.is_file()
    monkeypatch.setenv("FUSION_NB_HOME", str(own_home))
    assert [row.run for row in run_index.runs()] == [rescued.run]
    own_home.unlink()
    assert [row.run for row in run_index.runs()] == [rescued.run]
    assert not path.exists()
    assert (own_home / "runs" / path.name).is_file()


def test_a_run_is_a_row(replay: Replay) -> None:
    """When, prompt, mode, pool, judge, status, money and seconds of a run; its calls with tokens and times."""
    result = Kernel(replay.url).run(["rate/0/5/1000", "fail/404", "rate/0/9/1000"], mode="best-of")
    (row,) = run_index.runs()
    assert (row.run, row.when, row.prompt, row.mode) == (result.run, result.when, "Count.", "best-of")
    assert row.pool == ("replay:rate/0/5/1000", "replay:fail/404", "replay:rate/0/9/1000")
    assert (row.judge, row.status, row.calls, row.failed) == ("replay:scripted-judge", "ok", 4, 1)
    assert (row.cost, row.unpriced, row.seconds) == (result.cost, result.unpriced, result.seconds)
    calls = run_index.calls()
    assert [(c.call, c.status, c.cost, c.completion_tokens) for c in calls] == [
        (r.call, r.status, r.cost, r.usage.completion) for r in result.replies
    ]
    assert [c.reply_chars for c in calls] == [len(r.text) for r in result.replies]
    assert calls[0].prompt_chars == len("Count.")
    assert calls[3].prompt_chars > 100
    assert run_index.calls(since=f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}") == []


def test_words_find_runs() -> None:
    """All of the words, in any case, in prompt, answer, members or mode; newest first."""
    first, _ = written(tiny(new_run(), "Paris, of course.", prompt="Capital of FRANCE?"))
    second, _ = written(tiny("29990101T000000-0123456789", "Straße 100%", prompt="Where? O'Reilly's \ud800 \"road\""))
    assert [row.run for row in run_index.runs()] == [second, first]
    for words, found in {"france PARIS": [first], "demo:swift merge": [second, first], "paris rome": [],
                         "STRASSE": [second], "o'reilly's": [second], '"road"': [second], "100%": [second],
                         "%": [second], "_": []}.items():  # fmt: skip
        assert [row.run for row in run_index.runs(words)] == found, words


def test_a_run_under_way_and_a_crashed_one(replay: Replay) -> None:
    """A run is `running` while it runs and `crashed` when its kernel died; the notice tells of the latter alone."""
    assert maintenance.crash_notice() == ""
    kernel = Kernel(replay.url)
    assert kernel.run(["burst/3"]).status == "ok"
    handle = kernel.start(*kernel.order(["stall/30/3"]))
    while not handle.state.replies:
        handle.take()
    run = handle.state.run
    assert [row.status for row in run_index.runs()] == ["running", "ok"]
    dead, _ = written(tiny(new_run())[:4])
    assert run_index.runs()[[row.run for row in run_index.runs()].index(dead)].status == "crashed"
    assert maintenance.crashed_runs() == [dead]
    assert dead in maintenance.crash_notice()
    assert maintenance.crash_notice().startswith("A run did not end")
    assert run not in maintenance.crash_notice()
    handle.stop()
    while not handle.done:
        handle.take()
    assert {row.run: row.status for row in run_index.runs()}[run] == "cancelled"


def test_a_crash_is_told_of_until_it_is_taken_up() -> None:
    """Once a later run has taken the crashed one up, or after a week, `%load_ext` says no more of it."""
    dead, _ = written(tiny(new_run())[:4])
    old = f"{datetime.now(UTC) - timedelta(days=8):%Y%m%dT%H%M%S}-0123456789"
    written(tiny(old)[:4])
    assert maintenance.crashed_runs() == [dead]
    start, *rest = tiny(new_run())
    assert isinstance(start, RunStarted)
    written([RunStarted(run=start.run, when="", prompt="", mode="merge", pool=start.pool, of=dead), *rest])
    assert maintenance.crashed_runs() == []
    assert {row.run: row.status for row in run_index.runs()}[dead] == "crashed"


def test_deleted_is_gone(own_home: Path) -> None:
    """A deleted run is in no file any more: not in its own, and not as free space of the index."""
    secret, kept = (written(tiny(new_run(), prompt=f"The {word} recipe?"))[0] for word in ("xylophone", "other"))
    assert len(run_index.runs("xylophone")) == 1
    assert maintenance.delete([secret]) == 1
    assert [row.run for row in run_index.runs()] == [kept]
    assert not any(b"xylophone" in path.read_bytes() for path in own_home.rglob("*") if path.is_file())
    with pytest.raises(UserError, match="Unknown run"):
        maintenance.delete([secret])


def test_purged_by_date() -> None:
    """Everything begun before a day goes, that day's own runs stay; a word that is no date deletes nothing."""
    old, day = (written(tiny(f"{date}T235959-0123456789"))[0] for date in ("20260102", "20260103"))
    with pytest.raises(UserError, match="like 2026-11-24"):
        maintenance.purge_before("yesterday")
    assert maintenance.purge_before("2026-01-03") == 1
    assert [row.run for row in run_index.runs()] == [day]
    assert old != day


def test_export_gives_the_events_and_overwrites_nothing(tmp_path: Path, replay: Replay) -> None:
    """The runs' events, one JSON object a line, from which each run can be read again; an existing file stays."""
    kernel = Kernel(replay.url)
    results = [kernel.run(["burst/3", "burst/5"]) for _ in range(2)]
    target = tmp_path / "runs.jsonl"
    assert maintenance.export([r.run for r in results], target) == 2
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sum("RunStarted" in json.loads(line)["event"] for line in target.read_text().splitlines()) == 2
    events = read(target).events
    assert sum(isinstance(event, RunStarted) for event in events) == 2
    before = target.read_bytes()
    for name in (target, tmp_path, tmp_path / "missing" / "x.jsonl"):
        with pytest.raises(UserError):
            maintenance.export([results[0].run], name)
    link = tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError):
        maintenance.export([results[0].run], link)
    assert target.read_bytes() == before
    assert not (tmp_path / "elsewhere").exists()


def test_an_unchanged_cell_is_found_again(replay: Replay) -> None:
    """Prompt, pool, judge, mode and parameters equal: the newest run that ended well. Anything else: none."""
    kernel = Kernel(replay.url)
    same = ["burst/3", "burst/5"]
    kernel.run(same, mode="best-of")
    newest = kernel.run(same, mode="best-of", max_cost=5, allow_unpriced=True, timeout=60)

    def asks(models: list[str], **wish: object) -> str | None:
        _, order = kernel.order(models, **wish)
        return run_index.find_same(run_started(order, "", ""))

    assert asks(same, mode="best-of") == newest.run
    others: list[dict[str, object]] = [{"mode": "merge"}, {"mode": "debate"}, {"temperature": 0.0}, {"seed": 1},
                                       {"system": "x"}, {"criteria": "brevity"}, {"max_tokens": 100}, {"quorum": 1},
                                       {"judge": "replay:burst/1"}, {"reasoning": "low"}]  # fmt: skip
    assert [asks(same, **{"mode": "best-of", **other}) for other in others] == [None] * len(others)
    assert asks(same[::-1], mode="best-of") is None
    assert asks([*same, "burst/6"], mode="best-of") is None


def test_what_ended_badly_is_not_served_again() -> None:
    """A crashed, cancelled, failed or damaged run is never taken for the answer to an unchanged cell."""
    events = tiny(new_run())
    start = events[0]
    assert isinstance(start, RunStarted)
    run, path = written(events)
    assert run_index.find_same(start) == run
    path.write_bytes(path.read_bytes().replace(b'"seq":4,', b'"seq":,'))
    assert run_index.find_same(start) is None
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    assert run_index.find_same(start) is None


SLOW_MAY_END = threading.Event()


def quick(prompt: str) -> str:
    return "quick"


def slow(prompt: str) -> str:
    SLOW_MAY_END.wait(60)
    return "slow"


def test_a_member_that_was_timed_out_is_asked_when_there_is_more_time() -> None:
    """With the same time the run is served, timeout and all; with more it is not, and then the whole one is served."""

    def fuse(**limits: float) -> fusion_nb.FusionResult:
        return fusion_nb.fuse("Hm?", [quick, slow], "best-of", judge="demo:judge", replay=True, **limits)

    def fresh(result: fusion_nb.FusionResult) -> bool:
        return not any("From the journal" in note for note in result.notes)

    first = fuse(timeout=2)
    assert [reply.status for reply in first.candidates] == ["ok", "timeout"]
    assert [fresh(fuse(timeout=2)), fresh(fuse(timeout=2, concurrency=3, max_cost=1, idle=7))] == [False, False]
    SLOW_MAY_END.set()
    whole = fuse(timeout=60)
    assert fresh(whole)
    assert [reply.status for reply in whole.candidates] == ["ok", "ok"]


MONEY = Limits(max_cost=Decimal("0.50"))


@pytest.mark.parametrize(
    ("status", "error", "detail", "before", "served", "not_served"),
    [
        ("error", "budget", "0.01 of max_cost $0.50 was left", MONEY, [Limits(max_cost=Decimal("0.5"), timeout=1)], [Limits(), Limits(max_cost=Decimal("0.6"))]),
        ("error", "budget", "0.01 of Fuse.max_cost_per_day $1 was left", MONEY, [], [MONEY, Limits()]),
        ("error", "unpriced", "", MONEY, [MONEY], [Limits(max_cost=Decimal("0.5"), allow_unpriced=True), Limits()]),
        ("timeout", "total", "", Limits(timeout=1), [Limits(timeout=1, ttft=9)], [Limits(timeout=2)]),
        ("timeout", "ttft", "", Limits(ttft=1), [Limits(ttft=1, timeout=9)], [Limits(ttft=2)]),
        ("timeout", "idle", "", Limits(idle=1), [Limits(idle=1, ttft=9)], [Limits(idle=0.5)]),
        ("cancelled", "cancelled", "", Limits(grace=1), [Limits(grace=1, idle=9)], [Limits(grace=2)]),
        ("error", "overloaded", "", Limits(timeout=1), [Limits(timeout=1)], [Limits(timeout=60)]),
        ("incomplete", "length", "", Limits(), [Limits(timeout=1, max_cost=Decimal(1))], []),
    ],
)  # fmt: skip
def test_a_run_that_a_limit_cut_short(
    status: Any, error: str, detail: str, before: Limits, served: list[Limits], not_served: list[Limits]
) -> None:
    """It is served while the limit that did it stands, and not where that has moved; other limits may be anything."""
    events = tiny(new_run())
    start = replace(events[0], limits=before)  # type: ignore[call-arg]
    assert isinstance(start, RunStarted)
    cut = [CallStarted(call=2, ref=Ref("demo", "steady")), TextDelta(call=2, text="Par"),
           CallEnded(call=2, status=status, error=error, detail=detail)]  # fmt: skip
    run, _ = written([start, *events[1:-2], *cut, *events[-2:]])
    assert [run_index.find_same(replace(start, limits=limits)) for limits in served] == [run] * len(served)
    assert [run_index.find_same(replace(start, limits=limits)) for limits in not_served] == [None] * len(not_served)


def test_functions_and_addresses_can_be_told_apart() -> None:
    """`also` tells two functions, or two servers, of one name apart; it is part of the start and of its fingerprint."""
    ref = Ref("python", "mine", "mine")

    def start(also: str = "", **more: object) -> RunStarted:
        return RunStarted(run="a", when="b", prompt="p", mode="merge", pool=(ref,), also=also, **more)  # type: ignore[arg-type]

    assert fingerprint(start("x")) != fingerprint(start("y"))
    assert fingerprint(start(seed=3, limits=Limits(max_cost=Decimal(1)))) == fingerprint(start(seed=4))
    assert fingerprint(start(params=Params(seed=3))) != fingerprint(start(params=Params(seed=4)))


def test_a_missing_a_broken_and_a_newer_index(own_home: Path) -> None:
    """Missing: made. Broken: set aside and made anew. Of a newer release: left as it is, and the files are read."""
    ids = [written(tiny(new_run()))[0] for _ in range(3)]
    file = own_home / run_index.NAME
    for break_it in (lambda: file.unlink(missing_ok=True), lambda: file.write_bytes(b"garbage" * 2000),
                     lambda: file.write_bytes(file.read_bytes()[:5000]), lambda: _scribble(file)):  # fmt: skip
        run_index.runs()
        break_it()
        assert {row.run for row in run_index.runs()} == set(ids)
        assert {row.run: row for row in run_index.runs()} == from_files()
    assert len(list(own_home.glob("index.sqlite.corrupt-*"))) >= 1
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = file.read_bytes()
    assert {row.run for row in run_index.runs()} == set(ids)
    assert file.read_bytes() == before
    with sqlite3.connect(file) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def _scribble(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[4096:] = b"\x55" * (len(data) - 4096)
    file.write_bytes(data)


def test_an_index_of_an_older_form_is_made_anew(own_home: Path) -> None:
    """A cache of another shape is no reason to fail: it is dropped."""
    run, _ = written(tiny(new_run()))
    db = sqlite3.connect(own_home / run_index.NAME)
    db.execute("CREATE TABLE runs (colour)")
    db.commit()
    db.close()
    assert [row.run for row in run_index.runs()] == [run]


def test_a_locked_index_is_done_without(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another kernel holds the index for long, the list is read from the files and is as right."""
    monkeypatch.setattr(run_index, "WAIT", 0.05)
    run_index.runs()
    ids = {written(tiny(new_run()))[0] for _ in range(3)}
    run_index.runs()
    ids.add(written(tiny(new_run()))[0])
    other = sqlite3.connect(own_home / run_index.NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert {row.run for row in run_index.runs()} == ids
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert {row.run for row in run_index.runs()} == ids


def test_a_run_never_waits_for_the_index(own_home: Path, replay: Replay) -> None:
    """With the index locked by somebody else a run starts, is journalled and ends as ever."""
    run_index.runs()
    own_home.mkdir(exist_ok=True)
    other = sqlite3.connect(own_home / run_index.NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    result = Kernel(replay.url).run(["burst/3"])
    other.execute("ROLLBACK")
    other.close()
    assert load(result.run, FusionResult()) == result


def test_an_index_that_is_a_link_is_not_followed(own_home: Path, tmp_path: Path) -> None:
    """A link in the index's place is left alone, and so is what it points to."""
    run, _ = written(tiny(new_run()))
    (own_home / run_index.NAME).symlink_to(tmp_path / "elsewhere")
    assert [row.run for row in run_index.runs()] == [run]
    assert not (tmp_path / "elsewhere").exists()


def test_reading_makes_no_home(own_home: Path) -> None:
    """Asking a machine without a journal for its runs leaves no trace."""
    assert run_index.runs() == []
    assert maintenance.crash_notice() == ""
    assert not own_home.exists()


WORKER = """
import sys
from fusion_nb.journal import run_index
from tests.journalled import Kernel, new_run, tiny, written
url, runs, real = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
kernel = Kernel(url)
for n in range(runs):
    if n % (runs // real) == 0:
        print(kernel.run(["burst/3", "burst/4"], mode="best-of").run, flush=True)
    else:
        print(written(tiny(new_run(), f"answer {n}"))[0], flush=True)
    if n % 50 == 0:
        run_index.runs()
"""


def test_many_kernels_one_home(replay: Replay, own_home: Path) -> None:
    """8 processes x 200 runs at once: none lost, ids unique, the index sound and equal to the files."""
    command = [sys.executable, "-c", WORKER, replay.url, str(RUNS), str(REAL)]
    workers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    told = [worker.communicate(timeout=120)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * PROCESSES
    ids = [run for each in told for run in each]
    assert len(ids) == len(set(ids)) == PROCESSES * RUNS
    rows = {row.run: row for row in run_index.runs()}
    assert set(rows) == set(ids)
    assert {row.status for row in rows.values()} == {"ok"}
    assert rows == from_files()
    db = sqlite3.connect(own_home / run_index.NAME)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert db.execute("SELECT count(*) FROM runs").fetchone() == (PROCESSES * RUNS,)
    db.close()
    (own_home / run_index.NAME).unlink()
    assert {row.run: row for row in run_index.runs()} == rows
    assert list(own_home.glob("*.corrupt-*")) == []


def test_threads_of_one_kernel() -> None:
    """Several threads of a kernel may ask for the runs while another writes one."""
    ids = {written(tiny(new_run()))[0] for _ in range(20)}
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(run_index.runs()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    more = {written(tiny(new_run()))[0] for _ in range(20)}
    for thread in threads:
        thread.join(30)
    assert len(found) == 8
    assert {row.run for row in run_index.runs()} == ids | more


def test_the_index_keeps_no_guess(own_home: Path) -> None:
    """Whether an open run is under way is asked of its file each time; the index never says so by itself."""
    run = new_run()
    journal = Journal(run)
    for event in tiny(run)[:3]:
        journal(event)
    assert run_index.runs()[0].status == "running"
    assert summary(run_files.entries()[run]).row.status == OPEN
    journal.close()
    assert run_index.runs()[0].status == "crashed"
    assert load(run, RunState()).status == "cancelled"
    assert [path.stem for path in (own_home / "runs").iterdir()] == [run]


def test_a_run_that_ends_while_it_is_listed() -> None:
    """However a listing and a run's end fall together, a run that ends well is never called crashed."""
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            written(tiny(new_run()))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = {row.status for _ in range(40) for row in run_index.runs()} | {
            row for _ in range(40) for row in maintenance.crashed_runs()
        }
    finally:
        over.set()
        writer.join(30)
    assert seen <= {"ok", "running"}
