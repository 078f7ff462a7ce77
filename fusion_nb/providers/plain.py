"""Text from outside, made fit to be shown as one plain sentence: no tags, no control characters, not too long."""

from __future__ import annotations

import html
import re

_HIDDEN = re.compile(r"<(script|style|head)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^<>]{0,200}>([^<]{0,400})", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,2000}>")
# Escape sequences of terminals: CSI, OSC and friends, then whatever C0, C1 and bidirectional controls are left.
_ESCAPE = re.compile(r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]|\x1b[\]PX^_][^\x07\x1b\x9c]{0,512}(?:\x07|\x1b\\|\x9c)?|\x1b.?")
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_CUT_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,2000}\Z")
_SPACE = re.compile(r"\s+")


def plain(text: str, limit: int = 2000) -> str:
    """`text` on one line, of at most `limit` characters: what a service says of itself is not to be trusted."""
    text = text[: max(8192, 2 * limit)]
    text = _CONTROL.sub("", _ESCAPE.sub("", html.unescape(text)))
    if "<" in text:
        text = _CUT_TAG.sub(" ", _TAG.sub(" ", _HIDDEN.sub(" ", text)))
    text = _SPACE.sub(" ", text).strip()
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def page(text: str) -> str:
    """What a web page says where no web page should be: its title and the first words."""
    title = _TITLE.search(text[:8192])
    words = plain(text, 200)
    named = plain(title[1], 100) if title else ""
    return f"{named}: {words}" if named and not words.startswith(named) else words
