"""Whole ipykernels at a fraction of their cost: one process has imported everything and forks a child for each.

`python -m tests.faults.kernels` reads the name of a connection file a line, forks a process that becomes a real
`IPKernelApp` on it (its sockets, threads and loops are all made after the fork), and prints its process id. Kernels end
with it: they watch their parent.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

ROOT = Path(__file__).parents[2]
# All that a cell would import: rooms of ours, and what stands behind them.
_LOADED = (
    *("ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "pandas", "anywidget", "ipywidgets"),
    *("fusion_nb.magic", "fusion_nb.history", "fusion_nb.providers.chat", "fusion_nb.providers.openrouter_api"),
    *(
        "fusion_nb.views",
        "fusion_nb.views.dataframes",
        "fusion_nb.views.widget",
        "fusion_nb.views.panel_messages",
        "genai_prices",
    ),
    "tests.faults.torn",
)


class Forks:
    """The process that forks kernels, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._folder = tempfile.TemporaryDirectory()
        self._count = 0

    def kernel(self) -> Forked:
        """A new kernel, ready for its first cell."""
        self._count += 1
        # Unix sockets: no two workers ever want the same port.
        name = str(Path(self._folder.name) / f"k{self._count}")
        write_connection_file(f"{name}.json", transport="ipc", ip=name)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{name}.json\n")
        self._process.stdin.flush()
        return Forked(int(self._process.stdout.readline()), f"{name}.json")


class Forked:
    """A kernel of its own, with its client."""

    def __init__(self, pid: int, connection: str) -> None:
        self.pid = pid
        self.client = BlockingKernelClient(connection_file=connection)
        self.client.load_connection_file()
        # No heartbeat: on a busy machine it takes a kernel that is still starting for a dead one.
        self.client.start_channels(hb=False)
        self.client.wait_for_ready(timeout=60)

    def kill(self) -> None:
        """As the machine does that is out of memory."""
        os.kill(self.pid, signal.SIGKILL)

    def leave(self) -> None:
        self.client.stop_channels()
        self.client.context.term()


@contextmanager
def forks(env: dict[str, str]) -> Iterator[Forks]:
    """A forking process, for the length of the block."""
    given: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    # Threads that a library makes do not come along in a fork.
    alone = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.kernels"], env={**os.environ, **alone, **env}, **given
    )
    try:
        yield Forks(process)
    finally:
        process.stdin.close()  # type: ignore[union-attr]
        process.wait(10)
        process.stdout.close()  # type: ignore[union-attr]


def _become(connection: str) -> None:
    """This process is a kernel from here on."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(nowhere, fd)
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(
        ["-f", connection, "--HistoryManager.enabled=False", f"--IPKernelApp.parent_handle={os.getppid()}"]
    )


def main() -> None:
    for name in _LOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    # The dead are nobody's to wait for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                _become(line.strip())
            finally:
                os._exit(1)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
