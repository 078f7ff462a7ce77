"""Splits a judge's text into verdict and fused answer while it is still streaming.

Pure: text in, (channel, text) out. Any chunking gives the same channels, and all the pieces together are the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from fusion_nb.core import Channel
from fusion_nb.core.reasoning_tags import THOUGHT_TAG

Pieces = list[tuple[Channel, str]]

_MAX_LINE = 160
"""Longer lines are no marks and no fences, and need not be waited for."""
_FENCE = re.compile(r" {0,3}```[ \t]*([\w-]*)[ \t]*\Z")
_NON_SPACE = re.compile(r"\S")
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
        self.restart()

    def restart(self) -> None:
        """All text so far was a thought: the verdict begins now."""
        self._state: Literal["verdict", "opening", "answer"] = "verdict"
        self._buffer = ""
        self._consumed = 0
        """How much of the buffer has been handed on."""
        self._line_start = True
        """The rest of the buffer begins a line."""
        self._in_fence = False
        """In the verdict: a code fence is open. In the answer: one stands around the whole of it."""
        self._in_inner_fence = False
        """Inside that fence, a fence around code is open."""

    def feed(self, text: str) -> Sequence[tuple[Channel, str]]:
        self._buffer = self._buffer[self._consumed :] + text
        self._consumed = 0
        pieces: Pieces = []
        step = {"verdict": self._verdict, "opening": self._opening, "answer": self._answer}
        while self._consumed < len(self._buffer) and step[self._state](pieces):
            pass
        return pieces

    def close(self) -> Sequence[tuple[Channel, str]]:
        """What was held back for what might have followed. May be called more than once."""
        rest, self._buffer, self._consumed = self._buffer[self._consumed :], "", 0
        if not rest:
            return []
        closer = self._in_fence and not self._in_inner_fence and _fence(rest.strip()) == ""
        answer = bool(rest.strip()) if self._state == "opening" else self._state == "answer" and not closer
        return [("answer" if answer else "content", rest)]

    def _emit(self, pieces: Pieces, channel: Channel, end: int) -> bool:
        """Hand on the buffer up to `end`."""
        piece, self._consumed = self._buffer[self._consumed : end], end
        pieces.append((channel, piece))
        self._line_start = piece.endswith("\n")
        return True

    def _verdict(self, pieces: Pieces) -> bool:
        """One line of the verdict, or the mark; `False` where more text must come first."""
        mark = self._mark.match(self._buffer, self._consumed) if self._line_start else None
        if mark:
            self._state = "opening"
            return self._emit(pieces, "content", mark.end())
        end = self._buffer.find("\n", self._consumed) + 1
        if end:
            if self._line_start and _fence(self._buffer[self._consumed : end - 1]) is not None:
                self._in_fence = not self._in_fence
            return self._emit(pieces, "content", end)
        wait = self._line_start and len(self._buffer) - self._consumed <= _MAX_LINE
        return not wait and self._emit(pieces, "content", len(self._buffer))

    def _opening(self, pieces: Pieces) -> bool:
        """Between the mark and the answer: blank lines, and a fence around the whole of it."""
        first = _NON_SPACE.search(self._buffer, self._consumed)
        begin = first.start() if first else len(self._buffer)
        if begin > self._consumed:
            return self._emit(pieces, "content", begin)
        end = self._buffer.find("\n", begin)
        line = self._buffer[begin : end if end >= 0 else None]
        if end < 0 and len(line) <= _MAX_LINE and "```".startswith(line[:3]):
            return False
        self._state = "answer"
        if end >= 0 and (_fence(line) or "").casefold() in _WRAPPERS:
            self._in_fence = True
            return self._emit(pieces, "content", end + 1)
        return True

    def _answer(self, pieces: Pieces) -> bool:
        """The answer passes. Inside a fence around it, a line that may close that fence waits for what follows."""
        end = self._buffer.find("\n", self._consumed) + 1
        start = self._buffer[self._consumed : self._consumed + _MAX_LINE].lstrip(" ")[:3]
        if not self._in_fence or not self._line_start or not "```".startswith(start):
            return self._emit(pieces, "answer", end if end and self._in_fence else len(self._buffer))
        if not end:
            return len(self._buffer) - self._consumed > _MAX_LINE and self._emit(pieces, "answer", len(self._buffer))
        fence = _fence(self._buffer[self._consumed : end - 1])
        if fence == "" and not self._in_inner_fence and not _NON_SPACE.search(self._buffer, end):
            return False
        self._in_inner_fence = self._in_inner_fence if fence is None else bool(fence)
        return self._emit(pieces, "answer", end)


def split(text: str, nonce: str) -> tuple[str, str]:
    """(verdict, answer) of a judge's whole text, by the same rules as while it streams; thoughts before them go."""
    splitter = AnswerSplitter(nonce)
    pieces = [*splitter.feed(_after_thoughts(text, nonce)), *splitter.close()]
    verdict = "".join(piece for channel, piece in pieces if channel == "content")
    return verdict, "".join(piece for channel, piece in pieces if channel == "answer")


def without_mark(verdict: str, nonce: str) -> str:
    """The verdict without the line that ends it."""
    return verdict[:place] if (place := verdict.rfind(f"ANSWER {nonce}")) >= 0 else verdict


def _after_thoughts(text: str, nonce: str) -> str:
    """What follows thoughts with which `text` begins. An answer that speaks of their tags is left alone."""
    tag = THOUGHT_TAG.search(text)
    if tag is None or (tag["opening"] and text[: tag.start()].strip()):
        return text
    closing = tag if tag["closing"] else next((each for each in THOUGHT_TAG.finditer(text) if each["closing"]), None)
    if closing is None:
        return ""
    rest = text[closing.end() :]
    return rest if tag["opening"] or nonce[:8] in rest else text


def unwrapped(answer: str) -> str:
    """An answer that is all inside a bare code fence although it cites candidates: it was meant as text."""
    whole = re.fullmatch(r"```[ \t]*\n(.*)\n```", answer.strip(), re.DOTALL)
    cited = whole and "```" not in whole[1] and re.search(r"\[[A-Z][1-9]", whole[1])
    return whole[1].strip() if whole and cited else answer.strip()


def _fence(line: str) -> str | None:
    """The language of the fence that `line` is, `""` where it names none, `None` where it is no fence."""
    match = _FENCE.match(line) if len(line) <= _MAX_LINE else None
    return match[1] if match else None
