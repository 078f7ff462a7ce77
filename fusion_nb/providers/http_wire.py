"""One connection straight to a service: HTTP/1.1, one exchange after the other.

httptools (llhttp, the parser of Node) reads the answers, at its strictest: both a length and chunks, two lengths, a
bare line feed, a folded header are no proper HTTP. What arrives is put into the response at once; there is no task
between. A connection is used again only after an answer that was whole, with nothing behind it.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Any

import httptools

from fusion_nb.errors import ProviderError
from fusion_nb.providers.http_response import StreamingResponse, transport_error
from fusion_nb.providers.redaction import one_line

QUIET = 100 * 1024
"""Bytes in which no part of a body comes: headers, trailers, what else servers put between."""
STALLED = 60.0
"""Seconds in which no byte of a request gets out."""


class Connection(asyncio.Protocol):
    """
    Args:
        where: the service's host, for people.
        idle: told when the connection can be used again.
        lost: told when it is closed.
    """

    def __init__(self, where: str, idle: Callable[[Connection], None], lost: Callable[[Connection], None]) -> None:
        self._where, self._idle, self._lost = where, idle, lost
        self._transport: asyncio.Transport | None = None
        self._answer: _Answer | None = None
        self._sending: asyncio.TimerHandle | None = None
        """Set while some of the request has not gone out."""
        self._unsent = 0
        self._quiet = self._uses = 0
        self.closed = False

    async def ask(self, head: Callable[[], bytes], content: bytes) -> StreamingResponse:
        """Send a request and wait for the head of the answer. Raises `ProviderError`."""
        if self._transport is None or self.closed:
            raise transport_error("connect", self._where)
        answer = self._answer = _Answer(self)
        self._quiet = 0
        self._uses += 1
        try:
            self._transport.write(head() + content)
            response = await answer.head
        except BaseException:
            self.drop(answer)
            raise
        if isinstance(response, ProviderError):
            raise response
        return response

    def has_news(self) -> bool:
        """Whether something has come that the loop has not told yet: of an idle connection, mostly its end."""
        sock = None if self._transport is None else self._transport.get_extra_info("socket")
        return sock is None or _readable(sock)

    def drop(self, answer: _Answer) -> None:
        """Close the connection, if that answer is still on it."""
        if self._answer is answer:
            self._answer = None
            self.abort()

    def abort(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def hold_back(self, answer: _Answer, *, on: bool) -> None:
        """Let the service wait until somebody reads, or go on."""
        if self._answer is answer and self._transport is not None and not self.closed:
            if on:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._transport.set_write_buffer_limits(high=1, low=0)  # type: ignore[union-attr]

    def pause_writing(self) -> None:
        self._watch_sending()

    def resume_writing(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:  # nobody asked for it
            self.abort()
            return
        wrong = answer.feed(data)
        self._quiet = 0 if answer.has_moved() else self._quiet + len(data)
        if wrong is not None:
            self._break(answer, wrong)
        elif answer.whole:
            self._over(answer)
        elif self._quiet > QUIET:
            self._break(answer, transport_error("protocol", self._where, "its headers are too long"))

    def eof_received(self) -> None:
        self._ended(cleanly=True)
        self.closed = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(cleanly=exc is None)
        self.closed = True
        self.resume_writing()
        self._transport = None
        self._lost(self)

    def refused(self, error: Exception) -> ProviderError:
        """The fault of an answer that cannot be parsed."""
        return transport_error("protocol", self._where, one_line(str(error), 200))

    def _ended(self, *, cleanly: bool) -> None:
        """Nothing more will come."""
        answer = self._answer
        if answer is None:
            return
        if cleanly and answer.until_the_end:
            self.closed = True
            answer.end()
            self._over(answer)
        else:
            fault = transport_error("disconnect" if self._sending is None else "send", self._where)
            fault.stale = self._uses > 1 and not answer.begun
            self._break(answer, fault)

    def _over(self, answer: _Answer) -> None:
        self._answer = None
        if answer.reusable and self._sending is None and not self.closed:
            if self._transport is not None:
                self._transport.resume_reading()
            self._idle(self)
        else:
            self.abort()

    def _break(self, answer: _Answer, fault: ProviderError) -> None:
        self.drop(answer)
        answer.fail(fault)

    def _watch_sending(self) -> None:
        """Give up on a request of which nothing gets out any more."""
        self._unsent, before = self._transport.get_write_buffer_size() if self._transport else 0, self._unsent
        if self._sending is not None and self._unsent == before and self._answer is not None:
            self._break(self._answer, transport_error("send", self._where))
            return
        self._sending = asyncio.get_running_loop().call_later(STALLED, self._watch_sending)


class _Answer:
    """One answer, while it is parsed; the source of its response."""

    def __init__(self, connection: Connection) -> None:
        self.head: asyncio.Future[StreamingResponse | ProviderError] = asyncio.get_running_loop().create_future()
        self.begun = self.whole = False
        self._connection = connection
        self._parser = httptools.HttpResponseParser(self)
        self._response: StreamingResponse | None = None
        self._headers: dict[str, str] = {}
        self._keep_alive = self._moved = self._behind = False
        self._fault: ProviderError | None = None

    def feed(self, data: bytes) -> ProviderError | None:
        """Parse what has come. Returns what is wrong with it."""
        self.begun = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.whole:
                return self._fault or self._connection.refused(error)
            self._behind = True
        return self._fault

    def has_moved(self) -> bool:
        """Whether some of the body came since it was asked."""
        moved, self._moved = self._moved, False
        return moved

    @property
    def reusable(self) -> bool:
        return self.whole and self._keep_alive and not self._behind

    @property
    def until_the_end(self) -> bool:
        """Whether the body is what comes until the connection is closed."""
        return self._response is not None and not {"content-length", "transfer-encoding"} & self._headers.keys()

    def end(self) -> None:
        self.whole = True
        if self._response is not None:
            self._response.end()

    def fail(self, fault: ProviderError) -> None:
        if self._response is not None:
            self._response.fail(fault)
        if not self.head.done():
            self.head.set_result(fault)

    # The source of a response.

    def pause(self) -> None:
        self._connection.hold_back(self, on=True)

    def resume(self) -> None:
        self._connection.hold_back(self, on=False)

    async def close(self, patience: float) -> None:
        if patience:
            asyncio.get_running_loop().call_later(patience, self._connection.drop, self)
        else:
            self._connection.drop(self)

    # What the parser tells.

    def on_message_begin(self) -> None:
        self._behind = self.whole

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._response is None and not self.whole:
            key, said = name.decode("latin-1").lower(), _text(value)
            self._headers[key] = f"{self._headers[key]}, {said}" if key in self._headers else said

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self.whole or (100 <= status < 200 and status != 101):
            return
        coding = self._headers.get("transfer-encoding", "chunked").lower()
        if status == 101 or coding != "chunked" or self._parser.get_http_version() not in ("1.0", "1.1"):
            self._fault = self._connection.refused(ValueError("a protocol or a coding that nobody asked for"))
            return
        try:
            self._response = StreamingResponse(status, self._headers, self)
        except ProviderError as fault:
            self._fault = fault.with_traceback(None)
            return
        if not self.head.done():
            self.head.set_result(self._response)

    def on_body(self, data: bytes) -> None:
        self._moved = True
        if self._response is not None and not self.whole:
            self._response.feed(data)

    def on_message_complete(self) -> None:
        if self._response is None:  # 100 Continue and its like
            self._headers.clear()
        elif not self.whole:
            self._keep_alive = self._parser.should_keep_alive()
            self.end()


def _readable(sock: Any) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8").strip()
    except UnicodeDecodeError:
        return value.decode("latin-1").strip()
