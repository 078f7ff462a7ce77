"""The text of one reply on its way into chunks: told once, thoughts apart, whole characters, no key. Pure.

What comes together goes together, bounded. Thoughts that a model writes into its text go to `reasoning`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from fusion_nb.core import Channel, Chunk
from fusion_nb.providers.inline_thoughts import THOUGHT_ENDED, ThoughtFilter

STEP = 256 * 1024
"""Characters of one chunk at most: whoever comes next makes copies of it."""
_KEPT = 1024 * 1024
"""Characters of a text that are kept to compare with: a longer one is not looked at any more."""
_MIN_REPEATED = 32
"""Characters a text has at least before the same words a second time count as the same text told again."""


class TextBatcher:
    """Joins pieces of the same channel until `flush()`; the chunks go to `out`, in order.

    Args:
        limit: characters of all channels together.
        hide, begins: take the key that was sent out of a text, and tell what may be the beginning of it.
        requested_tags: names of tags that the prompt itself holds (see `thoughts`).
    """

    def __init__(
        self,
        out: list[Chunk],
        limit: int,
        hide: Callable[[str], str] = str,
        begins: Callable[[str], int] = lambda text: 0,
        requested_tags: Collection[str] = (),
    ) -> None:
        self.any = False
        """Whether content was written."""
        self.full = False
        self._out, self._left = out, limit
        self._hide, self._begins = hide, begins
        self._thoughts = ThoughtFilter(requested_tags)
        self._channel: Channel = "content"
        """Of the pieces that wait."""
        self._last: Channel = "content"
        """Of the last chunk: the channel that what is withheld belongs to."""
        self._pieces: list[str] = []
        self._half = self._withheld = ""

    def write(self, channel: Channel, text: str) -> None:
        if channel != self._channel:
            self.flush()
            self._channel = channel
        self._left -= len(text)
        if self._left < 0:
            self.full = True
            text = text[: self._left]
        self._pieces.append(text)

    def flush(self) -> None:
        """Make chunks of what is there."""
        if not self._pieces:
            return
        text = self._pieces[0] if len(self._pieces) == 1 else "".join(self._pieces)
        self._pieces.clear()
        if self._channel != "content":
            self._deliver("reasoning", text)
            return
        for kind, piece in self._thoughts.feed(text):
            self._deliver(kind, piece)

    def close(self) -> None:
        """No more text comes."""
        self.flush()
        for kind, piece in self._thoughts.close():
            self._deliver(kind, piece)
        self._rest()

    def _deliver(self, kind: str, text: str) -> None:
        if kind == THOUGHT_ENDED:
            self._rest()
            self._out.append(Chunk(thought_ended=True))
            self.any = False
            return
        channel: Channel = "reasoning" if kind == "reasoning" else "content"
        if channel != self._last:
            self._rest()
            self._last = channel
        self.any = self.any or channel == "content"
        if self._half or not text.isascii():
            text = self._whole(text)
        if self._withheld:
            text, self._withheld = self._withheld + text, ""
        # What may go on as the key that was sent is held back until it does not.
        size = self._begins(text)
        if size:
            text, self._withheld = text[:-size], text[-size:]
        self._emit(text)

    def _emit(self, text: str) -> None:
        text = self._hide(text)
        for at in range(0, len(text), STEP):
            self._out.append(Chunk(text[at : at + STEP], self._last))

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
        self._emit(self._withheld + ("\ufffd" if self._half else ""))
        self._withheld = self._half = ""


class RepetitionFilter:
    """Text that some services tell again, kept once: each piece holds all text so far, or the last one does.

    A reply may truly repeat itself, so that one piece which begins like the text so far is no proof: it waits for what
    follows. Three pieces that each begin with the one before, or a last piece that is all text so far, are.
    """

    def __init__(self) -> None:
        self.warning: str | None = None
        """What is to be told about it, once the text has ended."""
        self._parts: list[str] = []
        self._size = 0
        self._waiting: list[str] = []
        """Pieces that each begin with the one before, the first with all the text so far."""
        self._cumulative = False

    def piece(self, text: str) -> str:
        """What is new in a piece, as far as that is known."""
        if self._size > _KEPT:
            return text
        if self._cumulative:
            return self._next_version(text)
        if self._waiting:
            return self._after_waiting(text)
        if len(text) < self._size or not self._size or not text.startswith(self._so_far()):
            return self._accept(text)
        again = len(text) == self._size
        if again and (self._size < _MIN_REPEATED or len(self._parts) < 3):
            return self._accept(text)
        self._waiting.append(text)
        return ""

    def whole(self, text: str) -> str:
        """What is new in a text that is the whole reply."""
        if self._size > _KEPT:
            return ""
        before, waiting = self._so_far(), "".join(self._waiting)
        self._waiting.clear()
        if text.startswith(before):
            return self._accept(text[len(before) :])
        if before.split() == text.split() or (text.strip() and before.rstrip().endswith(text.strip())):
            return ""  # the same words, or the answer behind a thought that was written before it
        if (before + waiting).split() != text.split():
            self.warning = "told_differently"
        return self._accept(waiting)

    def close(self) -> str:
        """What was held back and is part of the text after all."""
        if not self._waiting:
            return ""
        before, waiting = self._so_far(), "".join(self._waiting)
        self._waiting.clear()
        if len(self._parts) >= 3 and self._size >= _MIN_REPEATED:
            self.warning = "told_twice"
            return self._accept(waiting[len(before) :])
        if _distinct(before):
            self.warning = "maybe_told_twice"
        return self._accept(waiting)

    def _after_waiting(self, text: str) -> str:
        last = self._waiting[-1]
        if len(last) > self._size and len(text) > len(last) and text.startswith(last):
            self._waiting.append(text)
            if not _distinct(last):
                return ""
            self._cumulative, self.warning = True, "told_twice"
            self._waiting.clear()
            return self._next_version(text)
        waiting = "".join(self._waiting)
        self._waiting.clear()
        return self._accept(waiting) + self.piece(text)

    def _next_version(self, text: str) -> str:
        before = self._so_far()
        if text.startswith(before):
            return self._accept(text[len(before) :])
        if before.startswith(text):
            return ""
        self._cumulative = False
        return self._accept(text)

    def _accept(self, text: str) -> str:
        self._size += len(text)
        if self._size > _KEPT:
            self._parts.clear()
        else:
            self._parts.append(text)
        return text

    def _so_far(self) -> str:
        if len(self._parts) > 1:
            self._parts[:] = ["".join(self._parts), *[""] * min(2, len(self._parts) - 1)]
        return self._parts[0] if self._parts else ""


def _distinct(text: str) -> bool:
    """Whether a text is more than a few signs repeated."""
    return len(text) >= 8 and len(set(text)) >= 4
