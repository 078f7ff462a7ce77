"""The only door to the HTTP client. Nothing above it knows which client is inside, and no exception of it gets out.

It does not retry and keeps no clock but the connection's: `ask()` has those.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from fusion_nb.core.json_codec import decode_service_json
from fusion_nb.errors import ProviderError
from fusion_nb.providers import provider_errors, redaction
from fusion_nb.providers.http_pool import ConnectionPool
from fusion_nb.providers.http_request import Outgoing, place, read_url
from fusion_nb.providers.http_response import StreamingResponse, transport_error
from fusion_nb.providers.keys import KeyAuth
from fusion_nb.providers.proxy_settings import usable_proxy
from fusion_nb.providers.redaction import one_line
from fusion_nb.providers.service_addresses import Address, parse

redaction.install_log_filter()
_log = logging.getLogger("fusion_nb.http")
MAX_BODY = 16 * 1024 * 1024
_parsed = functools.lru_cache(256)(read_url)


class _Way(Protocol):
    """How requests get to one origin: straight, or through a proxy."""

    async def send(self, request: Outgoing) -> StreamingResponse: ...

    async def aclose(self) -> None: ...


class Http:
    """Connections kept from run to run. Belongs to one event loop; close it on that loop."""

    def __init__(self) -> None:
        self._ways: dict[tuple[str, str | None], _Way] = {}
        """By origin and proxy: what goes straight to a service has `None`."""
        self._context: ssl.SSLContext | None = None
        self._opening = asyncio.Lock()

    def post(
        self, url: str, body: Any, *, auth: KeyAuth | None = None, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[StreamingResponse]:
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
        return self.exchange("POST", url, content, auth, headers or {})

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
        try:
            raise fault
        finally:
            # Where the loop is written in Python (nest_asyncio2), it is woken inside the handling of a cancellation.
            fault.__context__ = None

    async def aclose(self) -> None:
        for way in self._ways.values():
            await way.aclose()

    @asynccontextmanager
    async def exchange(
        self, method: str, url: str, content: bytes | None, auth: KeyAuth | None, headers: Mapping[str, str]
    ) -> AsyncIterator[StreamingResponse]:
        """Send bytes, JSON where `headers` do not say otherwise. Raises `ProviderError` as `post()` does."""
        response = await self._send(method, url, content, auth, headers)
        try:
            yield response
        finally:
            await response.close()

    async def _send(
        self, method: str, url: str, content: bytes | None, auth: KeyAuth | None, headers: Mapping[str, str]
    ) -> StreamingResponse:
        """Send the request and wait for the head of the response."""
        address = _parsed(url)
        fault: ProviderError
        redaction.hide.set(auth.hide if auth else str)
        try:
            way = await self._client(address)
            response = await way.send(Outgoing(method, url, address, content, headers, auth))
            _log.debug("%s %s%s: %d", method, address.origin, address.path, response.status)
            return response
        except asyncio.CancelledError as stopped:
            # Without the frames below, whose variables hold the request as it went out.
            raise stopped.with_traceback(None) from None
        except ProviderError as error:
            fault = error
        except Exception as error:  # noqa: BLE001  nothing foreign gets out
            fault = _unforeseen(error, address)
        # Outside of `except`, so that it does not carry another exception, and its frames, along.
        raise fault.with_traceback(None)

    async def _client(self, address: Address) -> _Way:
        """The way for a request. Raises `ProviderError` where no key may go there, or no proxy can be used."""
        if address.scheme == "http" and not address.loopback:
            raise ProviderError("protocol", "Unencrypted http goes to this machine only: use https.")
        secure = address.scheme != "http"
        proxy = usable_proxy(address) if secure else None  # what stays on this machine never goes through one
        key = (address.origin, proxy)
        if key not in self._ways:
            context = await self._secure_context() if secure else None
            if key not in self._ways:
                self._ways[key] = _way(address, context, proxy)
        return self._ways[key]

    async def _secure_context(self) -> ssl.SSLContext:
        async with self._opening:
            if self._context is None:
                # Reading the certificate authorities takes tens of milliseconds: not on the loop, and only for https.
                self._context = await asyncio.to_thread(_authorities)
            return self._context


def _authorities() -> ssl.SSLContext:
    from fusion_nb.providers.http_proxied import trusted_authorities  # noqa: PLC0415  httpx2 takes 0.1 s to load

    context = trusted_authorities()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _way(address: Address, context: ssl.SSLContext | None, proxy: str | None) -> _Way:
    if proxy is None or context is None:
        return ConnectionPool(address, context)
    from fusion_nb.providers.http_proxied import ProxiedClients  # noqa: PLC0415  as above

    return ProxiedClients(context, proxy)


def _unforeseen(error: Exception, address: Address) -> ProviderError:
    where = place(address)
    if isinstance(error, (ssl.SSLError, FileNotFoundError)):
        return transport_error("tls", where, "the file SSL_CERT_FILE names cannot be read")
    return transport_error("unsendable", where, f"{type(error).__name__}: {one_line(str(error), 200)}")
