"""Kernels killed with SIGKILL at random points of every phase: nothing that was acknowledged is lost, `resume` ends it.

`FUSION_NB_KILLS` sets how many processes are killed (300 where it is not set, about two minutes on two cores).
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from queue import Empty
from typing import Any

import pytest

from fusion_nb._result import FusionResult
from fusion_nb.journal import home, index
from fusion_nb.journal.past import load
from fusion_nb.run import again
from tests.faults.kills import LOSS
from tests.journalled import Kernel
from tests.replay import Replay, replay_server

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("FUSION_NB_KILLS", "300"))
KERNELS = max(1, KILLS // 50)
WORKERS = 4
"""They wait for slow streams most of the time."""
PHASES = {"before anything was sent", "before the first text", "streaming", "judge", "ended"}
"""Those long enough to be met for certain; "between the members and the judge" and "after the judge" are met too."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / "home"


def killed(url: str) -> list[dict[str, Any]]:
    share = [KILLS // WORKERS + (worker < KILLS % WORKERS) for worker in range(WORKERS)]
    seed = int.from_bytes(os.urandom(4))
    commands = [
        [sys.executable, "-m", "tests.faults.kills", "--url", url, "--kills", str(kills), "--seed", str(seed + worker)]
        for worker, kills in enumerate(share)
    ]
    workers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for command in commands]
    told = [json.loads(line) for worker in workers for line in worker.communicate()[0].splitlines()]
    assert [worker.returncode for worker in workers] == [0] * WORKERS, f"seed {seed}"
    assert len(told) == KILLS
    return told


def test_nothing_acknowledged_is_lost() -> None:
    """Every finished reply that was seen is on disk, with its cost; 250 ms of text at most is not; `resume` ends the run
    without asking anyone twice, and no request was ever sent that is not on record."""
    with replay_server() as replay:
        told = killed(replay.url)
    phases = Counter(kill["phase"] for kill in told)
    tail = max(kill.get("tail", 0.0) for kill in told)
    finished, resumed = (sum(kill.get(what, 0) for kill in told) for what in ("finished", "resumed"))
    print(f"{len(told)} kills: {dict(phases)}; {finished} finished replies, none lost; at most {tail * 1000:.0f} ms of "
          f"text lost; {resumed} runs resumed, all to their end")  # fmt: skip
    assert [problem for kill in told for problem in kill["wrong"]] == []
    assert tail <= LOSS
    if KILLS >= 300:
        assert set(phases) >= PHASES
    rows = {row.run: row for row in index.runs()}
    assert {kill["run"] for kill in told if kill["run"]} <= set(rows)
    assert set(rows) == set(home.entries())
    assert not any(row.damaged for row in rows.values())
    assert sum(row.status == "crashed" for row in rows.values()) >= resumed


SETUP = """
import asyncio
from tests.journalled import Kernel
kernel = Kernel({url!r})
handle = kernel.start(*kernel.order(["rate/0/5/500", "rate/0.1/40/100", "rate/0.2/60/100"], mode="merge"))
for event in handle.events():
    print(type(event).__name__, handle.state.run, getattr(event, "call", 0), len(getattr(event, "text", "")), flush=True)
"""


@pytest.mark.parametrize("turn", range(KERNELS))
def test_a_notebooks_kernel_is_killed(turn: int, replay: Replay) -> None:
    """The same with a whole ipykernel: what its cell had printed as ended is there, and another kernel resumes it."""
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(ROOT), extra_arguments=["--HistoryManager.enabled=False"])
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        client.execute(SETUP.format(url=replay.url))
        lines = _lines_until(client, at_least=6 + turn * 5)
    finally:
        # SIGKILL, as the kernel of a machine out of memory meets it.
        manager.shutdown_kernel(now=True)
        client.stop_channels()
    run = lines[0][1]
    assert index.runs()[0].status == "crashed"
    state = load(run, FusionResult())
    ended = {int(call) for kind, _, call, _ in lines if kind == "CallEnded"}
    assert all(state.reply(call).error != "crashed" for call in ended)
    second = Kernel(replay.url).again(again.resume(state))
    assert second.status == "ok"
    assert {r.call for r in state.replies if r.role == "candidate" and r.status == "ok"} >= ended - {4}


def _lines_until(client: Any, at_least: int) -> list[list[str]]:
    lines: list[list[str]] = []
    said = ""
    while len(lines) < at_least:
        try:
            message = client.get_iopub_msg(timeout=30)
        except Empty:
            break
        if message["msg_type"] == "error":
            raise AssertionError("\n".join(message["content"]["traceback"]))
        if message["msg_type"] == "stream":
            # A kernel may send a line in two pieces: only what has its end is a line.
            *whole, said = (said + message["content"]["text"]).split("\n")
            lines += [line.split() for line in whole if line.strip()]
    return lines
