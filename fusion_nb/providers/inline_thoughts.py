"""Thoughts that a model writes into its text, told apart from its answer while they stream. Pure.

Models and servers mark them in many ways: `<think>`, `<reasoning>`, `[THINK]`, `<|channel|>analysis`, or with the end
mark alone where the beginning stands in the prompt. Only what stands at the beginning of a reply is a thought: a mark
in the middle is text. A thought without an end leaves no answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from fusion_nb.core.reasoning_tags import DRAFT_NAMES, THOUGHT_NAMES

THOUGHT_ENDED = "thought-ended"
"""In place of a channel: all content so far was a thought."""
Pieces = list[tuple[str, str]]

_ASKED = re.compile(rf"<({DRAFT_NAMES}|details)[ />]", re.IGNORECASE)
_BEGIN = re.compile(
    rf"<(?P<sure>{THOUGHT_NAMES})(?:\s[^<>]{{0,100}})?>|<(?P<unsure>{DRAFT_NAMES})(?:\s[^<>]{{0,100}})?>"
    # An interface that folds thoughts away: by its type, or by the words on the fold.
    r"|<(?P<details>details)(?:\s[^<>]{0,100}type=[\"']?reasoning[^<>]{0,200}"
    r"|(?:\s[^<>]{0,100})?>\s*<summary>[^<\w]{0,10}(?:thinking|thoughts?|reasoning)"
    r"(?:\s(?:process|content|trace|for\s[^<]{1,30}))?[^<\w]{0,6}</summary)>"
    r"|<\|channel>\s*(?P<pipe>thoughts?|thinking|analysis)(?!\w)"
    r"|\[(?P<square>(?-i:THINK|THINKING|THOUGHTS?|REASONING))\](?!\()|◁(?P<arrow>think(?:ing)?)▷"
    r"|<\|(?P<bar>(?:begin|start)_?(?:of_?)?(?:thought|think|thinking|reasoning)s?|think(?:ing)?|thoughts?|reasoning"
    r"|inner_prefix)\|>|<(?P<unused>unused94)>"
    r"|(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*(?P<channel>\w+)(?:[^<]|<\|constrain\|>){0,60}<\|message\|>",
    re.IGNORECASE,
)
_MAY_BEGIN = re.compile(r"<\|?[\w:]{0,24}[|/]?(?:\s[^<>]{0,100})?\Z|\[\w{0,9}\Z|◁\w{0,8}\Z", re.IGNORECASE)
_MAY_CHANNEL = re.compile(r"<\|(?:start|channel)(?:\|>[^\n]{0,120}|>\s*\w{0,9})\Z", re.IGNORECASE)
_MAY_DETAILS = re.compile(
    r"<details(?:\s[^<>]{0,300})?(?:>\s*(?:<(?:s\w{0,6}(?:>[^<]{0,90}(?:</?\w{0,7})?)?)?)?)?\Z", re.IGNORECASE
)
_SELF_CLOSED = re.compile(rf"<(?:{THOUGHT_NAMES})(?:\s[^<>]{{0,100}})?/>", re.IGNORECASE)
_END_OF_BAR = re.compile(
    r"<\|/?(?:/?(?:think(?:ing)?|thoughts?|reasoning)|end_?(?:of_?)?(?:thought|think|thinking|reasoning)s?"
    r"|inner_suffix)\|>",
    re.IGNORECASE,
)
_END = {
    "sure": re.compile(rf"</\s*(?:{THOUGHT_NAMES})\s*>", re.IGNORECASE),
    "square": re.compile(r"\[/(?:THINK|THINKING|THOUGHTS?|REASONING)\]", re.IGNORECASE),
    "arrow": re.compile(r"◁/\w{1,12}▷"),
    "bar": _END_OF_BAR,
    "unused": re.compile(r"<unused95>"),
    "details": re.compile(r"</\s*details\s*>", re.IGNORECASE),
    "pipe": re.compile(r"<channel\|>"),
    "channel": re.compile(
        r"<\|channel\|>\s*final(?:[^<]|<\|constrain\|>){0,60}<\|message\|>|<\|end\|>(?=\s*[^\s<])", re.IGNORECASE
    ),
}
_FINAL = ("final", "answer", "response")
# Around the answer behind a thought, and behind the answer of a model that writes in channels.
_OPENER = re.compile(r"\s*<\|(?:begin_of_solution|start_response)\|>\s*", re.IGNORECASE)
_CLOSERS = re.compile(r"(?:<\|(?:end_of_solution|end_response|return|end|call)\|>|\s){1,8}\Z", re.IGNORECASE)
_LONE_END = re.compile(
    rf"</\s*(?:{THOUGHT_NAMES})\s*>|\[/(?:THINK|REASONING)\]|◁/think(?:ing)?▷|{_END_OF_BAR.pattern}|<unused95>|<channel\|>|assistantfinal",
    re.IGNORECASE,
)
_LONE_BEGIN = re.compile(
    rf"<(?:{THOUGHT_NAMES})[\s>]|<\|channel>|\[(?:THINK|REASONING)\]|◁think(?:ing)?▷", re.IGNORECASE
)
_MAY_END = re.compile(r"<(?:/\s*[\w:]{0,24}\s*|/?\w{0,8}\|?|\|/?\w{0,24}\|?)?\Z|\[(?:/\w{0,10})?\Z|◁(?:/\w{0,12})?\Z")
_BARE_FINAL = "assistantfinal"
_TURN = re.compile(r"\s*<\|end\|>\s*(?:<\|start\|>\s*assistant\s*)?\Z", re.IGNORECASE)
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060 \t\r\n"
_TAIL = 160
"""Characters an end mark may take, with what must be seen behind it."""
_LONGEST = 1024 * 1024
"""Characters of content from which on nothing turns out to have been a thought."""
_TRIES = 8
"""End marks looked at in the middle of a text: one that names so many talks about them."""


def requested_tags(prompt: str) -> frozenset[str]:
    """The tags in a prompt that would be taken for thoughts in its reply."""
    return frozenset(match[1].lower() for match in _ASKED.finditer(prompt))


class ThoughtFilter:
    """Feed it content; it gives pieces of `content` and `reasoning`, and `THOUGHT_ENDED` where what it gave before as
    content turns out to have been a thought."""

    def __init__(self, requested_tags: Collection[str] = ()) -> None:
        self._requested_tags = requested_tags
        self._step: Callable[..., bool] = self._beginning
        self._text = ""
        """Not yet given."""
        self._end = _END["sure"]
        self._behind_thought = False
        self._fresh = False
        """The answer behind a thought has not begun: blanks come before it."""
        self._channels = False
        """It writes in channels (gpt-oss)."""
        self._bare_channels = False
        """So it may, and the server drops the marks of them: `analysis... assistantfinal...`."""
        self._given: list[str] = []
        """The content so far, while an end mark may show that it was a thought."""
        self._size = 0
        self._tries = _TRIES

    def feed(self, text: str) -> Pieces:
        self._text += text
        pieces: Pieces = []
        while self._text and self._step(pieces, last=False):
            pass
        return pieces

    def close(self) -> Pieces:
        """What was held back for what might have followed."""
        pieces: Pieces = []
        while self._text and self._step(pieces, last=True):
            pass
        return pieces

    def _beginning(self, pieces: Pieces, *, last: bool) -> bool:
        """Whether a thought begins. `False` where more text must come first."""
        text = self._text.lstrip(_INVISIBLE)
        if empty := _SELF_CLOSED.match(text):
            self._text = text[empty.end() :]
            self._behind_thought = self._fresh = True
            return bool(self._text)
        match = _BEGIN.match(text)
        open_ended = not text or any(may.match(text) for may in (_MAY_BEGIN, _MAY_CHANNEL, _MAY_DETAILS))
        kind = match.lastgroup or "" if match else ""
        unclear = match is None or (kind == "pipe" and match.end() == len(text))  # its name may go on
        if unclear and open_ended and not last:
            return False
        if match is None or (kind in ("unsure", "details") and match[kind].lower() in self._requested_tags):
            self._step = self._answer
            if self._fresh:
                self._text = _OPENER.sub("", text, count=1)
            return bool(self._text)
        self._text = text[match.end() :]
        self._behind_thought = self._fresh = True
        self._channels = kind == "channel"
        if self._channels and match["channel"].lower() in _FINAL:
            self._step = self._answer
        else:
            name = match["unsure"]
            self._end = re.compile(rf"</\s*{re.escape(name)}\s*>", re.IGNORECASE) if name else _END[kind]
            self._step = self._thought
        return bool(self._text)

    def _thought(self, pieces: Pieces, *, last: bool) -> bool:
        match = self._end.search(self._text)
        if match is None:
            keep = 0 if last else self._may_be_mark()
            self._give(pieces, "reasoning", len(self._text) - keep)
            return False
        thought = _TURN.sub("", self._text[: match.start()])
        pieces.append(("reasoning", thought))
        self._text = self._text[match.end() :]
        # Another thought may follow the first, and then the answer.
        self._step = self._answer if self._channels else self._beginning
        return bool(self._text)

    def _answer(self, pieces: Pieces, *, last: bool) -> bool:
        if self._fresh:
            self._text = self._text.lstrip()
            self._fresh = not self._text
        match = _LONE_END.search(self._text) if self._tries else None
        if match is not None:
            return self._lone_end(pieces, match, last=last)
        keep = 0 if last else self._may_be_mark()
        tail = self._text[-_TAIL : len(self._text) - keep]
        if self._behind_thought and (closers := _CLOSERS.search(tail)):
            if not last:
                keep += len(closers[0])
            elif "<|" in closers[0]:
                self._text = self._text[: -len(closers[0])]
        self._give(pieces, "content", len(self._text) - keep)
        return False

    def _lone_end(self, pieces: Pieces, match: re.Match[str], *, last: bool) -> bool:
        """An end mark that nothing began: what stands before it may have been the thought."""
        behind = self._text[match.end() :]
        if not last and not behind.strip(" \t"):
            self._give(pieces, "content", match.start())
            return False
        before = "".join([*self._given, self._text[: match.start()]])
        self._tries -= 1
        if _ends_a_thought(before, match[0], behind):
            self._give(pieces, "content", match.start())
            if before.strip():
                pieces.append((THOUGHT_ENDED, ""))
            self._given.clear()
            self._text = behind
            self._behind_thought = self._fresh = True
        else:
            self._give(pieces, "content", match.end())
        if not self._tries:
            self._given.clear()
        return bool(self._text)

    def _may_be_mark(self) -> int:
        """How many characters at the end may be the beginning of a mark."""
        tail = self._text[-_TAIL:]
        if self._channels and "<|" in tail:  # marks of channels stand in a row
            return len(tail) - tail.find("<|")
        if match := _MAY_END.search(tail):
            return len(match[0])
        if not self._bare_channels:
            return 0
        sizes = range(min(len(_BARE_FINAL), len(tail)), 0, -1)
        return next((size for size in sizes if tail.endswith(_BARE_FINAL[:size])), 0)

    def _give(self, pieces: Pieces, kind: str, size: int) -> None:
        if size <= 0:
            return
        text, self._text = self._text[:size], self._text[size:]
        pieces.append((kind, text))
        self._size += size if kind == "content" else 0
        if self._size > _LONGEST:
            self._tries = 0
            self._given.clear()
        elif kind == "content" and self._tries:
            self._given.append(text)
            if self._size - size < len("analysis"):
                self._bare_channels = "".join(self._given).startswith("analysis")


def _ends_a_thought(before: str, mark: str, behind: str) -> bool:
    """Whether a lone end mark ends a thought, and is not talked about: not in code, not quoted, not one of a pair."""
    if mark.lower() == _BARE_FINAL:
        return before.startswith("analysis")
    line = before[before.rfind("\n") + 1 :]
    if before.count("```") % 2 or line.count("`") % 2 or _LONE_BEGIN.search(before):
        return False
    words = line.rstrip()
    if not words or words[-1] in ".!?…}。！？":
        return True
    # In the middle of a sentence it is a thought's end only where it is glued to what it ends.
    glued = line[-1] not in " \t\"'([“‘«"
    return glued and bool(behind.strip()) and behind[0] not in " \t\"')],.;:!”’»"
