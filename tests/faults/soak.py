"""Ten thousand runs in one process, one call in twenty faulty, one run in twenty stopped: what grows, and what is lost.

`nox -s soak`, or `python -m tests.faults.soak --runs 10000`. Prints what it measured; ends with 1 where a bound is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fusion_nb
from fusion_nb.core import engine_thread
from fusion_nb.resolve.service_registry import http
from tests.faults.child import status as of_process
from tests.faults.harness import KEY_ENV, WELL_ENV, fault_server
from tests.faults.rows import BY_NAME

MEMBERS, AT_ONCE = 4, 8
FAULTY, STOPPED = 0.05, 0.05
CLOCK = 2.0
"""Seconds until a silent member is given up: enough for a healthy one on a busy machine."""
SLOPE = 1024
"""Bytes of memory that a run may leave behind, when the process is warm."""
SAMPLES = 40
_NOT = (1, 2, 3, 4, 5, 61, 62, 64, 65, 90)
"""Rows that need another listener, or megabytes each time."""
FAULTS = tuple(
    name for name, row in BY_NAME.items()
    if row.number not in (0, *_NOT) and row.at == "main" and not (row.waits or row.bills) and row.posts == 1
)  # fmt: skip
"""One request each: the waits between two of them would be all that is measured."""


@dataclass(frozen=True)
class Sample:
    """The process, while nothing is under way."""

    run: int
    memory: int
    tasks: int
    threads: int
    sockets: int
    pooled: int
    """Connections in the client's pool."""
    lost: int
    """Of them, and of requests waiting for one, those that are not idle: a slot nobody can use again."""


@dataclass
class Soak:
    runs: int
    samples: list[Sample] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def warm(self) -> list[Sample]:
        """What is loaded, and filled, once is no growth: the second half of the samples counts."""
        return self.samples[len(self.samples) // 2 :]

    @property
    def slope(self) -> float:
        """Bytes a run, by least squares."""
        runs, memory = [s.run for s in self.warm], [s.memory for s in self.warm]
        middle, level = sum(runs) / len(runs), sum(memory) / len(memory)
        spread = sum((run - middle) ** 2 for run in runs)
        return sum((r - middle) * (m - level) for r, m in zip(runs, memory, strict=True)) / spread

    @property
    def broken(self) -> list[str]:
        """Bounds that did not hold."""
        first, last = self.samples[0], self.samples[-1]
        found = [] if self.slope < SLOPE else [f"memory grows by {self.slope:.0f} bytes a run"]
        counts = [(what, getattr(first, what), getattr(last, what)) for what in ("tasks", "threads")]
        found += [f"{what} grow from {then} to {now}" for what, then, now in counts if now > then]
        # As many connections are kept as were ever needed at once.
        if max(s.sockets for s in self.warm) > (MEMBERS + 1) * AT_ONCE + 8:
            found.append(f"{max(s.sockets for s in self.warm)} sockets are open between runs")
        if last.pooled > (MEMBERS + 1) * AT_ONCE + 1:
            found.append(f"{last.pooled} connections are kept")
        if lost := max(s.lost for s in self.samples):
            found.append(f"{lost} slots of the connection pool are taken although nothing is under way")
        # A machine that stands still for seconds makes healthy members too late; a client that loses runs loses more.
        if self.ended["ok"] + self.ended["cancelled"] < 0.99 * self.runs:
            found.append(f"runs ended otherwise: {dict(self.ended)}")
        return found

    def __str__(self) -> str:
        first, last = self.samples[0], self.samples[-1]
        return (
            f"{self.runs} runs of {MEMBERS} members and a judge in {self.seconds:.0f} s: {dict(self.ended)}\n"
            f"memory {first.memory >> 20} -> {last.memory >> 20} MiB, {self.slope:.0f} bytes a run over the last half\n"
            f"tasks {first.tasks} -> {last.tasks}, threads {first.threads} -> {last.threads}, "
            f"sockets {first.sockets} -> {last.sockets}, pooled {first.pooled} -> {last.pooled}, "
            f"slots lost {max(s.lost for s in self.samples)}"
        )


def soak(runs: int, *, seed: int = 0, samples: int = SAMPLES) -> Soak:
    """Carry out so many runs against a fault server, with samples in between."""
    found, rng, began = Soak(runs), random.Random(seed), time.monotonic()
    with fault_server() as ports, ThreadPoolExecutor(AT_ONCE) as pool:
        url = f"http://127.0.0.1:{ports['main']}/v1"
        services = {
            "fault": {"base_url": url, "key_env": KEY_ENV},
            "well": {"base_url": url, "key_env": WELL_ENV},
        }
        done = 0
        for sample in range(1, samples + 1):
            upto = runs * sample // samples
            seeds = [rng.random() for _ in range(upto - done)]
            found.ended.update(pool.map(lambda seed: one(seed, services), seeds))
            done = upto
            found.samples.append(measured(done))
            print(found.samples[-1], file=sys.stderr, flush=True)
    found.seconds = time.monotonic() - began
    return found


def one(seed: float, services: dict[str, dict[str, str]]) -> str:
    """A run, perhaps with a faulty member, perhaps stopped at some moment; how it ended."""
    rng = random.Random(seed)
    # The server counts by name: a name for each call would be its growth, not ours, but it would be measured by nobody.
    names = [rng.choice(FAULTS) if rng.random() < FAULTY else "6-pool" for _ in range(MEMBERS - 1)]
    pool = [*(f"fault:{name}~whole~{place}" for place, name in enumerate(names)), "well:6-pool~whole~a"]
    given: dict[str, Any] = {
        "judge": "well:judge~whole~a",
        "services": services,
        "mode": "best-of",
        "ttft": CLOCK,
        "idle": CLOCK,
    }
    run = fusion_nb.stream("How?", pool, timeout=3 * CLOCK, **given)
    stop = rng.randrange(12) if rng.random() < STOPPED else -1
    for place, _ in enumerate(run):
        if place == stop:
            run.stop()
    return run.result.status


def measured(run: int) -> Sample:
    """The process now."""
    tasks, pooled, lost = engine_thread.run_on_engine(_engine())
    gc.collect()
    sockets = sum("socket:" in _target(fd) for fd in Path("/proc/self/fd").iterdir())
    # asyncio's own pool of threads grows with its use, to a bound of its own.
    threads = sum(not thread.name.startswith("asyncio_") for thread in threading.enumerate())
    return Sample(run, of_process("VmRSS"), tasks, threads, sockets, pooled, lost)


def _target(fd: Path) -> str:
    try:
        return str(fd.readlink())
    except OSError:  # it was the one the folder was read with
        return ""


async def _engine() -> tuple[int, int, int]:
    """Tasks on the engine's loop once the last connections have been let go; connections in its pool; those lost."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    left = len((await asyncio.wait(others, timeout=5))[1]) if others else 0
    opened, busy = 0, 0
    for way in http()._ways.values():
        counted = way.connections  # type: ignore[attr-defined]
        opened, busy = opened + counted[0], busy + counted[1]
    return left, opened, busy


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in (KEY_ENV, WELL_ENV):
        os.environ[name] = f"sk-or-v1-{secrets.token_hex(32)}"
    with tempfile.TemporaryDirectory() as home:
        os.environ["FUSION_NB_HOME"] = home
        found = soak(given.runs, seed=given.seed, samples=given.samples)
    print(found)
    for broken in found.broken:
        print(f"BROKEN: {broken}")
    return bool(found.broken)


if __name__ == "__main__":
    sys.exit(main())
