"""Processor time a streamed chunk costs, through the whole path: decode, event, fold, view."""

from __future__ import annotations

import asyncio
import time

from tests.bench import raw
from tests.bench.ours import median, run
from tests.replay import Replay

BURST = 20_000
STREAMS, TOKENS, RATE = 5, 400, 200


def burst(replay: Replay) -> None:
    """One stream as fast as it goes."""
    models = [f"burst/{BURST}"]
    ours, floor = _ours(replay, models, BURST), _raw(replay, models, BURST)
    print(f"CPU per chunk, burst      raw httpx2 {floor:.0f} us | fusion_nb {ours:.0f} us (aim: at most 60)")


def paced(replay: Replay) -> None:
    """Five streams of 200 tokens a second, as models talk."""
    models = [f"rate/0/{TOKENS}/{RATE}"] * STREAMS
    ours, floor = _ours(replay, models, STREAMS * TOKENS), _raw(replay, models, STREAMS * TOKENS)
    ratio = ours / floor
    print(f"CPU per chunk, paced      raw httpx2 {floor:.0f} us | fusion_nb {ours:.0f} us = {ratio:.2f} (aim: 1.5)")


def _ours(replay: Replay, models: list[str], chunks: int) -> float:
    def once() -> float:
        began = time.process_time()
        run(replay, models, "scripted-judge")
        return (time.process_time() - began) / chunks * 1e6

    run(replay, models, "scripted-judge")
    return median(3, once)


def _raw(replay: Replay, models: list[str], chunks: int) -> float:
    async def all_of_them() -> list[float]:
        took = []
        async with raw.client() as client:
            for _ in range(4):
                began = time.process_time()
                await raw.pool(client, replay.url, models, "Count.")
                took.append((time.process_time() - began) / chunks * 1e6)
        return sorted(took[1:])

    return asyncio.run(all_of_them())[1]
