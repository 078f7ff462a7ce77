"""Row 90: a proxy that refuses, and one that hangs up. Prompts and keys go through none of them in the clear."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from fusion_nb.core import engine_thread
from tests.faults.answer import TEXT
from tests.faults.harness import Faults, faults

NAMES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    with faults(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.mark.parametrize(
    ("proxy", "error", "attempts"),
    [("proxy407", "proxy", 2), ("proxycut", "proxy", 2), ("proxyhalf", "proxy", 2), ("refused", "proxy", 2)],
)
def test_bad_proxies(proxy: str, error: str, attempts: int, server: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's fault is told as one, is tried again, bills nothing, sees no key, and leaves this machine's servers be."""
    where = server.url(proxy).removesuffix("/v1")
    for name in NAMES:
        monkeypatch.setenv(name, where)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(engine_thread, "_engine", None)
    monkeypatch.setattr(
        Faults, "url", lambda self, at="main", of=Faults.url: of(self) if at == "main" else "https://service.example/v1"
    )
    run = server.start([f"6-pool~whole~{secrets.token_hex(4)}"], at="far")
    list(run)
    reply, well = run.result.replies
    assert (reply.status, reply.error, reply.attempts, reply.maybe_billed, reply.cost) == (
        "error",
        error,
        attempts,
        False,
        None,
    ), reply
    assert (well.status, run.result.answer) == ("ok", TEXT)
    seen = server.stats()["seen"].get(proxy, "")
    assert proxy == "refused" or "CONNECT service.example:443" in seen
    assert not any(key in seen or key[12:40] in seen for key in server.keys.values())
