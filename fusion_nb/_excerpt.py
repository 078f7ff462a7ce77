"""A long text cut in its middle, with a mark that says how much was left out."""

from __future__ import annotations

MOST = 200_000
"""Characters of one text that a judge is shown, and that are searched for signs that it speaks to the judge."""


def excerpt(text: str, most: int = MOST) -> str:
    """`text`, or its beginning and its end with a mark between them: at most `most` characters beside the mark."""
    if len(text) <= most:
        return text
    head = (most + 1) // 2
    tail = most - head
    end = text[-tail:] if tail else ""
    return f"{text[:head]}\n[... {len(text) - most:,} characters left out here ...]\n{end}"
