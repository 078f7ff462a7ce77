"""Plays one scenario in a process of its own and prints how much memory it took, as JSON.

`python -m tests.faults.child URL ROW [alone] [unjournalled]`: a faulty member, with a healthy one beside it unless
`alone`.
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


def play(url: str, row: str, how: list[str], tag: str = "row") -> fusion_nb.FusionResult:
    services = {"fault": {"base_url": url, "key_env": "FAULT_KEY"}}
    beside = [] if "alone" in how else [f"fault:6-pool~whole~{tag}"]
    options = {"judge": "fault:judge~whole~x", "services": services, "journal": "unjournalled" not in how}
    try:
        return fusion_nb.fuse("How?", [f"fault:{row}~whole~{tag}", *beside], "best-of", **options)
    except fusion_nb.RunFailed as failed:
        result: fusion_nb.FusionResult = failed.result
        return result


def main() -> None:
    url, row, *how = sys.argv[1:]
    os.environ["FAULT_KEY"] = _KEY
    for turn in range(3):  # what is loaded and allocated once is no growth
        play(url, "6-pool", [], f"warm{turn}")
    gc.collect()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    reply = play(url, row, how).replies[0]
    grown = status("VmHWM") - before
    print(json.dumps({"grown": grown, "status": reply.status, "error": reply.error, "text": len(reply.text)}))


if __name__ == "__main__":
    main()
