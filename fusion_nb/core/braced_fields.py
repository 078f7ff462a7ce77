r"""Fields in braces as text, `{only=[groq], quantization>=fp8, zdr}`: read, and written again. JSON is among it.

    fields = [field *("," field) [","]]
    field  = key ("=" | ":") value  |  key ">=" value  |  key                    a key alone is true
    value  = quoted  |  "{" fields "}"  |  "[" [value *("," value) [","]] "]"  |  word
    quoted = '...' or "...", in it  \\  \'  \"  \/  \n  \r  \t  \uXXXX
    word   = any text without  , = \  and without quotation marks, braces and brackets

A word that is a JSON number, `true`, `false` or `null` is that, but in the outermost braces of a pool's entry, where
words are text. Of JSON, the escapes `\b` and `\f` alone are refused: `\frac` is meant as a formula.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from fusion_nb.errors import UserError

MAX_DEPTH = 32
"""Braces and brackets in one another."""
_MAX_DIGITS = 4000
_MARK = re.compile(r"[{}\[\]\"']")
_QUOTED = re.compile(r"\"([^\"\\]*(?:\\.[^\"\\]*)*)\"|'([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"', "/": "/"}
_WRITTEN = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": r"\\", "'": r"\'"}
_KEY = re.compile(r"[^\s,{}\[\]\"'=:<>\\]+")
_SIGN = re.compile(r"\s*(>=|[=:])\s*")
_WORD = re.compile(r"[^,={}\[\]\"'\\]*")
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_CONSTANTS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_PLAIN_WORD = re.compile(r"(?!(?:[Tt]rue|[Ff]alse|null|None)$)[A-Za-z][\w./@+-]*", re.ASCII)
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)


def excerpt(text: str) -> str:
    """A text as the sentence of an error shows it."""
    return repr(text if len(text) <= 60 else f"{text[:40]}...{text[-17:]}")


def behind_braces(text: str, opening: int) -> int:
    """The place behind the brace that closes the one at `opening`. Raises `UserError` where none does."""
    depth, place = 0, opening
    while mark := _MARK.search(text, place):
        if mark[0] in "\"'":
            quoted = _QUOTED.match(text, mark.start())
            if quoted is None:
                raise UserError(
                    f"A quotation mark is not closed: {excerpt(text[mark.start() :])}. Close it; a text that has one "
                    "in it stands in those of the other kind."
                )
            place = quoted.end()
            continue
        place = mark.end()
        depth += 1 if mark[0] in "{[" else -1
        if depth == 0:
            return place
    raise UserError(
        f"A brace is not closed: {excerpt(text[opening:])}. Settings end with a brace, as in claude{{temperature=0}}."
    )


def read_fields(text: str, opening: int = 0) -> dict[str, Any]:
    """The settings between the brace at `opening` and the end of `text`; their words are text.

    Raises `UserError` where they cannot be read.
    """
    return _Reader(text, opening).fields(0)


def read_object(text: str) -> dict[str, Any]:
    """`{...}` as a JSON object. Raises `UserError` where it cannot be read."""
    text = text.strip()
    if not text.startswith("{") or behind_braces(text, 0) != len(text):
        raise UserError(f"{excerpt(text)} is no JSON object: write it in braces, as in {{top_k=40}}.")
    return _Reader(text, 0).fields(1)


def object_text(fields: Mapping[str, Any]) -> str:
    """A JSON object as `read_object` reads it."""
    return f"{{{', '.join(_field_text(key, value) for key, value in fields.items())}}}"


def word_text(text: str) -> str:
    """A text as a value: in quotation marks unless it is a plain word. Nothing in it is invisible or breaks a line."""
    return text if _PLAIN_WORD.fullmatch(text) else _quoted(text)


class _Reader:
    """Reads from the brace at `place` on. Braces and quotation marks are known to be closed."""

    def __init__(self, text: str, place: int) -> None:
        self._text, self._place = text, place

    def fields(self, depth: int) -> dict[str, Any]:
        """The fields of a pair of braces; at depth 0 their words are text."""
        self._enter(depth)
        found: dict[str, Any] = {}
        while not self._take("}"):
            key = self._key()
            if key in found:
                raise UserError(f"{excerpt(key)} stands twice in {excerpt(self._text)}: give it once.")
            found[key] = self._field(key, depth)
            self._end_item("}")
        return found

    def _items(self, depth: int) -> list[Any]:
        self._enter(depth)
        found = []
        while not self._take("]"):
            found.append(self._value("A place of a list", depth))
            self._end_item("]")
        return found

    def _field(self, key: str, depth: int) -> Any:
        sign = _SIGN.match(self._text, self._place)
        if sign is None:
            if self._next() in (",", "}"):
                return True
            raise UserError(f"{excerpt(key)} has no = behind it in {excerpt(self._text)}: write it as key=value.")
        self._place = sign.end()
        value = self._value(excerpt(key), depth)
        if sign[1] != ">=":
            return value
        if not isinstance(value, str):
            raise UserError(f"{excerpt(key)} takes a word behind >=, as in quantization>=fp8.")
        return f">={value}"

    def _value(self, what: str, depth: int) -> Any:
        match self._next():
            case "{":
                return self.fields(depth + 1)
            case "[":
                return self._items(depth + 1)
            case '"' | "'":
                return self._quoted()
        word = self._match(_WORD).strip()
        if not word:
            raise UserError(f"{what} has no value in {excerpt(self._text)}: write it as key=value.")
        if self._next() == "=":
            raise UserError(f"A comma is missing in {excerpt(self._text)}, in or behind {excerpt(word)}.")
        return word if depth == 0 else _json_word(word)

    def _key(self) -> str:
        if self._next() in ("'", '"'):
            return self._quoted()
        key = self._match(_KEY)
        if not key:
            raise UserError(f"A setting in {excerpt(self._text)} has no name: write each as key=value.")
        return key

    def _quoted(self) -> str:
        quoted = _QUOTED.match(self._text, self._place)
        if quoted is None:  # pragma: no cover  it was seen to be closed
            raise UserError(f"A quotation mark is not closed in {excerpt(self._text)}.")
        self._place = quoted.end()
        text = _ESCAPE.sub(_unescaped, quoted[1] if quoted[2] is None else quoted[2])
        # Two halves of a character become one; a lone half cannot be sent.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _enter(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise UserError(f"More than {MAX_DEPTH} braces and brackets stand in one another: write fewer.")
        self._place += 1

    def _end_item(self, closing: str) -> None:
        if self._next() == closing or self._take(","):
            return
        rest = excerpt(self._text[self._place :])
        raise UserError(f"A comma is missing before {rest}; a text with signs in it stands in quotation marks.")

    def _next(self) -> str:
        self._match(_SPACE)
        return self._text[self._place : self._place + 1]

    def _take(self, sign: str) -> bool:
        taken = self._next() == sign
        self._place += taken
        return taken

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._place)
        self._place = found.end() if found else self._place
        return found[0] if found else ""


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1]:
        return chr(int(escape[1], 16))
    if escape[2] not in _ESCAPED:
        raise UserError(f"A backslash stands before {excerpt(escape[2])}: write two of them for one.")
    return _ESCAPED[escape[2]]


def _json_word(word: str) -> Any:
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    if (number := _NUMBER.fullmatch(word)) is None:
        return word
    if number[1] or number[2]:
        value: float = float(word)
    else:
        value = int(word) if len(word) <= _MAX_DIGITS else math.inf
    if value in (math.inf, -math.inf):
        raise UserError(f"{excerpt(word)} is too large a number: write a smaller one.")
    return value


def _field_text(key: str, value: Any) -> str:
    name = key if _PLAIN_KEY.fullmatch(key) else _quoted(key)
    if value is True:
        return name
    if isinstance(value, str) and value.startswith(">=") and _PLAIN_WORD.fullmatch(value[2:]):
        return f"{name}{value}"
    return f"{name}={_value_text(value)}"


def _value_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return object_text(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value_text, value))}]"
    return word_text(value) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    return f"'{''.join(_WRITTEN.get(sign) or (sign if sign.isprintable() else _unicode(sign)) for sign in text)}'"


def _unicode(sign: str) -> str:
    """An escape, or the two of a character beyond the first plane."""
    return f"\\u{ord(sign):04x}" if ord(sign) <= 0xFFFF else json.dumps(sign)[1:-1]
