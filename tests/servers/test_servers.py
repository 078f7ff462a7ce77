"""The product before server software that others wrote, as it is: what each sends, refuses and does when it is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import fusion_nb
from fusion_nb.core.events import TextDelta
from tests.servers.conftest import MASTER, Server, StartLlama, until
from tests.servers.table import seen_in, write_table

pytestmark = pytest.mark.usefixtures("home")
SHORT = {"max_tokens": 200}
"""So that a model which says words at random comes to an end."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LITELLM_API_KEY", MASTER)


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    yield
    if os.environ.get("WRITE_RELIABILITY"):
        write_table()


@pytest.fixture(params=["llamacpp", "litellm"])
def server(request: pytest.FixtureRequest) -> Server:
    found = request.getfixturevalue({"llamacpp": "llama"}.get(request.param, request.param))
    assert isinstance(found, Server)
    return found


@pytest.mark.parametrize("mode", ["best-of", "merge", "debate"])
def test_every_mode(server: Server, mode: str) -> None:
    """Three members of one model and a judge: every reply is there with its tokens; no verdict is made of nonsense."""
    result = fusion_nb.fuse(
        "Count to three.", [f"{server.ref}*3"], mode, judge=server.ref, services=server.service, **SHORT
    )
    assert result.status in ("ok", "unjudged")
    for reply in result.candidates:
        assert (reply.status, reply.error) in (("ok", None), ("incomplete", "length"))
        assert reply.text
        assert (reply.usage.prompt or 0) > 0
        assert (reply.usage.completion or 0) > 0
    assert result.answer or result.status == "unjudged"
    assert all(reply.status in ("ok", "incomplete") for reply in result.replies)
    seen_in(server.name, mode, f"`{result.status}`, {len(result.candidates)} candidates kept")


def test_llamacpp_is_found(llama: Server) -> None:
    """At its usual port: `local` is its model, `local*3` three of it, and the list of models has its context."""
    if not llama.url.startswith("http://127.0.0.1:8080/"):
        pytest.skip("something else is at port 8080")
    result = fusion_nb.fuse("Count.", "local*3", "best-of", **SHORT)
    assert [ref.service for ref in result.pool] == ["llamacpp"] * 3
    assert [(ref.model, reply.cost) for ref, reply in zip(result.pool, result.candidates, strict=True)] == [
        ("tiny", 0)
    ] * 3
    listed = fusion_nb.models("tiny")
    row = listed[listed["ref"] == "llamacpp:tiny"].iloc[0]
    assert row["context"] == 16_384
    seen_in("llamacpp", "discovery", "`local*3` finds it, its context is read")


def test_litellm_is_found(litellm: Server) -> None:
    """Its models are listed with the proxy's key."""
    listed = fusion_nb.models("litellm", services=litellm.service)
    assert {"litellm:mock", "litellm:tiny", "litellm:endless"} <= set(listed["ref"])
    seen_in("litellm", "discovery", "its models are listed")


def test_a_key_is_wanted(start_llama: StartLlama, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key, with a wrong one and with the right one: two sentences with their remedies, then an answer."""
    server = start_llama(key="llama-key-of-this-test")
    service = {"llamacpp": {"base_url": server.url, "key_env": "LLAMA_API_KEY"}}
    monkeypatch.setenv("FUSION_NB_TRUST", "http://127.0.0.1:* LLAMA_API_KEY")

    def failure(services: dict[str, dict[str, str]]) -> str:
        with pytest.raises(fusion_nb.RunFailed) as failed:
            fusion_nb.fuse("Count.", [server.ref], services=services, **SHORT)
        (reply,) = failed.value.result.replies
        assert (reply.error, reply.attempts, reply.maybe_billed) == ("auth", 1, False)
        return str(failed.value)

    assert "wants a key" in failure(server.service)
    monkeypatch.setenv("LLAMA_API_KEY", "a-wrong-key")
    assert "LLAMA_API_KEY" in failure(service)
    monkeypatch.setenv("LLAMA_API_KEY", server.key)
    result = fusion_nb.fuse("Count.", [server.ref], services=service, **SHORT)
    assert result.answer
    assert server.key not in f"{result!r}{result.to_html()}"
    seen_in("llamacpp", "key", "`error/auth` without one and with a wrong one, each with its remedy")


@pytest.mark.parametrize(("key", "error"), [("", "server"), ("sk-wrong-1234", "auth")])
def test_litellm_wants_its_key(litellm: Server, monkeypatch: pytest.MonkeyPatch, key: str, error: str) -> None:
    """Without a database it answers a wrong key with 400 and none with 500: the sentence names the variable."""
    monkeypatch.setenv("LITELLM_API_KEY", key)
    with pytest.raises(fusion_nb.RunFailed, match="LITELLM_API_KEY") as failed:
        fusion_nb.fuse("Count.", ["litellm:mock"], services=litellm.service, **SHORT)
    (reply,) = failed.value.result.replies
    assert reply.error == error
    seen_in("litellm", "key", "the variable is named; without a key its own answer is 500")


def endless_model(server: Server) -> str:
    return "litellm:endless" if server.name == "litellm" else "llamacpp:tiny"


def test_stop(server: Server, endless: Server) -> None:
    """Stopped in the middle: what was said is kept, and the server stops generating."""
    where = server if server.name == "litellm" else endless
    with fusion_nb.stream("Count.", [endless_model(server)], services=where.service, max_tokens=15_000) as run:
        for event in run:
            if isinstance(event, TextDelta):
                run.stop()
    (reply,) = run.result.replies
    assert (run.result.status, reply.status) == ("cancelled", "cancelled")
    assert reply.text
    until(lambda: endless.busy() == 0, "after Stop the server goes on")
    seen_in(server.name, "Stop", "`cancelled`, text kept, the server stops generating")


def test_a_server_is_killed(start_llama: StartLlama, llama: Server) -> None:
    """In the middle of a reply: that reply is `disconnect` with its text; the other member is the answer."""
    doomed = start_llama(ends=False)
    services = {**llama.service, "doomed": {"base_url": doomed.url}}
    with fusion_nb.stream("Count.", ["doomed:tiny", llama.ref], "best-of", services=services, max_tokens=15_000) as run:
        for _ in run:
            if run.result.replies and run.result.replies[0].text and doomed.process.poll() is None:
                doomed.stop()
    dead, other = run.result.candidates
    assert (dead.status, dead.error) == ("error", "disconnect")
    assert dead.text
    assert other.usable
    assert run.result.answer == other.text
    seen_in("llamacpp", "killed", "`error/disconnect`, text kept, the other member answers")


def test_a_prompt_that_is_too_long(server: Server) -> None:
    """Refused as that, once, and nobody is billed."""
    with pytest.raises(fusion_nb.RunFailed) as failed:
        fusion_nb.fuse("Count. " * 3000, [server.ref], services=server.service, **SHORT)
    (reply,) = failed.value.result.replies
    assert (reply.status, reply.error, reply.attempts, reply.maybe_billed) == ("error", "too_large", 1, False)
    seen_in(server.name, "too long", f"`{reply.status}/{reply.error}`, one request")


def test_an_unknown_model_at_llamacpp(llama: Server) -> None:
    """A server of one model answers with that, whatever it is asked for: the reply names the one that answered."""
    result = fusion_nb.fuse("Count.", ["llamacpp:no-such-model"], services=llama.service, **SHORT)
    (reply,) = result.replies
    assert reply.usable
    assert reply.model == "tiny"
    seen_in("llamacpp", "unknown model", "answered by the model that is there, named in the reply")


def test_an_unknown_model_at_litellm(litellm: Server) -> None:
    """Refused as that, once."""
    with pytest.raises(fusion_nb.RunFailed) as failed:
        fusion_nb.fuse("Count.", ["litellm:no-such-model"], services=litellm.service, **SHORT)
    (reply,) = failed.value.result.replies
    assert (reply.error, reply.attempts) == ("model", 1)
    seen_in("litellm", "unknown model", f"`{reply.status}/{reply.error}`, one request")


def test_a_schema_that_is_refused(server: Server, endless: Server, llama: Server) -> None:
    """A judge whose server can hold no schema is asked without it: the call is not lost, and that is said."""
    services = {**llama.service, "other": {"base_url": endless.url}, **server.service}
    judge = "litellm:endless" if server.name == "litellm" else "strict:tiny"
    if server.name == "llamacpp":
        services = {"llamacpp": {"base_url": endless.url}, "other": {"base_url": llama.url}}
        judge = "llamacpp:tiny"
        pool = ["other:tiny*2"]
    else:
        # Two that say the same would need no judge.
        pool = ["litellm:mock", lambda prompt: "One, two, many."]
    result = fusion_nb.fuse("Count.", pool, "best-of", judge=judge, services=services, **SHORT)
    assert all(reply.usable for reply in result.candidates)
    judged = [reply for reply in result.replies if reply.role == "judge"]
    assert judged
    assert all(reply.status in ("ok", "incomplete") for reply in judged), [
        (r.status, r.error, r.detail) for r in judged
    ]
    seen_in(server.name, "schema refused", f"asked again without it, `{result.status}`")
