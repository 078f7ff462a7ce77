"""The settings of one entry of a pool, `claude{reasoning=high}`, as the fields of a form: read, and written again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fusion_nb.core.braced_fields import object_text
from fusion_nb.core.member_settings import checked_settings, label_of, parse_entry
from fusion_nb.errors import UserError

FIELDS: Mapping[str, str] = {
    "reasoning": "low, medium, high, or tokens",
    "temperature": "0 to 2",
    "max_tokens": "4096",
    "seed": "7",
    "system": "Answer in one word.",
    "provider": "only=[groq], quantization>=fp8, zdr",
    "body": "top_k=40",
}
"""An example of each."""
_OBJECTS = ("provider", "body")


def settings_of(entry: str) -> dict[str, str]:
    """The settings of an entry as texts of fields. Raises `UserError` for an entry that cannot be read."""
    return {name: _field(name, value) for name, value in parse_entry(entry).settings}


def with_settings(entry: str, values: Mapping[str, Any]) -> str:
    """The entry with these settings and no others; empty texts are none.

    Raises `UserError`, one sentence, for a setting that cannot act.
    """
    texts = {name: value.strip() for name, value in values.items() if isinstance(value, str)}
    given = {name: _object(text) if name in _OBJECTS else text for name, text in texts.items() if text}
    try:
        parts = parse_entry(entry)
    except UserError:
        # What cannot be read is put right by writing it anew.
        parts = parse_entry(entry.partition("{")[0])
    return str(parts._replace(settings=checked_settings(given)))


def short_labels(entries: Iterable[str]) -> dict[str, str]:
    """What stands on the chip of each entry that has settings. Those that cannot be read have none."""
    labels = {}
    for entry in entries:
        try:
            settings = parse_entry(entry).settings
        except UserError:
            continue
        if settings:
            labels[entry] = label_of("", settings)[1:-1]
    return labels


def _field(name: str, value: Any) -> str:
    if name in _OBJECTS:
        return object_text(json.loads(value))[1:-1]
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _object(text: str) -> str:
    return text if text.startswith("{") else f"{{{text}}}"
