"""JSON objects in a model's text: fenced, with prose around them, with more text behind. Never raises."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

MAX_CHARS = 256_000
"""Longer texts are cut: nothing a judge is asked for comes near."""
TWICE = " (twice)"
"""Ends the name of a key that stands a second time in its object: a reader finds one too many instead of losing one."""
_MAX_STARTS = 100
"""Places looked at: enough for code quoted before the verdict, few enough for hostile text."""
_OPENING = re.compile(r"\{\s*\"[^\"\\\n]{1,80}\"\s*:")
_ESCAPE = re.compile(r"\\([\"\\/bfnrt]|u[0-9a-fA-F]{4})|\\")
_COMMA = re.compile(r",(\s*[}\]])")


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Every JSON object that begins somewhere in `text` and is complete, outermost first, in order."""
    bounded = text[:MAX_CHARS]
    for opening in itertools.islice(_OPENING.finditer(bounded), _MAX_STARTS):
        value = _decode(bounded, opening.start())
        if value is not None:
            yield value


def mend_json(text: str) -> str:
    """`text` without the two commonest slips of models that write JSON by hand: LaTeX's backslashes, a last comma."""
    escaped = _ESCAPE.sub(lambda match: match[0] if match[1] else r"\\", text[:MAX_CHARS])
    return _COMMA.sub(r"\1", escaped)


def _decode(text: str, start: int) -> dict[str, Any] | None:
    # strict=False: line breaks inside strings are as common as they are harmless.
    decoder = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_unique, strict=False)
    try:
        value, _ = decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        # Not JSON, cut off, NaN, a number of 5,000 digits; or nested deeper than Python goes.
        return None
    return value if isinstance(value, dict) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        members[key + TWICE if key in members else key] = value
    return members
