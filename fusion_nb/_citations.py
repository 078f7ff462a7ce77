"""Citations in a fused answer: `[K7]` or `[K7, Q2]` after a passage names, by blind label, where it came from."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fusion_nb._types import Citation

_MARK = re.compile(r"[ \t]?\[([A-Z]\d(?:\s*[,;]\s*[A-Z]\d)*)\]")
_PASSAGE = re.compile(r"[^\n]*\Z")


def read(text: str, labels: Mapping[str, int]) -> tuple[str, tuple[Citation, ...]]:
    """`text` without its citations, and the passages they spoke of.

    A passage reaches back from its citation to the one before it, or to the beginning of its line. Marks that name no
    candidate of this run are text and stay.
    """
    clean, citations, last, start = "", [], 0, 0
    for mark in _MARK.finditer(text):
        calls = tuple(labels[name] for name in re.findall(r"[A-Z]\d", mark[1]) if name in labels)
        if not calls:
            continue
        clean += text[last : mark.start()]
        line = _PASSAGE.search(clean)
        begin = max(start, line.start() if line else 0)
        if clean[begin:].strip():
            citations.append(Citation(begin, len(clean), tuple(dict.fromkeys(calls))))
        elif citations:
            # Two marks in a row, or one at the start of a line: they speak of the passage before.
            before = citations[-1]
            citations[-1] = before._replace(calls=tuple(dict.fromkeys((*before.calls, *calls))))
        last, start = mark.end(), len(clean)
    return clean + text[last:], tuple(citations)
