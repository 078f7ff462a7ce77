"""Parts of the HTML view: the answer with its citations, the candidates, and what the judge wrote about them.

Citations are small chips that name the members a passage came from. Candidates are tabs where the front end can show
tabs, and a list of foldable texts where it cannot.
"""

from __future__ import annotations

from collections.abc import Sequence

from fusion_nb.core import Analysis, Contradiction, Reply, RunState, Verdict
from fusion_nb.views import escape, formatting, ledger
from fusion_nb.views.citation_chips import member_hue, name_tag
from fusion_nb.views.markdown_to_html import render_inline, render_markdown

_IN_A_TABLE = 20
"""Characters of a name that a narrow column has room for."""


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
    name, *facts = formatting.facts(state, reply)
    chosen = bool(state.verdict) and reply.call in (state.verdict.chosen if state.verdict else ())
    star = '<span class="fnb-star" title="chosen">★</span> ' if chosen else ""
    bad = " fnb-isbad" if reply.status in _BAD else ""
    title = escape.attribute(" ".join(formatting.remarks(reply)))
    badge = f' <span class="fnb-suspect" title="{title}">{formatting.badge(reply)}</span>' if reply.warnings else ""
    rest = " · ".join(escape.markup(fact) for fact in facts)
    summary = (
        f"<summary>{star}{name_tag(name, member_hue(state, name), tag='b', classes=bad)}"
        f'<span class="fnb-facts"><i> · </i>{rest}{badge}</span></summary>'
    )
    attributes = f' name="{escape.attribute(group)}"{" open" if is_open else ""}'
    # An open tab must not say once more what stands above it.
    above = is_open and _is_answer(state, reply.call)
    body = candidate_body(state, reply, _ABOVE if above else None)
    return f"<details{attributes}>{summary}{body}</details>"


_ABOVE = '<p class="fnb-meta">Its text is the answer above.</p>'


def candidate_body(state: RunState, reply: Reply, text: str | None = None) -> str:
    """The content of a candidate's tab. `text`: HTML that replaces the rendered reply."""
    if text is None:
        text = render_markdown(reply.text) if reply.text.strip() else ""
    return (
        f'<div class="fnb-panel"><p class="fnb-meta">{_meta(state, reply)}{_share(state, reply)}</p>'
        f'{failure(reply)}{remarks(reply)}<div class="fnb-md" dir="auto">{text}</div>{_earlier(state, reply)}</div>'
    )


def _meta(state: RunState, reply: Reply) -> str:
    tokens = reply.usage.completion
    facts = [
        f"{reply.ref.service}:{ledger.model(reply)}",
        f"{formatting.number(tokens)} tokens" if tokens is not None else "",
        f"first text {formatting.seconds(reply.ttft)}" if reply.ttft is not None else "",
        formatting.plural(reply.attempts, "attempt") if reply.attempts > 1 else "",
    ]
    return " · ".join(escape.markup(fact) for fact in facts if fact)


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
        f'<details class="fnb-earlier"><summary>{_which(r, reply)}</summary>{failure(r)}{remarks(r)}'
        f'<div class="fnb-md" dir="auto">{render_markdown(r.text)}</div></details>'
        for r in others
    )


def _which(before: Reply, reply: Reply) -> str:
    return f"Round {before.round}" if before.round != reply.round else f"Call {before.call}, another try"


def judgement(state: RunState) -> str:
    """The judge's part of a finished run: note, rationale, scores, analysis; empty without a verdict."""
    verdict = state.verdict
    if verdict is None:
        return ""
    sentence = formatting.verdict_note(verdict)
    kind = "fnb-warn" if verdict.state in ("unread", "failed") else "fnb-meta"
    note = f'<p class="{kind}">{escape.markup(sentence)}</p>' if sentence else ""
    rationale = (
        f'<div class="fnb-md" dir="auto">{render_markdown(verdict.rationale)}</div>'
        if verdict.rationale.strip()
        else ""
    )
    analysis = _analysis(state, verdict.analysis) if verdict.analysis else ""
    return f"{note}{rationale}{_scores(state, verdict)}{analysis}"


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


def _scores(state: RunState, verdict: Verdict) -> str:
    scored = [r for r in _ranked(state, verdict) if verdict.scores.get(r.call)]
    if not scored:
        return ""
    criteria = list(dict.fromkeys(c for r in scored for c in verdict.scores[r.call]))
    single = len(criteria) == 1
    head = "".join(f'<th class="fnb-right">{_breakable(c)}</th>' for c in [*([] if single else ["mean"]), *criteria])
    body = "".join(_score_row(state, verdict, reply, criteria, single) for reply in scored)
    table = f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="fnb-scores fnb-wide">{table}</div>'


def _breakable(word: str) -> str:
    """A criterion with a soft hyphen before `ness`: columns of figures are narrow."""
    return escape.markup(word).replace("ness", "&shy;ness")


def _score_row(state: RunState, verdict: Verdict, reply: Reply, criteria: Sequence[str], single: bool) -> str:
    own = verdict.scores[reply.call]
    cells = "".join(f'<td class="fnb-right">{formatting.compact(own.get(criterion))}</td>' for criterion in criteria)
    mean = "" if single else f'<td class="fnb-right"><b>{formatting.score(verdict.score(reply.call))}</b></td>'
    name = name_tag(reply.ref.name, member_hue(state, reply.ref.name), longest=_IN_A_TABLE)
    return f"<tr><td>{name}</td>{mean}{cells}</tr>"


def _ranked(state: RunState, verdict: Verdict) -> list[Reply]:
    places = {call: place for place, call in enumerate(verdict.ranking)}
    return sorted(state.candidates, key=lambda reply: places.get(reply.call, len(places)))


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
        f"<tr><td>{name_tag(s['model'], member_hue(state, s['model']), longest=_IN_A_TABLE)}</td>"
        f"<td>{render_inline(s['stance'])}</td></tr>"
        for s in one["stances"]
    )
    return head + stances


def _name(state: RunState, name: str) -> str:
    return name_tag(name, member_hue(state, name))


def _names(state: RunState, names: Sequence[str]) -> str:
    return f'<span class="fnb-who">{" ".join(_name(state, n) for n in names)}</span>' if names else ""
