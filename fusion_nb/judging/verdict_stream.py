"""Where a judge's verdict ends and the fused answer begins, while it is still being written.

Pure: text in, (channel, text) out. Any chunking gives the same channels, and all the pieces together are the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from fusion_nb.core import Channel

Pieces = list[tuple[Channel, str]]

_LONGEST = 160
"""Longer lines are no marks and no fences, and need not be waited for."""
_FENCE = re.compile(r" {0,3}```[ \t]*([\w-]*)[ \t]*\Z")
_SOLID = re.compile(r"\S")
_WRAPPERS = frozenset({"markdown", "md", "text", "txt"})
"""Languages of a code fence that is put around a whole answer, not around code."""


class AnswerSplitter:
    """Sends what follows the line `ANSWER <nonce>` to `answer`, all before it to `content`.

    Judges bend that line: bold, a heading, a colon, the answer right behind it, a slip late in the nonce, a code fence
    around the answer. All of it goes to `content`, so that `answer` is the answer and no more.
    """

    def __init__(self, nonce: str) -> None:
        # Possessive: the mark must not match a part of a nonce whose rest is still on its way.
        bare, end = rf"{nonce[:8]}[0-9a-f]{{0,40}}+", r"[ \t:*_`=-]{0,20}+(?:\n|(?=.))"
        self._mark = re.compile(rf"[ \t>*_#`=-]{{0,12}}ANSWER[ \t:*_`]{{1,8}}{bare}{end}", re.IGNORECASE)
        self._at: Literal["verdict", "opening", "answer"] = "verdict"
        self._held = ""
        self._done = 0
        """How much of what is held has been handed on."""
        self._fresh = True
        """What is held begins a line."""
        self._fenced = False
        """In the verdict: a code fence is open. In the answer: one stands around the whole of it."""
        self._inner = False
        """Inside that fence, a fence around code is open."""

    def feed(self, text: str) -> Sequence[tuple[Channel, str]]:
        self._held = self._held[self._done :] + text
        self._done = 0
        pieces: Pieces = []
        step = {"verdict": self._verdict, "opening": self._opening, "answer": self._answer}
        while self._done < len(self._held) and step[self._at](pieces):
            pass
        return pieces

    def close(self) -> Sequence[tuple[Channel, str]]:
        """What was held back for what might have followed. May be called more than once."""
        held, self._held, self._done = self._held[self._done :], "", 0
        if not held:
            return []
        closer = self._fenced and not self._inner and _fence(held.strip()) == ""
        answer = bool(held.strip()) if self._at == "opening" else self._at == "answer" and not closer
        return [("answer" if answer else "content", held)]

    def _give(self, pieces: Pieces, channel: Channel, end: int) -> bool:
        """Hand on what is held up to `end`."""
        given, self._done = self._held[self._done : end], end
        pieces.append((channel, given))
        self._fresh = given.endswith("\n")
        return True

    def _verdict(self, pieces: Pieces) -> bool:
        """One line of the verdict, or the mark; `False` where more text must come first."""
        found = self._mark.match(self._held, self._done) if self._fresh else None
        if found:
            self._at = "opening"
            return self._give(pieces, "content", found.end())
        end = self._held.find("\n", self._done) + 1
        if end:
            if self._fresh and _fence(self._held[self._done : end - 1]) is not None:
                self._fenced = not self._fenced
            return self._give(pieces, "content", end)
        wait = self._fresh and len(self._held) - self._done <= _LONGEST
        return not wait and self._give(pieces, "content", len(self._held))

    def _opening(self, pieces: Pieces) -> bool:
        """Between the mark and the answer: blank lines, and a fence around the whole of it."""
        solid = _SOLID.search(self._held, self._done)
        begin = solid.start() if solid else len(self._held)
        if begin > self._done:
            return self._give(pieces, "content", begin)
        end = self._held.find("\n", begin)
        line = self._held[begin : end if end >= 0 else None]
        if end < 0 and len(line) <= _LONGEST and "```".startswith(line[:3]):
            return False
        self._at = "answer"
        if end >= 0 and (_fence(line) or "").casefold() in _WRAPPERS:
            self._fenced = True
            return self._give(pieces, "content", end + 1)
        return True

    def _answer(self, pieces: Pieces) -> bool:
        """The answer passes. Inside a fence around it, a line that may close that fence waits for what follows."""
        end = self._held.find("\n", self._done) + 1
        start = self._held[self._done : self._done + _LONGEST].lstrip(" ")[:3]
        if not self._fenced or not self._fresh or not "```".startswith(start):
            return self._give(pieces, "answer", end if end and self._fenced else len(self._held))
        if not end:
            return len(self._held) - self._done > _LONGEST and self._give(pieces, "answer", len(self._held))
        fence = _fence(self._held[self._done : end - 1])
        if fence == "" and not self._inner and not _SOLID.search(self._held, end):
            return False
        self._inner = self._inner if fence is None else bool(fence)
        return self._give(pieces, "answer", end)


def split(text: str, nonce: str) -> tuple[str, str]:
    """(verdict, answer) of a judge's whole text, by the same rules as while it streams."""
    splitter = AnswerSplitter(nonce)
    pieces = [*splitter.feed(text), *splitter.close()]
    verdict = "".join(piece for channel, piece in pieces if channel == "content")
    return verdict, "".join(piece for channel, piece in pieces if channel == "answer")


def unwrapped(answer: str) -> str:
    """An answer that is all inside a bare code fence although it cites candidates: it was meant as text."""
    whole = re.fullmatch(r"```[ \t]*\n(.*)\n```", answer.strip(), re.DOTALL)
    cited = whole and "```" not in whole[1] and re.search(r"\[[A-Z][1-9]", whole[1])
    return whole[1].strip() if whole and cited else answer.strip()


def _fence(line: str) -> str | None:
    """The language of the fence that `line` is, `""` where it names none, `None` where it is no fence."""
    found = _FENCE.match(line) if len(line) <= _LONGEST else None
    return found[1] if found else None
