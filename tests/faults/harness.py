"""Plays scenarios through the real `fusion_nb.stream`: a faulty member, a healthy one beside it, a judge."""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb.core import Reply, engine_thread
from fusion_nb.core.events import Event
from tests import lag
from tests.faults.listeners import TLS
from tests.faults.row import Row

KEY_ENV, WELL_ENV = "FAULT_KEY", "WELL_KEY"
TRUSTED = ", ".join(
    f"{origin} {KEY_ENV} {WELL_ENV}"
    for origin in (
        "http://127.0.0.1:*",
        "http://localhost:*",
        "https://127.0.0.1:*",
        "https://localhost:*",
        "https://no-such-host.invalid",
        "https://service.example",
    )
)
"""Where the keys of these tests may go."""
ROOT = Path(__file__).parents[2]
_BIG = "x" * 24_000_000
"""A prompt no socket buffer swallows."""
CONNECT = 2.5
"""Seconds a connection may take: ten in the product."""


@dataclass(frozen=True)
class Played:
    """What came of one run."""

    reply: Reply
    result: fusion_nb.FusionResult
    events: list[Event]
    seconds: float
    model: str
    others: tuple[Reply, ...] = field(default=())
    lost: float = 0.0
    """Seconds of it in which the machine was too busy to run us."""
    busy: bool = False
    """Whether the machine was late by more than the scaled clocks bear."""


class Faults:
    """The fault server, from outside."""

    def __init__(self, ports: dict[str, int], full: socket.socket) -> None:
        self.ports = ports
        self._full = full
        self.keys = {name: f"sk-or-v1-{secrets.token_hex(32)}" for name in (KEY_ENV, WELL_ENV)}

    def url(self, at: str = "main") -> str:
        match at:
            case "dns":
                return "https://no-such-host.invalid/v1"
            case "refused":
                return f"http://127.0.0.1:{closed_port()}/v1"
            case "blackhole":
                return f"http://127.0.0.1:{self._full.getsockname()[1]}/v1"
            case "send":
                return f"http://127.0.0.1:{self.ports['main']}/send/v1"
            case "good" | "selfsigned" | "expired" | "otherhost":
                return f"https://127.0.0.1:{self.ports[at]}/v1"
            case _:
                return f"http://127.0.0.1:{self.ports[at]}/v1"

    def has(self, at: str) -> bool:
        """Whether there is such a listener: certificates need a command to make them."""
        return at in self.ports or at not in TLS

    def stats(self) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["main"], timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/stats")
            said: dict[str, Any] = json.loads(connection.getresponse().read())
            return said

    def start(
        self, models: Sequence[str], *, at: str = "main", limits: Mapping[str, float] = {}, **options: Any
    ) -> fusion_nb.api.Run:
        """A run of `models` of the faulty service, a healthy member and a judge of another one."""
        services = {
            "fault": {"base_url": self.url(at), "key_env": KEY_ENV},
            "well": {"base_url": self.url(), "key_env": WELL_ENV},
        }
        tag = secrets.token_hex(4)
        pool = [*(f"fault:{model}" for model in models), f"well:6-pool~whole~{tag}"]
        given = {"judge": f"well:judge~whole~{tag}", "mode": "best-of", "services": services, **limits, **options}
        prompt = _BIG if given.pop("big", False) else "How?"
        return fusion_nb.stream(prompt, pool, **given)

    def play(self, row: Row, cuts: Sequence[str], name: str) -> list[Played]:
        """One run with a member for each of `cuts`."""
        models = [f"{name}~{cut}~{secrets.token_hex(4)}" for cut in cuts]
        meter, began = lag.meter(), time.monotonic()
        run = self.start(models, at=row.at, limits=row.limits, **row.options)
        events = list(run)
        seconds = time.monotonic() - began
        result = run.result
        others = result.replies[len(models) :]
        late = (meter.lost(began), meter.busy(began))
        return [
            Played(result.replies[n], result, events, seconds, model, others, *late) for n, model in enumerate(models)
        ]


@contextlib.contextmanager
def fault_server(*arguments: str) -> Iterator[dict[str, int]]:
    """Its ports. It ends with the block, or with this process."""
    command = [sys.executable, "-m", "tests.faults.server", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        process.wait(10)
        process.stdout.close()  # type: ignore[union-attr]


@contextlib.contextmanager
def black_hole() -> Iterator[socket.socket]:
    """A listener whose queue is full: the kernel drops whoever else wants to connect."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full


@contextlib.contextmanager
def faults(home: Path, *, certificates: Path | None = None, authority: Path | None = None) -> Iterator[Faults]:
    """The server, and this process set up for it: keys, scaled clocks, connections of its own."""
    from fusion_nb.providers import http_pool

    with (
        fault_server(*([str(certificates)] if certificates else [])) as ports,
        black_hole() as full,
        pytest.MonkeyPatch.context() as patch,
    ):
        found = Faults(ports, full)
        for name, value in found.keys.items():
            patch.setenv(name, value)
        patch.setenv("FUSION_NB_HOME", str(home))
        patch.setenv("FUSION_NB_TRUST", TRUSTED)
        if authority is not None:
            patch.setenv("SSL_CERT_FILE", str(authority))
        patch.setattr(
            engine_thread, "_engine", None
        )  # an engine of its own, so that its connections are made under these settings
        patch.setattr(http_pool, "CONNECT", CONNECT)
        yield found


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
