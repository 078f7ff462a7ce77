"""A real kernel, driven as a notebook drives one: cells run, outputs collected, interrupts and kills sent."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.manager import KernelManager

from tests.faults.harness import ROOT

PATIENCE = 30.0
"""Seconds a cell may take before its test fails."""
_BUNDLES = ("display_data", "update_display_data", "execute_result")


@dataclass(frozen=True)
class Heard:
    """One message a kernel published."""

    kind: str
    content: dict[str, Any]
    at: float
    size: int


@dataclass
class Ran:
    """What came of one cell."""

    heard: list[Heard] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def printed(self) -> str:
        return "".join(h.content["text"] for h in self.heard if h.kind == "stream")

    @property
    def bundles(self) -> list[dict[str, Any]]:
        """Every bundle shown, in order; the last one of a display is what a saved notebook keeps."""
        return [h.content["data"] for h in self.heard if h.kind in _BUNDLES]

    @property
    def error(self) -> tuple[str, str, list[str]] | None:
        found = next((h.content for h in self.heard if h.kind == "error"), None)
        return None if found is None else (found["ename"], found["evalue"], found["traceback"])

    @property
    def shown(self) -> str:
        """All a person can read of it."""
        texts = [bundle.get("text/html") or bundle.get("text/plain", "") for bundle in self.bundles]
        return "\n".join([self.printed, *texts, *(self.error or ("", "", []))[2]])


class Notebook:
    """One kernel and its client."""

    def __init__(self, manager: KernelManager) -> None:
        self.manager = manager
        self.connect()

    def connect(self) -> None:
        """As a front end does when a notebook is opened."""
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def leave(self) -> None:
        """As when the browser is closed: nobody listens any more."""
        self.client.stop_channels()

    def start(self, cell: str) -> tuple[str, Ran]:
        ran = Ran(began=time.monotonic())
        return self.client.execute(cell, stop_on_error=False), ran

    def collect(self, cell: str, ran: Ran, until: Callable[[Heard], bool] = lambda _: False) -> Ran:
        """What it publishes: to its end, or to the first message of which `until` is true."""
        while time.monotonic() < ran.began + PATIENCE:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except Empty:
                continue
            if message["parent_header"].get("msg_id") != cell:
                continue
            heard = Heard(
                message["msg_type"], message["content"], time.monotonic(), len(json.dumps(message, default=str))
            )
            ran.heard.append(heard)
            if heard.kind == "status" and heard.content["execution_state"] == "idle":
                ran.ended = heard.at
                return ran
            if until(heard):
                return ran
        raise AssertionError(f"The cell did not come to its end: {ran.shown[-2000:]}")

    def run(self, cell: str) -> Ran:
        """A cell, from its start to its end."""
        return self.collect(*self.start(cell))

    def ask(self, expression: str) -> Any:
        """The value of an expression in the kernel, through JSON."""
        ran = self.run(f"import json as _json; print(_json.dumps({expression}, default=str))")
        assert ran.error is None, ran.error
        return json.loads(ran.printed)

    def interrupt(self) -> None:
        self.signal(signal.SIGINT)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.process.pid)


@contextmanager
def notebook(folder: Path, env: Mapping[str, str] = {}) -> Iterator[Notebook]:
    """A kernel with its own home, history and folder, for the length of the block."""
    manager = KernelManager(kernel_name="python3")
    given = {"FUSION_NB_HOME": str(folder / "home"), "IPYTHONDIR": str(folder / "ipython"), "FUSION_NB_UI": "html"}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    manager.start_kernel(cwd=str(folder), env={**os.environ, **given, "PYTHONPATH": path, **env})
    found: Notebook | None = None
    try:
        found = Notebook(manager)
        ran = found.run("%load_ext fusion_nb")
        assert ran.error is None, ran.error
        yield found
    finally:
        if found is not None:
            found.leave()
        manager.shutdown_kernel(now=True)
