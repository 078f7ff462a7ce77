"""Text on its way into chunks: what comes together goes together, bounded, without halves of characters. Pure."""

from __future__ import annotations

from collections.abc import Callable

from fusion_nb._types import Channel, Chunk

STEP = 256 * 1024
"""Characters of one chunk at most: whoever comes next makes copies of it."""


class RunOfText:
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
