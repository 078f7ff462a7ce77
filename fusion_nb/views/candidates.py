"""Parts of the HTML view: the answer with its citations, the candidates, and what the judge wrote about them.

Citations are small chips that name the members a passage came from. Candidates are tabs where the front end can show
tabs, and a list of foldable texts where it cannot.
"""

from __future__ import annotations

from collections.abc import Sequence

from fusion_nb.core import Analysis, Contradiction, Reply, RunState
from fusion_nb.views import candidate_wording, escape, formatting, verdict_wording
from fusion_nb.views.citation_chips import member_hue, name_tag
from fusion_nb.views.jury_scores_view import IN_A_TABLE, jury_details, score_table
from fusion_nb.views.markdown_to_html import render_inline, render_markdown

_BAD = ("error", "timeout", "refused", "filtered", "empty")


def candidate_tabs(state: RunState, group: str) -> str:
    """All candidates, one open. `group`: the page-wide name that makes opening one close the others."""
    shown = open_candidate(state)
    entries = "".join(_entry(state, reply, group, reply.call == shown) for reply in state.candidates)
    return f'<div class="fnb-tabs">{entries}</div>'


def open_candidate(state: RunState) -> int | None:
    """The call that stands open: the best ranked, else the first that said something.

    Not one whose text is the answer: that stands above, and what it was preferred to is worth the place.
    """
    calls = [r.call for r in state.candidates]
    verdict = state.verdict
    ranked = [c for c in (*verdict.chosen, *verdict.ranking) if c in calls] if verdict else []
    usable = [r.call for r in state.candidates if r.usable]
    others = [call for call in (*ranked, *usable, *calls) if not _is_answer(state, call)]
    return next(iter([*others, *calls]), None)


def _is_answer(state: RunState, call: int) -> bool:
    verdict = state.verdict
    return verdict is not None and call in verdict.chosen and state.reply(call).text == verdict.answer


def failure(reply: Reply) -> str:
    """Why a reply failed or is incomplete, as a paragraph; empty for a whole one."""
    if reply.status in (None, "ok"):
        return ""
    detail = reply.detail or reply.error or ""
    sentence = escape.markup(f"{formatting.reply_status(reply)}{f': {detail}' if detail else ''}")
    kind = "fnb-bad" if reply.status in _BAD else "fnb-warn"
    return f'<p class="{kind}">{sentence[0].upper()}{sentence[1:]}</p>'


def remarks(reply: Reply) -> str:
    """The warnings of a reply as paragraphs; empty for most replies."""
    return "".join(f'<p class="fnb-warn">⚠ {escape.markup(sentence)}</p>' for sentence in formatting.remarks(reply))


def _entry(state: RunState, reply: Reply, group: str, is_open: bool) -> str:
    name, *facts = candidate_wording.facts(state, reply)
    chosen = bool(state.verdict) and reply.call in (state.verdict.chosen if state.verdict else ())
    star = '<span class="fnb-star" title="chosen">★</span> ' if chosen else ""
    bad = " fnb-isbad" if reply.status in _BAD else ""
    rest = " · ".join(map(_fact, facts))
    summary = (
        f"<summary>{star}{name_tag(name, member_hue(state, name), tag='b', classes=bad)}"
        f'<span class="fnb-facts"><i> · </i>{rest}{badges(state, reply)}</span></summary>'
    )
    attributes = f' name="{escape.attribute(group)}"{" open" if is_open else ""}'
    # An open tab must not say once more what stands above it.
    above = is_open and _is_answer(state, reply.call)
    body = candidate_body(state, reply, _ABOVE if above else None)
    return f"<details{attributes}>{summary}{body}</details>"


def _fact(fact: str) -> str:
    """A fact as HTML: what the person's checks said stands out."""
    kind = {"✓ ": "fnb-pass", "✗ ": "fnb-fail"}.get(fact[:2])
    return f'<span class="{kind}">{escape.markup(fact)}</span>' if kind else escape.markup(fact)


def badges(state: RunState, reply: Reply) -> str:
    """The marks behind a candidate's facts: quiet where it differs, loud where there is something to know."""
    title = escape.attribute(" ".join(formatting.remarks(reply)))
    loud = f' <span class="fnb-suspect" title="{title}">{formatting.badge(reply)}</span>' if reply.warnings else ""
    said = escape.attribute(candidate_wording.short_answer(state, reply) or candidate_wording.DIFFERS)
    differs = verdict_wording.differs(state.agreement, reply.call)
    quiet = f' <span class="fnb-differs" title="{said}">{candidate_wording.DIFFERS}</span>' if differs else ""
    return quiet + loud


def check_list(reply: Reply) -> str:
    """What each of the person's checks said of a reply, one a line; empty where none was run."""
    lines = "".join(
        f'<li class="{"fnb-pass" if passed else "fnb-fail"}">{escape.markup(line)}</li>'
        for passed, line in candidate_wording.check_lines(reply)
    )
    return f'<ul class="fnb-checks">{lines}</ul>' if lines else ""


_ABOVE = '<p class="fnb-meta">Its text is the answer above.</p>'


def candidate_body(state: RunState, reply: Reply, text: str | None = None) -> str:
    """The content of a candidate's tab. `text`: HTML that replaces the rendered reply."""
    if text is None:
        text = render_markdown(reply.text) if reply.text.strip() else ""
    meta = " · ".join(map(escape.markup, candidate_wording.meta(state, reply)))
    return (
        f'<div class="fnb-panel"><p class="fnb-meta">{meta}{_share(state, reply)}</p>{_what_to_know(reply)}'
        f'<div class="fnb-md" dir="auto">{text}</div>{_earlier(state, reply)}</div>'
    )


def _what_to_know(reply: Reply) -> str:
    return f"{failure(reply)}{check_list(reply)}{remarks(reply)}"


def _share(state: RunState, reply: Reply) -> str:
    verdict = state.verdict
    share = verdict.share(reply.call) if verdict and not verdict.chosen else None
    if not share:
        return ""
    bar = f'<span class="fnb-bar {member_hue(state, reply.ref.name)}"><i style="width:{share:.1%}"></i></span>'
    return f' · <span class="fnb-share">{bar} {formatting.percent(share)} of the answer</span>'


def _earlier(state: RunState, reply: Reply) -> str:
    """The same member's replies of earlier rounds, and of calls that were retried by hand."""
    others = [
        r for r in state.replies if r.role == "candidate" and r.ref.name == reply.ref.name and r.call != reply.call
    ]
    return "".join(
        f'<details class="fnb-earlier"><summary>{_which(state, r, reply)}</summary>{_what_to_know(r)}'
        f'<div class="fnb-md" dir="auto">{render_markdown(r.text)}</div></details>'
        for r in others
    )


def _which(state: RunState, before: Reply, reply: Reply) -> str:
    if before.round == reply.round:
        return f"Call {before.call}, another try"
    return (formatting.turn(state, before) or ("round 0" if state.rounds else "first try")).capitalize()


def judgement(state: RunState) -> str:
    """How the answer was found, in a finished run: note, rationale, scores, each judge of a jury, analysis, what checks
    said of a merged answer; empty without a verdict."""
    verdict = state.verdict
    if verdict is None:
        return ""
    sentence = verdict_wording.verdict_note(verdict)
    kind = "fnb-warn" if verdict_wording.is_undecided(verdict) else "fnb-meta"
    note = f'<p class="{kind}">{escape.markup(sentence)}</p>' if sentence else ""
    # Each judge of a jury has its reasons with its own verdict.
    words = "" if verdict.jury else verdict.rationale.strip()
    rationale = f'<div class="fnb-md" dir="auto">{render_markdown(words)}</div>' if words else ""
    scores = score_table(state, verdict.scores, verdict.ranking, verdict.jury)
    analysis = _analysis(state, verdict.analysis) if verdict.analysis else ""
    return f"{note}{_merged(state)}{rationale}{scores}{jury_details(state, verdict)}{analysis}"


def _merged(state: RunState) -> str:
    """What the person's checks said of the merged answer."""
    reply = candidate_wording.checked_merge(state)
    lines = check_list(reply) if reply else ""
    return f'<p class="fnb-meta">Your checks of the merged answer:</p>{lines}' if lines else ""


def rounds(state: RunState) -> str:
    """The rounds of a debate as a list; empty where there was none."""
    if not state.rounds:
        return ""
    items = "".join(
        f"<li><b>Round {ended.round}</b> · {escape.markup(formatting.debate_round(ended))}</li>"
        for ended in state.rounds
    )
    return f'<section class="fnb-rounds">{title("Debate")}<ul>{items}</ul></section>'


def title(text: str, more: str = "") -> str:
    """The small heading of a section; kept out of the notebook's outline."""
    behind = f' <span class="fnb-more">{escape.markup(more)}</span>' if more else ""
    return f'<h4 class="fnb-title jp-toc-ignore">{escape.markup(text)}{behind}</h4>'


def _analysis(state: RunState, analysis: Analysis) -> str:
    partial = [f"{render_inline(p['point'])} {_names(state, p['models'])}" for p in analysis["partial_coverage"]]
    unique = [f"{_name(state, u['model'])} {render_inline(u['insight'])}" for u in analysis["unique_insights"]]
    return "".join(
        (
            _list("Consensus", [render_inline(c) for c in analysis["consensus"]]),
            _contradictions(state, analysis["contradictions"]),
            _list("Covered by some", partial),
            _list("Only one says", unique),
            _list("Nobody covers", [render_inline(b) for b in analysis["blind_spots"]]),
        )
    )


def _list(head: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    return f'{title(head)}<ul class="fnb-points">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


def _contradictions(state: RunState, contradictions: Sequence[Contradiction]) -> str:
    if not contradictions:
        return ""
    rows = "".join(_contradiction(state, one) for one in contradictions)
    return (
        f'{title("Contradictions")}<div class="fnb-wide"><table class="fnb-stances"><tbody>{rows}</tbody></table></div>'
    )


def _contradiction(state: RunState, one: Contradiction) -> str:
    head = f'<tr><th colspan="2">{render_inline(one["topic"])}</th></tr>'
    stances = "".join(
        f"<tr><td>{name_tag(s['model'], member_hue(state, s['model']), longest=IN_A_TABLE)}</td>"
        f"<td>{render_inline(s['stance'])}</td></tr>"
        for s in one["stances"]
    )
    return head + stances


def _name(state: RunState, name: str) -> str:
    return name_tag(name, member_hue(state, name))


def _names(state: RunState, names: Sequence[str]) -> str:
    return f'<span class="fnb-who">{" ".join(_name(state, n) for n in names)}</span>' if names else ""
