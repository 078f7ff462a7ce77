"""Connections of our own: which answers are refused, and which connection is used again."""

import asyncio
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb.errors import ProviderError
from fusion_nb.providers import http_pool, http_wire
from fusion_nb.providers.http import Http
from fusion_nb.providers.keys import KeyAuth
from tests.test_http import KEY, certificate, fault, post, run
from tests.wire_server import END, WireServer, chunk, head, reply, response

__all__ = ["certificate"]  # a fixture
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\nok\n0\n\n",
    b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
    b"HTTP/1.1 200 OK\r\nx: 1\r\n folded\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nx : 1\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.1 99 OK\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nok",
    b"ok\r\n\r\n",
])  # fmt: skip
def test_what_is_ambiguous_is_no_answer(answer: bytes) -> None:
    """Two lengths, a length beside chunks, bare line feeds, other codings and protocols: refused, and told as that."""
    with WireServer([answer, "hold"]) as server:
        told = fault(server.url, {})
    assert (told.error, told.retryable, told.maybe_billed) == ("protocol", False, True)


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    b"HTTP/1.1 103 Early Hints\r\nlink: x\r\ncontent-length: 9\r\n\r\n" + OK,
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nx-trailer: 1\r\ncontent-encoding: br\r\n\r\n",
    b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.1 200 \xff\r\nx: \xff\r\ncontent-length: 2\r\n\r\nok",
])  # fmt: skip
@pytest.mark.parametrize("split", [False, True])
def test_proper_answers(answer: bytes, split: bool) -> None:
    """Hints before an answer, trailers behind it, old versions: in one piece or byte by byte."""
    steps: list[Any] = []
    for at in range(0, len(answer), 1 if split else len(answer)):
        steps += [answer[at : at + (1 if split else len(answer))], 0.0005]
    with WireServer(steps) as server:
        assert post(server.url, {}) == (200, b"ok")


def test_a_body_until_the_connection_ends() -> None:
    """Without a length the end of the connection is the end of the body, and only a clean one."""
    until = b"HTTP/1.1 200 OK\r\n\r\nall of it"
    with WireServer([until, "close"]) as server:
        assert post(server.url, {}) == (200, b"all of it")
    with WireServer([until, 0.05, "reset"]) as server:
        assert fault(server.url, {}).error == "disconnect"


def twice(url: str, before_the_second: Callable[[], Coroutine[Any, Any, None]] | None = None) -> list[bytes]:
    async def work(http: Http) -> list[bytes]:
        said = []
        for turn in range(2):
            if turn and before_the_second:
                await before_the_second()
            async with http.post(url, {}) as answer:
                said.append(await answer.read_all(1000))
            await asyncio.sleep(0.05)
        return said

    result: list[bytes] = run(work)
    return result


@pytest.mark.parametrize("answer", [
    OK + OK,
    OK + b"H",
    OK + b"nonsense",
    b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.1 204 None\r\n\r\nok",
])  # fmt: skip
def test_what_follows_an_answer_is_never_the_next(answer: bytes) -> None:
    """A connection with anything behind an answer, or that its service will close, is not used again."""
    with WireServer([answer]) as server:
        said = twice(server.url)
        assert server.connections == 2
    assert said in ([b"ok", b"ok"], [b"", b""])


def test_what_comes_unasked_ends_a_connection() -> None:
    """A service that says something between two answers is not heard: the next request has its own connection."""
    later = threading.Event()
    poison = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad"

    def script(request: Any) -> list[Any]:
        return [OK, later, poison] if len(server.requests) == 1 else [OK]

    async def speak() -> None:
        later.set()
        await asyncio.sleep(0.1)

    with WireServer(script) as server:
        assert twice(server.url, speak) == [b"ok", b"ok"]
        assert server.connections == 2


def test_a_connection_that_its_service_closed_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the loop has not heard of it yet: then it is looked at, and the request goes out once."""
    monkeypatch.setattr(http_wire.Connection, "eof_received", lambda self: True)  # the loop tells nothing
    with WireServer([OK, "close"]) as server:
        assert twice(server.url) == [b"ok", b"ok"]
        assert (server.connections, len(server.requests)) == (2, 2)


def test_a_connection_that_its_service_closes_at_that_moment_costs_no_call() -> None:
    """Servers keep a connection for a while and close it, perhaps as the next request goes out: that is asked once more
    on a new one, whatever the run's further attempts, and counted. A first request that is not answered is no such case."""
    asked: Counter[int] = Counter()

    def script(request: Any) -> list[Any]:
        asked[request.connection] += 1
        return ["close"] if asked[request.connection] > 1 else list(reply("yes"))

    with WireServer(script) as server:
        services = {"s": {"base_url": server.url}}
        results = [
            fusion_nb.fuse(f"{n}?", ["s:a", "s:b", "s:c"], "vote", extract="text", services=services, journal=False)
            for n in range(6)
        ]
    replies = [each for result in results for each in result.replies]
    assert {each.status for each in replies} == {"ok"}
    assert sum(each.attempts for each in replies) > len(replies)
    with WireServer(["close"]) as server:

        async def ask(http: Http) -> ProviderError:
            with pytest.raises(ProviderError) as raised:
                async with http.post(server.url, {}):
                    pass
            return raised.value

        assert not run(ask).stale


@pytest.mark.parametrize("headers", [{"host": "evil"}, {"Content-length": "1"}, {"TRANSFER-ENCODING": "chunked"}])
def test_headers_of_the_wire_are_nobody_elses(headers: dict[str, str]) -> None:
    """What frames a request is not given from outside; another header of a known name takes its place, once."""

    async def ask(http: Http) -> Any:
        async with http.post(server.url, {}, headers=headers) as answer:
            return await answer.read_all(100)

    with WireServer(response(200, b"ok")) as server:
        with pytest.raises(ProviderError, match="cannot be sent"):
            run(ask)
        assert server.connections == 0
        headers = {"content-type": "application/x"}
        run(ask)
        assert server.raw.lower().count(b"content-type") == 1


@pytest.mark.parametrize("how", ["leave", "cancel", "too-big"])
def test_an_answer_that_was_left_leaves_no_connection(how: str) -> None:
    """After a cut, cancelled or over-long answer nothing is read on that connection any more."""

    def script(request: Any) -> list[Any]:
        return [head(), chunk(b"x" * 1000), "hold"] if len(server.requests) == 1 else response(200, b"ok")

    async def work(http: Http) -> bytes:
        async def first() -> None:
            async with http.post(server.url, {}) as answer:
                if how == "too-big":
                    with pytest.raises(ProviderError):
                        await answer.read_all(10)
                    return
                await answer.read()
                if how == "cancel":
                    await asyncio.sleep(30)

        task = asyncio.create_task(first())
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.wait({task})
        assert http._ways[next(iter(http._ways))].connections == (0, 0)  # type: ignore[attr-defined]
        async with http.post(server.url, {}) as answer:
            return await answer.read_all(10)

    with WireServer(script) as server:
        assert run(work) == b"ok"
        assert server.connections == 2


def test_headers_without_end() -> None:
    """Hints, trailers and headers that go on for ever are given up, whatever their pieces."""
    for first, again in (
        (b"", b"HTTP/1.1 103 Hints\r\nlink: " + b"x" * 1000 + b"\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"x: " + b"y" * 1000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", b"x: " + b"y" * 1000 + b"\r\n"),
    ):
        with WireServer([first, *[again] * 2000, "hold"]) as server:
            assert fault(server.url, {}).error == "protocol"


def test_an_early_answer_is_heard() -> None:
    """A service that answers before it has read the request is heard, and its connection is not used again."""

    def script(request: Any) -> list[Any]:
        return response(413, b"too much")

    async def work(http: Http) -> list[int]:
        said = []
        for _ in range(2):
            async with http.post(server.url, {"prompt": "x" * 8_000_000}) as answer:
                said.append(answer.status)
        return said

    with WireServer(script, read_body=False) as server:
        assert run(work) == [413, 413]
        assert server.connections == 2


def test_a_request_that_nobody_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that takes the connection and no more of the request is not waited for without end."""
    monkeypatch.setattr(http_wire, "STALLED", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        told = fault(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1", {"prompt": "x" * 30_000_000})
    assert (told.error, told.maybe_billed) == ("send", True)


@pytest.mark.parametrize("headers", [{"x": "a\r\nInjected: 1"}, {"x\r\ny": "a"}, {"x": "a\0b"}, {"x": "ä"}, {"": "a"}])
def test_headers_that_cannot_be_sent(headers: dict[str, str]) -> None:
    """What would begin another header, or is none, stops the request before a byte of it goes out."""
    with WireServer(response(200, b"ok")) as server:
        auth = KeyAuth(KEY, "K", f"http://127.0.0.1:{server.port}")
        told = fault(server.url, {}, headers=headers, auth=auth)
        assert server.raw == b""
    assert (told.retryable, told.maybe_billed) == (False, False)
    assert KEY not in str(told)


@pytest.mark.parametrize("path", ["/v1 /x", "/v1\r\nHost: other", "/v1\\x", "@127.0.0.2/v1", "/v1\0"])
def test_addresses_that_are_none(path: str) -> None:
    """What two parsers could read in two ways is asked of nobody."""
    with WireServer(response(200, b"ok")) as server:
        assert fault(f"http://127.0.0.1:{server.port}{path}", {}).error == "protocol"
        assert server.raw == b""


def test_the_request_line() -> None:
    """Path and query go out as they are, escaped where they must be; a fragment does not."""
    with WireServer(response(200, b"ok")) as server:
        run(lambda http: _got(http, f"http://localhost:{server.port}/a%20b/ü?q=1&r=%2F#part"))
        request = server.requests[0]
    assert request.path == "/a%20b/%C3%BC?q=1&r=%2F"
    assert request.headers["host"] == f"localhost:{server.port}"


async def _got(http: Http, url: str) -> None:
    async with http.post(url, {}) as answer:
        await answer.read_all(100)


def test_connections_over_tls_are_kept(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One handshake for many requests, and HTTP/1.1 is what is spoken."""
    for name in ("SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with WireServer(response(200, b"ok"), tls=context) as server:
        assert twice(server.url) == [b"ok", b"ok"]
        assert server.connections == 1
    with WireServer([head(), chunk(b"half"), "close"], tls=context) as server:
        assert fault(server.url, {}).error == "disconnect"
    with WireServer([head(), chunk(b"all") + END], tls=context) as server:
        assert post(server.url, {}) == (200, b"all")


def test_a_burst_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many connections that a burst has left, few are kept; those go when they are idle for long."""
    monkeypatch.setattr(http_pool, "SOON", 0.1)
    monkeypatch.setattr(http_pool, "LONG", 0.6)
    monkeypatch.setattr(http_pool, "KEPT", 4)

    async def work(http: Http) -> list[int]:
        await asyncio.gather(*(_got(http, server.url) for _ in range(20)))
        way: Any = next(iter(http._ways.values()))
        counts = []
        for seconds in (0.0, 0.4, 0.6):
            await asyncio.sleep(seconds)
            counts.append(way.connections[0])
        return counts

    with WireServer([0.1, OK]) as server:
        assert run(work) == [20, 4, 0]
