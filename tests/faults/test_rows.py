"""Rows 1 to 64 and 90 of the fault matrix, through the real `fusion_nb.stream`, each with a healthy member beside it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from decimal import Decimal

import pytest

from fusion_nb.core import engine_thread
from fusion_nb.core.events import CallAccepted, CallRetried
from fusion_nb.providers.http_pool import SOON
from fusion_nb.run.retry_policy import MAX_STALE
from tests.faults import certificates
from tests.faults.answer import COST, TEXT
from tests.faults.harness import Faults, Played, faults
from tests.faults.row import Row
from tests.faults.rows import BY_NAME
from tests.faults.seen import SERVICES
from tests.faults.table import seen

AT_ONCE = 8
"""Runs side by side."""
BATCH = 48
"""Members of one run, where a body is cut at every byte."""
AGAIN = 4
"""Times a row is played again on a busy machine."""
PATIENCE = 60
"""Seconds for what comes at once, unless the machine is busy."""
KEPT = 130
"""Connections kept for the next request, and the one this is asked over."""
EACH = [(name, cut) for name, row in BY_NAME.items() for cut in row.cuts]
SPLIT = [name for name, row in BY_NAME.items() if row.split]


def cuts_of(name: str, cut: str) -> list[list[str]]:
    """The members of each run: one, or one for every place to cut."""
    if cut != "every":
        return [[cut]]
    answers = BY_NAME[name].answers
    assert isinstance(answers, tuple)
    every = [f"split-{at}" for at in range(1, len(answers[0].body))]
    return [every[at : at + BATCH] for at in range(0, len(every), BATCH)]


class Runs:
    """The runs of every test that was asked for, under way side by side; heavy ones are played when they are alone."""

    def __init__(self, server: Faults, pool: ThreadPoolExecutor, asked: list[tuple[str, str]]) -> None:
        self._server = server
        light = [(name, cut) for name, cut in asked if not BY_NAME[name].heavy]
        self._started: dict[tuple[str, str], list[Future[list[Played]]]] = {
            (name, cut): [pool.submit(server.play, BY_NAME[name], cuts, name) for cuts in cuts_of(name, cut)]
            for name, cut in light
        }

    def of(self, name: str, cut: str) -> list[Played]:
        if not BY_NAME[name].heavy:
            return [played for future in self._started[name, cut] for played in future.result(120)]
        self.wait()
        return self._server.play(BY_NAME[name], [cut], name)

    def wait(self) -> None:
        wait([future for futures in self._started.values() for future in futures])

    def stop(self) -> None:
        for futures in self._started.values():
            for future in futures:
                future.cancel()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    openssl, authority = shutil.which("openssl"), None
    folder = tmp_path_factory.mktemp("tls") if openssl else None
    if openssl and folder:
        authority = certificates.make(openssl, folder)
    with faults(tmp_path_factory.mktemp("home"), certificates=folder, authority=authority) as found:
        yield found


@pytest.fixture(scope="module")
def runs(server: Faults, request: pytest.FixtureRequest) -> Iterator[Runs]:
    items = [i for i in request.session.items if i.path == request.path and isinstance(i, pytest.Function)]
    params = [item.callspec.params for item in items if hasattr(item, "callspec")]
    asked = [(p["name"], p.get("cut", "every")) for p in params]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = Runs(server, pool, [(name, cut) for name, cut in asked if server.has(BY_NAME[name].at)])
        yield runs
        runs.stop()


@pytest.mark.parametrize(("name", "cut"), EACH, ids=[f"{name}~{cut}" for name, cut in EACH])
def test_row(name: str, cut: str, runs: Runs, server: Faults) -> None:
    """A fault has its class, keeps what arrived, costs no more requests and time than it must, and harms nobody."""
    if not server.has(BY_NAME[name].at):
        pytest.skip("needs the openssl command to make certificates")
    for played in runs.of(name, cut):
        checked = check(BY_NAME[name], played, server)
        SERVICES.setdefault(name, set()).add(seen(BY_NAME[name], checked.reply))


@pytest.mark.parametrize("name", SPLIT)
def test_every_split(name: str, runs: Runs, server: Faults) -> None:
    """Cut in two at any byte, the outcome is the same."""
    for played in runs.of(name, "every"):
        check(BY_NAME[name], played, server)


def test_nothing_is_left(runs: Runs, server: Faults) -> None:
    """When all is over no task of a call is left on the engine, and no connection but those kept for the next."""

    async def tasks() -> int:
        return len(asyncio.all_tasks()) - 1

    runs.wait()
    until = time.monotonic() + PATIENCE
    while (left := engine_thread.run_on_engine(tasks())) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == 0
    # Of a burst's connections those beyond the ones that are kept are let go within a minute.
    until = time.monotonic() + 3 * SOON
    while server.stats()["connections"] > KEPT and time.monotonic() < until:
        time.sleep(0.5)
    assert server.stats()["connections"] <= KEPT


def check(row: Row, played: Played, server: Faults) -> Played:
    """What a row must be. One that was played while the machine was late is played again, alone, before it is blamed."""
    for _ in range(AGAIN):
        try:
            check_once(row, played, server)
        except AssertionError:
            if not played.busy:
                raise
            cut = played.model.split("~")[1]
            (played,) = server.play(row, [cut], f"{row.number}-{row.name}")
        else:
            return played
    check_once(row, played, server)
    return played


def check_once(row: Row, played: Played, server: Faults) -> None:
    reply = played.reply
    told = (reply.status, reply.error if reply.status != "ok" else None, reply.maybe_billed)
    assert told == (row.status, row.error, row.billed), reply
    said(row.text, reply.text)
    said(row.reasoning, reply.reasoning)
    assert (reply.cost, reply.cost_source) == (row.cost, None if row.cost is None else "reported")
    if row.tokens is not None:
        assert (reply.usage.prompt, reply.usage.completion) == row.tokens
    if row.finish is not None:
        assert reply.finish == row.finish
    assert reply.warnings == row.warns
    for words in row.says:
        assert words in (reply.detail or "")
    assert bool(reply.detail) == (reply.status != "ok")
    for words in (*row.never, *server.keys.values()):
        assert words not in repr(reply)
    if row.generation is not None:
        assert reply.generation_id == row.generation
        assert any(isinstance(e, CallAccepted) and e.generation_id == row.generation for e in played.events)
    check_requests(row, played, server)
    assert played.seconds - played.lost < row.within
    healthy, *rest = played.others
    assert (healthy.status, healthy.text, healthy.cost, healthy.attempts) == ("ok", TEXT, Decimal(COST), 1)
    assert all(r.role == "judge" and r.status == "ok" for r in rest)
    assert played.result.status == "ok"
    assert played.result.answer == TEXT or reply.usable
    frame = played.result.frame()
    assert frame.cost_usd.isna().tolist() == [r.cost is None for r in played.result.replies]


def check_requests(row: Row, played: Played, server: Faults) -> None:
    """What the server saw: as many requests as there should be, far enough apart, and nobody holding on."""
    reply, asked = played.reply, row.attempts or row.posts
    again = reply.attempts - asked
    # A kept connection on which a service says nothing at all may be one that it was closing: asked once more each.
    assert 0 <= again <= MAX_STALE if row.silent else again == 0
    retried = [e for e in played.events if isinstance(e, CallRetried) and e.call == reply.call]
    assert len(retried) == reply.attempts - 1
    if row.at in ("main", "good"):
        stats = server.stats()
        assert stats["posts"].get(played.model) == row.posts + again
        assert stats["looks"].get(played.model, 0) == row.looks
        times = stats["times"][played.model]
        if row.waits is not None:
            low, high = row.waits
            assert low <= times[1] - times[0] <= high + played.lost
        assert stats["seen"].get("elsewhere", "") == ""
        if not reusable(row):
            await_closed(played.model, server)


def reusable(row: Row) -> bool:
    """Whether the connection can be kept for the next request."""
    last = row.answers(9) if callable(row.answers) else row.answers[-1]
    return last.end == "end" and not last.again and last.framing in ("chunked", "length")


def await_closed(model: str, server: Faults) -> None:
    """Whoever got no good end leaves: the server sees the connection close."""
    until = time.monotonic() + PATIENCE
    while (left := server.stats()["open"].get(model)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left, "the connection is still open"


def said(expected: str, text: str) -> None:
    """`expected`, or as much of it as there is room for where it ends in `*`."""
    if expected.endswith("*"):
        unit = expected.removesuffix("*")
        assert text.startswith(unit)
        assert len(text) <= 8 << 20
    else:
        assert text == expected
