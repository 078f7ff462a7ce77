"""What runs on this machine is found, and what is not there costs no time."""

import asyncio
import json
import socket
from collections.abc import Mapping

import pytest

from fusion_nb.providers.http import Http
from fusion_nb.providers.model_list import PORTS, LocalServer, find_local_servers
from tests.wire_server import WireServer, response


def look(ports: Mapping[str, int]) -> list[LocalServer]:
    async def main() -> list[LocalServer]:
        http = Http()
        try:
            async with asyncio.timeout(10):
                return await find_local_servers(http, ports)
        finally:
            await http.aclose()

    return asyncio.run(main())


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def models(*names: str) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in names]}).encode()


def test_servers_and_their_models() -> None:
    """Each server that answers is there with its models; ports where nobody or somebody else listens are not."""
    with (
        WireServer(response(200, models("llama3.2:1b", "nomic-embed-text", "qwen3:8b"))) as ollama,
        WireServer(response(200, b"<html>Jupyter</html>", "text/html")) as page,
        WireServer(["hold"]) as silent,
    ):
        found = look({"ollama": ollama.port, "lmstudio": page.port, "vllm": silent.port, "llamacpp": closed_port()})
    [server] = found
    assert [str(ref) for ref in server.models] == ["ollama:llama3.2:1b", "ollama:qwen3:8b"]
    assert server.service.base_url == f"http://127.0.0.1:{ollama.port}/v1"
    assert server.service.local
    assert ollama.requests[0].path == "/v1/models"


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"data": null}',
        b'{"data": [null, {"id": 3}, {"id": ""}, {"id": "a\\u001b[31mb"}]}',
        b"null",
        b"5",
    ],
)
def test_whatever_answers_on_those_ports(body: bytes) -> None:
    """A port may be anybody's: an answer that lists no models is no server."""
    with WireServer(response(200, body)) as server:
        assert look({"vllm": server.port}) == []


def test_no_key_is_sent_where_none_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local server gets the key that was set for it, and no other."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-" + "a1b2" * 12)
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    with WireServer(response(200, models("m"))) as server:
        look({"vllm": server.port})
        assert "authorization" not in server.requests[0].headers
        monkeypatch.setenv("VLLM_API_KEY", "local-key-1234")
        look({"vllm": server.port})
        assert server.requests[1].headers["authorization"] == "Bearer local-key-1234"


def test_the_usual_ports() -> None:
    """The ports asked are the ones these servers use unless told otherwise."""
    assert PORTS == {"ollama": 11434, "lmstudio": 1234, "vllm": 8000, "llamacpp": 8080}
