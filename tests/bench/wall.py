"""Seconds a person waits."""

from __future__ import annotations

import asyncio
import time

from tests.bench import ours, raw
from tests.bench.ours import Display, median, run
from tests.replay import Replay

# Of different lengths: of equal texts no judge is asked.
MEMBERS = [f"rate/{ttft}/{words}/200" for ttft, words in ((0.05, 198), (0.1, 199), (0.2, 200))]
JUDGE = "scripted-judge/0.1/100/200"
LIMIT = 0.2 + 199 / 200 + 0.1 + 99 / 200
"""The slowest member's last word, then the judge's: no client can be quicker."""


def merge_against_the_limit(replay: Replay) -> None:
    """A 3-member merge with every view on, warm, against the slowest member + judge."""
    judged = run(replay, MEMBERS, JUDGE)
    asked = judged.replies[-1].ref.model
    prompt = "\n".join(m["content"] for m in replay.requests()[-1]["messages"])
    assert judged.status == "ok", judged.error
    assert asked == JUDGE

    def fusion() -> float:
        began = time.monotonic()
        run(replay, MEMBERS, JUDGE)
        return time.monotonic() - began

    async def bare() -> list[float]:
        took = []
        async with raw.client() as client:
            for _ in range(6):
                began = time.monotonic()
                await raw.pool(client, replay.url, MEMBERS, "Count.")
                await raw.chat(client, replay.url, JUDGE, prompt)
                took.append(time.monotonic() - began)
        return took[1:]

    ours_, floor = median(5, fusion), sorted(asyncio.run(bare()))[2]
    print(f"3-member merge, warm      limit {LIMIT:.3f} s | raw httpx2 +{(floor - LIMIT) * 1000:.0f} ms", end=" | ")
    print(f"fusion_nb +{(ours_ - LIMIT) * 1000:.0f} ms (aim: at most 20)")


def first_visible_token(replay: Replay) -> None:
    """From the fastest member's first text to the display that holds it."""

    def once() -> float:
        display = Display(mark="w1 ")
        before = time.monotonic()
        result = ours.run(replay, MEMBERS, JUDGE, display)
        first = min(r.started + r.ttft for r in result.candidates if r.ttft is not None)
        assert display.seen is not None
        # The run's clock starts within this call; its start is at most as early as `before`.
        return display.seen - before - first

    print(f"first visible token       {median(5, once) * 1000:.0f} ms after the first token (aim: at most 50)")
