"""Text on its way into chunks: what comes together goes together, bounded, without halves of characters. Pure.

Text from outside, made fit to be shown as one plain sentence: no tags, no control characters, not too long.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from fusion_nb.core import Channel, Chunk

STEP = 256 * 1024
"""Characters of one chunk at most: whoever comes next makes copies of it."""


class TextBatcher:
    """Joins pieces of the same channel until `flush()`; the chunks go to `out`, in order."""

    def __init__(
        self,
        out: list[Chunk],
        limit: int,
        hide: Callable[[str], str] = str,
        begins: Callable[[str], int] = lambda text: 0,
    ) -> None:
        self.any = False
        """Whether content was said."""
        self.full = False
        self._out, self._left = out, limit
        self._hide, self._begins = hide, begins
        self._channel: Channel = "content"
        self._pieces: list[str] = []
        self._half = self._held = ""

    def say(self, channel: Channel, text: str) -> None:
        if channel != self._channel:
            self.flush()
            self._rest()
            self._channel = channel
        self._left -= len(text)
        if self._left < 0:
            self.full = True
            text = text[: self._left]
        self._pieces.append(text)
        if channel == "content":
            self.any = True

    def flush(self) -> None:
        """Make a chunk of what is there."""
        if not self._pieces:
            return
        text = self._pieces[0] if len(self._pieces) == 1 else "".join(self._pieces)
        self._pieces.clear()
        if self._half or not text.isascii():
            text = self._whole(text)
        if self._held:
            text, self._held = self._held + text, ""
        # What may go on as the key that was sent is held back until it does not.
        held = self._begins(text)
        if held:
            text, self._held = text[:-held], text[-held:]
        self._give(text)

    def close(self) -> None:
        self.flush()
        self._rest()

    def _give(self, text: str) -> None:
        text = self._hide(text)
        for at in range(0, len(text), STEP):
            self._out.append(Chunk(text[at : at + STEP], self._channel))

    def _whole(self, text: str) -> str:
        """Surrogates joined to characters: some servers cut a reply between the two halves of one."""
        text, self._half = self._half + text, ""
        try:
            text.encode()
        except UnicodeEncodeError:
            if "\ud800" <= text[-1] <= "\udbff":
                text, self._half = text[:-1], text[-1]
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    def _rest(self) -> None:
        """Nothing follows in this channel: what was held back is all there is, and half a character is none."""
        self._give(self._held + ("\ufffd" if self._half else ""))
        self._held = self._half = ""


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


def one_line(text: str, limit: int = 2000) -> str:
    """`text` on one line, of at most `limit` characters: what a service says of itself is not to be trusted."""
    text = text[: max(8192, 2 * limit)]
    text = _CONTROL.sub("", _ESCAPE.sub("", html.unescape(text)))
    if "<" in text:
        text = _CUT_TAG.sub(" ", _TAG.sub(" ", _HIDDEN.sub(" ", text)))
    text = _SPACE.sub(" ", text).strip()
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def page_text(text: str) -> str:
    """What a web page says where no web page should be: its title and the first words."""
    title = _TITLE.search(text[:8192])
    words = one_line(text, 200)
    named = one_line(title[1], 100) if title else ""
    return f"{named}: {words}" if named and not words.startswith(named) else words
