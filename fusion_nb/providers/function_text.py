"""The text in what a Python function gave as its answer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from fusion_nb.core.values import Judging
from fusion_nb.errors import ProviderError

_MISSING = object()
_TEXT_FIELDS = ("content", "text", "answer", "output_text")


def text_of(value: Any) -> str:
    """The text in what a function gave: itself, or the text of a library's message, reply or chunk.

    Raises `ProviderError` for what is no text: shown by its `str()` it would be taken for an answer.
    """
    text = _text_in(value)
    if text is None:
        raise ProviderError(
            "function",
            f"The function gave a {type(value).__name__}, which is no text: return a str, or an object with the text "
            "in .content or .text.",
        )
    return text


def _text_in(value: Any, depth: int = 0) -> str | None:
    if value is None:
        return ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, (bool, int, float, Decimal)):
        return str(value)
    if depth > 4 or isinstance(value, type):
        return None
    if isinstance(value, (list, tuple)):  # the content of a message, in parts
        if not depth:
            return None
        parts = [_text_in(part, depth + 1) for part in value if not isinstance(part, (bool, int, float))]
        return None if None in parts or len(parts) != len(value) else "".join(part for part in parts if part)
    choices = _field(value, "choices")
    if isinstance(choices, (list, tuple)) and choices:  # a chat completion, or a chunk of one
        inner = _field(choices[0], "message") or _field(choices[0], "delta") or choices[0]
        return _text_in(inner, depth + 1)
    fields = [_field(value, name, _MISSING) for name in (*_TEXT_FIELDS, "message")]
    present = [field for field in fields if field is not _MISSING and not callable(field)]
    return _text_in(next((field for field in present if field is not None), None), depth + 1) if present else None


def _field(value: Any, name: str, default: Any = None) -> Any:
    try:
        return value.get(name, default) if isinstance(value, Mapping) else getattr(value, name, default)
    except Exception:  # noqa: BLE001  a property of somebody's object
        return default


def verdict_reader(judging: Judging | None) -> Callable[[Any], str]:
    """What a judge of the form `judge(prompt, candidates)` may give, as a verdict: the label of the best, the labels
    best first, or numbers by label, more is better. A text that is no label is read as a verdict a model wrote."""
    labels = tuple(judging.candidates) if judging else ()

    def read(value: Any) -> str:
        if isinstance(value, str) and value in labels:
            value = [value]
        if isinstance(value, Mapping) and value and all(_is_number(number) for number in value.values()):
            _refuse_other(value, labels)
            if set(value) != set(labels):
                raise ProviderError("function", f"The judge gave numbers for {len(value)} of {len(labels)} candidates.")
            value = sorted(value, key=lambda label: -value[label])
        if isinstance(value, (list, tuple)) and value:
            _refuse_other(value, labels)
            return json.dumps({"rationale": "", "ranking": [*value, *(each for each in labels if each not in value)]})
        return text_of(value)

    return read


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refuse_other(given: Iterable[Any], labels: Sequence[str]) -> None:
    if unknown := [each for each in given if each not in labels]:
        raise ProviderError("function", f"The judge named {unknown[0]!r}: the candidates are {', '.join(labels)}.")
