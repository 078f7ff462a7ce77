"""The text in a delta or a message, and the thoughts beside it, under whatever names services give them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from fusion_nb.core import Channel

THOUGHTS = (
    "reasoning",
    "reasoning_content",
    "reasoning_text",
    "thinking",
    "thinking_content",
    "thought",
    "thoughts",
    "reasoning_details",
    "thinking_blocks",
)
_THOUGHT_NAME = re.compile(r"think|thought|reasoning|chain_?of_?thought|^cot$", re.IGNORECASE)
_NO_THOUGHT = re.compile(
    r"signature|token|effort|opaque|encrypted|finish|status|type|format|_?id$|time|duration|budget|level", re.IGNORECASE
)
"""What stands beside a thought under a name of its own."""
_THINKING_TYPES = ("think", "reason", "thought")
_TEXT_KEYS = ("text", "content", "value", "summary", "output_text")
SCALARS = (int, Decimal)
"""What numbers in JSON become: where text should stand, their digits are text."""


def texts_of(delta: Mapping[str, Any]) -> Iterator[tuple[Channel, str | None]]:
    """The text in a delta or a message, reasoning first; `None` in place of what is no text."""
    for name in (*THOUGHTS, *_other_thoughts(delta)):
        thought = delta.get(name)
        if thought and not isinstance(thought, bool) and (text := _joined(thought)):
            yield "reasoning", text
            break
    else:
        inner = delta.get("provider_specific_fields")
        if isinstance(inner, Mapping):
            yield from ((channel, text) for channel, text in texts_of(inner) if channel == "reasoning")
    extra = value_at(delta, ("extra_content", "google"))
    thinks = delta.get("thought") is True or (isinstance(extra, Mapping) and extra.get("thought") is True)
    content = delta.get("content")
    if isinstance(content, list):
        yield from _parts(content, "reasoning" if thinks else "content")
    elif content is not None and content != "":
        yield "reasoning" if thinks else "content", text_of(content)


def _other_thoughts(delta: Mapping[str, Any]) -> list[str]:
    """Names by which a service calls its model's thoughts, other than the usual ones."""
    return [name for name in delta if _THOUGHT_NAME.search(name) and not _NO_THOUGHT.search(name)]


def _parts(parts: list[Any], channel: Channel) -> Iterator[tuple[Channel, str | None]]:
    """Content in parts: text, and thoughts, whose text may be in parts again."""
    for part in parts:
        if not isinstance(part, Mapping):
            if part is not None:
                yield channel, text_of(part)
            continue
        thinking = part.get("thinking") or part.get("reasoning")
        thinks = part.get("thought") is True or any(
            word in str(part.get("type", "")).lower() for word in _THINKING_TYPES
        )
        text = _joined({k: v for k, v in part.items() if k in _TEXT_KEYS})
        if thinking and not isinstance(thinking, bool):
            yield "reasoning", _joined(thinking)
        if text or not thinking:
            is_text = text or part.get("type") == "text" or any(k in part for k in _TEXT_KEYS)
            yield "reasoning" if thinks else channel, text if is_text else None


def text_of(value: Any) -> str | None:
    """A value that stands where text should, as text; `None` where it cannot be."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return _joined(value) or None


def _joined(value: Any, depth: int = 0) -> str:
    """All text in a value: itself, its parts', or what stands under the names of text."""
    if isinstance(value, str):
        return value
    if depth > 4 or isinstance(value, bool):
        return ""
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, list):
        return "".join(_joined(each, depth + 1) for each in value)
    if isinstance(value, Mapping):
        names = (*_TEXT_KEYS, "thinking", "reasoning", "reasoningText")
        return next((text for name in names if (text := _joined(value.get(name), depth + 1))), "")
    return ""


def value_at(value: Any, path: tuple[Any, ...]) -> Any:
    """What stands at a path of keys and places; `None` where nothing does."""
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value
