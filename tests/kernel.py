"""A real kernel, as a front end talks to it: cells run in it, and everything it publishes is kept in order."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[1]


class Kernel:
    """`run` waits for a cell's end, `start` does not; `heard` is every message of the kernel's so far."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager, self._client = manager, client
        self.heard: list[dict[str, Any]] = []

    def start(self, cell: str) -> str:
        return str(self._client.execute(cell, store_history=True))

    def run(self, cell: str, timeout: float = 60.0) -> str:
        """Everything the cell printed, gave back or failed with, as text."""
        sent = self.start(cell)
        return self.text(self.ended(sent, timeout))

    def ended(self, sent: str, timeout: float = 60.0) -> list[dict[str, Any]]:
        """What a cell published until the kernel was idle again."""
        self.until(lambda: any(_ends(m, sent) for m in self.heard), timeout)
        return [m for m in self.heard if m["parent_header"].get("msg_id") == sent]

    def tell(self, model: str, content: dict[str, Any]) -> None:
        """A message of a widget's front end to its kernel."""
        data = {"method": "custom", "content": content}
        channel = self._client.shell_channel
        channel.send(self._client.session.msg("comm_msg", {"comm_id": model, "data": data}))

    def until(self, reached: Callable[[], bool], timeout: float = 60.0) -> None:
        """Listen until `reached()`."""
        deadline = time.monotonic() + timeout
        while not reached():
            left = deadline - time.monotonic()
            assert left > 0, f"not within {timeout:g} s; heard {[m['msg_type'] for m in self.heard[-20:]]}"
            try:
                self.heard.append(self._client.get_iopub_msg(timeout=min(left, 1.0)))
            except queue.Empty:
                continue

    @staticmethod
    def text(messages: list[dict[str, Any]]) -> str:
        said = []
        for message in messages:
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    said.append(content["text"])
                case "execute_result":
                    said.append(content["data"]["text/plain"])
                case "error":
                    said.append("\n".join(content["traceback"]))
        return "\n".join(said)

    def shown(self, kind: str = "update_display_data") -> list[dict[str, Any]]:
        """What was put, or put anew, where outputs are."""
        return [m for m in self.heard if m["msg_type"] == kind]


def _ends(message: dict[str, Any], sent: str) -> bool:
    idle = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
    return bool(idle and message["parent_header"].get("msg_id") == sent)


@contextmanager
def kernel(**env: str) -> Iterator[Kernel]:
    """A fresh kernel with the extension loaded."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(ROOT), env={**os.environ, **env})
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        held = Kernel(manager, client)
        assert held.run("%load_ext fusion_nb") == ""
        yield held
    finally:
        client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)
