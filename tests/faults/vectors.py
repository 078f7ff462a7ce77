"""The JSON test suite as answers: each document as an event between two good ones, and as a whole body."""

from __future__ import annotations

import functools
from pathlib import Path

from tests.faults.answer import FIRST, SECOND, Answer, delta, finish, sse

FOLDER = Path(__file__).parents[2] / "../shared/vectors/json"


@functools.cache
def files() -> tuple[Path, ...]:
    return tuple(sorted(FOLDER.glob("*.json")))


def answer(row: str) -> Answer:
    """`row`: `json_event_<n>` or `json_body_<n>`."""
    _, form, number = row.split("_")
    document = files()[int(number)].read_bytes()
    if form == "body":
        return Answer(document, kind="application/json", framing="length")
    # Raw line endings would cut the document; in an event they are written as lines of their own.
    lines = document.replace(b"\r", b" ").replace(b"\n", b"\ndata: ")
    return Answer(sse(delta(FIRST)) + b"data: " + lines + b"\n\n" + sse(delta(SECOND), finish(), "[DONE]"))
