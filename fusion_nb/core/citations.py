"""Citations in a fused answer: `[K7]` or `[K7, Q2]` after a passage names, by blind label, where it came from."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fusion_nb.core.verdict import Citation

_MARK = re.compile(
    r"[ \t]?\[(?:[Cc]andidates?[ \t]+)?([A-Z]\d(?:[ \t]*(?:[,;&]|,?[ \t]and)[ \t]*[A-Z]\d)*)\](?!\()",
)


def read_citations(text: str, labels: Mapping[str, int]) -> tuple[str, tuple[Citation, ...]]:
    """`text` without its citations, and the passages they spoke of.

    A passage reaches back from its citation to the one before it, or to the beginning of its line; a citation on a line
    of its own speaks of the paragraph above. Marks that name no candidate of this run are text and stay.
    """
    clean, citations, last, start = "", [], 0, 0
    for mark in _MARK.finditer(text):
        calls = tuple(dict.fromkeys(labels[name] for name in re.findall(r"[A-Z]\d", mark[1]) if name in labels))
        if not calls:
            continue
        clean += text[last : mark.start()]
        begin, end = _passage(clean, start)
        if begin < end:
            citations.append(Citation(begin, end, calls))
        elif citations:
            # Two marks in a row: they speak of the same passage.
            previous = citations[-1]
            citations[-1] = previous._replace(calls=tuple(dict.fromkeys((*previous.calls, *calls))))
        last, start = mark.end(), len(clean)
    return clean + text[last:], tuple(citations)


def _passage(clean: str, start: int) -> tuple[int, int]:
    """Where the passage that ends `clean` begins and ends, not before `start`; empty where only blanks are left."""
    begin = max(start, clean.rfind("\n") + 1)
    if clean[begin:].strip():
        return begin, len(clean)
    end = max(start, len(clean.rstrip()))
    above = clean.rfind("\n\n", start, end)
    begin = above + 2 if above >= 0 else start
    return begin + len(clean[begin:end]) - len(clean[begin:end].lstrip()), end
