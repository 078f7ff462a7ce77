"""The demo's HTTP/1.1 server on loopback: one daemon thread with an event loop of its own. Prints nothing.

`h11` reads and writes the protocol; this file owns the sockets, the clocks and every bound on size.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import h11

MAX_CONNECTIONS = 512
MAX_HEAD = 64 * 1024
MAX_BODY = 16 * 1024 * 1024
IDLE = 90.0
"""Seconds a kept connection may rest between two requests."""
PATIENCE = 30.0
"""Seconds a request's body may take, and seconds a client may leave its response unread."""


class BadRequest(Exception):
    """A request that cannot be read; the connection ends after the error response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = HTTPStatus(status)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    path: str
    query: str
    body: bytes


class Client:
    """One connection, from the service's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)

    async def read_request(self) -> HttpRequest | None:
        """The next request; `None` when the client has left or rests too long. Raises `BadRequest`."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.our_state is not h11.IDLE:
            return None
        try:
            async with asyncio.timeout(IDLE):
                head = await self._next_event()
            if not isinstance(head, h11.Request):
                return None
            async with asyncio.timeout(PATIENCE):
                body = await self._read_body(head)
        except TimeoutError:
            return None
        except h11.RemoteProtocolError as error:
            raise BadRequest(error.error_status_hint, f"This is not HTTP/1.1: {error}") from None
        path, _, query = head.target.decode("latin-1").partition("?")
        return HttpRequest(head.method.decode("latin-1"), path, query, body)

    async def _read_body(self, head: h11.Request) -> bytes:
        announced = int(next((value for name, value in head.headers if name == b"content-length"), b"0"))
        body = bytearray()
        while max(announced, len(body)) <= MAX_BODY:
            event = await self._next_event()
            if isinstance(event, h11.EndOfMessage):
                return bytes(body)
            body += event.data
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.")

    async def _next_event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._reader.read(MAX_HEAD))
        return event

    async def send_json(
        self, status: HTTPStatus, body: Any, headers: Mapping[str, str] | None = None, *, close: bool = False
    ) -> None:
        """A whole response. `close`: the connection ends with it."""
        data = json.dumps(body, ensure_ascii=False).encode()
        fields = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
        if close:
            fields["connection"] = "close"
        await self._send(_head(status, fields), h11.Data(data), h11.EndOfMessage())

    async def send_error(self, status: HTTPStatus, message: str, error_type: str, *, close: bool = False) -> None:
        """An error in OpenRouter's form."""
        error = {"code": status.value, "message": message, "metadata": {"error_type": error_type}}
        await self.send_json(status, {"error": error}, close=close)

    async def start_events(self, headers: Mapping[str, str]) -> None:
        """The head of a response of server-sent events. Send them with `send_events`, end with `end_events`."""
        fields = {"content-type": "text/event-stream", "cache-control": "no-cache", "transfer-encoding": "chunked"}
        await self._send(_head(HTTPStatus.OK, {**fields, **headers}))

    async def send_events(self, *events: bytes) -> None:
        """Some events in one piece. Raises `ConnectionError` where the client has left."""
        if self._reader.at_eof() or self._writer.is_closing():
            raise ConnectionResetError("the client has left")
        await self._send(h11.Data(b"".join(events)))

    async def end_events(self) -> None:
        await self._send(h11.EndOfMessage())

    async def _send(self, *events: h11.Event) -> None:
        # In one write: a response of three small packets would wait for the client's delayed acknowledgement.
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        async with asyncio.timeout(PATIENCE):
            await self._writer.drain()


def _head(status: HTTPStatus, headers: Mapping[str, str]) -> h11.Response:
    return h11.Response(status_code=status.value, reason=status.phrase, headers=list(headers.items()))


class Server:
    """One running server, until `stop()` or the end of the process. `respond` answers one request."""

    def __init__(self, respond: Callable[[HttpRequest, Client], Awaitable[None]]) -> None:
        self._respond = respond
        self._pid = os.getpid()
        # With its protocol named, for only then does asyncio switch Nagle's 40 ms off.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(256)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/api/v1"
        self._connections = 0
        # Not `new_event_loop()`: the notebook's policy (uvloop, a patched loop) is none of this thread's business.
        self._loop = asyncio.SelectorEventLoop()
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fusion_nb-demo", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it answers in this very process: a fork inherits the object but not the thread."""
        return self._pid == os.getpid() and self._thread.is_alive()

    def stop(self) -> None:
        """End it and wait a moment until it has."""
        if self.alive:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(2.0)

    def close_inherited_socket(self) -> None:
        """In a forked child: close the copy of the listening socket; the loop's selector is shared with the parent."""
        self._socket.close()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        finally:
            self._socket.close()

    async def _serve(self) -> None:
        listening = await asyncio.start_server(self._serve_connection, sock=self._socket, limit=MAX_HEAD)
        await self._stopping.wait()
        listening.close()

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(reader, writer)
        self._connections += 1
        try:
            while request := await client.read_request():
                if self._connections > MAX_CONNECTIONS:
                    busy = "Too many connections to the demo service."
                    await client.send_error(HTTPStatus.SERVICE_UNAVAILABLE, busy, "provider_overloaded", close=True)
                else:
                    await self._respond(request, client)
        except BadRequest as bad:
            await client.send_error(bad.status, str(bad), "invalid_request", close=True)
        except (OSError, h11.ProtocolError, asyncio.CancelledError):
            # The client has left (a `ConnectionError`), stopped reading (a `TimeoutError`), or the server ends.
            pass
        finally:
            self._connections -= 1
            writer.close()
