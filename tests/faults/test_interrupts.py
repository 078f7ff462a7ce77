"""The interrupt at every phase of a run, by a real SIGINT: at once, nothing lost, nothing left, the next cell works."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import fusion_nb
from fusion_nb.core import engine_thread
from tests.replay import Replay

TIMES = int(os.environ.get("FUSION_NB_INTERRUPTS", "100"))
QUICK, OTHER, SILENT, TALKING = "rate/0/3/1000", "rate/0/4/1000", "stall/30", "rate/0/2000/200"
JUDGE, SILENT_JUDGE = "scripted-judge/0.2/20/200", "stall/30/0"


def begun(state: Any) -> bool:
    return bool(state.replies)


def talking(state: Any) -> bool:
    return any(r.text for r in state.replies)


def judging(state: Any) -> bool:
    return any(r.role == "judge" for r in state.replies)


PHASES: dict[str, tuple[list[str], str, Callable[[Any], bool]]] = {
    "before anything is sent": ([QUICK, SILENT], JUDGE, lambda _: True),
    "sent, not a word yet": ([SILENT, SILENT], JUDGE, begun),
    "streaming": ([TALKING, TALKING], JUDGE, talking),
    "some there, some not": ([QUICK, SILENT], JUDGE, lambda s: any(r.status == "ok" for r in s.replies)),
    "as the judge is asked": ([QUICK, OTHER], JUDGE, judging),
    "waiting for the judge": ([QUICK, OTHER], SILENT_JUDGE, judging),
}


@pytest.mark.parametrize("phase", PHASES)
def test_an_interrupt_ends_the_run_and_keeps_what_is_there(phase: str, replay: Replay) -> None:
    """100 times in each phase: back within a second, every reply with an end, no task left, the next run works."""
    models, judge, reached = PHASES[phase]
    services = {"replay": {"base_url": replay.url}}
    slowest = 0.0
    for _ in range(TIMES):
        sent: list[float] = []

        def progress(state: Any, sent: list[float] = sent) -> None:
            if not sent and state.status == "running" and reached(state):
                sent.append(time.monotonic())
                threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()

        pool = [f"replay:{model}" for model in models]
        result = fusion_nb.fuse(
            "Count.", pool, "best-of", judge=f"replay:{judge}", services=services, progress=progress
        )
        slowest = max(slowest, time.monotonic() - sent[0])
        assert result.status in ("cancelled", "ok")
        assert all(reply.status is not None for reply in result.replies)
        assert all(
            reply.text == "w1 w2 w3 " for reply in result.replies if reply.ref.model == QUICK and reply.status == "ok"
        )
    assert slowest < 1.0
    assert fusion_nb.fuse("Count.", f"replay:{QUICK}", services=services).answer == "w1 w2 w3 "
    tasks = engine_thread.run_on_engine(_others())
    assert not [task for task in tasks if "Engine" in repr(task) or "ask" in repr(task)]


async def _others() -> list[str]:
    await asyncio.sleep(0.3)
    return [repr(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
