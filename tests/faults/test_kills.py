"""Row 76: real ipykernels killed with SIGKILL in the middle of `%%fuse` cells, at random points of every phase. Nothing
that had been on the screen is lost, and `%fuse --resume` in another kernel ends the run.

`FUSION_NB_KILLS` sets how many kernels are killed (300 where it is not set, some four minutes on two cores).
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fusion_nb.journal import run_files, run_index
from tests.faults.kills import LOSS
from tests.faults.seen import saw
from tests.replay import replay_server

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("FUSION_NB_KILLS", "300"))
WORKERS = 4
"""They wait for slow streams most of the time."""
PHASES = {"before anything was sent", "before the first text", "streaming", "judge", "ended"}
"""Those long enough to be met for certain; "between the members and the judge" and "after the judge" are met too."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kernels are forked")


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
    """Every finished reply that was seen is on disk, with its cost; 250 ms of text at most is not; `--resume` ends the run
    without asking anyone twice, calls that were cut off get their bill, and no request was sent that is not on record."""
    with replay_server() as replay:
        told = killed(replay.url)
    phases = Counter(kill["phase"] for kill in told)
    tail = max(kill.get("tail", 0.0) for kill in told)
    finished, resumed = (sum(kill.get(what, 0) for kill in told) for what in ("finished", "resumed"))
    print(f"{len(told)} kernels killed: {dict(phases)}; {finished} finished replies, none lost; at most {tail * 1000:.0f} ms of "
          f"text lost; {resumed} runs resumed, all to their end")  # fmt: skip
    assert [problem for kill in told for problem in kill["wrong"]] == []
    assert tail <= LOSS
    if KILLS >= 300:
        assert set(phases) >= PHASES
    rows = {row.run: row for row in run_index.runs()}
    assert {kill["run"] for kill in told if kill["run"]} <= set(rows)
    assert set(rows) == set(run_files.entries())
    assert not any(row.damaged for row in rows.values())
    # A run that another one has finished is on record as ended.
    assert sum(row.status in ("crashed", "cancelled") for row in rows.values()) >= resumed
    if KILLS >= 300:
        saw(
            76,
            f"{KILLS} kernels",
            "every reply seen to end is on disk, at most 250 ms of text is not, all resumed to their end",
        )
