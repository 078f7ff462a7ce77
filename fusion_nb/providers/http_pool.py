"""Connections straight to one origin, kept to be used again."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque

from fusion_nb.core.loop_clock import LoopTimeout, loop_clock
from fusion_nb.errors import ProviderError
from fusion_nb.providers.http_request import Outgoing, check_headers, head_of, place
from fusion_nb.providers.http_response import StreamingResponse, transport_error
from fusion_nb.providers.http_wire import Connection
from fusion_nb.providers.redaction import one_line
from fusion_nb.providers.service_addresses import Address

CONNECT = 10.0
"""Seconds to make a connection, by the loop's own clock."""
KEPT = 128
"""Idle connections that are kept long; a burst's others are let go soon after it."""
LONG, SOON = 300.0, 30.0
_EYEBALLS = 0.25
"""Seconds until the next address of a name is tried beside the first (RFC 8305)."""


class ConnectionPool:
    """No limit of connections, so that nobody ever waits for one: the run has its own limit.

    Args:
        context: for https; `None` for http.
    """

    def __init__(self, address: Address, context: ssl.SSLContext | None) -> None:
        self._address, self._context = address, context
        self._open: set[Connection] = set()
        self._idle: deque[tuple[float, Connection]] = deque()
        """With the moment since when; the longest idle first."""
        self._sweeping: asyncio.TimerHandle | None = None

    async def send(self, request: Outgoing) -> StreamingResponse:
        """Send a request and wait for the head of the response. Raises `ProviderError`."""
        check_headers(request)
        connection = self._kept() or await self._connected(bounded=request.content is not None)
        try:
            return await connection.ask(lambda: head_of(request), request.content or b"")
        except ProviderError as fault:
            if fault.stale:
                # Whoever asks again gets a new connection: the service is closing those that are as old.
                self._drop_idle()
            raise

    @property
    def connections(self) -> tuple[int, int]:
        """How many are open, and how many of them are in use."""
        return len(self._open), len(self._open) - sum(not connection.closed for _, connection in self._idle)

    async def aclose(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in self._open:
            connection.abort()
        for _ in range(10):  # the sockets are closed in the loop's next turns
            await asyncio.sleep(0)

    def _kept(self) -> Connection | None:
        """The connection that was used last, unless the service has closed it or said something on it since."""
        while self._idle:
            _, connection = self._idle.pop()
            if connection.closed:
                continue
            # The loop tells what it heard in its last turn; it may have been long at something else since.
            if not connection.has_news():
                return connection
            connection.abort()
        return None

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop()[1].abort()

    async def _connected(self, *, bounded: bool) -> Connection:
        """A new connection. Whoever asks for a page has a timeout for all of it, and none here."""
        host, port, context = self._address.host, self._address.port, self._context
        kind, reason = "connect", ""
        try:
            async with LoopTimeout(loop_clock().now() + CONNECT if bounded else None):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(place(self._address), self._rests, self._open.discard),
                    *(host, port),
                    ssl=context,
                    server_hostname=host if context else None,
                    happy_eyeballs_delay=None if self._address.numeric else _EYEBALLS,
                )
        except TimeoutError:
            kind = "connect_timeout"
        except (socket.gaierror, UnicodeError):
            kind = "dns"
        except ssl.SSLEOFError:
            pass
        except ssl.SSLError as error:
            kind = "tls"
            reason = one_line(getattr(error, "verify_message", "") or error.reason or "", 200)
        except OSError:
            pass
        else:
            if not connection.closed:
                self._open.add(connection)
            return connection
        raise transport_error(kind, place(self._address), reason)

    def _rests(self, connection: Connection) -> None:
        self._idle.append((asyncio.get_running_loop().time(), connection))
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SOON, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for long."""
        self._sweeping, now = None, asyncio.get_running_loop().time()
        while self._idle:
            since, connection = self._idle[0]
            if not connection.closed and now - since < (SOON if len(self._idle) > KEPT else LONG):
                self._sweeping = asyncio.get_running_loop().call_later(SOON, self._sweep)
                return
            self._idle.popleft()
            connection.abort()
