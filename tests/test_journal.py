"""The journal of a run: on disk before anyone acts on it, the same when it is read back, and nobody else's to read."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_nb.core import Ref, RunState
from fusion_nb.core.events import (
    CallAccepted,
    CallEnded,
    CallStarted,
    ChoiceMade,
    Event,
    RunStarted,
    TextDelta,
    VerdictReached,
    to_json,
)
from fusion_nb.core.fold import fold_all, join_deltas
from fusion_nb.errors import UserError
from fusion_nb.journal import maintenance, run_files, run_index
from fusion_nb.journal.run_files import read
from fusion_nb.journal.run_reader import load
from fusion_nb.journal.run_writer import EVERY, MOST, Journal
from fusion_nb.run.result import FusionResult
from tests.journalled import Kernel, folded, new_run, tiny, written
from tests.replay import Replay

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUSION_NB_TRUST", "http://127.0.0.1:* OWN_API_KEY")
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / "home"


@pytest.mark.parametrize("mode", ["best-of", "merge", "debate"])
def test_a_run_read_back_is_the_run_of_the_day(replay: Replay, mode: str) -> None:
    """Texts, tokens, money, verdict, labels and seconds: `load` gives the very state the run ended with."""
    models = ["rate/0/5/100", "rate/0.05/9/100", "fail/404"]
    result = Kernel(replay.url).run(models, mode=mode, then="merge", criteria="accuracy,brevity")
    assert result.status == "ok"
    assert load(result.run, FusionResult()) == result
    assert result.criteria == ("accuracy", "brevity")


def test_everything_is_on_disk_before_anyone_sees_it(replay: Replay, own_home: Path) -> None:
    """When a call's start, its id, its end or a verdict becomes visible, the file has it; text within the bounds."""
    kernel = Kernel(replay.url)
    handle = kernel.start(*kernel.order(["rate/0/40/200", "burst/3"], mode="best-of"))
    kinds = (CallStarted, CallAccepted, CallEnded, VerdictReached)
    checked = set()
    for event in handle.events():
        if isinstance(event, kinds):
            (path,) = (own_home / "runs").iterdir()
            held = load(handle.state.run, RunState()).verdict if isinstance(event, VerdictReached) else None
            assert event in read(path).events or (held is not None and held == event.verdict)
            checked.add(type(event))
    assert checked == set(kinds)


def test_text_is_written_although_no_more_comes(replay: Replay) -> None:
    """A model that falls silent has what it said on disk all the same, without waiting for its next word."""
    kernel = Kernel(replay.url)
    handle = kernel.start(*kernel.order(["stall/30/3"]))
    while not handle.state.replies or handle.state.replies[0].text != "w1 w2 w3 ":
        handle.take()

    # Its turn comes after EVERY; the rest is for a busy machine.
    deadline = time.monotonic() + EVERY + 5
    while (said := load(handle.state.run, RunState()).replies[0].text) != "w1 w2 w3 " and time.monotonic() < deadline:
        handle.pause(0.01)
    assert said == "w1 w2 w3 "
    handle.stop()


def test_text_is_joined_into_few_lines() -> None:
    """A thousand tokens in one second are some ten lines, none much longer than 4 kB, and not a letter is lost."""
    run = new_run()
    start, started = tiny(run)[:2]
    words = [TextDelta(seq=2 + n, at=n / 1000, call=1, text=f"w{n} ") for n in range(1000)]
    _, path = written([start, started, *words])
    lines = [event for event in read(path).events if isinstance(event, TextDelta)]
    assert 8 <= len(lines) <= 20
    assert max(len(event.text) for event in lines) <= MOST + 10
    assert "".join(event.text for event in lines) == "".join(event.text for event in words)
    assert [event.seq for event in lines] == sorted(event.seq for event in lines)


texts = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(["content", "reasoning", "answer"]), st.text(max_size=3)), max_size=40
)


@given(texts)
def test_joined_deltas_say_the_same(pieces: list[tuple[int, str, str]]) -> None:
    """However members and channels take turns, the joined deltas fold to the same replies, in the order of arrival."""
    deltas = [TextDelta(seq=n, call=call, channel=channel, text=text) for n, (call, channel, text) in enumerate(pieces)]
    start = [CallStarted(call=n, ref=Ref("demo", str(n))) for n in (1, 2, 3)]
    short, long = (fold_all([*start, *said], RunState()) for said in (join_deltas(deltas), deltas))
    assert short.replies == long.replies
    assert [d.seq for d in join_deltas(deltas)] == sorted(d.seq for d in join_deltas(deltas))


@given(st.text(alphabet=st.characters(codec=None), max_size=30))
def test_any_text_survives_the_file(text: str) -> None:
    """Line separators, control characters and lone surrogates of a model's text neither break a line nor change."""
    from fusion_nb.journal.run_files import parse, to_line

    event = TextDelta(call=1, text=text)
    assert parse(to_line(event)).events == (event,)
    assert to_line(event).count(b"\n") == 1


def test_nobody_else_may_read_it(replay: Replay, own_home: Path) -> None:
    """Files are 0600, folders 0700, whatever the umask; no API key is in any of them."""
    before = os.umask(0)
    try:
        os.environ["OWN_API_KEY"] = "sk-or-v1-" + "a1b2" * 16
        kernel = Kernel(replay.url)
        kernel.run(["burst/3", "fail/401"], base_url=replay.url, key_env="OWN_API_KEY", judge="scripted-judge")
        from fusion_nb.journal.run_index import runs

        assert len(runs()) == 1
    finally:
        os.umask(before)
        del os.environ["OWN_API_KEY"]
    found = sorted(p.relative_to(own_home) for p in own_home.rglob("*"))
    assert {p.suffix for p in found} == {"", ".json", ".jsonl", ".sqlite", ".sqlite-journal"}
    for path in (own_home, *(own_home / name for name in found)):
        assert stat.S_IMODE(path.lstat().st_mode) == (0o700 if path.is_dir() else 0o600)
        assert path.is_dir() or b"a1b2a1b2" not in path.read_bytes()


def test_a_link_in_the_place_of_a_file_is_not_followed(own_home: Path, tmp_path: Path) -> None:
    """A journal file that is a link is neither written nor read: the run goes to the spare folder and says so."""
    run = new_run()
    target = tmp_path / "target"
    target.write_text("mine")
    (own_home / "runs").mkdir(parents=True)
    (own_home / "runs" / f"{run}.jsonl").symlink_to(target)
    journal, events = Journal(run), tiny(run)
    for event in events:
        journal(event)
    assert target.read_text() == "mine"
    assert journal.trouble is not None
    assert load(run, RunState()) == folded(events)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
def test_a_store_of_another_user_is_refused(own_home: Path) -> None:
    """Nothing is written into, or read from, a folder that belongs to somebody else; the sentence says what to do."""
    (own_home / "runs").mkdir(parents=True)
    os.chown(own_home / "runs", 12345, 12345)
    journal = Journal(new_run())
    journal(tiny(new_run())[0])
    assert journal.path is not None
    assert own_home not in journal.path.parents
    assert "belongs to another user" in str(journal.trouble)
    with pytest.raises(UserError, match="FUSION_NB_HOME"):
        load(new_run(), RunState())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
def test_a_stranger_cannot_close_the_journal(own_home: Path, tmp_path: Path) -> None:
    """A folder of the spare one's name that somebody else made is passed over, not fallen over."""
    run, _ = written(tiny(new_run()))
    spare = tmp_path / f"fusion_nb-{os.geteuid()}"
    spare.mkdir()
    os.chown(spare, 12345, 12345)
    assert list(run_files.entries()) == [run]


def test_a_home_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replay: Replay) -> None:
    """Where a file stands in the folder's place, the run ends as ever, is kept in $TMPDIR, and says so."""
    (tmp_path / "home").write_text("not a folder")
    kernel = Kernel(replay.url)
    result = kernel.run(["burst/3"])
    assert result.status == "ok"
    assert kernel.journal is not None
    assert str(tmp_path) in str(kernel.journal.trouble)
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "another"))
    assert load(result.run, FusionResult()) == result


def test_nowhere_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replay: Replay) -> None:
    """Where nothing can be written at all, the run still ends as ever, and says that this kernel alone has it."""
    (tmp_path / "home").write_text("not a folder")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "home"))
    kernel = Kernel(replay.url)
    assert kernel.run(["burst/3"]).status == "ok"
    assert kernel.journal is not None
    assert kernel.journal.path is None
    assert "this kernel alone" in str(kernel.journal.trouble)


def test_a_defect_of_ours_costs_no_answer(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong inside the journal, the run is not harmed."""
    kernel = Kernel(replay.url)
    monkeypatch.setattr("fusion_nb.journal.run_writer.to_blocks", lambda event: 1 / 0)
    assert kernel.run(["burst/3"]).answer == "w1 w2 w3 "
    assert "ZeroDivisionError" in str(kernel.journal.trouble)  # type: ignore[union-attr]


def test_a_run_under_way_is_no_crashed_one(own_home: Path) -> None:
    """While its writer lives, a run is `running`, to this process and to others; the lock says so, not an age."""
    run = new_run()
    events = tiny(run)
    journal = Journal(run)
    for event in events[:4]:
        journal(event)
    journal.flush()
    assert load(run, RunState()).status == "running"
    code = f"from fusion_nb.journal.run_reader import load; from fusion_nb.core import RunState; print(load({run!r}, RunState()).status)"
    asked = [sys.executable, "-c", code]
    assert subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "running\n"
    for event in events[4:]:
        journal(event)
    assert load(run, RunState()) == folded(events)


def test_a_fork_does_not_keep_a_dead_run_alive() -> None:
    """A child of the kernel (a pool of processes) outlives it; the run that died with the kernel is crashed all the same."""
    run = new_run()
    code = f"""
import os, time
from tests.journalled import tiny
from fusion_nb.journal.run_writer import Journal
journal = Journal({run!r})
for event in tiny({run!r})[:3]:
    journal(event)
if os.fork() == 0:
    print(os.getpid(), flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as kernel:
        assert kernel.stdout is not None
        child = int(kernel.stdout.readline())
        kernel.kill()
        kernel.wait(60)
        try:
            state = load(run, RunState())
        finally:
            os.kill(child, signal.SIGKILL)
    assert state.status == "cancelled"
    assert [(r.status, r.error, r.maybe_billed) for r in state.replies] == [("cancelled", "crashed", True)]
    assert state.replies[0].generation_id == f"gen-{run}"


def test_crashed_before_between_and_after_calls() -> None:
    """Cut off after any of its events, a run reads as what had happened: closed, told, and complete where it was."""
    events = tiny(new_run(), text="To be or not.")
    for length in range(1, len(events)):
        run = new_run()
        start: Event = replace(events[0], run=run)  # type: ignore[arg-type]
        written([start, *events[1:length]])
        state = load(run, RunState())
        whole = any(isinstance(event, VerdictReached) for event in events[:length])
        assert state.status == ("ok" if whole else "cancelled")
        assert bool(state.notes) is not whole
        assert all(reply.status for reply in state.replies)
        said = "".join(event.text for event in events[:length] if isinstance(event, TextDelta))
        assert [r.text for r in state.replies] == [said] * (length > 1)


def test_the_file_is_one_json_object_a_line(replay: Replay, own_home: Path) -> None:
    """Anyone can read it with any JSON reader; its first line is the run's start with the schema's number."""
    Kernel(replay.url).run(["burst/3"])
    (path,) = (own_home / "runs").glob("*.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
    assert rows[0]["event"] == RunStarted.__name__
    assert rows[0]["v"] == 1
    assert path.stem == rows[0]["run"]


def test_requests_are_on_the_disk_before_any_is_sent(monkeypatch: pytest.MonkeyPatch, replay: Replay) -> None:
    """Not with the system alone, on the disk: all of a pool by one sync, before the first member is asked; so a judge."""
    synced: list[bytes] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        real(fd)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            synced.append(os.pread(fd, 1 << 20, 0))

    monkeypatch.setattr(os, "fsync", fsync)
    seen: list[tuple[int, int]] = []

    def member(name: str, says: str) -> Callable[[str], str]:
        def asked(prompt: str) -> str:
            seen.append((len(synced), synced[-1].count(b'"CallStarted"') if synced else 0))
            return says

        asked.__name__ = name
        return asked

    members = [member(name, f"Paris, says {name}.") for name in ("one", "two", "three")]
    result = Kernel(replay.url).run(members, judge=member("judge", "No verdict."), mode="best-of")
    assert result.status == "unjudged"
    # Three members, the judge, and the judge asked once more.
    assert [started for _, started in seen] == [3, 3, 3, 4, 5]
    assert seen[0][0] == 1


@pytest.mark.parametrize("nth", range(1, 8))
def test_a_disk_that_fails(nth: int, monkeypatch: pytest.MonkeyPatch, replay: Replay) -> None:
    """Whichever sync the disk fails at (EIO), the run ends as ever, is written whole elsewhere, and says so."""
    real, count = os.fsync, 0

    def fsync(fd: int) -> None:
        nonlocal count
        count += 1
        if count == nth:
            raise OSError(5, "Input/output error")
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    kernel = Kernel(replay.url)
    result = kernel.run(["burst/3", "burst/4"], mode="best-of")
    assert kernel.journal is not None
    assert "Input/output error" in str(kernel.journal.trouble)
    assert result.status == "ok"
    assert load(result.run, FusionResult()) == result


def test_a_long_answer_stands_in_the_file_once() -> None:
    """A chosen answer is its call's text and is not written again, nor is a character of any script written as twelve."""
    text = "Ça va 🥊 你好 " * 20_000
    run, file = written(tiny(new_run(), text))
    assert len(text.encode()) < file.stat().st_size < 1.25 * len(text.encode())
    assert load(run, RunState()).answer == text


def test_files_as_they_used_to_be_written_still_load() -> None:
    """ASCII throughout, and with the answer in the verdict a second time: the same state."""
    events = tiny(new_run(), "Ça va \ud800 🥊")
    run, file = written(events)
    file.write_text("".join(json.dumps(to_json(event), default=str) + "\n" for event in events), encoding="ascii")
    assert load(run, RunState()) == fold_all(events, RunState())


def cpu_seconds(size: int) -> dict[str, float]:
    """CPU time of all that the journal does with a reply of so many characters that came in pieces of four."""
    run = new_run()
    start, started, accepted, *_, ended, verdict, end = tiny(run)
    pieces = [TextDelta(seq=3 + n, at=n / 20_000, call=1, text="abcd") for n in range(size // 4)]
    journal = Journal(run)

    def write() -> None:
        for event in (start, started, accepted, *pieces, ended, verdict, end):
            journal(event)

    def timed(work: Callable[[], object]) -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    return {
        "write": timed(write),
        "load": timed(lambda: load(run, RunState())),
        "index": timed(run_index.runs),
        "export": timed(lambda: maintenance.export([run], run_files.runs_folder() / f"{run}.copy")),
        "append": timed(lambda: maintenance.append_events(run, [ChoiceMade(call=1, when="now")])),
    }


def test_nothing_is_quadratic_in_a_replys_length() -> None:
    """Eight times the text takes eight times the work, not sixty-four times: writing, loading, listing, exporting."""
    cpu_seconds(40_000)  # what is loaded once
    short, long = cpu_seconds(160_000), cpu_seconds(1_280_000)
    # Beside eight times the work there is room for a coarse clock and a busy machine.
    assert {step: seconds for step, seconds in long.items() if seconds > 24 * max(short[step], 0.02)} == {}
