"""Processes that ask a table of prompts, at a fraction of their cost: one has imported everything and forks each.

`python -m tests.faults.table_forks` reads one JSON object a line: `home`, `url`, `models`, `rows`, `prefix`, `result`,
`options`. The forked process calls `fuse_frame()` and writes its frame to the file `result`; its process id is printed.
With `count` it writes how many usable replies each model gave to each prompt, by the journal, those taken over aside.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

import fusion_nb

ROOT = Path(__file__).parents[2]


def prompts(rows: int, prefix: str) -> pd.DataFrame:
    return pd.DataFrame({"n": [f"{prefix}-{n:03d}" for n in range(rows)]}, index=[f"r{n}" for n in range(rows)])


class TableForks:
    """The process that forks, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, **trial: Any) -> int:
        """The id of a process that asks a table from now on."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(trial) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def wait(self, pid: int) -> None:
        """Until the process is gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"wait": pid}) + "\n")
        self._process.stdin.flush()
        self._process.stdout.readline()


@contextmanager
def table_forks() -> Iterator[TableForks]:
    # Threads that a library makes do not come along in a fork.
    alone = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    given: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    process = subprocess.Popen([sys.executable, "-m", "tests.faults.table_forks"], env={**os.environ, **alone}, **given)
    try:
        yield TableForks(process)
    finally:
        process.stdin.close()  # type: ignore[union-attr]
        process.wait(10)
        process.stdout.close()  # type: ignore[union-attr]


def _count(result: Path) -> None:
    given: Counter[str] = Counter()
    for table in fusion_nb.runs()["run"]:
        for run in fusion_nb.runs(table)["run"]:
            loaded = fusion_nb.load(run)
            given.update(f"{r.ref.model}: {loaded.prompt}" for r in loaded.candidates if r.usable and not r.kept_from)
    result.write_text(json.dumps(given), encoding="utf-8")
    os._exit(0)


def _ask(trial: dict[str, Any]) -> None:
    os.environ["FUSION_NB_HOME"] = trial["home"]
    result = Path(trial["result"])
    if trial.get("count"):
        _count(result)
    try:
        frame = fusion_nb.fuse_frame(
            prompts(trial["rows"], trial["prefix"]),
            "Say {n}.",
            pool=[f"words:{model}" for model in trial["models"]],
            services={"words": {"base_url": trial["url"]}},
            mode="vote",
            members=True,
            show_progress=False,
            **trial["options"],
        )
    except BaseException:
        result.with_suffix(".error").write_text(traceback.format_exc(), encoding="utf-8")
        os._exit(1)
    frame.to_json(result.with_suffix(".part"), orient="split")
    result.with_suffix(".part").rename(result)
    # No farewell: whatever counts is on the disk by now.
    os._exit(0)


def main() -> None:
    fusion_nb.fuse_frame(prompts(1, "warm"), "Say {n}.", pool="demo", mode="vote", dry_run=True)
    for line in sys.stdin:
        trial = json.loads(line)
        if pid := trial.get("wait"):
            os.waitpid(pid, 0)
            print(pid, flush=True)
            continue
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.close(0)
            _ask(trial)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
