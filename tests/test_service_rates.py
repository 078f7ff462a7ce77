"""A table and services that limit, fail, go away and come back: no row is lost, doubled or burned by it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fusion_nb
from fusion_nb import fuse_frame
from fusion_nb.errors import ProviderError
from fusion_nb.run.service_rates import DOWN, LONGEST_WISH, ServiceRates
from tests.wire_server import Received, Step, WireServer, reply, response

ROWS = 40


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


def refused(status: int, **headers: str) -> Iterator[Step]:
    return iter(response(status, {"error": {"message": "not now"}}, **headers))


class Service:
    """Answers with the row's own number; how it refuses is `refusal()`'s."""

    def __init__(self) -> None:
        self.at_once = self.most = self.refused = 0
        self.answered: Counter[str] = Counter()
        self.lock = threading.Lock()

    def refusal(self) -> Iterator[Step] | None:
        return None

    def __call__(self, received: Received) -> Iterator[Step]:
        if received.method == "GET":
            yield from response(404, {})
            return
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            refusal = self.refusal()
        try:
            if refusal is not None:
                self.refused += 1
                yield from refusal
                return
            prompt = received.json["messages"][-1]["content"]
            yield 0.02
            yield from reply(prompt.rpartition(" ")[2])
            self.answered[f"{received.json['model']} {prompt}"] += 1
        finally:
            with self.lock:
                self.at_once -= 1


def table(url: str, models: str = "a,b", **options: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"n": list(map(str, range(ROWS)))}, index=[f"r{n}" for n in range(ROWS)])
    settings = {"mode": "vote", "show_progress": False, "services": {"s": {"base_url": url}}, **options}
    pool = [f"s:{model}" for model in models.split(",")]
    return fuse_frame(frame, "Say the number {n}", pool=pool, **settings)


def whole(done: pd.DataFrame) -> None:
    assert set(done.status) == {"ok"}, done.error.dropna().tolist()
    assert done.answer.tolist() == [str(n) for n in range(ROWS)]


def test_a_storm_of_429_uses_up_no_attempt() -> None:
    """A service that takes four calls at once and refuses all others: every row is answered once, on its first
    attempt, and far fewer calls are refused than without any limit."""

    class Limited(Service):
        def refusal(self) -> Iterator[Step] | None:
            return refused(429, retry_after="0.1") if self.at_once > 4 else None

    service = Limited()
    with WireServer(service) as server:
        done = table(server.url, concurrency=64)
    whole(done)
    assert set(service.answered.values()) == {1}
    assert len(service.answered) == 2 * ROWS
    calls = done.fusion.calls()
    assert calls["attempts"].tolist() == [1] * 2 * ROWS
    assert service.refused > 0
    # No wait of ours is booked as the service's.
    assert calls["latency_s"].max() < 5


def test_a_service_that_is_down_burns_no_rows() -> None:
    """It fails for a while in the middle: its rows wait, few calls are tried, and all are answered in the end."""

    class Down(Service):
        until = 0.0

        def refusal(self) -> Iterator[Step] | None:
            if len(self.answered) >= 20 and not self.until:
                self.until = time.monotonic() + 3
            down = time.monotonic() < self.until
            return refused(503) if down else None

    service = Down()
    with WireServer(service) as server:
        done = table(server.url, concurrency=32)
    whole(done)
    assert any("times in a row" in note for note in done.attrs["notes"]), done.attrs["notes"]
    assert set(service.answered.values()) == {1}
    # Those under way when it went, and a few tries.
    assert service.refused < 32 + 10


def test_a_lost_network_is_asked_once_more_at_the_end() -> None:
    """Connections that are torn down for a moment leave no row without its answer."""

    class Torn(Service):
        def refusal(self) -> Iterator[Step] | None:
            return iter(["reset"]) if 20 <= len(self.answered) + self.refused < 26 else None

    service = Torn()
    with WireServer(service) as server:
        done = table(server.url, concurrency=8)
    whole(done)
    assert len(service.answered) == 2 * ROWS


def test_faults_of_all_kinds_lose_and_double_nothing() -> None:
    """Each fifth call is refused, broken or reset in turn."""

    class Mixed(Service):
        count = 0

        def refusal(self) -> Iterator[Step] | None:
            self.count += 1
            match self.count % 15:
                case 5:
                    return refused(429, retry_after="0.05")
                case 10:
                    return refused(500)
                case 0:
                    return iter(["reset"])
            return None

    service = Mixed()
    with WireServer(service) as server:
        done = table(server.url, concurrency=16)
        left = table(server.url, concurrency=16)
    assert len(done) == ROWS
    assert set(done.status) == {"ok"}
    assert left.answer.tolist() == done.answer.tolist()
    assert set(service.answered.values()) == {1}


def test_failures_are_told_by_reason() -> None:
    """What failed, and how often, stands in the notes."""

    class Refusing(Service):
        def refusal(self) -> Iterator[Step] | None:
            return refused(400)

    with WireServer(Refusing()) as server:
        done = table(server.url, concurrency=1, models="a")
    assert f"Failed calls: {ROWS} bad_request." in done.attrs["notes"]


# ---- the limits by themselves


def run(work: Any) -> Any:
    return asyncio.run(work)


def test_more_are_let_in_while_a_service_keeps_up() -> None:
    """Twice as many a round trip, up to the ceiling; half as many after a refusal, once for all that were under way."""

    async def story() -> None:
        rates = ServiceRates(100)

        async def call() -> None:
            moment = await rates.enter("s")
            await asyncio.sleep(0.02)
            rates.leave("s", moment, None)

        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(call() for _ in range(400)))
        assert rates.limits["s"] == 100
        # 16, 32, 64 and then 100 at once: one after the other would be 8 s.
        assert asyncio.get_running_loop().time() - began < 4
        entered = [await rates.enter("s") for _ in range(100)]
        refused = ProviderError("rate_limit", "slow down", retryable=True, retry_after=0.01)
        assert all(rates.leave("s", moment, refused) for moment in entered)
        assert rates.limits["s"] == 50

    run(story())


def test_one_service_does_not_slow_another() -> None:
    """While one pauses, calls of the other are let in at once."""

    async def story() -> None:
        rates = ServiceRates(8)
        limited = ProviderError("rate_limit", "slow down", retryable=True, retry_after=30.0)
        rates.leave("slow", await rates.enter("slow"), limited)
        waiting = asyncio.ensure_future(rates.enter("slow"))
        async with asyncio.timeout(1):
            for _ in range(5):
                await rates.enter("quick")
        assert not waiting.done()
        waiting.cancel()

    run(story())


def test_a_service_that_lets_calls_wait_gets_fewer() -> None:
    """Where the first token takes far longer than it used to, the limit falls."""

    async def story() -> None:
        rates = ServiceRates(64)
        for _ in range(40):
            rates.leave("s", await rates.enter("s"), None, 0.2)
        before = rates.limits["s"]
        for _ in range(10):
            rates.leave("s", await rates.enter("s"), None, 3.0)
        assert rates.limits["s"] < before

    run(story())


def test_a_service_that_stays_away_is_left_for_later() -> None:
    """It is said why, whoever waits is told, and nothing of it is asked any more."""
    said: list[str] = []

    async def story() -> None:
        rates = ServiceRates(8, said.append, first_pause=0.01, give_up=0.1)
        gone = ProviderError("server", "down", retryable=True)
        agains = []
        while not rates.gone:
            agains.append(rates.leave("s", await rates.enter("s"), gone))
        assert agains[: DOWN + 1] == [False] * (DOWN - 1) + [True] * 2
        with pytest.raises(ProviderError, match="asked no more"):
            await rates.enter("s")
        assert "pays for nothing twice" in rates.gone
        rates = ServiceRates(8, said.append)
        tomorrow = ProviderError("rate_limit", "daily limit", retry_after=LONGEST_WISH + 1)
        assert rates.leave("t", await rates.enter("t"), tomorrow)
        with pytest.raises(ProviderError, match="asked no more"):
            await rates.enter("t")
        assert "asks to wait 1.0 hours" in rates.gone

    run(story())
    assert any("failed 5 times in a row (server)" in sentence for sentence in said)


def test_whoever_stops_waiting_takes_no_place() -> None:
    """A call that is cancelled in the queue, or just as it is let in, leaves its place to the next."""

    async def story() -> None:
        rates = ServiceRates(1)
        first = await rates.enter("s")
        others = [asyncio.ensure_future(rates.enter("s")) for _ in range(3)]
        await asyncio.sleep(0)
        others[0].cancel()
        rates.leave("s", first, None)
        others[1].cancel()
        async with asyncio.timeout(1):
            await others[2]
        assert rates._services["s"].in_flight == 1

    run(story())


def test_a_table_whose_service_is_gone_stops_and_goes_on_later() -> None:
    """Rows that were not answered say why; the same call pays for nothing twice."""

    class Quota(Service):
        quota = 30

        def refusal(self) -> Iterator[Step] | None:
            over = len(self.answered) >= self.quota
            return refused(429, retry_after="90000") if over else None

    service = Quota()
    with WireServer(service) as server:
        part = table(server.url, concurrency=4)
        assert {"ok", "cancelled"} == set(part.status)
        assert "asks to wait 25.0 hours" in " ".join(part.attrs["notes"])
        assert part.error.dropna().str.contains("asked no more").all()
        service.quota = 10**6
        done = table(server.url, concurrency=4)
    whole(done)
    assert set(service.answered.values()) == {1}
    assert fusion_nb.runs()["status"].tolist() == ["ok", "cancelled"]
