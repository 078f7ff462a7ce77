"""Rows 75 to 82 through the real magic in a real kernel: interrupts, full and closed disks, locks, company, clocks."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.faults.answer import OTHER_TEXT, TEXT
from tests.faults.desk import GOOD, OTHER, Desk, desk
from tests.faults.notebook import Ran, notebook
from tests.faults.seen import saw
from tests.faults.test_disk import fill, small_disk  # noqa: F401  a fixture

TIMES = max(4, int(os.environ.get("FUSION_NB_INTERRUPTS", "0")) // 10)
"""Interrupts in each phase; `test_interrupts.py` has a hundred of them without a kernel."""
STALL, TALKING = "7-header-stall", "64-words-slowly"
SOON = 1.0
"""Seconds from the interrupt to the next prompt."""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("kernel")) as found:
        found.works()
        yield found


def until(there: Callable[[], bool]) -> None:
    patience = time.monotonic() + 20
    while not there():
        assert time.monotonic() < patience, "the phase was never reached"
        time.sleep(0.005)


# members, judge, how many requests the server has counted, and what the view shows, when the phase is there
PHASES: dict[str, tuple[list[str], str, int, str]] = {
    "connecting": (["hole:a", "hole:b"], "judge", 0, ""),
    "waiting for the first text": ([STALL, STALL], "judge", 2, ""),
    "streaming": ([TALKING, TALKING], "judge", 2, "word word"),
    "some there, some not": ([GOOD, STALL], "judge", 2, TEXT),
    "the judge is silent": ([GOOD, OTHER], "judge_silent", 3, TEXT),
    "the judge is writing": ([GOOD, OTHER], "judge_stall", 3, TEXT),
}


def interrupted(book: Desk, cell: str, requests: int, shown: str) -> tuple[Ran, float]:
    """Run the cell and interrupt it in its phase; how long it took from there."""
    models = [word.partition(":")[2] for word in cell.replace(",", " ").split() if "~" in word]
    begun = book.notebook.start(cell)
    try:
        book.notebook.collect(
            *begun, until=lambda heard: "data" in heard.content and shown in str(heard.content["data"])
        )
        until(lambda: _counted(book, models, "posts") >= requests)
    except AssertionError:
        book.notebook.interrupt()
        raise
    at = time.monotonic()
    book.notebook.interrupt()
    ran = book.notebook.collect(*begun)
    return ran, ran.ended - at


def _counted(book: Desk, models: list[str], what: str) -> int:
    counts = book.server.stats()[what]
    return sum(counts.get(model, 0) for model in models)


@pytest.mark.parametrize("phase", PHASES)
def test_75_an_interrupt_in_each_phase(phase: str, book: Desk) -> None:
    """The interrupt button ends the cell within a second, with what had arrived shown, kept and on disk; no connection is
    left open and the next cell works."""
    members, judge, requests, shown = PHASES[phase]
    took = []
    for _ in range(TIMES):
        ran, seconds = interrupted(book, book.cell(members, judge), requests, shown)
        took.append(seconds)
        result = book.result()
        assert ran.error is None, ran.error
        assert result["status"] in ("cancelled", "unjudged")
        assert all(reply.get("status") for reply in result["replies"])
        assert book.notebook.ask(f"_plain(_fusion.load({result['run']!r})) == _plain(_fusion.last())")
        kept = [r["text"] for r in result["replies"] if r.get("text")]
        assert bool(kept) == bool(shown)
        # A connection whose reply has ended is kept for the next request.
        models = [
            ref["model"] for ref in [*result["pool"], result["judge"]] if not ref["model"].startswith((GOOD, OTHER))
        ]
        until(lambda models=models: not _counted(book, models, "open"))  # type: ignore[misc]
    assert median(took) < SOON
    book.works()
    saw(75, phase, "`cancelled` within 1 s, what had arrived is kept")


def test_75_two_interrupts_and_interrupts_at_any_moment(book: Desk) -> None:
    """A second interrupt, and one while a reply is being written down or the view drawn, harm neither kernel nor file."""
    rng = random.Random(75)
    for turn in range(4 * TIMES):
        begun = book.notebook.start(book.cell([GOOD, OTHER] if turn % 2 else [TALKING, GOOD]))
        book.notebook.collect(*begun, until=lambda heard: heard.kind == "execute_input")
        time.sleep(rng.uniform(0, 0.2))
        book.notebook.interrupt()
        if turn % 3 == 0:
            time.sleep(rng.uniform(0, 0.02))
            book.notebook.interrupt()
        if turn % 2 == 0:
            time.sleep(0.1)
            book.notebook.interrupt()
        book.notebook.collect(*begun)
    book.works()
    statuses = book.notebook.ask("_fusion.runs().status.tolist()")
    assert set(statuses) <= {"ok", "cancelled", "unjudged"}
    assert book.notebook.ask("[_fusion.load(run).run == run for run in _fusion.runs().run].count(False)") == 0
    saw(75, "at any moment, twice", "the kernel and every file are sound")


@contextmanager
def elsewhere(book: Desk, home: Path, spare: Path) -> Iterator[None]:
    """The kernel's home and `$TMPDIR` moved."""
    spare.mkdir(exist_ok=True)
    change = "import os; _was = {{n: os.environ.get(n) for n in ('FUSION_NB_HOME', 'TMPDIR')}}; os.environ.update({!r})"
    book.notebook.run(change.format({"FUSION_NB_HOME": str(home), "TMPDIR": str(spare)}))
    try:
        yield
    finally:
        book.notebook.run("[os.environ.pop(n) if v is None else os.environ.update({n: v}) for n, v in _was.items()]")


@pytest.mark.parametrize("leave", [0, 4096])
def test_77_a_full_disk(leave: int, book: Desk, small_disk: Path, tmp_path: Path) -> None:  # noqa: F811
    """The run goes on, is written to `$TMPDIR`, comes home when there is room, and the cell says so."""
    ballast = fill(small_disk, leave)
    with elsewhere(book, small_disk / "home", tmp_path / "spare"):
        ran = book.fuse([GOOD, OTHER])
        result = book.result()
        assert ran.error is None
        assert (result["status"], result["verdict"]["answer"] in (TEXT, OTHER_TEXT)) == ("ok", True)
        assert "No space left" in ran.shown
        assert str(tmp_path / "spare") in ran.shown
        assert book.notebook.ask(f"_fusion.load({result['run']!r}).answer") in (TEXT, OTHER_TEXT)
        ballast.unlink()
        assert book.notebook.ask("_fusion.runs().status.tolist()") == ["ok"]
        assert [path.stem for path in (small_disk / "home" / "runs").iterdir()] == [result["run"]]
    saw(77, f"{leave} bytes left", "`ok`, written elsewhere, said so, brought home when there was room")


@pytest.mark.parametrize("how", ["read-only", "no folder", "nowhere"])
def test_78_a_home_that_cannot_be_written(how: str, book: Desk, small_disk: Path, tmp_path: Path) -> None:  # noqa: F811
    """A read-only home, one that is no folder, nowhere at all to write: answers and frame are there, and a sentence."""
    (tmp_path / "file").touch()
    if how == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    home = small_disk / "home" if how == "read-only" else tmp_path / "file" / "home"
    with elsewhere(book, home, tmp_path / "spare"):
        if how == "nowhere":
            (tmp_path / "spare").rmdir()
            (tmp_path / "spare").touch()
        ran = book.fuse([GOOD, OTHER], options="--mode best-of -o df")
        assert ran.error is None
        assert book.result()["status"] == "ok"
        assert ("kernel alone" if how == "nowhere" else "is written to") in ran.shown
        assert book.notebook.ask("df.text.tolist()[:2]") == [TEXT, OTHER_TEXT]
    saw(78, how, "`ok`, " + ("kept in the kernel alone, said so" if how == "nowhere" else "written elsewhere, said so"))


def test_79_an_index_that_another_kernel_has_locked(book: Desk) -> None:
    """Somebody holds SQLite's lock: the run neither waits for it nor fails, and the list of runs comes without the file."""
    book.works()
    before = len(book.notebook.ask("_fusion.runs().run.tolist()"))
    home = Path(book.notebook.ask("os.environ['FUSION_NB_HOME']"))
    with closing(sqlite3.connect(home / "index.sqlite")) as db:
        db.execute("BEGIN EXCLUSIVE")
        book.works()
        # The whole run, while the lock is held: it cannot have waited for it.
        assert db.in_transaction
        listed = book.notebook.run("%fuse_runs")
        assert listed.error is None
        assert len(book.notebook.ask("_.run.tolist()")) == before + 1
    saw(79, "exclusive lock", "`ok` while it is held; runs are listed without the file")


def test_80_two_kernels_at_once(book: Desk, tmp_path: Path) -> None:
    """Two kernels fuse into one home at the same time: no run is lost, no id used twice, the index is sound."""
    home = book.notebook.ask("os.environ['FUSION_NB_HOME']")
    env = {**book.server.keys, "FUSION_NB_HOME": home}
    before = set(book.notebook.ask("_fusion.runs().run.tolist()"))
    with notebook(tmp_path, env) as second:
        other = Desk(book.server, second)
        other.settle()
        loop = "for n in range(20): _fusion.fuse(f'How {n}?', ['fault:6-pool~whole~a', 'fault:6-pool~whole~b'], 'best-of', judge='well:judge~whole~a', services=_services)"
        begun = [(desk, *desk.notebook.start(loop)) for desk in (book, other)]
        for desk, cell, ran in begun:
            assert desk.notebook.collect(cell, ran).error is None
        runs = [desk.notebook.ask("_fusion.runs().run.tolist()") for desk in (book, other)]
        assert runs[0] == runs[1]
        assert len(set(runs[0]) - before) == len(runs[0]) - len(before) == 40
        statuses = other.notebook.ask("_fusion.runs().set_index('run').status.to_dict()")
        assert {statuses[run] for run in set(runs[0]) - before} == {"ok"}
    with closing(sqlite3.connect(Path(home) / "index.sqlite")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    saw(80, "two kernels, 40 runs", "none lost, ids unique, index sound")


def test_81_a_broken_and_a_newer_index(book: Desk, tmp_path: Path) -> None:
    """A garbage index is set aside and made anew from the files; one of a newer release is left alone."""
    with elsewhere(book, tmp_path / "home", tmp_path / "spare"):
        book.works()
        run = book.notebook.ask("_fusion.runs().run.tolist()")
        index = tmp_path / "home" / "index.sqlite"
        index.write_bytes(random.Random(81).randbytes(9000))
        assert book.notebook.ask("_fusion.runs().run.tolist()") == run
        assert len(list(index.parent.glob("index.sqlite.corrupt-*"))) == 1
        with closing(sqlite3.connect(index)) as db:
            db.execute("PRAGMA user_version = 99")
        book.works()
        assert len(book.notebook.ask("_fusion.runs().run.tolist()")) == 2
        with closing(sqlite3.connect(index)) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (99,)
    saw(81, "garbage", "set aside, made anew from the files")
    saw(81, "a newer schema", "left alone, runs listed all the same")


_JUMPING = """
import random as _random, time as _time
_real = _time.time
_time.time = lambda: _real() + _random.choice((-3600, 3600, 0))
"""


def test_82_a_clock_that_jumps(book: Desk) -> None:
    """The wall clock steps an hour back and forth at every look: no wait, no duration and no order comes from it."""
    book.notebook.run(_JUMPING)
    try:
        for member in ("6-pool", "28-after-seconds", "7-header-stall"):
            ran = book.fuse([member, GOOD], options="--mode best-of --ttft 2")
            result = book.result()
            assert ran.error is None
            seconds = [r["latency"] for r in result["replies"]] + [result["seconds"]]
            assert all(0 <= second < 30 for second in seconds)
            assert result["replies"][0]["status"] == ("timeout" if member == "7-header-stall" else "ok")
    finally:
        book.notebook.run("_time.time = _real")
    saw(82, "steps of an hour", "durations and waits unharmed")


def test_82_a_machine_that_sleeps(book: Desk) -> None:
    """A laptop closed in the middle of a stream: on waking, the silence is noticed, the text kept, the run ended."""
    begun = book.notebook.start(book.cell(["9-idle", GOOD], options="--mode best-of --idle 1"))
    until(lambda: "9-idle" in "".join(book.server.stats()["sent"]))
    book.notebook.signal(signal.SIGSTOP)
    time.sleep(2.5)
    book.notebook.signal(signal.SIGCONT)
    ran = book.notebook.collect(*begun)
    result: dict[str, Any] = book.result()
    assert ran.error is None
    assert (result["replies"][0]["status"], result["replies"][0]["error"]) == ("timeout", "idle")
    assert result["replies"][0]["text"]
    assert result["status"] == "ok"
    saw(82, "asleep in a stream", "`timeout/idle` on waking, text kept")
