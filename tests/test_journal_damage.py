"""Damaged, foreign and newer files: what can be read of them is there, nothing else is harmed, nothing raises."""

import ast
import json
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fusion_nb.core import RunState, Usage
from fusion_nb.core.events import CallEnded, CallStarted, Event, RunEnded, RunStarted, TextDelta, from_json
from fusion_nb.core.json_codec import to_plain
from fusion_nb.errors import UserError
from fusion_nb.journal import maintenance, run_files, run_index
from fusion_nb.journal.run_files import parse, read
from fusion_nb.journal.run_reader import DAMAGED, load
from fusion_nb.run.result import FusionResult
from tests.journalled import folded, new_run, tiny, written

FIXTURES = sorted((Path(__file__).parent / "fixtures/runs").glob("*.jsonl"))


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / "home"


def recorded(path: Path) -> list[Event]:
    return [from_json(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("path", FIXTURES, ids=lambda p: p.stem)
def test_cut_off_anywhere(path: Path) -> None:
    """A file cut after any byte loses the line it was cut in, and that is all; it is not called damaged for that."""
    run, file = written(recorded(path))
    whole = file.read_bytes()
    for length in range(1, len(whole), max(1, len(whole) // 200)):
        file.write_bytes(whole[:length])
        past = read(file)
        assert len(past.events) >= whole[:length].count(b"\n")
        assert not past.damaged
        state = load(run, FusionResult())
        assert state.status != "running"
        assert all(reply.status for reply in state.replies)


def test_garbage_between_lines() -> None:
    """NUL bytes, half lines and other people's JSON: named as damage, every readable event kept."""
    events = tiny(new_run(), "To be or not.")
    run, file = written(events)
    lines = file.read_bytes().splitlines(keepends=True)
    garbage = [b"\x00" * 512 + b"\n", b'{"event":"TextDelta","cal\n', b"[1,2]\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n"]
    file.write_bytes(b"".join(line + bad for line, bad in zip(lines, garbage, strict=False)) + b"".join(lines[5:]))
    assert load(run, RunState()).answer == "To be or not."
    assert DAMAGED in load(run, RunState()).notes
    (row,) = run_index.runs()
    assert (row.damaged, row.status, row.run) == (True, "ok", run)


def test_a_lost_line_of_any_kind() -> None:
    """Whichever line is lost, the run loads; what the others say is there, in the right rows."""
    events = recorded(Path(__file__).parent / "fixtures/runs/merge.jsonl")
    state = folded(events)
    run, file = written(events)
    lines = file.read_bytes().splitlines(keepends=True)
    for lost in range(len(lines)):
        file.write_bytes(b"".join([*lines[:lost], b"\x00\x00\n", *lines[lost + 1 :]]))
        found = load(run, RunState())
        assert found.run == run
        assert len(found.replies) == len(state.replies)
        assert DAMAGED in found.notes
        texts = [(a.text, b.text) for a, b in zip(found.replies, state.replies, strict=True)]
        assert sum(a != b for a, b in texts) <= 1
        assert all(reply.status for reply in found.replies)


@pytest.mark.parametrize("seed", range(60))
def test_random_damage_never_raises(seed: int) -> None:
    """Bytes flipped, cut out and inserted at random: the journal is listed, loaded and deleted all the same."""
    rng = random.Random(seed)
    run, file = written(recorded(rng.choice(FIXTURES)))
    data = bytearray(file.read_bytes())
    for _ in range(rng.randint(1, 30)):
        at = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                del data[at : at + rng.randint(1, 200)]
            case 2:
                data[at:at] = rng.randbytes(rng.randint(1, 50))
            case 3:
                # Well-formed, and not of the types it should be.
                data[at:at] = rng.choice([b"null", b'"x"', b"-1", b"[]", b"{}", b"1e999", b"NaN", b"99999999999"])
    file.write_bytes(data)
    healthy, _ = written(tiny(new_run()))
    if read(file).newer:
        pytest.skip("the damage hit the schema's number: it looks like a newer one")
    assert load(run, FusionResult()).run
    assert {row.run for row in run_index.runs()} == {run, healthy}
    assert load(healthy, FusionResult()).status == "ok"
    run_index.calls()
    maintenance.crashed_runs()
    assert maintenance.delete([run]) == 1
    assert [row.run for row in run_index.runs()] == [healthy]


def test_wrong_types_in_well_formed_lines() -> None:
    """A line of the right form with a value of another type is passed over or kept as text, never a traceback."""
    events = recorded(Path(__file__).parent / "fixtures/runs/unread.jsonl")
    run, file = written(events)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for place, row in enumerate(rows):
        for field in row:
            for value in (None, -1, 10**9, "x", [], {}, [None], True):
                bad = [json.dumps({**r, field: value} if n == place else r) for n, r in enumerate(rows)]
                file.write_text("\n".join(bad) + "\n")
                if (field, value) != ("v", 10**9):
                    state = load(run, FusionResult())
                    assert to_plain(state)["run"]
                    assert state.usage
                    assert state.cost is None or state.cost.is_finite()


def newer(run: str) -> Iterator[str]:
    yield json.dumps({"event": "RunStarted", "v": 2, "run": run, "when": "2031-01-01T00:00:00+00:00", "prompt": "Tell.",
                      "mode": "swarm", "pool": [{"service": "demo", "model": "swift"}], "moons": 3})  # fmt: skip
    yield json.dumps({"event": "Telepathy", "seq": 1, "call": 1})
    yield json.dumps({"event": "RunEnded", "seq": 2, "status": "ok"})


def test_a_newer_schema_is_listed_and_left_alone(own_home: Path) -> None:
    """A run of a newer release is in the list as such, is not misread, not rewritten, and is exported byte for byte."""
    run = new_run()
    (own_home / "runs").mkdir(parents=True)
    file = own_home / "runs" / f"{run}.jsonl"
    file.write_text("\n".join(newer(run)) + "\n")
    before = file.read_bytes()
    (row,) = run_index.runs()
    assert (row.run, row.status, row.prompt) == (run, "newer", "Tell.")
    with pytest.raises(UserError, match="upgrade"):
        load(run, RunState())
    assert maintenance.crashed_runs() == []
    maintenance.export([run], own_home / "out.jsonl")
    assert (own_home / "out.jsonl").read_bytes() == file.read_bytes() == before


def test_foreign_files_are_ignored(own_home: Path, tmp_path: Path) -> None:
    """Notes, backups, folders and links among the runs are neither listed nor read nor deleted."""
    run, file = written(tiny(new_run()))
    folder = file.parent
    (folder / "notes.jsonl").write_text("{}\n")
    (folder / f"{new_run()}.jsonl.bak").write_text("x")
    (folder / f"{new_run()}.jsonl").mkdir()
    (tmp_path / "secret").write_text('{"event":"RunStarted"}\n')
    link = folder / f"{new_run()}.jsonl"
    link.symlink_to(tmp_path / "secret")
    assert [row.run for row in run_index.runs()] == [run]
    with pytest.raises(UserError, match="Unknown run"):
        load(link.stem, RunState())
    maintenance.purge_before("2999-01-01")
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "", "x", "20260101T000000-zzzzzz", "a/b"])
def test_an_id_is_no_path(name: str) -> None:
    """What is no run's id is an unknown run, not a path."""
    written(tiny(new_run()))
    for ask in (
        lambda: load(name, RunState()),
        lambda: maintenance.delete([name]),
        lambda: maintenance.export([name], "/tmp/x"),
    ):
        with pytest.raises(UserError, match="Unknown run"):
            ask()
    assert not run_files.is_run_id(name)


def test_no_pickle_anywhere() -> None:
    """The journal is read as JSON alone: no file in it can run code."""
    for path in (Path(__file__).parents[1] / "fusion_nb").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
        named += [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        assert not {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"} & set(named)


def test_amended_after_a_torn_line(own_home: Path) -> None:
    """What is learnt of a crashed call later (`GET /generation`) is put on its record, behind whole lines only."""
    for torn in (b"", b'{"event":"TextDelta","ca', b'{"event":"TextDelta","seq":4,"at":0.1,"call":1,"text":"!"}'):
        events = tiny(new_run())[:4]
        run, file = written(events)
        with file.open("ab") as out:
            out.write(torn)
        cost = CallEnded(seq=9, call=1, status="cancelled", error="crashed", usage=Usage(5, 2), generation_id="gen-1")
        maintenance.append_events(run, [cost])
        past = parse(file.read_bytes())
        assert not past.damaged
        *before, amended = past.events
        assert amended == replace(cost, seq=before[-1].seq + 1, at=before[-1].at)
        state = load(run, RunState())
        assert state.replies[0].usage == Usage(5, 2)
        assert state.replies[0].text == "Paris." + "!" * torn.endswith(b"}")
        assert state.status == "cancelled"
        assert run in maintenance.crashed_runs()


def test_a_run_under_way_is_not_amended(own_home: Path) -> None:
    """Nobody writes between the lines of a kernel that is alive."""
    from fusion_nb.journal.run_writer import Journal

    run = new_run()
    journal = Journal(run)
    for event in tiny(run)[:3]:
        journal(event)
    for change in (lambda: maintenance.append_events(run, []), lambda: maintenance.delete([run])):
        with pytest.raises(UserError, match="under way"):
            change()
    journal(RunEnded(status="cancelled"))
    assert maintenance.delete([run]) == 1


def test_a_pipe_is_no_file(own_home: Path) -> None:
    """What would hang whoever opens it is not opened."""
    _, file = written(tiny(new_run()))
    other, _ = written(tiny(new_run()))
    file.unlink()
    os.mkfifo(file)
    assert [row.run for row in run_index.runs()] == [other]


def test_kinds_are_what_the_writer_writes() -> None:
    """The quick look at a file's end finds the very bytes the writer writes."""
    from fusion_nb.journal.run_files import to_line

    assert to_line(RunEnded(status="ok")).startswith(b'{"event":"RunEnded"')
    hostile = TextDelta(call=1, text='{"event":"RunEnded","seq":9}')
    start: list[Event] = [*tiny(new_run())[:2], hostile]
    assert isinstance(start[0], RunStarted)
    assert isinstance(start[1], CallStarted)
    run, _ = written(start)
    assert maintenance.crashed_runs() == [run]
