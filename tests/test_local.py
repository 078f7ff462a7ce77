"""What runs on this machine is found, and what is not there costs no time."""

import asyncio
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import fusion_nb
from fusion_nb.core import Ref
from fusion_nb.options import settle
from fusion_nb.providers import local_servers, services
from fusion_nb.providers.http import Http
from fusion_nb.providers.local_servers import PORTS, LocalServer, find_local_servers
from fusion_nb.resolve import pools
from fusion_nb.resolve.model_resolver import Resolver
from tests.wire_server import Received, Step, WireServer, response


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


def by_path(**bodies: object) -> Callable[[Received], Iterable[Step]]:
    """A server that answers by the last two parts of the path; 404 elsewhere. Chat is answered with a verdict or text."""

    def script(request: Received) -> Iterable[Step]:
        if request.method == "POST":
            model = request.json["model"]
            chunk = {
                "model": model,
                "choices": [{"index": 0, "delta": {"content": f"I am {model}."}, "finish_reason": "stop"}],
            }
            return response(200, f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode(), "text/event-stream")
        body = bodies.get("_".join(request.path.split("/")[-2:]))
        return response(404, b"{}") if body is None else response(200, json.dumps(body).encode())

    return script


def local(monkeypatch: pytest.MonkeyPatch, **ports: int) -> None:
    """The usual ports of this test."""
    monkeypatch.setattr(local_servers, "PORTS", ports)
    for name, port in ports.items():
        monkeypatch.setitem(
            services.SERVICES, name, replace(services.SERVICES[name], base_url=f"http://127.0.0.1:{port}/v1")
        )


OLLAMA = {
    "v1_models": {"data": [{"id": name} for name in ("qwen3:8b", "bge-m3:latest", "our-vectors:latest", "gemma3:4b")]},
    "api_tags": {
        "models": [
            {"name": "qwen3:8b", "details": {"family": "qwen3"}},
            {"name": "bge-m3:latest", "details": {"family": "bert"}},
            {"name": "our-vectors:latest", "details": {"family": "nomic-bert"}},
            {"name": "gemma3:4b", "details": {"family": "gemma3"}},
        ]
    },
    "api_ps": {"models": [{"name": "qwen3:8b", "context_length": 4096}]},
}
LMSTUDIO = {
    "v1_models": {"data": [{"id": "gemma-3"}, {"id": "vectors"}]},
    "v0_models": {
        "data": [
            {"id": "gemma-3", "type": "vlm", "max_context_length": 131072, "loaded_context_length": 8192},
            {"id": "vectors", "type": "embeddings", "max_context_length": 512},
        ]
    },
}


def test_embedding_models_are_left_out_by_what_the_server_says() -> None:
    """Names often say nothing: families and types do."""
    with WireServer(by_path(**OLLAMA)) as ollama, WireServer(by_path(**LMSTUDIO)) as studio:
        found = look({"ollama": ollama.port, "lmstudio": studio.port})
    assert [[ref.model for ref in server.models] for server in found] == [["qwen3:8b", "gemma3:4b"], ["gemma-3"]]


@pytest.mark.parametrize(
    ("row", "chats"),
    [
        ({"id": "bge-m3"}, False), ({"id": "all-minilm:33m"}, False), ({"id": "BAAI/bge-large-en"}, False), ({"id": "gte-small"}, False),
        ({"id": "whisper-large"}, False), ({"id": "x", "type": "rerank"}, False), ({"id": "x", "capabilities": ["embedding"]}, False),
        ({"id": "bge-chat", "capabilities": ["completion"]}, True), ({"id": "eclipse-7b"}, True), ({"id": "bigelow"}, True),
        ({"id": "x", "type": "llm"}, True), ({"id": "albert-einstein-7b"}, True), ({"id": "x", "type": 5, "details": []}, True),
    ],
)  # fmt: skip
def test_which_models_can_chat(row: dict[str, object], chats: bool) -> None:
    """By what is said of a model first, by the words of its name else; a word inside another is none."""
    with WireServer(response(200, json.dumps({"data": [row]}).encode())) as server:
        assert bool(look({"vllm": server.port})) is chats


CONTEXTS = {
    "llamacpp": ({"data": [{"id": "m", "meta": {"n_ctx": 2048, "n_ctx_train": 131072}}]}, 2048),
    "vllm": ({"data": [{"id": "m", "max_model_len": 32768}]}, 32768),
}


@pytest.mark.parametrize("service", CONTEXTS)
def test_a_local_judge_is_shown_what_it_holds(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server was started with is known before the judge is asked, and the forecast says what will not fit."""
    listed, holds = CONTEXTS[service]
    with WireServer(by_path(v1_models=listed)) as server:
        local(monkeypatch, **{service: server.port})
        estimate = fusion_nb.estimate("word " * (2 * holds), [f"{service}:m"])
        assert f"m holds {holds:,}" in estimate.problems[0].sentence
        assert estimate.problems[0].certain
        assert Resolver(settle("fuse", {})).reach.context(Ref(service, "m")) == holds


def test_a_local_judge_is_sent_no_more_than_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates of 30,000 characters go to a judge of 8,192 tokens in part; to a large one whole."""
    sent = {}
    for holds in (8_192, 131_072):
        with WireServer(by_path(v1_models={"data": [{"id": "m", "meta": {"n_ctx": holds}}]})) as server:
            local(monkeypatch, llamacpp=server.port)
            members = [lambda prompt: "red " * 7_500, lambda prompt: "blue " * 6_000]
            fusion_nb.fuse("Hi?", members, "merge", judge="llamacpp:m", max_tokens=500, journal=False)
            posted = next(request.json for request in server.requests if request.method == "POST")
            sent[holds] = len(posted["messages"][-1]["content"])
    assert sent[8_192] < 26_000 < 60_000 < sent[131_072]


@pytest.mark.parametrize("way", ["plain", "alias", "saved pool"])
def test_one_local_model_can_be_asked_three_times(way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`local*3`, an alias and a saved pool that lead to it: the commonest use of one model is no "no server answers"."""
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    with WireServer(by_path(v1_models={"data": [{"id": "m"}]})) as server:
        local(monkeypatch, llamacpp=server.port)
        if way == "saved pool":
            pools.save_pool("three", ["local*3"])
        pool = {"plain": "local*3", "alias": "mine*3", "saved pool": "three"}[way]
        aliases = {"mine": "local"}
        result = fusion_nb.fuse("Hi?", pool, judge=lambda prompt: "one", aliases=aliases, journal=False)
        asked = [request.json for request in server.requests if request.method == "POST"]
    assert [reply.ref.model for reply in result.candidates] == ["m"] * 3
    assert sorted(body["seed"] for body in asked) == [1, 2, 3]


def test_nobody_is_looked_for_where_local_is_not_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The opposite: other names ask no port of this machine."""
    with WireServer(by_path(v1_models={"data": [{"id": "m"}]})) as server:
        local(monkeypatch, vllm=server.port)
        fusion_nb.fuse("Hi?", ["demo:swift", "demo:steady"], journal=False)
        assert server.requests == []


def test_a_server_that_wants_a_key_is_not_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 401 from the usual port names the variable to set, instead of "no model server answers"."""
    with WireServer(response(401, b'{"error": {"message": "Invalid API Key"}}')) as server:
        local(monkeypatch, llamacpp=server.port)
        with pytest.raises(fusion_nb.UserError, match=r"wants a key: if it is llamacpp.*LLAMA_API_KEY"):
            fusion_nb.fuse("Hi?", "local", journal=False)


def test_without_a_key_a_few_local_models_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may be loaded into this machine's memory: three are asked where nobody named any, and the rest is said."""
    names = [f"model-{n}" for n in range(7)]
    with WireServer(by_path(v1_models={"data": [{"id": name} for name in names]})) as server:
        local(monkeypatch, vllm=server.port)
        result = fusion_nb.fuse("Hi?", judge=lambda prompt: "one", journal=False)
        assert len(fusion_nb.fuse("Hi?", "local", judge=lambda prompt: "one", journal=False).candidates) == 7
    assert [reply.ref.model for reply in result.candidates] == names[:3]
    assert any("4 more are there: the pool local asks all of them." in note for note in result.notes)
