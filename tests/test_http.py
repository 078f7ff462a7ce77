"""The one door to the network: every failure has a class and a remedy, and a key goes nowhere it does not belong."""

import asyncio
import functools
import gzip
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import traceback
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fusion_nb.errors import ProviderError
from fusion_nb.providers.http import Http
from fusion_nb.providers.http_proxied import _Pump
from fusion_nb.providers.http_response import StreamingResponse
from fusion_nb.providers.keys import KeyAuth
from fusion_nb.providers.proxy_settings import proxy_host
from fusion_nb.providers.service_addresses import parse
from tests.wire_server import END, WireServer, chunk, head, reply, response

KEY = "sk-or-v1-" + "0123456789abcdef" * 4


def run(work: Callable[[Http], Coroutine[Any, Any, Any]]) -> Any:
    """Run `work` with an `Http` of its own, and not for ever."""

    async def main() -> Any:
        http = Http()
        try:
            return await asyncio.wait_for(work(http), 20)
        finally:
            await http.aclose()

    return asyncio.run(main())


def post(url: str, body: Any = None, **options: Any) -> tuple[int, bytes]:
    async def work(http: Http) -> tuple[int, bytes]:
        async with http.post(url, body, **options) as answer:
            return answer.status, await answer.read_all(1 << 24)

    result: tuple[int, bytes] = run(work)
    return result


def fault(url: str, body: Any = None, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        post(url, body, **options)
    return raised.value


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_request() -> None:
    """What is sent is JSON with a length, in no compression, under our name and without any key but the given one."""
    with WireServer(response(200, b"ok")) as server:
        assert post(server.url, {"prompt": "Grüße \u2028 \ud800!"}) == (200, b"ok")
        [request] = server.requests
    assert request.json == {"prompt": "Grüße \u2028 ?!"}
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("fusion_nb/")
    assert not {"authorization", "cookie", "transfer-encoding"} & set(request.headers)


def test_connections_are_kept_and_cookies_are_not() -> None:
    """The next request uses the connection of the last, and brings nothing else along from it."""

    async def work(http: Http) -> None:
        for _ in range(3):
            async with http.post(server.url, {}) as answer:
                assert await answer.read_all(100) == b"ok"

    with WireServer(response(200, b"ok", set_cookie="a=b; Path=/")) as server:
        run(work)
        assert (len(server.requests), server.connections) == (3, 1)
        assert not any("cookie" in request.headers for request in server.requests)


def test_pieces_that_came_together_are_read_together() -> None:
    """A burst of HTTP chunks is one piece to whoever reads."""

    async def work(http: Http) -> list[bytes]:
        async with http.post(server.url, {}) as answer:
            return [data async for data in reading(answer)]

    async def reading(answer: Any) -> Any:
        while data := await answer.read():
            yield data

    later = threading.Event()
    with WireServer([head(), b"".join(chunk(b"%d" % i) for i in range(10)), later, chunk(b"end") + END]) as server:
        threading.Timer(0.2, later.set).start()
        pieces = run(work)
    assert b"".join(pieces) == b"0123456789end"
    assert len(pieces) < 5


def test_a_key_goes_to_its_origin_alone() -> None:
    """The key is on requests to the origin it is bound to, and on no other."""
    with WireServer(response(200, b"ok")) as mine, WireServer(response(200, b"ok")) as other:
        auth = KeyAuth(KEY, "K", f"http://127.0.0.1:{mine.port}")
        post(mine.url, {}, auth=auth)
        post(other.url, {}, auth=auth)
        post(f"http://localhost:{mine.port}/v1", {}, auth=auth)
        assert [request.headers.get("authorization") for request in mine.requests] == [f"Bearer {KEY}", None]
        assert KEY.encode() not in other.raw


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """A redirect is an error that names the host, and nothing reaches that host."""
    with WireServer(response(200, b"ok")) as other:
        with WireServer(response(status, b"", location=f"http://user:{KEY}@localhost:{other.port}/?k={KEY}")) as server:
            auth = KeyAuth(KEY, "K", f"http://127.0.0.1:{server.port}")
            with pytest.raises(ProviderError) as raised:
                run(lambda http: http.get_json(server.url, auth=auth))
            assert len(server.requests) == 1
        assert other.raw == b""
    assert raised.value.error == "redirect"
    assert not raised.value.retryable
    assert "localhost" in str(raised.value)
    assert KEY not in str(raised.value)


def test_plain_http_stays_on_this_machine() -> None:
    """Nothing is sent unencrypted to another machine."""
    told = fault("http://example.invalid/v1", {})
    assert (told.error, told.retryable, told.maybe_billed) == ("protocol", False, False)


def test_no_connection() -> None:
    """A server that is not there: worth two more tries, surely not billed."""
    told = fault(f"http://127.0.0.1:{closed_port()}/v1", {})
    assert (told.error, told.retryable, told.max_retries, told.maybe_billed) == ("connect", True, 2, False)


def test_no_such_host() -> None:
    """A name nobody knows: worth one more try."""
    told = fault("https://no-such-host.invalid/v1", {})
    assert (told.error, told.retryable, told.max_retries, told.maybe_billed) == ("dns", True, 1, False)
    assert "no-such-host.invalid" in str(told)


@pytest.mark.parametrize(
    ("script", "error", "retryable"),
    [
        (["reset"], "disconnect", True),
        (["close"], "disconnect", True),
        ([head(), chunk(b"half"), "reset"], "disconnect", True),
        ([head(), chunk(b"half"), "close"], "disconnect", True),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "close"], "disconnect", True),
        ([b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "close"], "protocol", False),
        ([head(x="y" * 1_000_000), END], "protocol", False),
        ([head(**{f"x{i}": "y" * 100 for i in range(10_000)}), END], "protocol", False),
        ([head(), b"zz\r\nnot a chunk", "close"], "protocol", False),
        ([head(content_encoding="br"), chunk(b"x"), END], "protocol", False),
        ([head(content_encoding="gzip"), chunk(b"\x1f\x8b\x08not gzip"), END], "protocol", False),
    ],
)
def test_broken_answers(script: Any, error: str, retryable: bool) -> None:
    """A torn connection is worth another try, an answer in no proper HTTP is not; either may have been billed."""
    with WireServer(script) as server:
        told = fault(server.url, {})
    assert (told.error, told.retryable, told.maybe_billed) == (error, retryable, True)


def test_a_connection_that_breaks_while_sending() -> None:
    """A request that did not get out whole is worth one more try."""
    with WireServer(["reset"], read_body=False) as server:
        told = fault(server.url, {"prompt": "x" * 30_000_000})
    assert (told.error, told.retryable, told.max_retries, told.maybe_billed) == ("send", True, 1, True)


def test_compressed_though_not_asked() -> None:
    """A service that compresses all the same is understood, within bounds."""
    text = b"data: hello\n\n" * 100_000
    for name, packed in (("gzip", gzip.compress(text)), ("deflate", zlib.compress(text))):
        with WireServer(
            [head(content_encoding=name), *(chunk(packed[i : i + 50]) for i in range(0, len(packed), 50)), END]
        ) as server:
            assert post(server.url) == (200, text)
    bomb = zlib.compressobj(9, wbits=31)
    packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(300)) + bomb.flush()

    async def work(http: Http) -> int:
        size = 0
        async with http.post(server.url, {}) as answer:
            while data := await answer.read():
                assert len(data) <= 1 << 20
                size += len(data)
        return size

    with WireServer(response(200, packed, content_encoding="gzip")) as server, pytest.raises(ProviderError) as raised:
        run(work)
    assert (raised.value.error, raised.value.status) == ("too_big", "incomplete")


def test_leaving_closes_the_connection() -> None:
    """Whoever leaves in the middle, by a break or by being cancelled, is off the line at once."""

    async def leave(http: Http) -> None:
        async with http.post(server.url, {}) as answer:
            assert await answer.read() == b"half"
        assert await asyncio.to_thread(server.left.wait, 5)

    async def cancelled(http: Http) -> None:
        async def wait() -> None:
            async with http.post(server.url, {}) as answer:
                await answer.read()
                await answer.read()

        task = asyncio.create_task(wait())
        assert await asyncio.to_thread(server.asked.wait, 5)
        task.cancel()
        assert await asyncio.to_thread(server.left.wait, 5)
        with pytest.raises(asyncio.CancelledError):
            await task

    for script in ([head(), chunk(b"half"), "hold"], ["hold"]):
        with WireServer(script) as server:
            run(cancelled)
    with WireServer([head(), chunk(b"half"), "hold"]) as server:
        run(leave)


def test_a_finished_reply_does_not_wait_for_its_connection() -> None:
    """Once everything was said nobody waits, and the connection is closed or kept behind their back."""

    async def work(http: Http) -> None:
        async with http.post(server.url, {}) as answer:
            assert await answer.read() == b"all"
            answer.done()
        assert not server.left.is_set()
        assert await asyncio.to_thread(server.left.wait, 5)

    with WireServer([head(), chunk(b"all"), "hold"]) as server:
        run(work)


def test_a_slow_reader_is_not_flooded() -> None:
    """What is received ahead of whoever reads is bounded."""
    step = chunk(bytes(1 << 18))

    async def work(http: Http) -> None:
        async with http.post(server.url, {}) as answer:
            await asyncio.sleep(0.3)
            assert len(await answer.read()) < 4 << 20

    with WireServer([head(), *[step] * 400, END]) as server:
        run(work)


def frames(error: BaseException) -> str:
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


@pytest.mark.parametrize("script", [["reset"], [head(), chunk(b"x"), "reset"], [b"nonsense\r\n\r\n"], ["hold"]])
def test_no_exception_carries_the_key(script: Any) -> None:
    """Neither the message of a failure nor any variable of its traceback shows the key, nor hangs the client's own
    exception behind it."""

    async def work(http: Http) -> str:
        async def ask() -> None:
            async with http.post(server.url, {}, auth=auth) as answer:
                await answer.read_all(100)

        task = asyncio.create_task(ask())
        if script == ["hold"]:
            await asyncio.to_thread(server.asked.wait, 5)
            task.cancel()
        await asyncio.wait({task})
        try:
            await task
        except (ProviderError, asyncio.CancelledError) as error:
            foreign = None if isinstance(error, asyncio.CancelledError) else (error.__context__ or error.__cause__)
            return frames(error) + repr(vars(error)) + ("FOREIGN" if foreign else "")
        raise AssertionError("it should have failed")

    with WireServer(script) as server:
        auth = KeyAuth(KEY, "K", f"http://127.0.0.1:{server.port}")
        shown = run(work)
        assert f"Bearer {KEY}".encode() in server.raw
    assert KEY not in shown
    assert KEY[12:30] not in shown
    assert "FOREIGN" not in shown


def test_logs_do_not_show_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """With every logger at its loudest, the key is in none of it."""
    caplog.set_level("DEBUG")
    with WireServer(response(200, b"ok")) as server:
        post(server.url, {}, auth=KeyAuth(KEY, "K", f"http://127.0.0.1:{server.port}"))
    assert "127.0.0.1" in caplog.text
    assert KEY not in caplog.text


def test_loopback_ignores_proxies_and_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What stays on this machine goes through no proxy, and no password is taken from a file."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with WireServer(response(200, b"ok")) as server, WireServer(response(502, b"")) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert post(server.url, {})[0] == 200
        assert "authorization" not in server.requests[0].headers
        assert proxy.raw == b""
        assert proxy_host(server.url) is None


def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's refusal is told as one, and the proxy sees no key; people can be told which proxy it is."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with WireServer(response(407, b"")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        told = fault("https://openrouter.ai/api/v1", {}, auth=KeyAuth(KEY, "K", "https://openrouter.ai:443"))
        assert proxy.requests[0].method == "CONNECT"
        assert KEY.encode() not in proxy.raw
        assert proxy_host("https://openrouter.ai/api/v1") == "127.0.0.1"
    assert (told.error, told.max_retries, told.maybe_billed) == ("proxy", 1, False)


@pytest.mark.parametrize("bad", ["socks://127.0.0.1:9", "socks4://127.0.0.1:9", "gopher://127.0.0.1:9"])
def test_a_bad_proxy_setting_does_not_stop_a_good_one(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Desktops set ALL_PROXY to what no client reads: requests go through the good HTTPS_PROXY beside it."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, bad)
    with WireServer(response(407, b"")) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert fault("https://openrouter.ai/api/v1", {}).error == "proxy"
        assert proxy.requests[0].method == "CONNECT"
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name)
    told = fault("https://openrouter.ai/api/v1", {})
    assert (told.error, told.maybe_billed) == ("proxy", False)
    assert "ALL_PROXY" in str(told)
    assert "unset it" in str(told)


def test_closing_is_bounded() -> None:
    """A connection that cannot be closed holds nobody up."""

    async def never() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.Event().wait()

    given_back: list[bool] = []

    async def main() -> float:
        stuck = asyncio.Event()

        async def close() -> None:
            await stuck.wait()

        source = _Pump(close, set(), lambda: given_back.append(True))
        answer = StreamingResponse(200, {}, source)
        source.start(answer, never(), lambda error: ProviderError("x", str(error)))
        assert await answer.read() == b"a"
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(60):
            await answer.close()
        took = asyncio.get_running_loop().time() - began
        stuck.set()
        return took

    assert asyncio.run(main()) < 30


@pytest.mark.parametrize("url", [
    "https://openrouter.ai/api/v1", "http://127.0.0.1:8080", "https://HOST.Example:8443/v1/", "http://[::1]:11434/v1",
    "https://xn--bcher-kva.example/v1", "https://a-b.c_d.example:1/", "http://localhost/v1?x=1", "https://h.example:0443/v1",
])  # fmt: skip
def test_an_address_is_read_as_the_client_reads_it(url: str) -> None:
    """What the rules see of an address is what requests to it are sent to."""
    read = httpx2.URL(url)
    address = parse(url)
    assert (address.scheme, address.host) == (read.scheme, read.raw_host.decode().strip("[]"))
    assert address.port == (read.port or {"http": 80, "https": 443}[read.scheme])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "both.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem", "-out", folder / "cert.pem",
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    made.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return made


def test_untrusted_certificates(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate nobody vouches for stops the request, and the remedy is named; with that remedy it works."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with WireServer(response(200, b"ok"), tls=context) as server:
        auth = KeyAuth(KEY, "K", f"https://127.0.0.1:{server.port}")
        told = fault(server.url, {}, auth=auth)
        assert (told.error, told.retryable, told.maybe_billed) == ("tls", False, False)
        assert "SSL_CERT_FILE" in str(told)
        assert server.raw == b""
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert post(server.url, {}, auth=auth)[0] == 200
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
        assert fault(server.url, {}).error == "tls"


def test_json() -> None:
    """A document is read with exact numbers; one that is none, too large, or late is an error."""
    with WireServer(response(200, b'{"a": 0.10}')) as server:
        assert run(lambda http: http.get_json(server.url)) == {"a": Decimal("0.10")}
        assert server.requests[0].method == "GET"
        assert "content-length" not in server.requests[0].headers
    for script, error in (
        (response(200, b"<html>"), "protocol"),
        (response(200, b"[" * 100_000), "protocol"),
        (response(401, {"error": {"message": "no"}}), "auth"),
        ([head(), *[chunk(bytes(1 << 20))] * 20], "too_big"),
        (["hold"], "timeout"),
    ):
        with WireServer(script) as server, pytest.raises(ProviderError) as raised:  # type: ignore[arg-type]
            run(functools.partial(Http.get_json, url=server.url, timeout=0.1 if error == "timeout" else 2.0))
        assert raised.value.error == error
        assert raised.value.__context__ is None


def test_what_is_not_json_is_not_sent() -> None:
    """Options that cannot be written as JSON stop the one request, before anything is sent."""
    with WireServer(reply("a")) as server:
        for body in ({"x": float("nan")}, {"x": object()}):
            assert fault(server.url, body).error == "bad_request"
        assert server.requests == []


def test_importing_the_package_does_not_load_the_client() -> None:
    """Loading the extension, the services and the catalogue costs no HTTP client and no certificates."""
    code = "import sys, fusion_nb, fusion_nb.providers.model_names, fusion_nb.providers.keys, fusion_nb.providers.model_families\n"
    code += (
        "import json; print(json.dumps([m for m in ('httpx2', 'ssl', 'genai_prices', 'pydantic') if m in sys.modules]))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not set(json.loads(loaded)) & {"httpx2", "genai_prices", "pydantic"}
