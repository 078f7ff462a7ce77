"""Plays one scenario in a process of its own and prints how much memory it took, as JSON.

`python -m tests.faults.child URL ROW [MEMBERS]`: a faulty member (or several) with a healthy one beside it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path

import fusion_nb

_KEY = "sk-or-v1-" + "0" * 64


def status(field: str) -> int:
    """Bytes, from the kernel."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def play(url: str, row: str, members: int, tag: str) -> fusion_nb.FusionResult:
    services = {"fault": {"base_url": url, "key_env": "FAULT_KEY"}}
    pool = [*(f"fault:{row}~whole~{tag}{n}" for n in range(members)), f"fault:6-pool~whole~{tag}"]
    return fusion_nb.fuse("How?", pool, "best-of", judge="fault:judge~whole~x", services=services)


def main() -> None:
    url, row, *more = sys.argv[1:]
    os.environ["FAULT_KEY"] = _KEY
    for turn in range(3):  # what is loaded and allocated once is no growth
        play(url, "6-pool", 2, f"warm{turn}")
    gc.collect()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    result = play(url, row, int(more[0]) if more else 1, "row")
    peak = status("VmHWM")
    reply = result.replies[0]
    said = {"peak": peak - before, "status": reply.status, "error": reply.error, "text": len(reply.text)}
    print(json.dumps({**said, "judge": result.replies[-1].status, "run": result.status}))


if __name__ == "__main__":
    main()
