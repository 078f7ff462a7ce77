"""Unicode's default-ignorable code points: characters that nobody sees, in which text can hide.

One table for Python; the panel's sources have the same one, generated from the same data.
"""

from __future__ import annotations

import re

RANGES = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
"""`Default_Ignorable_Code_Point` of DerivedCoreProperties.txt, and the marks of interlinear notes (U+FFF9 to FFFB)."""


def character_class(*without: tuple[int, int]) -> str:
    """The ranges as the inside of a regular expression's brackets, but for those in `without`."""
    ranges = list(RANGES)
    for first, last in without:
        parts = [((low, min(high, first - 1)), (max(low, last + 1), high)) for low, high in ranges]
        ranges = [(low, high) for pair in parts for low, high in dict.fromkeys(pair) if low <= high]
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges)


IGNORABLE = character_class()
_MARK = r"</?s>|<\|?(?:eos|eot_id|end_of_turn|im_end|endoftext)\|?>"
_BLANK = re.compile(rf"(?:[\s\x00-\x1f\x7f-\x9f\u2800{IGNORABLE}]|{_MARK})*+")


def is_blank(text: str) -> bool:
    """Whether there is nothing in `text` that a person could read: blanks, hidden characters, marks of an end."""
    return _BLANK.fullmatch(text) is not None
