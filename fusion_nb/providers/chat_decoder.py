"""The chat-completions wire, apart from the socket: bytes in, chunks out, tested byte by byte.

Whatever comes ends in a chunk or a fault, never in an exception: text that arrived is kept, what nobody can read is
skipped and said, and a reply that is not known to be whole is `incomplete`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

from fusion_nb.core import Chunk
from fusion_nb.core.json_codec import decode_service_json
from fusion_nb.errors import ProviderError
from fusion_nb.providers import error_bodies, provider_errors
from fusion_nb.providers.chat_response import ReplyReader
from fusion_nb.providers.provider_errors import Target
from fusion_nb.providers.redaction import page_text
from fusion_nb.providers.sse import MAX_EVENT, ServerSentEvent, SSEDecoder, decode_utf8

_BAD_EVENTS = 3
"""Unreadable events before any text: nothing else is to be expected."""
_BLANK = 4096
"""Blank bytes before it is called a stream: they could go on for ever."""
_WORDS = 8192
"""Bytes read of what is no reply, to tell what it is."""
_BOM = b"\xef\xbb\xbf"
_FRAMES = re.compile(r"\A(?:data:\s*)+")


class ChatDecoder:
    """One reply. `feed()` bytes as they come until `done`, then `end()`, then look at `fault`.

    Args:
        target: who is asked for what.
        content_type: of the response; its first byte is trusted more.
        requested_tags: see `thoughts.requested_tags`.
    """

    def __init__(
        self, target: Target, content_type: str = "text/event-stream", requested_tags: Collection[str] = ()
    ) -> None:
        self.done = False
        """Whether everything was said, however long the connection stays open."""
        self._target = target
        self._is_stream = content_type.lower().startswith("text/event-stream")
        self._reader = ReplyReader(target, requested_tags)
        self._sse = SSEDecoder(is_whole=lambda line: isinstance(_json(line.decode(errors="replace")), dict))
        self._form: Literal["sse", "json", "other"] | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._bad = 0
        self._bad_words = ""
        """What the first unreadable event held."""
        self._marked = False
        """Whether the end was marked: `[DONE]`, or a body in one piece."""
        self._one_piece = False

    @property
    def fault(self) -> ProviderError | None:
        return self._reader.fault

    @property
    def finished(self) -> bool:
        """Whether a reason to finish was given that can be trusted: no more text follows, at most the bill."""
        return self._reader.finished and (self._marked or not self._reader.unreliable)

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
        if self.fault is None:
            self._check_end()
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
        # Some gateways put the frame of an event around an event.
        reader, data = self._reader, _FRAMES.sub("", event.data, count=1)
        if event.replaced:
            reader.warn("bad_utf8")
        payload = _json(data)
        if event.event == "error":
            error = data if payload is UNREADABLE else error_bodies.error_in(payload) or payload or data
            reader.stop(provider_errors.of_error(error, self._target))
        elif payload.__class__ is dict:
            reader.read(payload, data)
        elif isinstance(payload, list) and any(isinstance(each, dict) for each in payload):
            self._read_each(payload)
        elif (payload if isinstance(payload, str) else data).strip().upper() in ("[DONE]", "DONE"):
            self.done = self._marked = True
        elif payload is not UNREADABLE:
            return  # a word, a number, `null`: it keeps the connection alive
        elif events := _lines(data) or _objects(data):
            for each in events:
                self._take(ServerSentEvent(each, event.event))
        elif _set_out_to_be_an_object(data):
            self._damage(data)
        if reader.fault is not None:
            self.done = True

    def _read_each(self, payloads: list[Any]) -> None:
        for each in payloads:
            self._reader.read(each if isinstance(each, dict) else {})

    def _damage(self, data: str) -> None:
        """An event that should have held a part of the reply cannot be read: what else comes is kept."""
        self._bad += 1
        self._bad_words = self._bad_words or self._target.clean(data, 120)
        self._reader.warn("bad_event")
        self._reader.text.flush()
        if self._bad >= _BAD_EVENTS and not self._reader.text.any:
            self._fail_damaged()

    def _fail_damaged(self) -> None:
        text = self._reader.text.any
        end = "text may be missing" if text else "no text could be read"
        detail = f"Part of what {self._target.service} sent cannot be read ({self._bad_words}): {end}."
        self._reader.fail("bad_event", detail, status="incomplete" if text else "error")

    def _take_unfinished(self) -> None:
        """The event a stream broke off in: kept where it is whole, for it may be the one with the bill."""
        event = self._sse.close()
        if event is None:
            return
        if _json(event.data).__class__ is dict or "[DONE]" in event.data[-20:] or _lines(event.data):
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
        decoded = decode_utf8(body, len(_BOM) if body.startswith(_BOM) else 0)
        if decoded is None:
            self._reader.fail("too_big", "It sent a body of more than 16 MiB.", status="incomplete")
            return
        del body
        self.done = self._marked = True
        text = decoded[0]
        payload = _json(text)
        replied = isinstance(payload, Mapping) and payload.get("choices")
        error = None if replied else error_bodies.error_in(payload, whole=True)
        if error is not None:
            self._reader.stop(provider_errors.of_error(error, self._target))
        elif isinstance(payload, list) and any(isinstance(each, dict) and "choices" in each for each in payload):
            self._marked = False  # a stream whose frame is a list
            self._read_each(payload)
        elif isinstance(payload, dict):
            self._one_piece = True
            self._reader.warn("not_streamed")
            self._reader.read(payload, text)
        elif lines := _lines(text) or _objects(text):
            self._marked = False  # one object a line: a stream without the frame of one
            for line in lines:
                self._take(ServerSentEvent(line))
        else:
            self._reader.fail(
                "protocol", f"{self._target.service} answered with JSON that is no reply: check the base URL."
            )

    def _check_end(self) -> None:
        """Whether what came can be taken for a whole reply: only where that is known."""
        reader, text = self._reader, self._reader.text.any
        if self._bad:
            self._fail_damaged()
        elif self.finished:
            return
        elif not text:
            words = f" but this: {reader.notice}" if reader.notice else ""
            reader.fail("empty", f"It answered with nothing{words or '.'}", status="empty", retryable=True)
        elif self._marked or reader.finished:
            reader.warn("no_finish")
            if self._one_piece:  # JSON that has its end: nothing of it was lost on the way
                return
            reader.fail(
                "no_finish",
                f"{self._target.service} did not say why the reply ended: it may be cut off.",
                status="incomplete",
            )
        else:
            reader.fail("truncated", "The stream ended in the middle: something is missing.", status="incomplete")


UNREADABLE = object()


def _json(text: str) -> Any:
    """What `text` says, or `UNREADABLE`."""
    try:
        return decode_service_json(text)
    except ValueError:
        return UNREADABLE


def _lines(text: str) -> list[str]:
    """The lines of a text in which each line is an event; none where one is not."""
    lines = [line for line in text.split("\n") if line.strip()] if "\n" in text else []
    whole = all(
        _json(line).__class__ is dict or "[DONE]" in line or not _set_out_to_be_an_object(line) for line in lines
    )
    return lines if whole and any(line.lstrip().startswith("{") for line in lines) else []


def _objects(text: str) -> list[str]:
    """The objects of a text that holds one behind the other and nothing else; none where it holds something else."""
    text, objects = text.strip(), []
    if not text.startswith("{") or not re.search(r"\}\s*\{", text):
        return []
    decoder = json.JSONDecoder()
    at = 0
    while at < len(text):
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return []
        objects.append(text[at:end])
        at = end + len(text[end : end + 64]) - len(text[end : end + 64].lstrip())
    return objects if len(objects) > 1 and all(each.startswith("{") for each in objects) else []


def _set_out_to_be_an_object(data: str) -> bool:
    """Whether data was meant to hold a part of the reply. Words, numbers and `null` keep a connection alive."""
    begins = data.lstrip()[:15].lower().startswith(("{", "[", "<html", "<!doctype html"))
    return begins or any(name in data for name in ('"choices"', '"content"', '"delta"'))
