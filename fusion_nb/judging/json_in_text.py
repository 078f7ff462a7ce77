"""JSON objects in a model's text: fenced, with prose around them, in the dialects that models write. Never raises.

Strict JSON comes first; only where it holds nothing of use are slips allowed for: single or curly quotes, bare keys,
quotes inside a text, fullwidth punctuation, comments, Python's constants, JSON inside a JSON string. Nothing is ever
completed: an object that is cut off is no object, and a key that stands twice is reported and not dropped.
"""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from fusion_nb.judging.relaxed_json import MAX_RELAXED, relaxed_objects, unique_members

MAX_CHARS = 256_000
"""Longer texts are cut: nothing a judge is asked for comes near."""
_MAX_STARTS = 100
"""Places looked at: enough for code quoted before the verdict, few enough for hostile text."""
_OPENING = re.compile(r"\{\s*\"[^\"\\\n]{1,80}\"\s*:")
_ESCAPE = re.compile(r"\\([\"\\/bfnrt]|u[0-9a-fA-F]{4})|\\")
_COMMA = re.compile(r",(\s*[}\]])")


class JsonObject(NamedTuple):
    """`text[start:end]` is this object."""

    start: int
    end: int
    value: dict[str, Any]


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Every JSON object that begins somewhere in `text` and is complete, outermost first, in order."""
    return (each.value for each in located_objects(text))


def located_objects(text: str) -> Iterator[JsonObject]:
    """The same, each with its place."""
    bounded = text[:MAX_CHARS]
    for opening in itertools.islice(_OPENING.finditer(bounded), _MAX_STARTS):
        decoded = _decode(bounded, opening.start())
        if decoded is not None:
            yield decoded


def ends_with_object(text: str) -> bool:
    """Whether the last thing in `text` is a JSON object, be there a fence around it."""
    return text.rstrip("` \t\r\n").endswith("}")


def readings(text: str) -> Iterator[Iterator[dict[str, Any]]]:
    """The objects of `text`, first as strict JSON, then with more and more allowed for."""
    yield json_objects(text)
    yield json_objects(mend_json(text))
    yield relaxed_objects(text)
    if "&quot;" in text[:MAX_RELAXED]:
        yield relaxed_objects(html.unescape(text[:MAX_RELAXED]))
    for inner in _encoded(text):
        yield json_objects(inner)
        yield relaxed_objects(inner)


def mend_json(text: str) -> str:
    """`text` without the two commonest slips of models that write JSON by hand: LaTeX's backslashes, a last comma."""
    escaped = _ESCAPE.sub(lambda match: match[0] if match[1] else r"\\", text[:MAX_CHARS])
    return _COMMA.sub(r"\1", escaped)


def _decode(text: str, start: int) -> JsonObject | None:
    # strict=False: line breaks inside strings are as common as they are harmless.
    decoder = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=unique_members, strict=False)
    try:
        value, end = decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        # Not JSON, cut off, NaN, a number of 5,000 digits; or nested deeper than Python goes.
        return None
    return JsonObject(start, end, value) if isinstance(value, dict) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_STRING_START = re.compile(r'"\s*\{\s*\\')
_ESCAPED_START = re.compile(r'\{\s*\\"')


def _encoded(text: str) -> Iterator[str]:
    """Texts that stand inside `text` as JSON strings, and `text` itself where all its quotes are escaped."""
    bounded = text[:MAX_RELAXED]
    decoder = json.JSONDecoder(strict=False)
    for opening in itertools.islice(_STRING_START.finditer(bounded), 4):
        try:
            value, _ = decoder.raw_decode(bounded, opening.start())
        except ValueError:
            continue
        if isinstance(value, str):
            yield value
    if _ESCAPED_START.search(bounded):
        yield bounded.replace('\\"', '"').replace("\\n", "\n")
