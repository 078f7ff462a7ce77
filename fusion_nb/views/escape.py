"""Text from models and services, made fit for a screen: what would act on it or hide in it is shown by its number."""

from __future__ import annotations

import html
import re
import unicodedata

# Unicode 17.0, as `js/unicode.mjs` derives it for the panel, which shows the same (a test compares the tables).
# Default_Ignorable_Code_Point and the marks of interlinear annotations: what eyes do not see.
IGNORABLE = """
ad 34f 61c 115f-1160 17b4-17b5 180b-180f 200b-200f 202a-202e 2060-206f 3164 fe00-fe0f feff ffa0 fff0-fffb 1bca0-1bca3
1d173-1d17a e0000-e0fff
"""
# Letters and marks of scripts that need joiners, after which one is part of the writing.
JOINING = """
610-61a 620-6dc 6df-7fd 840-8e1 8e3-952 955-df3 f00-fc6 1000-109d 1780-17b3 17b6-17dd 1820-18aa 1900-193b 1a20-1aa7
1b00-1bbf 1cd0-1cf9 a840-a873 a8e0-a8ff a980-a9fe aa60-aa7f aae0-aaf6 abc0-abed fb50-fdfb fe70-fefc 102e0 10ac0-10ae6
10b80-10b91 10d00-10d27 10ec2-10eff 10f30-10f50 11000-1107f 11100-11147 11180-11241 11300-11374 11400-114c7
11b60-11b67 1e900-1e94b 1ee00-1eebb
"""
# What may be an emoji, without ASCII.
EMOJI = """
a9 ae 203c 2049 2122 2139 2194-21aa 231a-2328 23cf-23fa 24c2 25aa-2764 2795-27bf 2934-2935 2b05-2b55 3030 303d
3297-3299 1f004-1f0ff 1f170-1faff 1fc00-1fffd
"""


def _characters(table: str) -> str:
    """The ranges of a table as they stand in a class of a regular expression."""
    return "".join("-".join(f"\\U{edge:0>8}" for edge in one.split("-")) for one in table.split())


# C0 without tab and newline, DEL, C1: what terminals obey (ESC, OSC, CSI ...). Lone surrogates: what no wire carries.
_ACTING = r"\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
UNSEEN = _characters(IGNORABLE)
_EMOJI = _characters(EMOJI)
_ALLOWED = (
    # A joiner between two pictures, the first of which may have a selector; a selector behind a picture or in a keycap.
    rf"(?:(?<=[{_EMOJI}])|(?<=[{_EMOJI}]\ufe0f))\u200d(?=[{_EMOJI}])|(?<=[{_EMOJI}])[\ufe0e\ufe0f]|(?<=[0-9#*])\ufe0f(?=\u20e3)"
    # A joiner behind a letter of a script that needs it.
    rf"|(?<=[{_characters(JOINING)}])[\u200c\u200d]"
)
_HIDDEN = re.compile(rf"(?:(?=[{_ACTING}{UNSEEN}])(?!{_ALLOWED})[{_ACTING}{UNSEEN}])+")
_LONGEST = 8
_SURROGATE = re.compile("[\ud800-\udfff]")
# What a terminal obeys, in text that is data: a carriage return is harmless in front of a newline alone.
_OBEYED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")


def safe_text(raw: str) -> str:
    """`raw` for a terminal or any plain text: `[U+202E]` stands for each character that would act or hide."""
    return _HIDDEN.sub(lambda run: _named(run[0]), raw.replace("\r\n", "\n"))


def safe_line(raw: str) -> str:
    """`raw` as one line of plain text."""
    return " ".join(safe_text(raw).split())


def markup(raw: str) -> str:
    """`raw` as HTML text, also fit for an attribute's value where nothing hides in it."""
    escaped = html.escape(raw.replace("\r\n", "\n"))
    return _HIDDEN.sub(lambda run: f'<span class="fnb-hidden">{_named(run[0])}</span>', escaped)


def attribute(raw: str) -> str:
    """`raw` as the value of an HTML attribute."""
    return html.escape(safe_text(raw))


def count_hidden(raw: str) -> int:
    """In how many places something would act or hide."""
    return sum(1 for _ in _HIDDEN.finditer(raw))


def encodable(raw: str) -> str:
    """`raw` with each lone surrogate replaced, of the same length: the rest of the pipeline speaks UTF-8."""
    return _SURROGATE.sub("\ufffd", raw)


def safe_cell(raw: str) -> str:
    """`raw` for a table: as it came, save that what a terminal would obey is shown by its number.

    Whatever prints a table prints its cells as they are. Directions and joiners of scripts are part of the text.
    """
    return _OBEYED.sub(lambda match: f"[U+{ord(match[0]):04X}]", encodable(raw))


def _named(run: str) -> str:
    if len(run) > _LONGEST:
        return f"[U+{ord(run[0]):04X} and {len(run) - 1} more hidden characters]"
    return "".join(f"[U+{ord(character):04X}]" for character in run)


def direction(text: str) -> str:
    """`rtl` or `ltr`, by the first character that has a direction of its own; empty where none has."""
    sides = (unicodedata.bidirectional(character) for character in text)
    first = next((side for side in sides if side in ("L", "R", "AL")), "")
    return {"": "", "L": "ltr"}.get(first, "rtl")
