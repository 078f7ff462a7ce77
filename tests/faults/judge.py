"""A scripted judge for fault runs: reads the framing, prefers the first candidate it is shown."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.faults.answer import Answer, delta, finish, stream, usage

_CANDIDATE = re.compile(r"^===== BEGIN CANDIDATE ([A-Z][1-9]) [0-9a-f]{32} =====$", re.MULTILINE)


def verdict(messages: list[dict[str, Any]]) -> Answer:
    """A verdict in form."""
    labels = list(dict.fromkeys(_CANDIDATE.findall("\n".join(m["content"] for m in messages))))
    criteria = ("correctness", "completeness", "clarity")
    said = {
        "scores": {label: dict.fromkeys(criteria, 9 - (place > 0)) for place, label in enumerate(labels)},
        "ranking": labels,
        "rationale": "Because it stands first.",
    }
    return stream(delta(json.dumps(said)), finish(), usage(), "[DONE]")
