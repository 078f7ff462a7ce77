"""JSON as models get it wrong: single or curly quotes, bare keys and values, quotes inside a text, fullwidth
punctuation, comments, forgotten commas, Python's constants and tuples.

A general repairer such as `json-repair` is no help for a verdict: it completes what was cut off (a score of 10 that
ends after its first digit becomes 1) and drops the first of two keys. Here an object that is cut off is no object, and
a key that stands twice is reported. The reader is linear: what it may do is bounded by the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

TWICE = " (twice)"
"""Ends the name of a key that stands a second time in its object with another value: a reader finds one too many."""
MAX_RELAXED = 64_000
"""Characters of a text that are looked at."""
_MAX_STARTS = 100
_MAX_DEPTH = 40
_BRACES, _END_OBJECT = "{\uff5b", "}\uff5d"
_BRACKETS, _END_ARRAY = "[\uff3b(", "]\uff3d)"
_COLONS, _COMMAS = ":\uff1a", ",\uff0c\uff1b;\u3001"
_QUOTES = {
    opening: re.compile(rf"[{closing}\\]")
    for opening, closing in (
        ('"', '"\u201d'),
        ("'", "'\u2019"),
        ("\u201c", "\u201d\u201c"),
        ("\u201d", "\u201d"),
        ("\u201e", "\u201c\u201d"),
        ("\u2018", "\u2019"),
        ("\uff02", "\uff02"),
    )
}
"""Opening quote -> what may close it, and the backslash."""
_QUOTES_TEXT = "".join(_QUOTES)
_MAX_KEY = 80
_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff"
_BARE = rf"[^\s,:(){{}}\[\]\"'{_COLONS}{_COMMAS}{_BRACES}{_END_OBJECT}\uff3b\uff3d]"
_START = re.compile(rf"[{_BRACES}][\s{_UNSEEN}]*[{_QUOTES_TEXT}\w]")
_SPACE = re.compile(rf"(?:[\s{_UNSEEN}]+|#[ \t][^\n]*|//[^\n]*|/\*(?:[^*]|\*(?!/))*+\*/)*+")
_BARE_KEY = re.compile(rf"[\w.$-][\w .$-]{{0,{_MAX_KEY}}}?(?=\s{{0,20}}[{_COLONS}])")
_SCALAR = re.compile(rf"{_BARE}{{1,80}}(?:[ \t]{{1,4}}{_BARE}{{1,40}}){{0,8}}(?!{_BARE})")
_PLAIN_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{0,15})?")
_KEY_AHEAD = re.compile(
    rf"(?:[{_QUOTES_TEXT}][^{_QUOTES_TEXT}\u2019\n]{{1,{_MAX_KEY}}}[{_QUOTES_TEXT}\u2019]|[\w.$-]{{1,{_MAX_KEY}}})"
    rf"\s{{0,20}}[{_COLONS}]"
)
_ITEM_AHEAD = re.compile(rf"[{_QUOTES_TEXT}{_BRACES}\[\uff3b(]|-?\d|(?:null|true|false|None|True|False)\b")
_CONSTANTS = {"null": None, "none": None, "undefined": None, "nan": None, "true": True, "false": False}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_SELF_ESCAPED = ('"', "'", "\\", "/")
_UNICODE = re.compile(r"u([0-9a-fA-F]{4})")


def unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key not in members or members[key] == value:
            members[key] = value
        else:
            members[key + TWICE] = value
    return members


class _Broken(Exception):
    """No object begins here."""


def relaxed_objects(text: str) -> Iterator[dict[str, Any]]:
    """Complete objects of `text` outside of one another, read with allowance for slips."""
    bounded = text[:MAX_RELAXED]
    reader = _RelaxedReader(bounded)
    position = 0
    for _ in range(_MAX_STARTS):
        opening = _START.search(bounded, position)
        if opening is None or reader.spent:
            return
        try:
            value, position = reader.value(opening.start(), 0)
        except _Broken:
            position = opening.start() + 1
            continue
        yield from _nested(value)


def _nested(value: Any) -> Iterator[dict[str, Any]]:
    """An object and the objects in it, outermost first."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nested(inner)


class _RelaxedReader:
    """Reads values by recursive descent. Its work is bounded, however often it starts anew."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._work = 8 * len(text) + 10_000

    @property
    def spent(self) -> bool:
        return self._work <= 0

    def value(self, position: int, depth: int, *, item: bool = False) -> tuple[Any, int]:
        """The value at `position` and where it ends. `item`: of an array, not of an object."""
        position = self._skip(position)
        char = self._text[position : position + 1]
        if not char or depth > _MAX_DEPTH or self.spent:
            raise _Broken
        if char in _BRACES:
            return self._members(position + 1, depth)
        if char in _BRACKETS:
            return self._items(position + 1, depth)
        if char in _QUOTES:
            return self._string(position, self._ends_item if item else self._ends_value)
        return self._scalar(position)

    def _at(self, position: int, chars: str) -> bool:
        """Whether one of `chars` stands there."""
        return position < len(self._text) and self._text[position] in chars

    def _skip(self, position: int) -> int:
        """Past blanks and comments."""
        match = _SPACE.match(self._text, position)
        end = match.end() if match else position
        self._work -= 1 + end - position
        return end

    def _members(self, position: int, depth: int) -> tuple[dict[str, Any], int]:
        pairs: list[tuple[str, Any]] = []
        while True:
            position = self._skip(position)
            if self._at(position, _END_OBJECT):
                return unique_members(pairs), position + 1
            if pairs and self._at(position, _COMMAS):
                position += 1
                continue
            key, position = self._key(position)
            value, position = self.value(position, depth + 1)
            pairs.append((key, value))

    def _key(self, position: int) -> tuple[str, int]:
        if self._at(position, _QUOTES_TEXT):
            key, position = self._string(position, self._ends_key)
        else:
            match = _BARE_KEY.match(self._text, position)
            if match is None:
                raise _Broken
            key, position = match[0], match.end()
        position = self._skip(position)
        if len(key) > _MAX_KEY or not self._at(position, _COLONS):
            raise _Broken
        return key, position + 1

    def _items(self, position: int, depth: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        while True:
            position = self._skip(position)
            if self._at(position, _END_ARRAY):
                return items, position + 1
            if items and self._at(position, _COMMAS):
                position += 1
                continue
            item, position = self.value(position, depth + 1, item=True)
            items.append(item)

    def _scalar(self, position: int) -> tuple[Any, int]:
        """A number, a constant, or a text without quotes."""
        match = _SCALAR.match(self._text, position)
        if match is None:
            raise _Broken
        word = re.split(r"\s*/[/*]", match[0], maxsplit=1)[0]
        if not word:
            raise _Broken
        self._work -= len(match[0])
        end = position + len(word)
        if word.casefold() in _CONSTANTS:
            return _CONSTANTS[word.casefold()], end
        return float(word) if _PLAIN_NUMBER.fullmatch(word) else word, end

    def _string(self, position: int, ends: Callable[[int], bool]) -> tuple[str, int]:
        """A string whose closing quote is the first one that `ends` accepts: others are part of the text."""
        parts: list[str] = []
        closing = _QUOTES[self._text[position]]
        position += 1
        while True:
            match = closing.search(self._text, position)
            if match is None or self.spent:
                raise _Broken
            self._work -= 1 + match.end() - position
            parts.append(self._text[position : match.start()])
            position = match.end()
            if match[0] == "\\":
                part, position = self._escape(position)
                parts.append(part)
            elif ends(position):
                return "".join(parts), position
            else:
                parts.append(match[0])

    def _escape(self, position: int) -> tuple[str, int]:
        """What the backslash before `position` stands for, and where it ends."""
        char = self._text[position : position + 1]
        if code := _UNICODE.match(self._text, position):
            return chr(int(code[1], 16)), code.end()
        if char in _SELF_ESCAPED:
            return char, position + 1
        # `\n` is a line break unless a command of LaTeX goes on: `\nu`, `\times`, `\frac`.
        if char in _ESCAPES and not self._text[position + 1 : position + 2].islower():
            return _ESCAPES[char], position + 1
        return "\\", position

    def _ends_key(self, position: int) -> bool:
        return self._at(self._skip(position), _COLONS)

    def _ends_value(self, position: int) -> bool:
        """At the end of its object, before a comma and the next key, or where that comma was forgotten."""
        position = self._skip(position)
        if self._at(position, _COMMAS):
            position = self._skip(position + 1)
            return self._at(position, _END_OBJECT) or _KEY_AHEAD.match(self._text, position) is not None
        if self._at(position, _END_OBJECT):
            return True
        return self._at(position, _QUOTES_TEXT) and _KEY_AHEAD.match(self._text, position) is not None

    def _ends_item(self, position: int) -> bool:
        """At the end of its array, or before a comma and the next item."""
        position = self._skip(position)
        if not self._at(position, _COMMAS):
            return self._at(position, _END_ARRAY)
        position = self._skip(position + 1)
        return self._at(position, _END_ARRAY) or _ITEM_AHEAD.match(self._text, position) is not None
