"""What the judge said: rationale, scores, analysis, and how a debate went."""

from __future__ import annotations

from collections.abc import Sequence

from fusion_nb._types import Analysis, Contradiction, Reply, RunState, Verdict
from fusion_nb.views import clean, words
from fusion_nb.views.cited import hue
from fusion_nb.views.markdown import inline, render


def judgement(state: RunState) -> str:
    """The judge's side of a finished run; empty where there is no verdict and nothing to say of it."""
    given = state.verdict
    if given is None:
        return ""
    said = words.verdict(given)
    kind = "fnb-warn" if given.state in ("unread", "failed") else "fnb-meta"
    note = f'<p class="{kind}">{clean.markup(said)}</p>' if said else ""
    rationale = f'<div class="fnb-md">{render(given.rationale)}</div>' if given.rationale.strip() else ""
    analysis = _analysis(state, given.analysis) if given.analysis else ""
    return f"{note}{rationale}{_scores(state, given)}{analysis}"


def rounds(state: RunState) -> str:
    """Who changed their mind, round by round; empty where there was no debate."""
    if not state.rounds:
        return ""
    items = "".join(
        f"<li><b>Round {ended.round}</b> · {clean.markup(words.debate_round(ended))}</li>" for ended in state.rounds
    )
    return f'<section class="fnb-rounds">{title("Debate")}<ul>{items}</ul></section>'


def title(text: str, more: str = "") -> str:
    """The small heading of a section; kept out of the notebook's outline."""
    behind = f' <span class="fnb-more">{clean.markup(more)}</span>' if more else ""
    return f'<h4 class="fnb-title jp-toc-ignore">{clean.markup(text)}{behind}</h4>'


def _scores(state: RunState, given: Verdict) -> str:
    scored = [r for r in _ranked(state, given) if given.scores.get(r.call)]
    if not scored:
        return ""
    criteria = list(dict.fromkeys(c for r in scored for c in given.scores[r.call]))
    single = len(criteria) == 1
    head = "".join(f'<th class="fnb-right">{_breakable(c)}</th>' for c in [*([] if single else ["mean"]), *criteria])
    body = "".join(_score_row(state, given, reply, criteria, single) for reply in scored)
    table = f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="fnb-scores fnb-wide">{table}</div>'


def _breakable(word: str) -> str:
    """`completeness` may break before its ending: columns of figures are narrow."""
    return clean.markup(word).replace("ness", "&shy;ness")


def _score_row(state: RunState, given: Verdict, reply: Reply, criteria: Sequence[str], single: bool) -> str:
    own = given.scores[reply.call]
    cells = "".join(f'<td class="fnb-right">{words.compact(own.get(criterion))}</td>' for criterion in criteria)
    mean = "" if single else f'<td class="fnb-right"><b>{words.score(given.score(reply.call))}</b></td>'
    return f"<tr><td>{_name(state, reply.ref.name)}</td>{mean}{cells}</tr>"


def _ranked(state: RunState, given: Verdict) -> list[Reply]:
    order = {call: place for place, call in enumerate(given.ranking)}
    return sorted(state.candidates, key=lambda reply: order.get(reply.call, len(order)))


def _analysis(state: RunState, held: Analysis) -> str:
    partial = [f"{inline(p['point'])} {_names(state, p['models'])}" for p in held["partial_coverage"]]
    unique = [f"{_name(state, u['model'])} {inline(u['insight'])}" for u in held["unique_insights"]]
    return "".join(
        (
            _list("Consensus", [inline(c) for c in held["consensus"]]),
            _contradictions(state, held["contradictions"]),
            _list("Covered by some", partial),
            _list("Only one says", unique),
            _list("Nobody covers", [inline(b) for b in held["blind_spots"]]),
        )
    )


def _list(head: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    return f'{title(head)}<ul class="fnb-points">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


def _contradictions(state: RunState, held: Sequence[Contradiction]) -> str:
    if not held:
        return ""
    rows = "".join(_contradiction(state, one) for one in held)
    return (
        f'{title("Contradictions")}<div class="fnb-wide"><table class="fnb-stances"><tbody>{rows}</tbody></table></div>'
    )


def _contradiction(state: RunState, one: Contradiction) -> str:
    head = f'<tr><th colspan="2">{inline(one["topic"])}</th></tr>'
    stances = "".join(
        f"<tr><td>{_name(state, s['model'])}</td><td>{inline(s['stance'])}</td></tr>" for s in one["stances"]
    )
    return head + stances


def _name(state: RunState, name: str) -> str:
    return f'<span class="fnb-name {hue(state, name)}">{clean.markup(name)}</span>'


def _names(state: RunState, names: Sequence[str]) -> str:
    return f'<span class="fnb-who">{" ".join(_name(state, n) for n in names)}</span>' if names else ""
