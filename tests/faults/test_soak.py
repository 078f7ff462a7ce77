"""The short form of the soak; `nox -s soak` has the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUNS = 240


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts the sockets of Linux's /proc/self/fd")
def test_nothing_grows_and_no_slot_is_lost() -> None:
    """After hundreds of runs, some with faults, some stopped: no task, thread or socket more, every connection idle.

    In a process of its own, whose sockets are all the soak's. The slope of the memory needs more runs than these: it is
    measured by the long form alone.
    """
    command = [sys.executable, "-m", "tests.faults.soak", f"--runs={RUNS}", "--samples=8"]
    root = Path(__file__).parents[2]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=root)
    said = ran.stdout.splitlines()
    assert f"{RUNS} runs of" in ran.stdout, ran.stderr
    assert [line for line in said if line.startswith("BROKEN") and "memory" not in line] == [], ran.stdout
