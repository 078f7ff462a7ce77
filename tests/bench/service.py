"""The service of small replies, for the length of a measurement."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def small_replies() -> Iterator[str]:
    """The service's address. It has the last core; this process all others."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.small_replies"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    port = int(child.stdout.readline())
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if len(cores) > 1:
        os.sched_setaffinity(0, cores - {max(cores)})
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        child.kill()
        child.wait()
        if cores:
            os.sched_setaffinity(0, cores)
