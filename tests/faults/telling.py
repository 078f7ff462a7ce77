"""One answer on its way: cut into pieces, sent, and ended as the scenario has it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator

from tests.faults.answer import Answer
from tests.faults.listeners import PORTS

APART = 0.004
"""Seconds between two pieces that must not arrive together."""
BEFORE_RESET = 0.2
"""Seconds for a client to read what it was sent: a reset takes back what is still on the way."""


class Telling:
    """`cut`: `whole` (one piece), `bytes` (each byte an HTTP chunk), `split-N` (two pieces, apart)."""

    def __init__(
        self,
        answer: Answer,
        cut: str,
        authorization: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        count: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.answer, self.cut = answer, cut
        self._key = authorization.removeprefix("Bearer ").encode()
        self.reader, self.writer = reader, writer
        self.count = count
        """Is told how many bytes went out, as they do."""

    async def tell(self) -> bool:
        """Whether the connection can take another request."""
        answer = self.answer
        if answer.framing != "none":
            body = quoted(answer.body, self._key)
            if answer.framing != "raw":
                await self._send(self._head(body))
            await self._body(body)
        if answer.again:
            await self._for_ever()
            return False
        if answer.end == "hold":
            await self.reader.read(1)
        elif answer.end == "reset":
            await asyncio.sleep(BEFORE_RESET if answer.body else 0)
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        elif answer.end == "end" and answer.framing == "chunked":
            await self._send(b"0\r\n\r\n")
        return answer.end == "end" and answer.framing in ("chunked", "length")

    async def _body(self, body: bytes) -> None:
        apart = self.cut.startswith("split")
        for piece in pieces(body, self.cut):
            await self._piece(piece)
            await asyncio.sleep(APART if apart else 0)

    async def _piece(self, piece: bytes) -> None:
        if self.answer.framing == "chunked":
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        await self._send(piece)

    async def _for_ever(self) -> None:
        piece = self.answer.again
        while not (self.reader.at_eof() or self.writer.is_closing()):
            await self._piece(piece)
            await asyncio.sleep(self.answer.every)

    async def _send(self, data: bytes) -> None:
        self.writer.write(data)
        self.count(len(data))
        await self.writer.drain()

    def _head(self, body: bytes) -> bytes:
        answer = self.answer
        lines = [f"HTTP/1.1 {answer.status} Some", f"content-type: {answer.kind}"]
        if answer.framing == "chunked":
            lines.append("transfer-encoding: chunked")
        elif answer.framing == "length":
            lines.append(f"content-length: {len(body) + answer.short}")
        else:
            lines.append("connection: close")
        lines += [
            f"{name}: {value.replace('$ELSEWHERE', str(PORTS.get('elsewhere')))}" for name, value in answer.headers
        ]
        return quoted(("\r\n".join(lines) + "\r\n\r\n").encode(), self._key)


def quoted(body: bytes, key: bytes) -> bytes:
    """A service that quotes the key it was sent, whole or in two parts, wherever the scenario wants it."""
    half = len(key) // 2
    return body.replace(b"$KEY1", key[:half]).replace(b"$KEY2", key[half:]).replace(b"$KEY", key)


def pieces(body: bytes, cut: str) -> Iterator[bytes]:
    kind, _, at = cut.partition("-")
    if kind == "bytes":
        yield from (body[i : i + 1] for i in range(len(body)))
    elif kind == "split":
        yield from (piece for piece in (body[: int(at)], body[int(at) :]) if piece)
    elif body:
        yield body
