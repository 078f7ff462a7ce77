"""A server of recorded answers over the chat-completions wire, for tests and benchmarks.

>>> with replay_server() as replay:
...     ask(replay.url, model="gsm8k/gpt-4o-2024-08-06", ...)
...     replay.stats()["requests"]

Its models are listed in `tests.replay.models`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
START = 30.0
"""Seconds the server may take to begin."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A running replay server."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """The base URL of the chat-completions wire."""
        return f"http://127.0.0.1:{self.port}/api/v1"

    def at(self, pace: str) -> str:
        """The base URL at another pace, e.g. `whole+bytes:1~200`; see `tests.replay.models.Pace`."""
        return f"http://127.0.0.1:{self.port}/{pace}/api/v1"

    def stats(self) -> dict[str, Any]:
        """`requests`, `finished` and `cancelled` by model; `open` connections now and `connections` ever."""
        found: dict[str, Any] = self._get("/stats")
        return found

    def requests(self) -> list[dict[str, Any]]:
        """The bodies of the latest requests, oldest first (at most 300)."""
        found: list[dict[str, Any]] = self._get("/requests")
        return found

    def _get(self, path: str) -> Any:
        # No proxy, whatever the environment says: this is loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=10) as response:
            return json.load(response)


@contextmanager
def replay_server(pace: str = "words~fast", ttft: float = 0.0) -> Iterator[Replay]:
    """A replay server in a process of its own, for the length of the block."""
    command = [sys.executable, "-m", "tests.replay.server", "--pace", pace, "--ttft", str(ttft)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    patience = threading.Timer(START, process.kill)
    patience.start()
    try:
        port = process.stdout.readline()
        patience.cancel()
        if not port.strip():
            raise RuntimeError(f"The replay server did not start: exit code {process.wait(5)}.")
        yield Replay(int(port), process.pid)
    finally:
        patience.cancel()
        # The end of its standard input is its signal to end.
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        process.stdout.close()
