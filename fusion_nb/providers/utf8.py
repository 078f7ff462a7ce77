"""Bytes to text, within bounds: Python keeps a text as wide as its widest character, so one emoji can make it four
times as large as its bytes. Pure."""

from __future__ import annotations

import re

LARGE = 1024 * 1024
MAX_DECODED = 16 * 1024 * 1024
"""Bytes one text may take in memory."""
_FOUR = re.compile(rb"[\xf0-\xff]")
_CONTINUED = bytes(range(0x80, 0xC0))


def decoded(data: bytes, start: int = 0) -> tuple[str, bool] | None:
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
