"""Calls a second through a table, beside raw clients on the same core, in the same hour."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pandas as pd

import fusion_nb
from tests.bench import raw
from tests.bench.service import small_replies
from tests.replay import Replay

CALLS = 3_000
IN_FLIGHT = (100, 500, 1000)


def calls_a_second(_: Replay) -> None:
    """`fuse_frame()` of three members, a vote, the journal on, against the same calls through raw clients."""
    with small_replies() as url:
        for in_flight in IN_FLIGHT:
            rivals = {"raw aiohttp": _aiohttp, "raw httpx2": _httpx2}
            raws = {name: asyncio.run(_rate(rival, url, in_flight)) for name, rival in rivals.items()}
            rate, cpu = _table(url, in_flight)
            shares = " | ".join(f"{name} {each:,.0f}/s: {rate / each:.2f} of it" for name, each in raws.items() if each)
            print(f"table, {in_flight:>4} in flight    {rate:,.0f} calls/s, {cpu:.2f} ms CPU a call | {shares}")
        at_once = asyncio.run(_at_once(url, 100))
        print(f"afuse(), 100 at once      {at_once:,.0f} calls/s")


def _table(url: str, in_flight: int) -> tuple[float, float]:
    """(calls a second, milliseconds of CPU a call)."""
    frame = pd.DataFrame({"q": [f"{in_flight}/{n}" for n in range(CALLS // 3)]})
    began, cpu = time.perf_counter(), time.process_time()
    done = fusion_nb.fuse_frame(
        frame, "Is it? {q}", pool=["s:a", "s:b", "s:c"], mode="vote", services={"s": {"base_url": url}},
        concurrency=in_flight, show_progress=False,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    assert (done["status"] == "ok").all()
    return CALLS / seconds, 1000 * (time.process_time() - cpu) / CALLS


async def _at_once(url: str, runs: int) -> float:
    """Calls a second of so many `afuse()` at once."""
    services = {"s": {"base_url": url}}
    began = time.perf_counter()
    asked = (fusion_nb.afuse(f"Is it? {n}", ["s:a", "s:b", "s:c"], "vote", services=services) for n in range(runs))
    await asyncio.gather(*asked)
    return 3 * runs / (time.perf_counter() - began)


async def _rate(rival: Callable[[str, Iterator[int], int], Awaitable[None]], url: str, in_flight: int) -> float:
    began = time.perf_counter()
    try:
        await rival(url, iter(range(CALLS)), in_flight)
    except ImportError:
        return 0.0
    return CALLS / (time.perf_counter() - began)


async def _httpx2(url: str, calls: Iterator[int], in_flight: int) -> None:
    async with raw.client() as client:

        async def work() -> None:
            for _ in calls:
                await raw.chat(client, url, "a", "Is it?")

        await asyncio.gather(*(work() for _ in range(in_flight)))


async def _aiohttp(url: str, calls: Iterator[int], in_flight: int) -> None:
    import aiohttp

    body = {"model": "a", "stream": True, "messages": [{"role": "user", "content": "Is it?"}]}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def work() -> None:
            for _ in calls:
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    await response.read()

        await asyncio.gather(*(work() for _ in range(in_flight)))
