"""Judge prose made ready for reading: each candidate's name becomes one character, markup goes, sentences part."""

from __future__ import annotations

import re
from collections.abc import Sequence

_FIRST = 0xE000
"""Start of Unicode's private use area: nobody's text means anything by these."""
MARK = "[\ue000-\uf8ff]"
_MARKUP = re.compile(rf"{MARK}|[*`#]+|(?<!\w)_+|_+(?!\w)")


def mark(text: str, names: Sequence[str]) -> str:
    """`text` without markup, where the name of candidate n stands as the one character U+E000+n."""
    plain = _MARKUP.sub("", text)
    for place, name in enumerate(names):
        plain = re.sub(_pattern(name), chr(_FIRST + place), plain)
    return plain


def marks(text: str) -> tuple[int, ...]:
    """The candidates named in `text`, in the order they are named."""
    return tuple(ord(found) - _FIRST for found in re.findall(MARK, text))


def sentences(marked: str) -> list[str]:
    """Sentences and lines, in order. The last may be broken off."""
    return [part.strip() for part in re.split(r"(?<=[.!?])[\"')\]]*\s+|\n+", marked) if part.strip()]


def _pattern(name: str) -> str:
    """`Output (a)` with its noun in any case, `K7` with or without a noun before it."""
    noun, _, own = name.rpartition(" ")
    before = f"(?i:{re.escape(noun)}) " if noun else "(?i:(?:the )?(?:candidate|answer|response|model|assistant) )?"
    return rf"(?<![A-Za-z0-9_]){before}{re.escape(own)}(?![A-Za-z0-9_])"
