"""The text of pool entries, `claude{reasoning=high}*3`, taken apart. Nothing is looked up and no setting is checked.

    entries = entry *("," entry)
    entry   = name ["*" number] ["{" fields "}"]     or     name "{" fields "}" "*" number

What stands in braces, see `fields_text`. Quotation marks and brackets have a meaning in braces alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fusion_nb.core.braced_fields import behind_braces, excerpt, read_fields
from fusion_nb.errors import UserError

MAX_MEMBERS = 64
_STOP = re.compile(r"[,{]")
_NUMBER = re.compile(r"\s*([0-9]{1,6})")


class SettledEntry:
    """Base of what can stand in a pool beside names and functions: `member_settings.Member`."""

    __slots__ = ()


class EntryParts(NamedTuple):
    """An entry as written."""

    name: str
    times: int | None
    """Of `name*3`; `None` where no number is written."""
    fields: Mapping[str, Any]


def split_entries(text: str) -> list[str]:
    """The entries of a pool, stripped: commas in braces separate nothing.

    Raises `UserError` where a brace or a quotation mark is not closed.

    >>> split_entries("claude{temperature=0, seed=7}, gpt4o")
    ['claude{temperature=0, seed=7}', 'gpt4o']
    """
    entries, start, place = [], 0, 0
    while stop := _STOP.search(text, place):
        place = stop.end()
        if stop[0] == "{":
            place = behind_braces(text, stop.start())
        else:
            entries.append(text[start : stop.start()].strip())
            start = place
    return [*entries, text[start:].strip()]


def entry_parts(entry: str) -> EntryParts:
    """One entry, taken apart. The name is as written, whatever it is; see `checked_name`.

    Raises `UserError` where the entry cannot be read, or has more members than a pool.
    """
    entry = entry.strip()
    head, brace, _ = entry.partition("{")
    name, times = head.strip(), None
    before, star, behind = name.rpartition("*")
    if star and before and before.rstrip()[-1:] not in ("*", "") and (number := _NUMBER.fullmatch(behind)):
        name, times = before.rstrip(), _times(entry, number[1])
    if not brace:
        return EntryParts(name, times, {})
    if not name:
        raise UserError(f"{excerpt(entry)} names no model: write its name before the brace, as in claude{{seed=7}}.")
    end = behind_braces(entry, len(head))
    fields = read_fields(entry[:end], len(head))
    if rest := entry[end:].strip():
        number = _NUMBER.fullmatch(rest[1:]) if rest[0] == "*" else None
        if number is None or times is not None:
            raise UserError(
                f"{excerpt(rest)} cannot stand behind settings: one number may, as in claude{{seed=7}}*3; a comma "
                "stands between two members."
            )
        times = _times(entry, number[1])
    return EntryParts(name, times, fields)


def checked_name(name: str) -> str:
    """A name that can be a model's. Raises `UserError` for one that is a slip of the pen."""
    shown = excerpt(name)
    if "*" in name:
        raise UserError(
            f"{shown} has a * without a whole number from 1 to {MAX_MEMBERS} at its end: write it as claude*3."
        )
    if "," in name:
        raise UserError(f"{shown} has a comma in it: make each member an entry of its own.")
    if re.search(r"[{}\"'`]", name):
        raise UserError(
            f"{shown} is no name of a model: take out the quotation marks and braces that belong to nothing."
        )
    if re.search(r"\s", name):
        raise UserError(f"{shown} has a space in it: write the name without, and a comma between two members.")
    if hidden := next((sign for sign in name if not sign.isprintable()), ""):
        raise UserError(f"{shown} has a character that cannot be seen (U+{ord(hidden):04X}): type the name anew.")
    return name


def _times(entry: str, digits: str) -> int:
    times = int(digits)
    if not 1 <= times <= MAX_MEMBERS:
        raise UserError(f"{excerpt(entry)} asks for {times} members: write a number from 1 to {MAX_MEMBERS}.")
    return times
