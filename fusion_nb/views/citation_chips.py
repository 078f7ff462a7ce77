"""The fused answer with its citations: small chips that name the members a passage came from."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fusion_nb.core import Citation, RunState
from fusion_nb.core.citations import read_citations
from fusion_nb.core.wording import listed
from fusion_nb.views import escape, formatting, markdown_placeholders
from fusion_nb.views.markdown_to_html import render_markdown

_MANY = 3
_STOP = re.compile(r"[.,;:!?](?!\S)")


def cited_answer(state: RunState) -> str:
    """The verdict's answer as safe HTML."""
    verdict = state.verdict
    return "" if verdict is None or verdict.answer is None else _chipped(state, verdict.answer, verdict.citations)


def cited_draft(state: RunState) -> str:
    """The answer as far as the judge has written it, as safe HTML, without a citation it has only begun."""
    clean_text, citations = read_citations(re.sub(r"[ \t]?\[[^\]\n]{0,40}$", "", state.draft), state.labels)
    return _chipped(state, clean_text, citations)


def member_hue(state: RunState, name: str) -> str:
    """The class that gives a member its colour: its place in the pool, behind which those of a cascade stand."""
    names = list(dict.fromkeys(ref.name for ref in (*state.pool, *state.selection.escalate)))
    return f"fnb-m{names.index(name) % 8}" if name in names else "fnb-m8"


def name_tag(name: str, hue: str, *, tag: str = "span", classes: str = "", more: str = "", longest: int = 32) -> str:
    """A member's name in its colour; a long one is cut in its middle, with the whole of it as the title."""
    short = formatting.short_name(name, longest)
    title = f' title="{escape.attribute(name)}"' if short != name else ""
    return f'<{tag} class="fnb-name {hue}{classes}"{title}>{escape.markup(short)}{more}</{tag}>'


def _chipped(state: RunState, text: str, citations: Sequence[Citation]) -> str:
    html = render_markdown(markdown_placeholders.unforgeable(text), [_behind(text, c.end) for c in citations])
    chips = [_chip(state, c.calls) for c in citations]
    return markdown_placeholders.PATTERN.sub(
        lambda match: (
            chips[markdown_placeholders.index(match)] if markdown_placeholders.index(match) < len(chips) else ""
        ),
        html,
    )


def _behind(text: str, end: int) -> int:
    """The offset of a chip: behind the punctuation that ends its passage, like the number of a footnote."""
    return end + (_STOP.match(text, end) is not None)


def _chip(state: RunState, calls: Sequence[int]) -> str:
    names = [state.reply(call).ref.name for call in calls if 0 < call <= len(state.replies)]
    everyone = len(names) >= _MANY and len(names) == len(state.pool)
    parts = [
        f'<span class="{member_hue(state, n)}">{escape.markup(formatting.short_name(n))}</span>'
        for n in (names if not everyone else [])
    ]
    title = escape.attribute(f"From {listed(names)}, says the judge")
    shown = "<i>, </i>".join(parts) or f"<span>all {len(names)}</span>"
    # The brackets are seen where styles are taken away.
    return f'<sup class="fnb-cite" title="{title}"><i>[</i>{shown}<i>]</i></sup>'
