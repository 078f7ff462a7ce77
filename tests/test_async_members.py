"""Members that give something to await: whatever their form, in a script and in a notebook's loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import fusion_nb
from fusion_nb.core import engine_thread
from fusion_nb.core.events import CallStarted, Event


async def coroutine(prompt: str) -> str:
    await asyncio.sleep(0.01)
    return "from a coroutine"


async def pieces(prompt: str) -> AsyncIterator[str]:
    for piece in ("from ", "an async ", "generator"):
        await asyncio.sleep(0)
        yield piece


def decorated(prompt: str) -> Any:
    return coroutine(prompt)


class Client:
    def ask(self, prompt: str) -> Any:
        return pieces(prompt)


MEMBERS: list[Callable[..., Any]] = [coroutine, pieces, decorated, lambda prompt: coroutine(prompt), Client().ask]  # noqa: PLW0108


@pytest.mark.parametrize("member", MEMBERS, ids=["async def", "generator", "function", "lambda", "method"])
@pytest.mark.parametrize("notebook", [True, False], ids=["notebook", "script"])
def test_whatever_comes_back_is_awaited(member: Callable[..., Any], notebook: bool) -> None:
    """`fuse()` waits on a loop that turns, whether the function says beforehand that it needs one or not."""
    before = time.monotonic()

    async def cell() -> fusion_nb.FusionResult:
        return fusion_nb.fuse("Hm?", [member], timeout=60, journal=False)

    result = asyncio.run(cell()) if notebook else fusion_nb.fuse("Hm?", [member], timeout=60, journal=False)
    assert result.status == "ok"
    assert (result.answer or "").startswith("from a")
    assert time.monotonic() - before < 50


def test_a_member_that_waits_is_turned_while_its_run_is_iterated() -> None:
    """The same for `stream()` in a notebook: the loop turns between the events."""

    async def cell() -> list[Event]:
        return list(fusion_nb.stream("Hm?", [lambda prompt: coroutine(prompt)], timeout=60, journal=False))  # noqa: PLW0108

    assert asyncio.run(cell())[-1].status == "ok"  # type: ignore[union-attr]


@pytest.mark.parametrize("notebook", [True, False], ids=["notebook", "script"])
def test_leaving_early_stops_a_run_with_a_coroutine_too(notebook: bool) -> None:
    """`for event in stream(...)` that is left: the run is cancelled, and no judge is asked."""

    async def slow(prompt: str) -> str:
        await asyncio.sleep(1.0)
        return "late"

    def cell() -> fusion_nb.api.Run:
        run = fusion_nb.stream("Hm?", [coroutine, slow], judge="demo:judge", journal=False)
        for event in run:
            if isinstance(event, CallStarted) and event.call == 2:
                break
        run.pause(20)
        return run

    async def in_a_loop() -> fusion_nb.api.Run:
        run = cell()
        # A notebook's loop goes on: what was handed to it begins, and finds that it has been called off.
        await asyncio.sleep(0.05)
        return run

    run = asyncio.run(in_a_loop()) if notebook else cell()
    assert run.done
    assert run.result.status == "cancelled"
    assert all(reply.role == "candidate" for reply in run.result.replies)


def test_a_coroutine_that_blocks_stops_only_itself() -> None:
    """An async member that sleeps the wrong way keeps neither the other members nor Stop waiting."""
    entered, free = threading.Event(), threading.Event()

    async def blocks(prompt: str) -> str:
        entered.set()
        free.wait(60)
        return "done"

    try:
        run = fusion_nb.stream("Hm?", [blocks, lambda prompt: "quick"], judge="demo:judge", journal=False)
        assert entered.wait(30)
        end = time.monotonic() + 30
        while run.result.replies[1].status is None and time.monotonic() < end:
            run.pause(0.01)
        assert run.result.replies[1].text == "quick"
        run.stop()
        run.pause(30)
        assert run.done
        assert not free.is_set()
    finally:
        free.set()


def test_a_member_may_call_fuse_itself() -> None:
    """A coroutine function whose answer is another run's ends, and the process can begin runs afterwards."""
    script = """
        import fusion_nb

        async def inner(prompt):
            return fusion_nb.fuse(prompt, "demo", journal=False).answer

        first = fusion_nb.fuse("How many r are in strawberry?", [inner], timeout=120, journal=False)
        second = fusion_nb.fuse("How many r are in strawberry?", "demo", journal=False)
        print(first.status, bool(first.answer), second.status)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.stdout.split() == ["ok", "True", "ok"], ran.stderr


def test_nobody_waits_on_the_engines_own_thread() -> None:
    """What would wait for itself is refused in a sentence instead."""
    run = fusion_nb.stream("How many r are in strawberry?", "demo", journal=False)

    def wait_there() -> int:
        refused = 0
        for wait in (run.finish, lambda: list(run), lambda: engine_thread.run_on_engine(asyncio.sleep(0))):
            with pytest.raises(RuntimeError, match="cannot wait"):
                wait()
            refused += 1
        return refused

    assert engine_thread.call_on_engine(wait_there) == 3
    assert run.finish().status == "ok"
