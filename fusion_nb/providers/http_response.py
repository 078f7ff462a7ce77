"""A response while it arrives, within bounds, and what can go wrong between two machines.

It knows no connection: a `Source` hands the pieces in and says which fault it was.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from fusion_nb.errors import ProviderError

AHEAD = 1024 * 1024
"""Bytes received ahead of whoever reads; the service waits beyond that."""
STEP = 1024 * 1024
MAX_INFLATED = 64 * 1024 * 1024
SLICE = 16 * 1024
LINGER = 0.25
"""Seconds a finished reply's connection is read on, so that it can be used again."""


class Source(Protocol):
    """Where a response's body comes from: it calls `feed()`, then `end()` or `fail()`."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    async def close(self, patience: float) -> None:
        """Let go of the connection, unless the body ends by itself within `patience` seconds."""


class StreamingResponse:
    """Status, headers (names in lower case) and, by `read()`, the body.

    What comes is put down here at once, whoever reads or not: servers send each event as an HTTP chunk, and what is
    cheap in bursts is dear in drops. So a finished reply can be let go while its connection is still read to its end,
    and be used again.
    """

    def __init__(self, status: int, headers: Mapping[str, str], source: Source) -> None:
        self.status, self.headers = status, headers
        self._source = source
        self._inflate = _inflater(headers.get("content-encoding", ""))
        self._ready: list[bytes] = []
        self._size = 0
        self.finished = self._ended = self._paused = False
        self._fault: ProviderError | None = None
        self._news: asyncio.Future[None] | None = None

    def feed(self, piece: bytes) -> None:
        """A piece of the body has come."""
        if self.finished or not piece:
            return
        self._ready.append(piece)
        self._size += len(piece)
        if self._size > AHEAD and not self._paused:
            self._paused = True
            self._source.pause()
        self._tell()

    def end(self) -> None:
        """The body is whole."""
        self._ended = True
        self._tell()

    def fail(self, fault: ProviderError) -> None:
        """The body broke off: told to whoever reads, once, behind what had come."""
        self._fault = fault
        self.end()

    async def read(self) -> bytes:
        """What has arrived since, as one piece; empty at the end. Raises `ProviderError`."""
        while True:
            if self._inflate is not None and self._inflate.pending:
                data = self._inflate.feed(b"")
            else:
                while not (self._ready or self._ended):
                    await self._something()
                if not self._ready:
                    if self._fault is not None:
                        raise self._fault
                    return b""
                data = self._ready[0] if len(self._ready) == 1 else b"".join(self._ready)
                self._empty()
                if self._inflate is not None:
                    data = self._inflate.feed(data)
            if data:
                return data

    async def read_all(self, limit: int) -> bytes:
        """The whole body. Raises `ProviderError` (`too_big`) where it is larger than `limit`."""
        parts: list[bytes] = []
        size = 0
        while data := await self.read():
            parts.append(data)
            size += len(data)
            if size > limit:
                raise ProviderError("too_big", f"The answer is larger than {limit >> 20} MiB.", maybe_billed=True)
        return b"".join(parts)

    async def read_head(self, limit: int, seconds: float) -> bytes:
        """The body's beginning, as far as it comes in time: for what an error says, nothing is worth a long wait."""
        head = b""
        try:
            async with asyncio.timeout(seconds):
                while len(head) < limit and (data := await self.read()):
                    head += data
        except (TimeoutError, ProviderError):
            pass
        return head[:limit]

    def done(self) -> None:
        """Nothing more is wanted: what still comes is dropped, and the connection's end need not be waited for."""
        self.finished = True
        self._empty()

    async def close(self) -> None:
        """Whoever asked leaves: the connection is closed, or read on for a moment where the reply has finished."""
        if not self._ended:
            await self._source.close(LINGER if self.finished else 0.0)

    async def _something(self) -> None:
        """Wait for a piece or the end."""
        self._news = asyncio.get_running_loop().create_future()
        try:
            await self._news
        finally:
            self._news = None

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _empty(self) -> None:
        self._ready, self._size = [], 0
        if self._paused:
            self._paused = False
            self._source.resume()


class _Stored:
    """A body that says it is compressed and is not."""

    eof = False
    unconsumed_tail = unused_data = b""

    def decompress(self, data: memoryview, limit: int) -> bytes:
        return bytes(data[:limit])


class _Inflater:
    """Decompresses a bounded amount at a time: a kilobyte can hold a gigabyte of zeros.

    Members may follow one another (RFC 1952): some servers compress every event by itself.
    """

    def __init__(self, *, deflate: bool) -> None:
        self._zlib: Any = None
        self._deflate = deflate
        self._rest = b""
        """Compressed bytes not yet looked at."""
        self._total = 0

    @property
    def pending(self) -> bool:
        return len(self._rest) > (1 if self._zlib is None else 0)

    def feed(self, data: bytes) -> bytes:
        """At most `STEP` bytes more; call again with nothing while `pending`."""
        rest, out = memoryview(self._rest + data), b""
        if self._zlib is None:
            if len(rest) < 2:
                self._rest = bytes(rest)
                return b""
            self._zlib = self._begin(rest[0], rest[1])
        while rest and not out:
            if self._zlib.eof and not self._next_member(rest):
                self._rest = b""
                return b""
            # In slices: what is behind the end of a member is copied, once for every member.
            out, left = self._inflated(rest[:SLICE])
            rest = rest[len(rest[:SLICE]) - left :]
        self._rest = bytes(rest)
        self._total += len(out)
        if self._total > MAX_INFLATED:
            raise ProviderError(
                "too_big", "The answer unpacks to more than 64 MiB.", status="incomplete", maybe_billed=True
            )
        return out

    def _begin(self, first: int, second: int) -> Any:
        """What unpacks a body that begins with these bytes: headers are often wrong about it."""
        has_zlib_header = first & 15 == 8 and (first << 8 | second) % 31 == 0
        if (first, second) == (0x1F, 0x8B) or has_zlib_header:
            return zlib.decompressobj(wbits=47)
        return zlib.decompressobj(wbits=-15) if self._deflate else _Stored()

    def _next_member(self, data: memoryview) -> bool:
        """Whether another member begins with `data`; what is behind the last one is padding."""
        if data[0] not in (0x1F, 0x78):
            return False
        self._zlib = zlib.decompressobj(wbits=47)
        return True

    def _inflated(self, data: memoryview) -> tuple[bytes, int]:
        """What `data` unpacks to, and how many of its bytes are left."""
        fault = None
        try:
            out = self._zlib.decompress(data, STEP)
        except zlib.error:
            fault = ProviderError("protocol", "The service sent damaged compressed data.", maybe_billed=True)
        if fault is not None:
            raise fault
        return out, len(self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail)


_NO_COMPRESSION = frozenset({"", "identity", "none", "utf-8", "utf8", "binary", "text", "7bit", "8bit", "aws-chunked"})
"""With what servers write there by mistake: an encoding of text is none of a body."""


def _inflater(encoding: str) -> _Inflater | None:
    name = encoding.strip().lower()
    if name in _NO_COMPRESSION:
        return None
    if name in ("gzip", "x-gzip", "deflate"):
        return _Inflater(deflate=name == "deflate")
    raise ProviderError("protocol", "The service compressed its answer in a way nobody asked for.", maybe_billed=True)


class _Failure(NamedTuple):
    sentence: str
    retries: int = 0
    billed: bool = False


_FAILURES = {
    "dns": _Failure("{where} cannot be found: check the network, or the base URL.", 1),
    "connect": _Failure("{where} does not take connections: check that it runs, and the network between.", 2),
    "connect_timeout": _Failure("{where} did not take the connection within 10 s: check the network.", 2),
    "tls": _Failure(
        "The certificate of {where} cannot be trusted ({reason}). Behind a proxy that opens TLS, set SSL_CERT_FILE to "
        "its CA certificate; verification is never switched off."
    ),
    "proxy": _Failure("The proxy did not let the request to {where} through ({reason}): check HTTPS_PROXY.", 1),
    "send": _Failure("The connection to {where} broke while the request was being sent.", 1, True),
    "disconnect": _Failure("{where} closed the connection before the end of its answer.", 2, True),
    "protocol": _Failure("{where} does not answer in proper HTTP ({reason}): check the base URL.", 0, True),
    "unsendable": _Failure("The request to {where} cannot be sent ({reason})."),
}


def transport_error(kind: str, where: str, reason: str = "") -> ProviderError:
    """The fault of the class `kind`. `reason`: a few words, already harmless."""
    failure = _FAILURES[kind]
    return ProviderError(
        "protocol" if kind == "unsendable" else kind,
        failure.sentence.format(where=where, reason=reason or "no reason given"),
        retryable=failure.retries > 0,
        max_retries=failure.retries,
        maybe_billed=failure.billed,
    )
