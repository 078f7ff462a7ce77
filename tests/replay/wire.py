"""What goes over the replay server's wire: usage, exact prices, events, and how a reply is cut into pieces."""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any


def price(model: str) -> tuple[Decimal, Decimal]:
    """USD per prompt and per completion token: invented, but always the same for a model, and exact decimals."""
    step = Decimal(zlib.crc32(model.encode()) % 50 + 1)
    return step * Decimal("0.0000001"), step * Decimal("0.0000005")


def usage(model: str, prompt: str, text: str, completion: int | None = None) -> dict[str, Any]:
    """Token counts (a token is four characters, unless the model streams a counted number) and their cost.

    `prompt` is all messages' contents, joined. `Decimal(str(usage["cost"]))` is exact.
    """
    asked, said = len(prompt) // 4, len(text) // 4 if completion is None else completion
    each_in, each_out = price(model)
    return {
        "prompt_tokens": asked,
        "completion_tokens": said,
        "total_tokens": asked + said,
        "cost": float(asked * each_in + said * each_out),
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def cut_text(text: str, how: str) -> list[str]:
    """`text` in deltas. `how`: `words`, `whole`, `chars:N`, or `random:SEED` (0 to 12 characters each)."""
    kind, _, number = how.partition(":")
    if kind == "words":
        return re.findall(r"\s*\S+|\s+", text)
    if kind == "whole":
        return [text] if text else []
    if kind == "chars":
        return [text[at : at + int(number)] for at in range(0, len(text), int(number))]
    if kind == "random":
        rng, pieces, at = random.Random(int(number)), [], 0
        while at < len(text):
            size = rng.randrange(13)
            pieces.append(text[at : at + size])
            at += size
        return pieces
    raise ValueError(f"No such way to cut a text: {how!r}. There are words, whole, chars:N and random:SEED.")


def cut_stream(events: list[bytes], how: str) -> Iterator[bytes]:
    """Events in pieces of the HTTP stream. `how`: `events` (one each), `bytes:N`, or `random:SEED` (1 to 64 bytes).

    The latter two know neither lines nor code points, so both are split anywhere.
    """
    kind, _, number = how.partition(":")
    if kind == "events":
        yield from events
        return
    if kind not in ("bytes", "random"):
        raise ValueError(f"No such way to cut a stream: {how!r}. There are events, bytes:N and random:SEED.")
    data, rng, at = b"".join(events), random.Random(int(number)), 0
    while at < len(data):
        size = int(number) if kind == "bytes" else rng.randrange(1, 65)
        yield data[at : at + size]
        at += size


def frame(data: bytes) -> bytes:
    """One piece of a body in chunked coding, which a client's HTTP library hands on as one piece."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(payload: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


class Events:
    """Events of one reply. What does not change between two chunks is written once: this server must stay light."""

    def __init__(self, generation: str, model: str) -> None:
        self._about = {"id": generation, "provider": "Replay", "model": model, "object": "chat.completion.chunk"}
        mark = "\u0000"
        made = event({**self._about, "choices": [{"index": 0, "delta": {"content": mark}, "finish_reason": None}]})
        self._before, self._after = made.split(json.dumps(mark).encode())

    def text(self, piece: str) -> bytes:
        return self._before + json.dumps(piece, ensure_ascii=False).encode() + self._after

    def end(self, finish: str, used: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
        """The finish reason, then usage with empty `choices`, then `[DONE]`."""
        last = {"index": 0, "delta": {"content": ""}, "finish_reason": finish, "native_finish_reason": finish}
        finished = event({**self._about, "choices": [last]})
        return finished, event({**self._about, "choices": [], "usage": used}), b"data: [DONE]\n\n"
