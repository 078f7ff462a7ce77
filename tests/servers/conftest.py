"""Model servers that others wrote, each in a process of its own, on loopback, with models that take no download."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WAIT = 180
"""Seconds a server may take to begin, on a busy machine."""


@dataclass
class Server:
    """A server that answers at `url`, as the service `name`."""

    name: str
    url: str
    process: subprocess.Popen[str]
    model: str = "tiny"
    key: str = ""

    @property
    def ref(self) -> str:
        return f"{self.name}:{self.model}"

    @property
    def service(self) -> dict[str, dict[str, str]]:
        return {self.name: {"base_url": self.url}}

    def get(self, path: str) -> object:
        request = urllib.request.Request(
            self.url.removesuffix("/v1") + path, headers={"Authorization": f"Bearer {self.key}"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def busy(self) -> int:
        """In how many of its slots llama.cpp's server generates."""
        slots = self.get("/slots")
        assert isinstance(slots, list)
        return sum(slot["is_processing"] for slot in slots)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(30)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def port_for(usual: int) -> int:
    """The usual port of a server where it is free, so that it is found there; else any."""
    for port in (usual, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("no free port")


def until(ready: Callable[[], bool], what: str, process: subprocess.Popen[str] | None = None) -> None:
    """Wait until that is so."""
    deadline = time.monotonic() + WAIT
    while True:
        try:
            if ready():
                return
        except OSError:
            pass
        assert process is None or process.poll() is None, f"{what}: the server has ended"
        assert time.monotonic() < deadline, f"{what}: not within {WAIT} s"
        time.sleep(0.1)


def needs(*packages: str) -> None:
    """Skip where one is not installed; none is imported, for LiteLLM takes its time and looks for the network."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: nox -s servers")


StartLlama = Callable[..., Server]


@pytest.fixture(scope="session")
def start_llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartLlama]:
    """Starts llama.cpp's own server with a model of random weights that is written for it."""
    needs("xllamacpp", "gguf")
    from tests.servers import tiny_gguf

    folder = tmp_path_factory.mktemp("models")
    started: list[Server] = []

    def start(*, port: int = 0, key: str = "", context: int = 16_384, **model: object) -> Server:
        path = folder / f"{len(started)}.gguf"
        tiny_gguf.write(path, **model)  # type: ignore[arg-type]
        command = [sys.executable, "-m", "tests.servers.llamacpp", str(path), str(port_for(port)), str(context)]
        with (folder / f"{len(started)}.log").open("w") as log:
            process = subprocess.Popen(
                [*command, *([key] if key else [])],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, (folder / f"{len(started)}.log").read_text()[-2000:]
        started.append(Server("llamacpp", f"{address}/v1", process, key=key))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def llama(start_llama: StartLlama) -> Server:
    """llama.cpp at its usual port, without a key."""
    return start_llama(port=8080)


@pytest.fixture(scope="session")
def endless(start_llama: StartLlama) -> Server:
    """llama.cpp with a model that never comes to an end, and no way to hold a schema."""
    from tests.servers import tiny_gguf

    return start_llama(ends=False, template=tiny_gguf.NO_SCHEMA)


MASTER = "sk-litellm-master"
CONFIG = """
model_list:
  - model_name: mock
    litellm_params: {{model: openai/mock, api_key: none, mock_response: "The answer is 5, as the sum shows."}}
  - model_name: tiny
    litellm_params: {{model: openai/tiny, api_key: none, api_base: "{llama}"}}
  - model_name: endless
    litellm_params: {{model: openai/tiny, api_key: none, api_base: "{endless}"}}
general_settings: {{master_key: {master}}}
litellm_settings: {{telemetry: false, num_retries: 0}}
"""


@pytest.fixture(scope="session")
def litellm(llama: Server, endless: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """LiteLLM's proxy with a mocked model, and with both servers of llama.cpp behind it."""
    needs("litellm")
    folder = tmp_path_factory.mktemp("litellm")
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(llama=llama.url, endless=endless.url, master=MASTER))
    port = port_for(4000)
    command = [
        str(Path(sys.executable).with_name("litellm")),
        "--config",
        str(config),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, text=True
        )
    server = Server("litellm", f"http://127.0.0.1:{port}/v1", process, key=MASTER)
    try:
        until(lambda: server.get("/health/liveliness") is not None, (folder / "log").read_text()[-500:], process)
        yield server
    finally:
        server.stop()
