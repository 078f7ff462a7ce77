"""The engine's own lateness is never counted as a service's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import fusion_nb
from fusion_nb.core.loop_clock import LoopTimeout, loop_clock
from fusion_nb.providers import http_pool
from tests.wire_server import Received, Step, WireServer, reply, response


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


def test_a_loop_that_was_late_has_not_waited() -> None:
    """What blocks the loop for a second takes nothing from a limit of half a second; silence does."""

    async def story() -> float:
        clock = loop_clock()
        async with LoopTimeout(clock.now() + 0.5):
            for _ in range(4):
                time.sleep(0.3)  # noqa: ASYNC251  that is the lateness
                await asyncio.sleep(0)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with LoopTimeout(clock.now() + 0.2):
                await asyncio.sleep(30)
        return time.monotonic() - began

    assert 0.19 < asyncio.run(story()) < 10


def test_a_limit_can_be_moved_in_both_directions() -> None:
    """A later one does not expire, an earlier one does, `None` never."""

    async def story() -> None:
        clock = loop_clock()
        async with LoopTimeout(clock.now() + 0.05) as later:
            later.move(clock.now() + 60)
            await asyncio.sleep(0.2)
        async with LoopTimeout(clock.now() + 0.05) as never:
            never.move(None)
            await asyncio.sleep(0.2)

        async def moved_from(first: float | None) -> None:
            async with LoopTimeout(first) as limit:
                limit.move(clock.now() + 0.05)
                await asyncio.sleep(30)

        for first in (clock.now() + 60, None):
            with pytest.raises(TimeoutError):
                await moved_from(first)

    asyncio.run(story())


def test_a_burst_of_runs_fails_none_for_its_own_lateness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred at once, with hardly a moment to connect: however late the loop is, each gets its answer."""
    monkeypatch.setattr(http_pool, "CONNECT", 0.5)

    def answer(received: Received) -> Iterator[Step]:
        yield from (reply("yes") if received.method == "POST" else response(404, {}))

    async def burst(url: str) -> list[fusion_nb.FusionResult]:
        services = {"s": {"base_url": url}}
        asked = (fusion_nb.afuse(f"Say {n}.", pool=["s:a", "s:b"], mode="vote", services=services) for n in range(200))
        return await asyncio.gather(*asked)

    with WireServer(answer) as server:
        results = asyncio.run(burst(server.url))
    assert {result.answer for result in results} == {"yes"}
    assert {reply.status for result in results for reply in result.replies} == {"ok"}
