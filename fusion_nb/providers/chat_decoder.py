"""The chat-completions wire, apart from the socket: bytes in, chunks out, tested byte by byte.

Whatever comes ends in a chunk or a fault, never in an exception: text that arrived is kept, what nobody can read is
skipped and said, what was promised and did not come is `incomplete`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fusion_nb.core import Chunk
from fusion_nb.core.json_codec import decode_service_json
from fusion_nb.errors import ProviderError
from fusion_nb.providers import faults
from fusion_nb.providers.chat_response import ReplyReader
from fusion_nb.providers.faults import Target
from fusion_nb.providers.sse import MAX_EVENT, ServerSentEvent, SSEDecoder, decode_utf8
from fusion_nb.providers.text_chunks import page_text

_BAD_EVENTS = 3
_BLANK = 4096
"""Blank bytes before it is called a stream: they could go on for ever."""
_WORDS = 8192
"""Bytes read of what is no reply, to tell what it is."""
_BOM = b"\xef\xbb\xbf"


class ChatDecoder:
    """One reply. `feed()` bytes as they come until `done`, then `end()`, then look at `fault`.

    Args:
        target: who is asked for what.
        content_type: of the response; its first byte is trusted more.
    """

    def __init__(self, target: Target, content_type: str = "text/event-stream") -> None:
        self.done = False
        """Whether everything was said, however long the connection stays open."""
        self._target = target
        self._is_stream = content_type.lower().startswith("text/event-stream")
        self._reader = ReplyReader(target)
        self._sse = SSEDecoder()
        self._form: Literal["sse", "json", "other"] | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._bad = 0
        self._last_bad = False

    @property
    def fault(self) -> ProviderError | None:
        return self._reader.fault

    @property
    def finished(self) -> bool:
        """Whether a reason to finish was given: no more text follows, at most the bill."""
        return self._reader.finished

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks these bytes complete."""
        if self.done:
            return []
        if self._form is None:
            data = self._sniff(data)
        if self._form in ("json", "other"):
            self._collect(data)
        elif self._form == "sse":
            self._stream(data)
        return self._reader.taken()

    def end(self) -> list[Chunk]:
        """The last chunks, now that the connection has ended or everything was said."""
        if self._form == "json" and not self.done:
            self._read_body()
        elif self._form == "sse" and not self.done:
            self._take_unfinished()
        elif self._form == "other":
            self._refuse()
        self._reader.close()
        if self.fault is None and not self.finished:
            self._judge_end()
        return self._reader.taken()

    def _stream(self, data: bytes) -> None:
        for event in self._sse.feed(data):
            if self.done:
                return
            self._take(event)
        if self._sse.too_big and not self.done:
            self._reader.fail("too_big", "It sent a single event of more than 16 MiB.", status="incomplete")
            self.done = True

    def _take(self, event: ServerSentEvent) -> None:
        reader, data = self._reader, event.data
        if event.replaced:
            reader.warn("bad_utf8")
        said = _json(data)
        if event.event == "error":
            reader.stop(faults.of_error(faults.error_in(said) or said or data, self._target))
        elif said.__class__ is dict:
            self._last_bad = False
            reader.read(said)
        elif data.strip() == "[DONE]":
            self.done = True
        elif data.strip():
            self._bad += 1
            self._last_bad = True
            reader.warn("bad_event")
            if self._bad >= _BAD_EVENTS:
                reader.fail("bad_event", "Three of its events could not be read.", status="incomplete")
        if reader.fault is not None:
            self.done = True

    def _take_unfinished(self) -> None:
        """The event a stream broke off in: kept where it is whole, for it may be the one with the bill."""
        event = self._sse.close()
        if event is not None and (event.data.strip() == "[DONE]" or isinstance(_json(event.data), dict)):
            self._reader.warn("unterminated_event")
            self._take(event)

    def _sniff(self, data: bytes) -> bytes:
        """What kind of body this is, by its first byte: headers are often wrong about it. The bytes to decode."""
        self._body.append(data)
        begin = b"".join(self._body).removeprefix(_BOM)
        marked = begin.startswith(_BOM)
        while begin.startswith(_BOM):  # a gateway put its own before the service's: the first words hang on it
            begin = begin.removeprefix(_BOM)
        start = begin.lstrip()[:1]
        if _BOM.startswith(begin[:3]) or (not start and len(begin) < _BLANK):
            return b""
        if marked:
            self._reader.warn("extra_bom")
        if start and start in b"{[":
            self._form = "json"
        elif start in b"d:eir" or (self._is_stream and start != b"<"):
            self._form = "sse"
        else:
            self._form = "other"
        self._body.clear()
        return begin

    def _collect(self, data: bytes) -> None:
        self._body.append(data)
        self._size += len(data)
        if self._form == "other" and self._size > _WORDS:
            self._refuse()
        elif self._size > MAX_EVENT:
            self._reader.fail("too_big", "It sent a body of more than 16 MiB.", status="incomplete")
            self.done = True

    def _refuse(self) -> None:
        """Neither a stream nor JSON: its first words say what it is."""
        words = self._target.clean(page_text(b"".join(self._body).decode(errors="replace")), 300)
        self._reader.fail(
            "not_sse",
            f"{self._target.service} answered with something that is no reply ({words}): check the base URL, and "
            "whether a login page stands in between.",
        )
        self.done = True

    def _read_body(self) -> None:
        """A reply in one piece, or an error under the status of a success."""
        body = b"".join(self._body)
        self._body.clear()
        found = decode_utf8(body, len(_BOM) if body.startswith(_BOM) else 0)
        if found is None:
            self._reader.fail("too_big", "It sent a body of more than 16 MiB.", status="incomplete")
            return
        del body
        said = _json(found[0])
        replied = isinstance(said, Mapping) and said.get("choices")
        error = None if replied else faults.error_in(said)
        if error is not None:
            self._reader.stop(faults.of_error(error, self._target))
        elif isinstance(said, dict):
            self._reader.warn("not_streamed")
            self._reader.read(said)
        else:
            self._reader.fail(
                "protocol", f"{self._target.service} answered with JSON that is no reply: check the base URL."
            )
        self.done = True

    def _judge_end(self) -> None:
        """No reason to finish was given: whether that can be taken for a whole reply."""
        reader, text = self._reader, self._reader.text.any
        if self._last_bad and text:
            reader.fail("bad_event", "Its last event could not be read: something is missing.", status="incomplete")
        elif not text:
            reader.fail("empty", "It answered with nothing.", status="empty", retryable=True)
        elif self.done:
            reader.warn("no_finish")
        else:
            reader.fail("truncated", "The stream ended in the middle: something is missing.", status="incomplete")


def _json(text: str) -> Any:
    try:
        return decode_service_json(text)
    except ValueError:
        return None
