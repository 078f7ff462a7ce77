"""Tables of prompts asked by processes that are killed with SIGKILL, and by services that fail in every way at once.

No finished reply is paid twice, no row is lost, none is doubled, none gets another row's answer. `FUSION_NB_TABLE_KILLS`
and `FUSION_NB_TABLE_FAULTS` set how many kills and how many trials (1,000 of each in `nox -s tables`).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pytest

from fusion_nb.journal.table_files import SUFFIX
from tests.faults.table_forks import TableForks, prompts, table_forks
from tests.wire_server import END, Received, Step, WireServer, delta, event, finish, head, response, usage

KILLS = int(os.environ.get("FUSION_NB_TABLE_KILLS", "25"))
TRIALS = int(os.environ.get("FUSION_NB_TABLE_FAULTS", "12"))
ROWS, MODELS = 24, ("one", "two")
AT_ONCE = 8
PATIENCE = 120.0
LIMIT = 1.0
"""Seconds a call may take where services fail."""
WORKERS = 4 if TRIALS < 100 else 16

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


class Service:
    """A chat service on loopback that says what a prompt asks for. `asked` counts (model, word).

    Args:
        share: of the requests, how many fail in one of the ways of `_failure`.
        pause: seconds at most between two parts of a reply.
    """

    def __init__(self, seed: int, share: float = 0.0, pause: float = 0.01) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self._random = random.Random(seed)
        self._share, self._pause = share, pause
        self._server = WireServer(self._script)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(*error)

    @property
    def url(self) -> str:
        return self._server.url

    def _script(self, request: Received) -> Iterable[Step]:
        if request.method == "GET":
            return response(200, {"data": [{"id": model} for model in MODELS]})
        body = request.json
        word = body["messages"][-1]["content"].removeprefix("Say ").removesuffix(".")
        self.asked[body["model"], word] += 1
        if self._random.random() < self._share:
            return self._failure()
        return self._reply(body["model"], word)

    def _reply(self, model: str, word: str) -> Iterable[Step]:
        pauses = [self._random.uniform(0, self._pause) for _ in range(3)]
        yield pauses[0]
        yield head()
        yield event(delta(word[:4]))
        yield pauses[1]
        yield event(delta(word[4:]))
        yield pauses[2]
        yield event(finish())
        yield event(usage(0.001))
        yield event("[DONE]") + END

    def _failure(self) -> list[Step]:
        begun: list[Step] = [head(), event(delta("beg"))]
        return self._random.choice(
            [
                response(429, {"error": {"message": "Slow down"}}),
                response(429, {"error": {"message": "Slow down"}}, retry_after="1"),
                response(500, b"oops", "text/html"),
                response(503, {"error": {"message": "Overloaded"}}),
                ["reset"],
                ["close"],
                [*begun, "reset"],
                [*begun, "close"],
                [*begun, "hold"],
                ["hold"],
                [head(), event("{not json"), event("[DONE]") + END],
                [*begun, event({"error": {"message": "Provider returned error", "code": 502}}), event("[DONE]") + END],
            ]
        )


def trial(folder: Path, service: Service, **options: Any) -> dict[str, Any]:
    given = {"home": str(folder / "home"), "url": service.url, "models": MODELS, "rows": ROWS, "prefix": folder.name}
    return {**given, "result": str(folder / "frame.json"), "options": {"concurrency": AT_ONCE, **options}}


def on_disk(home: Path) -> set[str]:
    """The keys of all replies that the files of tables hold."""
    keys: set[str] = set()
    for table in home.rglob(f"*{SUFFIX}"):
        with (
            contextlib.closing(sqlite3.connect(table, timeout=20)) as db,
            contextlib.suppress(sqlite3.OperationalError),
        ):
            # Where it was killed before the file was one there is no such table.
            keys |= {key for (key,) in db.execute("SELECT key FROM replies")}
    return keys


def check_rows(folder: Path) -> pd.DataFrame:
    """The frame has every row once, in its order, each with the answer to its own prompt or none."""
    frame = pd.read_json(folder / "frame.json", orient="split", dtype=False)
    asked = prompts(ROWS, folder.name)
    assert frame.index.tolist() == asked.index.tolist()
    assert frame.n.tolist() == asked.n.tolist()
    for column in ("answer", *(name for name in frame.columns if name.startswith("answer_"))):
        given = frame[frame[column].fillna("") != ""]
        assert given[column].tolist() == given.n.tolist(), column
    return frame


def one_table_with_kills(folder: Path, forks: TableForks, rng: random.Random) -> int:
    """One table, its process killed again and again until one is left alone; how often it was killed."""
    folder.mkdir()
    home, kills, allowed = folder / "home", 0, 0
    with Service(rng.randrange(10**9), pause=rng.choice((0.0, 0.02, 0.1))) as service:
        while True:
            before = sum(service.asked.values())
            pid = forks.start(**trial(folder, service))
            leave_alone = kills >= rng.randint(4, 12)
            until = time.monotonic() + (PATIENCE if leave_alone else rng.uniform(0.02, 0.5))
            while time.monotonic() < until and not (folder / "frame.json").exists():
                assert not (folder / "frame.error").exists(), (folder / "frame.error").read_text(encoding="utf-8")
                time.sleep(0.002)
            ended = (folder / "frame.json").exists()
            os.kill(pid, signal.SIGKILL)
            forks.wait(pid)
            stored = on_disk(home)
            if ended:
                break
            assert not leave_alone, "the table did not end"
            kills += 1
            # Whatever was sent and is not on the disk may be asked again; no more.
            allowed += min(AT_ONCE, sum(service.asked.values()) - before)
        frame = check_rows(folder)
        assert set(frame.status) == {"ok"}
        assert len(stored) == ROWS * len(MODELS)
        again = sum(service.asked.values()) - ROWS * len(MODELS)
        assert 0 <= again <= allowed, f"{again} calls asked again, {allowed} were in flight at {kills} kills"
    return kills


def one_table_among_faults(folder: Path, forks: TableForks, rng: random.Random) -> None:
    """The same call, made until every row is ok."""
    folder.mkdir()
    with Service(rng.randrange(10**9), share=rng.choice((0.05, 0.2, 0.4))) as service:
        for _ in range(30):
            (folder / "frame.json").unlink(missing_ok=True)
            forks.wait(forks.start(**trial(folder, service, timeout=LIMIT)))
            assert not (folder / "frame.error").exists(), (folder / "frame.error").read_text(encoding="utf-8")
            statuses = Counter(check_rows(folder).status)
            if set(statuses) == {"ok"}:
                break
        else:
            pytest.fail(f"after thirty calls {statuses}")
    counts = folder / "counts.json"
    forks.wait(forks.start(home=str(folder / "home"), result=str(counts), count=True))
    given = json.loads(counts.read_text(encoding="utf-8"))
    # Of a model that failed for good the row has the others' answers.
    assert {prompt.partition(": ")[2] for prompt in given} == {f"Say {n}." for n in prompts(ROWS, folder.name).n}
    assert {what: count for what, count in given.items() if count > 1} == {}


def shared_out(folder: Path, tables: Callable[[Path, TableForks, random.Random], int]) -> int:
    """The sum of what `tables` gives, run by several workers at once: they wait most of the time."""
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")

    def work(worker: int) -> int:
        with table_forks() as forks:
            return tables(folder / f"w{worker}", forks, random.Random(seed + worker))

    with ThreadPoolExecutor(WORKERS) as pool:
        return sum(pool.map(work, range(WORKERS)))


def test_a_finished_reply_is_never_paid_twice(tmp_path: Path) -> None:
    """SIGKILL at random moments, the same call again each time: only what was in flight is asked again."""

    def tables(folder: Path, forks: TableForks, rng: random.Random) -> int:
        folder.mkdir()
        kills = 0
        while kills < KILLS / WORKERS:
            kills += one_table_with_kills(folder / f"t{kills:04d}", forks, rng)
        return kills

    print(f"{shared_out(tmp_path, tables)} processes killed: no finished reply was paid twice")


def test_no_row_is_lost_or_doubled_whatever_services_do(tmp_path: Path) -> None:
    """429 with and without a time to wait, 5xx, resets, cut streams, stalls and garbage, each drawn at random: the same call,
    made until every row is ok, gives each row its own answer, and asks no model again for what it has given."""

    def tables(folder: Path, forks: TableForks, rng: random.Random) -> int:
        folder.mkdir()
        many = -(-TRIALS // WORKERS)
        for number in range(many):
            one_table_among_faults(folder / f"f{number:04d}", forks, rng)
        return many

    print(f"{shared_out(tmp_path, tables)} tables among faults: no row lost, none doubled")
