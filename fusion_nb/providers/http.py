"""The only door to the HTTP client. Nothing above it knows which client is inside, and no exception of it gets out.

It does not retry and keeps no clock but the connection's: `ask()` has those.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2

from fusion_nb._version import __version__
from fusion_nb.core.json_codec import decode_service_json
from fusion_nb.core.loop_clock import LoopTimeout, loop_clock
from fusion_nb.errors import ProviderError
from fusion_nb.providers import provider_errors, redaction
from fusion_nb.providers.http_clients import IN_FLIGHT, HttpClients
from fusion_nb.providers.http_response import RequestBody, StreamingResponse, transport_error
from fusion_nb.providers.keys import KeyAuth
from fusion_nb.providers.origins import Address, parse
from fusion_nb.providers.proxies import proxies_for, usable_proxy
from fusion_nb.providers.redaction import one_line

# What the client loads with its first request (0.1 s), loaded with this room: a reply's first second is not for that.
for _part in ("httpcore2", "anyio._backends._asyncio", "anyio.streams.tls"):
    with suppress(ImportError):
        importlib.import_module(_part)
redaction.install_log_filter()

MAX_BODY = 16 * 1024 * 1024
LINGER = 0.25
"""Seconds a finished reply's connection is read on, so that it can be used again."""
CONNECT = 10.0
"""Seconds to take a connection, by the loop's own clock: it may be busy with others."""
_TIMEOUT = httpx2.Timeout(None, write=60.0)
# No limit of connections, so that nobody ever waits for one: the run has its own limit.
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=IN_FLIGHT, keepalive_expiry=300.0)
# A context without authorities trusts nobody: it costs nothing, and is all that plain http to this machine needs.
_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _address(url: httpx2.URL) -> Address:
    """The address as the client reads it: what decides where a key may go."""
    host = url.raw_host.decode("ascii").strip("[]")
    port = {"http": 80, "https": 443}.get(url.scheme, 0) if url.port is None else url.port
    return Address(url.scheme, host, port, url.path)


@functools.lru_cache(256)
def _parsed(url: str) -> Address:
    try:
        return _address(httpx2.URL(url))
    except (httpx2.InvalidURL, ValueError):
        raise ProviderError("protocol", "The base URL cannot be read: write it like https://host.example/v1.") from None


class Http:
    """Connections kept from run to run. Belongs to one event loop; close it on that loop."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str | None], HttpClients[httpx2.AsyncClient]] = {}
        """By origin and proxy: what goes straight to a service has `None`."""
        self._context: ssl.SSLContext | None = None
        self._opening = asyncio.Lock()
        self._lingering: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def post(
        self, url: str, body: Any, *, auth: KeyAuth | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[StreamingResponse]:
        """POST `body` as JSON. Whatever the status, the response is yielded; leaving closes it.

        Raises `ProviderError`, here and from `StreamingResponse.read()`, for everything that goes wrong on the way.
        """
        try:
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(
                errors="replace"
            )
        except (TypeError, ValueError, RecursionError):
            raise ProviderError(
                "bad_request", "The request holds something that is not JSON: look at its options."
            ) from None
        async with self.exchange("POST", url, content, auth, headers or {}) as response:
            yield response

    async def get_json(
        self, url: str, *, auth: KeyAuth | None = None, headers: Mapping[str, str] | None = None, timeout: float = 30.0
    ) -> Any:
        """The JSON at `url`, numbers with a point as `Decimal`. Raises `ProviderError`."""
        target = provider_errors.Target(parse(url).host, hide=auth.hide if auth else str)
        fault = None
        try:
            async with asyncio.timeout(timeout), self.exchange("GET", url, None, auth, headers or {}) as response:
                if response.status != 200:
                    head = await response.read_head(65536, 5.0)
                    raise provider_errors.of_response(response.status, response.headers, head, target)
                body = await response.read_all(MAX_BODY)
            return decode_service_json(body.decode("utf-8-sig"))
        except TimeoutError:
            fault = ProviderError("timeout", f"{target.service} did not answer within {timeout:g} s.")
        except ValueError:
            fault = ProviderError("protocol", f"{target.service} did not answer with JSON.")
        raise fault

    async def aclose(self) -> None:
        if self._lingering:
            await asyncio.wait(set(self._lingering))
        for clients in self._clients.values():
            await clients.aclose()

    @asynccontextmanager
    async def exchange(
        self, method: str, url: str, content: bytes | None, auth: KeyAuth | None, headers: Mapping[str, str]
    ) -> AsyncIterator[StreamingResponse]:
        """Send bytes, JSON where `headers` do not say otherwise. Raises `ProviderError` as `post()` does."""
        response, give_back = await self._send(method, url, content, auth, headers)
        try:
            yield response
        finally:
            if response.finished:
                self._let_go(response, give_back)
            else:
                try:
                    await response.close()
                finally:
                    give_back()

    async def _send(
        self, method: str, url: str, content: bytes | None, auth: KeyAuth | None, headers: Mapping[str, str]
    ) -> tuple[StreamingResponse, Callable[[], None]]:
        """Send the request and wait for the head of the response; with it comes what gives its client back."""
        address, body = _parsed(url), RequestBody(content)
        fault: ProviderError
        redaction.hide.set(auth.hide if auth else str)
        give_back = None
        try:
            client, give_back = await self._client(address)
            request = client.build_request(method, url, content=body.content, headers={**body.headers, **headers})
            async with LoopTimeout(loop_clock().now() + CONNECT) as connecting:
                body.on_begin = lambda: connecting.move(None)
                if content is None:
                    body.on_begin()  # whoever asks for a page has a timeout for all of it
                response = await client.send(request, auth=_Signed(auth) if auth else None, stream=True)
            try:
                streaming = StreamingResponse(
                    response.status_code,
                    {name.lower(): value for name, value in response.headers.items()},
                    response.aiter_raw(),
                    response.aclose,
                    lambda error: _fault(error, address, body),
                )
            except ProviderError:
                await response.aclose()
                raise
            kept, give_back = give_back, None
            return streaming, kept
        except asyncio.CancelledError as stopped:
            # Without the frames below, whose variables hold the request as it went out.
            raise stopped.with_traceback(None) from None
        except ProviderError as error:
            fault = error
        except Exception as error:  # noqa: BLE001  every exception of the client is translated, here and only here
            fault = _fault(error, address, body)
        finally:
            if give_back is not None:
                give_back()
        # Outside of `except`, so that it does not carry the client's exception, and its frames, along.
        raise fault.with_traceback(None)

    async def _client(self, address: Address) -> tuple[httpx2.AsyncClient, Callable[[], None]]:
        """A client for one request, and what gives it back. Raises `ProviderError` where no key may go there, or no
        proxy can be used."""
        if address.scheme == "http" and not address.loopback:
            raise ProviderError("protocol", "Unencrypted http goes to this machine only: use https.")
        secure = address.scheme != "http"
        proxy = usable_proxy(address) if secure else None
        key = (address.origin, proxy)
        if key not in self._clients:
            context = await self._secure_context() if secure else _TRUSTS_NOBODY
            self._clients.setdefault(key, HttpClients(lambda: _client(context, proxy)))
        return self._clients[key].take()

    async def _secure_context(self) -> ssl.SSLContext:
        async with self._opening:
            if self._context is None:
                # Reading the certificate authorities takes tens of milliseconds: not on the loop, and only for https.
                self._context = await asyncio.to_thread(httpx2.create_ssl_context)
            return self._context

    def _let_go(self, response: StreamingResponse, give_back: Callable[[], None]) -> None:
        """Read on for a moment to the end of a body nobody wants any more, so that the connection can be used again."""
        closing = asyncio.create_task(response.close(LINGER))
        self._lingering.add(closing)
        closing.add_done_callback(self._lingering.discard)
        closing.add_done_callback(lambda _: give_back())


class _Signed(httpx2.Auth):
    """Puts the key on a request for as long as it is under way."""

    def __init__(self, auth: KeyAuth) -> None:
        self._auth = auth

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        self._auth.attach(request.headers, _address(request.url).origin)
        try:
            yield request
        finally:
            request.headers.pop(self._auth.header, None)


def _client(context: ssl.SSLContext, proxy: str | None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        verify=context,
        trust_env=False,  # no key of a .netrc, and the proxy is chosen here
        proxy=proxy,  # what stays on this machine never goes through one
        timeout=_TIMEOUT,
        limits=_LIMITS,
        follow_redirects=False,
        headers={"User-Agent": f"fusion_nb/{__version__}"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


def _fault(error: Exception, address: Address, body: RequestBody) -> ProviderError:
    """What an exception of the client means: the one translation."""
    kind, reason = _classify(error, body)
    if kind == "connect" and address.scheme == "https" and proxies_for(address):
        kind, reason = "proxy", "no connection through it"
    return transport_error(
        kind, address.host if address.port in (80, 443) else f"{address.host}:{address.port}", reason
    )


def _classify(error: Exception, body: RequestBody) -> tuple[str, str]:
    causes = list(_chain(error))
    insecure = next((c for c in causes if isinstance(c, ssl.SSLError)), None)
    match error:
        case TimeoutError() if not body.begun:
            return "connect_timeout", ""
        case httpx2.ProxyError() | ImportError():  # ImportError: a SOCKS proxy without what it needs
            return "proxy", one_line(str(error), 200)
        case httpx2.ConnectError() if insecure is not None and not isinstance(insecure, ssl.SSLEOFError):
            return "tls", one_line(getattr(insecure, "verify_message", "") or insecure.reason or "", 200)
        case ssl.SSLError() | FileNotFoundError():
            return "tls", "the file SSL_CERT_FILE names cannot be read"
        case httpx2.ConnectError():
            return "dns" if any(isinstance(c, socket.gaierror) for c in causes) else "connect", ""
        case httpx2.WriteError() | httpx2.WriteTimeout():
            return "send", ""
        case httpx2.ReadError() | httpx2.RemoteProtocolError() if not body.sent:
            # Before its first byte went out nothing can have been asked, let alone billed.
            return "send" if body.begun else "connect", ""
        case httpx2.RemoteProtocolError() if "disconnected" not in str(error) and "peer closed" not in str(error):
            return "protocol", one_line(str(error), 200)
        case httpx2.NetworkError() | httpx2.RemoteProtocolError() | OSError():
            return "disconnect", ""
        case _:
            return "protocol" if body.sent else "unsendable", f"{type(error).__name__}: {one_line(str(error), 200)}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < 20:
        yield error
        error, seen = error.__cause__ or error.__context__, seen + 1
