"""Server-sent events, decoded from bytes as the WHATWG standard has it. Pure: bytes in, events out.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
Lines end at CR, LF or CRLF and nowhere else: U+2028 and U+0085 are legal inside JSON, and readers that split text with
`str.splitlines` damage it there. Text is bounded too: Python keeps it as wide as its widest character, so one emoji can
make it four times as large as its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

MAX_EVENT = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_AROUND = " \t\0\ufeff"
"""What stands around a field's name that the standard skips: where JSON follows, a part of a reply would be lost."""


class ServerSentEvent(NamedTuple):
    data: str
    event: str = "message"
    id: str = ""
    retry: int | None = None
    """Milliseconds, where this event set it."""
    replaced: bool = False
    """Whether invalid UTF-8 was replaced by U+FFFD."""


class SSEDecoder:
    """Feed it the stream in any pieces; it gives the events those pieces complete.

    What is not complete is kept as pieces and joined once, when its end is there, so the work is linear however small
    the pieces are. An event larger than `limit` bytes sets `too_big`, and nothing is decoded from there on.

    Args:
        is_whole: whether a line's data is an event by itself. Some servers put no blank lines between their events:
            where the first line of an event is a whole one and more data follows, each line is one from there on.
    """

    def __init__(self, limit: int = MAX_EVENT, is_whole: Callable[[bytes], bool] = lambda data: False) -> None:
        self.too_big = False
        self._limit = limit
        self._is_whole = is_whole
        self._by_line = self._looked = False
        self._seam = b""
        """The last bytes, as long as they may begin a line of data."""
        self._pending: list[bytes] = []
        self._size = 0
        self._start: bytes | None = b""
        """The first bytes, as long as they may be a byte order mark."""
        self._after_cr = False
        self._id = ""

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        if self._start is not None:
            data = self._without_bom(data)
        if self._after_cr or b"\r" in data:
            data = self._with_lf(data)
        if not data or self.too_big:
            return []
        if not self._worth_a_look(data):
            self._keep(data)
            return []
        whole = b"".join([*self._pending, data])
        self._pending, self._size, self._looked = [], 0, False
        *blocks, rest = whole.split(b"\n\n")
        del whole, data  # a block can be as large as all of it
        events = [event for block in blocks if block for event in self._events(block)]
        if rest and not self.too_big:
            self._keep(rest[self._take_lines(rest, events) :])
        return events

    def close(self) -> ServerSentEvent | None:
        """The event the stream broke off in, if any. The standard drops it; a caller who can tell whether it is
        complete may keep it, for it may be the one with the bill."""
        block = (self._start or b"") + b"".join(self._pending)
        self._pending, self._start = [], None
        return self._event(block) if block and not self.too_big else None

    def _keep(self, data: bytes) -> None:
        self._pending.append(data)
        self._size += len(data)
        self.too_big = self._size > self._limit

    def _worth_a_look(self, data: bytes) -> bool:
        """Whether an event may have ended with `data`."""
        seam, self._seam = self._seam + data[:5], (self._seam + data[-5:])[-5:]
        if b"\n\n" in data or (self._pending and data[0] == 10 and self._pending[-1][-1] == 10):
            return True
        if self._by_line:
            return b"\n" in data
        # Once for an event: JSON may truly stand on several lines.
        return not self._looked and (b"\ndata:" in data or b"\ndata:" in seam)

    def _take_lines(self, rest: bytes, events: list[ServerSentEvent]) -> int:
        """Take the events out of an unfinished block in which each line is one. How many bytes were taken."""
        self._looked = rest.count(b"\ndata:") + rest.startswith(b"data:") > 1
        self._by_line = self._by_line or self._starts_with_a_whole_one(rest)
        last = rest.rfind(b"\ndata:", 0, rest.rfind(b"\n")) + 1 if self._by_line else 0
        if not self._by_line or not rest[last:].startswith(b"data:") or b"\n" not in rest[last:]:
            return 0
        end = rest.index(b"\n", last) + 1
        events += self._events(rest[:end])
        return end

    def _events(self, block: bytes) -> list[ServerSentEvent]:
        if b"\ndata:" not in block or not (self._by_line or self._starts_with_a_whole_one(block)):
            event = self._event(block)
            return [] if event is None else [event]
        self._by_line = True
        events, lines = [], []
        for line in block.split(b"\n"):
            lines.append(line)
            if line.startswith(b"data:"):
                events.append(self._event(b"\n".join(lines)))
                lines.clear()
        return [event for event in events if event is not None]

    def _starts_with_a_whole_one(self, block: bytes) -> bool:
        """Whether the first line of data is an event by itself, with more data behind it."""
        start = 0 if block.startswith(b"data:") else block.find(b"\ndata:") + 1
        line, _, rest = block[start:].partition(b"\n")
        return (rest.startswith(b"data:") or b"\ndata:" in rest) and self._is_whole(line.removeprefix(b"data:"))

    def _is_foreign(self, line: str) -> bool:
        """Whether a line that is no field was written by something in between that does not know of streams."""
        return line[:15].lower().startswith(("<html", "<!doctype html")) or self._is_whole(line.encode())

    def _without_bom(self, data: bytes) -> bytes:
        data = (self._start or b"") + data
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._start = data
            return b""
        self._start = None
        return data.removeprefix(_BOM)

    def _with_lf(self, data: bytes) -> bytes:
        """`data` with LF for every line ending, also where a CRLF is cut in two."""
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data[-1] == 13
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _event(self, block: bytes) -> ServerSentEvent | None:
        if len(block) > self._limit:
            self.too_big = True
        if self.too_big:
            return None
        plain = block.startswith(b"data: ") and b"\n" not in block  # what nearly every event is
        decoded = decode_utf8(block, 6 if plain else 0)
        if decoded is None:
            self.too_big = True
            return None
        text, replaced = decoded
        if plain:
            return ServerSentEvent(text, "message", self._id, None, replaced)
        return self._fields(text, replaced)

    def _fields(self, text: str, replaced: bool) -> ServerSentEvent | None:
        data: list[str] = []
        kind, retry = "", None
        for line in text.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match name:
                case "data":
                    data.append(value)
                case "event":
                    kind = value
                case "id" if "\0" not in value:
                    self._id = value
                case "retry" if value.isascii() and value.isdigit():
                    retry = int(value[:15])
                case _ if line.startswith(("{", "<")) and self._is_foreign(line):
                    data.append(line)
                case _ if value[:1] in ("{", "[") and name.strip(_AROUND).lower() == "data":
                    data.append(value)
        return ServerSentEvent("\n".join(data), kind or "message", self._id, retry, replaced) if data else None


LARGE = 1024 * 1024
MAX_DECODED = 16 * 1024 * 1024
"""Bytes one text may take in memory."""
_FOUR = re.compile(rb"[\xf0-\xff]")
_CONTINUED = bytes(range(0x80, 0xC0))


def decode_utf8(data: bytes, start: int = 0) -> tuple[str, bool] | None:
    """The text from `start` on, and whether invalid bytes were replaced by U+FFFD; `None` where too large."""
    if len(data) > LARGE and _size(data) > MAX_DECODED:
        return None
    view = memoryview(data)[start:]
    try:
        return str(view, "utf-8"), False
    except UnicodeDecodeError:
        return str(view, "utf-8", "replace"), True


def _size(data: bytes) -> int:
    """Bytes the text of `data` takes in memory, at most."""
    if data.isascii():
        return len(data)
    # Bytes that go on from another make no character of their own; where they stand alone they do, so not all are
    # taken off.
    characters = len(data.translate(None, _CONTINUED))
    return max(characters, len(data) // 4) * (4 if _FOUR.search(data) else 2)
