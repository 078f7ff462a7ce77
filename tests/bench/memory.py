"""What a table takes beside its frame: `python -m tests.bench.memory URL ROWS` prints MiB, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd

import fusion_nb
from tests.bench.service import small_replies
from tests.replay import Replay

ROWS = (5_000, 20_000)


def peak_of_a_table(_: Replay) -> None:
    """Peak memory of `fuse_frame()` with three members over what the process had with the frame in it."""
    if not Path("/proc/self/clear_refs").exists():
        print("memory                    not measured: needs Linux's /proc")
        return
    with small_replies() as url:
        peaks = {}
        for rows in ROWS:
            command = [sys.executable, "-m", "tests.bench.memory", url, str(rows)]
            peaks[rows] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])
            print(f"table, {rows:>6,} rows x 3   {peaks[rows]:.0f} MiB over the frame's own at the peak")
    few, many = ROWS
    print(f"                          {1024 * (peaks[many] - peaks[few]) / (many - few):.1f} kB more a row")


def _mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def main(url: str, rows: int) -> None:
    ask(url, 30, "warm")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _mib("VmRSS")
    ask(url, rows, "row")
    print(_mib("VmHWM") - before)


def ask(url: str, rows: int, word: str) -> None:
    frame = pd.DataFrame({"q": [f"{word}/{n}" for n in range(rows)]})
    done = fusion_nb.fuse_frame(
        frame, "Is it? {q}", pool=["s:a", "s:b", "s:c"], mode="vote", services={"s": {"base_url": url}},
        concurrency=100, show_progress=False,
    )  # fmt: skip
    assert (done["status"] == "ok").all()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
