"""Requests through a proxy, by httpx2: CONNECT, authentication at the proxy and SOCKS are its own.

Also the authorities to trust are those httpx2 finds, for requests without a proxy too.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from fusion_nb.core.loop_clock import LoopTimeout, loop_clock
from fusion_nb.errors import ProviderError
from fusion_nb.providers import http_pool
from fusion_nb.providers.http_request import DEFAULT_PORTS, USER_AGENT, Outgoing
from fusion_nb.providers.http_response import StreamingResponse, transport_error
from fusion_nb.providers.keys import KeyAuth
from fusion_nb.providers.proxied_clients import IN_FLIGHT, HttpClients
from fusion_nb.providers.redaction import one_line
from fusion_nb.providers.service_addresses import Address

PIECE = 64 * 1024
CLOSING = 1.0
"""Seconds to wait for a connection to be closed."""
_TIMEOUT = httpx2.Timeout(None, write=60.0)
# No limit of connections, so that nobody ever waits for one: the run has its own limit.
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=IN_FLIGHT, keepalive_expiry=300.0)


def trusted_authorities() -> ssl.SSLContext:
    """Those of SSL_CERT_FILE and SSL_CERT_DIR, or of the system. Takes tens of milliseconds."""
    return httpx2.create_ssl_context()


class ProxiedClients:
    """Requests to one origin through one proxy."""

    def __init__(self, context: ssl.SSLContext, proxy: str) -> None:
        self._clients = HttpClients(lambda: _client(context, proxy))
        self._lingering: set[asyncio.Task[None]] = set()

    async def send(self, request: Outgoing) -> StreamingResponse:
        """Send a request and wait for the head of the response. Raises `ProviderError`."""
        body = _RequestBody(request.content)
        fault: ProviderError
        client, give_back = self._clients.take()
        kept = False
        try:
            built = client.build_request(
                request.method, request.url, content=body.content, headers=request.all_headers()
            )
            async with LoopTimeout(loop_clock().now() + http_pool.CONNECT) as connecting:
                body.on_begin = lambda: connecting.move(None)
                if request.content is None:
                    body.on_begin()  # whoever asks for a page has a timeout for all of it
                response = await client.send(built, auth=_Signed(request.auth) if request.auth else None, stream=True)
            source = _Pump(response.aclose, self._lingering, give_back)
            try:
                streaming = StreamingResponse(
                    response.status_code, {name.lower(): value for name, value in response.headers.items()}, source
                )
            except ProviderError:
                await response.aclose()
                raise
            kept = True
            source.start(streaming, response.aiter_raw(), lambda error: _fault(error, request, body))
            return streaming
        except ProviderError as error:
            fault = error
        except Exception as error:  # noqa: BLE001  every exception of the client is translated, here and only here
            fault = _fault(error, request, body)
        finally:
            if not kept:
                give_back()
        # Outside of `except`, so that it does not carry the client's exception, and its frames, along.
        raise fault.with_traceback(None)

    async def aclose(self) -> None:
        if self._lingering:
            await asyncio.wait(set(self._lingering))
        await self._clients.aclose()


class _Pump:
    """A task that reads a socket through the client, and puts what comes into the response."""

    def __init__(
        self, close: Callable[[], Awaitable[None]], lingering: set[asyncio.Task[None]], over: Callable[[], None]
    ) -> None:
        self._close, self._lingering, self._over = close, lingering, over
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(
        self,
        response: StreamingResponse,
        pieces: AsyncIterator[bytes],
        fault_of: Callable[[Exception], ProviderError],
    ) -> None:
        self._room.set()
        self._task = asyncio.create_task(self._receive(response, pieces, fault_of))
        self._lingering.add(self._task)
        self._task.add_done_callback(self._lingering.discard)
        self._task.add_done_callback(lambda _: self._over())

    def pause(self) -> None:
        self._room.clear()

    def resume(self) -> None:
        self._room.set()

    async def close(self, patience: float) -> None:
        if self._task is None or self._task.done():
            return
        if patience:
            asyncio.get_running_loop().call_later(patience, self._task.cancel)
            return
        self._task.cancel()
        # A connection whose other end is silent may take long to say goodbye; nobody waits for that.
        await asyncio.wait({self._task}, timeout=CLOSING)

    async def _receive(
        self,
        response: StreamingResponse,
        pieces: AsyncIterator[bytes],
        fault_of: Callable[[Exception], ProviderError],
    ) -> None:
        fault: ProviderError | None = None
        try:
            async for piece in pieces:
                response.feed(piece)
                await self._room.wait()
        except Exception as error:  # noqa: BLE001  told to whoever reads, once, as what it means
            fault = fault_of(error)
        finally:
            if fault is None:
                response.end()
            else:
                response.fail(fault)
            await self._close()


class _RequestBody:
    """A request's body, which knows whether all of it has been sent."""

    def __init__(self, content: bytes | None) -> None:
        self.on_begin: Callable[[], None] = lambda: None
        """Called when its first byte is asked for: the connection stands."""
        self.begun = False
        """Whether its first byte was asked for: before that, nothing but the head can have gone out."""
        self.sent = content is None
        self.content = None if content is None else self._pieces(content)

    async def _pieces(self, content: bytes) -> AsyncIterator[bytes]:
        self.begun = True
        self.on_begin()
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]
        self.sent = True


class _Signed(httpx2.Auth):
    """Puts the key on a request for as long as it is under way."""

    def __init__(self, auth: KeyAuth) -> None:
        self._auth = auth

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        self._auth.attach(request.headers, _origin(request.url))
        try:
            yield request
        finally:
            request.headers.pop(self._auth.header, None)


def _origin(url: httpx2.URL) -> str:
    """The origin as the client reads it: what decides whether a key may go there."""
    host = url.raw_host.decode("ascii").strip("[]")
    port = DEFAULT_PORTS.get(url.scheme, 0) if url.port is None else url.port
    return Address(url.scheme, host, port, url.path).origin


def _client(context: ssl.SSLContext, proxy: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        verify=context,
        trust_env=False,  # no key of a .netrc, and the proxy is chosen by us
        proxy=proxy,
        timeout=_TIMEOUT,
        limits=_LIMITS,
        follow_redirects=False,
        headers={"User-Agent": USER_AGENT},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


def _fault(error: Exception, request: Outgoing, body: _RequestBody) -> ProviderError:
    """What an exception of the client means: the one translation."""
    kind, reason = _classify(error, body)
    if kind == "connect":
        kind, reason = "proxy", "no connection through it"
    return transport_error(kind, request.where, reason)


def _classify(error: Exception, body: _RequestBody) -> tuple[str, str]:
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
