"""A hundred notebooks, each with keys of its own, that run every fault; what they and their kernels leave behind.

`python -m tests.faults.booklets FOLDER PLACE KERNELS` executes every KERNELS-th notebook in one kernel, as nbclient does,
and saves it beside the messages it was sent. The server's addresses come as JSON on standard input, keys as variables.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from tests.faults.harness import ROOT
from tests.faults.rows import BY_NAME

NOTEBOOKS = 100
MODES = ("Plain", "Context", "Verbose", "Minimal")
PLAYED = [
    name for name, row in BY_NAME.items()
    if row.at in ("main", "dns", "refused") and row.number not in (5, 61, 62, 64, 65)
]  # fmt: skip
"""Every row but those that need certificates, or megabytes, and say nothing of a key."""
CLOCKS = "--ttft 0.4 --idle 0.4 --timeout 2"


class _Client(NotebookClient):
    """Keeps what it hears."""

    heard: list[bytes]

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        self.heard.append(json.dumps(msg, default=str).encode())
        return super().process_message(msg, cell, cell_index)


def sources(number: int, rows: Sequence[str], urls: Mapping[str, str]) -> list[str]:
    """The cells: a run with a healthy member, failing ones by magic and by function, tracebacks, reprs, the frame."""
    services = {
        **{at: {"base_url": urls[at], "key_env": f"KEY_{number}"} for at in ("fault", "dns", "refused")},
        "well": {"base_url": urls["fault"], "key_env": f"WELL_{number}"},
    }
    tag = secrets.token_hex(3)

    def member(row: str) -> str:
        at = BY_NAME[row].at
        return f"{'fault' if at == 'main' else at}:{row}~whole~{tag}"

    first, *more = map(member, rows)
    beside = f"well:6-pool~whole~{tag} --judge well:judge~whole~{tag}"
    return [
        f"%load_ext fusion_nb\n%xmode {MODES[number % 4]}\nimport fusion_nb, logging\nservices = {services!r}",
        "%config Fuse.services = services",
        f"%%fuse --pool {first},{beside} --mode best-of {CLOCKS} -o df\nHow?",
        "df",
        *(f"%%fuse --pool {name} {CLOCKS} --debug\nHow?" for name in more),
        "%tb Verbose",
        f"def broken(result): raise ZeroDivisionError(result)\nfusion_nb.fuse('How?', ['{first}', 'well:6-pool~whole~{tag}'], judge='well:judge~whole~{tag}', services=services, ttft=0.4, idle=0.4, timeout=2, progress=broken)",
        "%tb",
        "fusion_nb.last()",
        "%fuse_runs" if number % 20 < 4 else "fusion_nb.load()",
        "fusion_nb.Panel('How?', pool=['demo'])",
    ]


def run(number: int, rows: Sequence[str], urls: Mapping[str, str], kernel: KernelManager, folder: Path) -> None:
    """Execute a notebook in the kernel and save it, and what it was sent, in `folder`."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources(number, rows, urls)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = _Client(notebook, km=kernel, allow_errors=True, timeout=60, store_widget_state=True)
    client.heard = []
    client.execute()
    nbformat.write(notebook, folder / f"{number}.ipynb")
    (folder / f"{number}.messages").write_bytes(b"\n".join(client.heard))


@contextmanager
def kernel(folder: Path) -> Iterator[KernelManager]:
    """A kernel with history, a log of everything, and a front end that shows widgets."""
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    log = f"import logging; logging.basicConfig(filename={str(folder / 'log')!r}, level='DEBUG')"
    (startup / "log.py").write_text(log)
    manager = KernelManager(kernel_name="python3")
    given = {"IPYTHONDIR": str(folder / "ipython"), "FUSION_NB_UI": "panel"}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    manager.start_kernel(cwd=str(folder), env={**os.environ, **given, "PYTHONPATH": path})
    try:
        yield manager
    finally:
        # Not killed: what it still holds of its history is to be on disk.
        manager.shutdown_kernel(now=False)


def main() -> None:
    folder, place, kernels = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    urls = json.loads(sys.stdin.read())
    with kernel(folder / f"kernel{place}") as manager:
        for number in range(place, NOTEBOOKS, kernels):
            # Every row is played in one of them, and the first ones more than once.
            run(number, PLAYED[number::NOTEBOOKS], urls, manager, folder)


if __name__ == "__main__":
    main()
