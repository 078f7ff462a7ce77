"""The fused answer with its citations: small chips that name the members a passage came from."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fusion_nb import _citations
from fusion_nb._types import Citation, RunState
from fusion_nb.views import clean, marks, words
from fusion_nb.views.markdown import render

_MANY = 3
_STOP = re.compile(r"[.,;:!?](?!\S)")


def answer(state: RunState) -> str:
    """The verdict's answer as safe HTML."""
    given = state.verdict
    return "" if given is None or given.answer is None else _chipped(state, given.answer, given.citations)


def draft(state: RunState) -> str:
    """The answer as far as the judge has written it, as safe HTML, without a citation it has only begun."""
    clean_text, citations = _citations.read(re.sub(r"[ \t]?\[[^\]\n]{0,40}$", "", state.draft), state.labels)
    return _chipped(state, clean_text, citations)


def hue(state: RunState, name: str) -> str:
    """The class that gives a member its colour: its place in the pool."""
    names = [ref.name for ref in state.pool]
    return f"fnb-m{names.index(name) % 8}" if name in names else "fnb-m8"


def _chipped(state: RunState, text: str, citations: Sequence[Citation]) -> str:
    html = render(marks.unforgeable(text), [_behind(text, c.end) for c in citations])
    chips = [_chip(state, c.calls) for c in citations]
    return marks.PATTERN.sub(lambda found: chips[marks.index(found)] if marks.index(found) < len(chips) else "", html)


def _behind(text: str, end: int) -> int:
    """A chip stands behind the sentence's own stop, as a footnote's number does."""
    return end + (_STOP.match(text, end) is not None)


def _chip(state: RunState, calls: Sequence[int]) -> str:
    names = [state.reply(call).ref.name for call in calls if 0 < call <= len(state.replies)]
    everyone = len(names) >= _MANY and len(names) == len(state.pool)
    said = [f'<span class="{hue(state, n)}">{clean.markup(n)}</span>' for n in (names if not everyone else [])]
    title = clean.attribute(f"From {words.listed(names)}, says the judge")
    shown = "<i>, </i>".join(said) or f"<span>all {len(names)}</span>"
    # The brackets are seen where styles are taken away.
    return f'<sup class="fnb-cite" title="{title}"><i>[</i>{shown}<i>]</i></sup>'
