"""As much HTTP/1.1 as a service on loopback needs: requests in, responses out, keep-alive, every size bounded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

MAX_HEAD = 64 * 1024
MAX_BODY = 16 * 1024 * 1024
IDLE = 90.0
"""Seconds a kept connection may rest between two requests."""
PATIENCE = 30.0
"""Seconds a request's body may take, and seconds a client may leave its response unread."""


class BadRequest(Exception):
    """A request that cannot be read; the connection ends after the answer."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    keep: bool
    """Whether the connection may be used again."""


@dataclass(slots=True)
class Client:
    """One connection, from the service's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    keep: bool = True

    @property
    def gone(self) -> bool:
        """Whether nobody is left to read what is written."""
        return self.reader.at_eof() or self.writer.is_closing()

    async def read_request(self) -> HttpRequest | None:
        """The next request; `None` when the client has left or rests too long. Raises `BadRequest`."""
        try:
            async with asyncio.timeout(IDLE):
                head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too long.") from None
        except (asyncio.IncompleteReadError, TimeoutError):
            return None
        start, *lines = head.decode("latin-1").strip("\r\n").split("\r\n")
        parts = start.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "This is not HTTP/1.1.")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        path, _, query = parts[1].partition("?")
        keep = parts[2] == "HTTP/1.1" and "close" not in headers.get("connection", "").lower()
        return HttpRequest(parts[0], path, query, headers, await self._body(headers), keep)

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if "transfer-encoding" in headers:
            raise BadRequest(HTTPStatus.LENGTH_REQUIRED, "Send the body with a Content-Length.")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "The Content-Length is not a number.")
        if len(length) > 12 or int(length) > MAX_BODY:
            raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.")
        if headers.get("expect", "").lower() == "100-continue":
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(int(length))

    async def send_json(self, status: HTTPStatus, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """A whole response."""
        data = json.dumps(body, ensure_ascii=False).encode()
        more = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
        self.writer.write(self._head(status, more) + data)
        await self._drain()

    async def start_events(self, headers: Mapping[str, str]) -> None:
        """The head of a response of server-sent events. Send them with `send_events`, end with `end_events`."""
        more = {"content-type": "text/event-stream", "cache-control": "no-cache", "transfer-encoding": "chunked"}
        self.writer.write(self._head(HTTPStatus.OK, {**more, **headers}))
        await self._drain()

    async def send_events(self, *events: bytes) -> None:
        """Some events in one piece (chunked coding, RFC 9112 section 7.1). Raises `ConnectionError` for nobody."""
        if self.gone:
            raise ConnectionResetError("the client has left")
        data = b"".join(events)
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self._drain()

    async def end_events(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self._drain()

    async def _drain(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.writer.drain()

    def _head(self, status: HTTPStatus, headers: Mapping[str, str]) -> bytes:
        connection = "keep-alive" if self.keep else "close"
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"connection: {connection}"]
        return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "\r\n"]).encode("latin-1")
