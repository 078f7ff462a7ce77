"""A run as one piece of static HTML: no script, no remote resource, readable where even its styles are taken away."""

from __future__ import annotations

import re
import secrets

from fusion_nb._types import RunState
from fusion_nb.views import candidates, clean, words
from fusion_nb.views.cited import answer, draft, hue
from fusion_nb.views.judgement import judgement, rounds, title
from fusion_nb.views.lanes import lanes
from fusion_nb.views.ledger import Ledger, ledger
from fusion_nb.views.style import sheet

_CODE = re.compile(r'class="fnb-t[a-z]"')
"""Coloured code: see `highlight.py`."""


def render(state: RunState, *, now: float | None = None, group: str | None = None, foot: str = "") -> str:
    """The whole view of a run, in any phase.

    Args:
        state: the run so far.
        now: seconds since its start, for calls under way.
        group: the name its tabs are tied by. Random by default: the same result may stand twice on one page.
        foot: HTML for the view's last line.
    """
    group = group or f"fnb-{state.run}-{secrets.token_hex(4)}"
    body = _running(state, now) if state.status == "running" else _finished(state, group)
    # The outer class keeps MathJax away from prices; formulas ask for it themselves. The style comes last: where only
    # the tag is taken away, its text is not what a person sees first.
    return (
        f'<div class="fusion-nb mathjax_ignore tex2jax_ignore">{_head(state, now)}{_notes(state)}{body}{foot}</div>'
        f"<style>{sheet(lanes=state.status == 'running', code=_CODE.search(body) is not None)}</style>"
    )


def _head(state: RunState, now: float | None) -> str:
    judge = f"judge {state.judge.name}" if state.judge else ""
    took = state.seconds if state.status != "running" else now
    facts = [words.pool(state), judge, words.seconds(took) if took is not None else "", words.total_cost(state)]
    status = "" if state.status == "ok" else f' · <span class="fnb-{state.status}">{words.run_status(state)}</span>'
    demo = f' · <strong class="fnb-demo">{clean.markup(words.DEMO)}</strong>' if state.demo else ""
    said = "".join(f" · {clean.markup(fact)}" for fact in facts if fact)
    return f'<p class="fnb-head"><strong>{clean.markup(words.mode(state))}</strong>{said}{status}{demo}</p>'


def _notes(state: RunState) -> str:
    notes = "".join(f"<li>{clean.markup(note)}</li>" for note in state.notes)
    return f'<ul class="fnb-notes">{notes}</ul>' if notes else ""


def _running(state: RunState, now: float | None) -> str:
    written = draft(state) if state.draft else '<p class="fnb-meta">The answer will stand here.</p>'
    return (
        f'<section class="fnb-answer fnb-draft">{title("Answer")}<div class="fnb-md">{written}</div></section>'
        f"{lanes(state, now)}{rounds(state)}"
    )


def _finished(state: RunState, group: str) -> str:
    tabs = f"<section>{title('Candidates')}{candidates.tabs(state, group)}</section>" if state.candidates else ""
    left = tabs and f"<div>{tabs}{rounds(state)}</div>"
    said = judgement(state)
    asked = state.verdict is not None and state.verdict.state not in ("not-needed", "by-hand")
    who = state.judge.name if state.judge and asked else ""
    right = f'<section class="fnb-judge">{title("Judge", who)}{said}</section>' if said else ""
    columns = f'<div class="{"fnb-cols" if left and right else "fnb-one"}">{left}{right}</div>' if left or right else ""
    return f"{_answer(state)}{columns}{_ledger(state)}{_prompt(state)}"


def _answer(state: RunState) -> str:
    if state.answer is None:
        why = words.no_answer(state)
        kind = "fnb-bad" if state.status == "error" else "fnb-warn"
        return f'<section class="fnb-answer">{title("Answer")}<p class="{kind}">{clean.markup(why)}</p></section>'
    error = f'<p class="fnb-bad">{clean.markup(state.error)}</p>' if state.error else ""
    head = title(words.answer_title(state))
    return (
        f'<section class="fnb-answer">{head}{error}<div class="fnb-md">{answer(state)}</div>{shares(state)}</section>'
    )


def shares(state: RunState) -> str:
    """How much of the answer comes from whom, by the judge's citations, as one thin bar."""
    known = words.known_shares(state)
    if not known:
        return ""
    bar = "".join(f'<i class="{hue(state, name)}" style="width:{share:.1%}"></i>' for name, share in known)
    legend = " ".join(
        f'<span class="fnb-name {hue(state, name)}">{clean.markup(name)} {words.percent(share)}</span>'
        for name, share in known
    )
    return f'<p class="fnb-shares"><span class="fnb-bar">{bar}</span>{legend}</p>'


def _ledger(state: RunState) -> str:
    if not state.replies:
        return ""
    kept = ledger(state)
    summary = f"<summary>Ledger <span>· {clean.markup(kept.caption)}</span></summary>"
    return f'<details class="fnb-ledger">{summary}{ledger_table(kept)}</details>'


def ledger_table(kept: Ledger) -> str:
    """One row per call, totals at the foot."""
    head = "".join(f"<th{_side(c.right)}>{clean.markup(c.head)}</th>" for c in kept.columns)
    body = "".join(f"<tr>{_cells(kept, row)}</tr>" for row in kept.rows)
    foot = f"<tfoot><tr>{_cells(kept, kept.totals)}</tr></tfoot>"
    return f'<div class="fnb-wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table></div>'


def _cells(kept: Ledger, row: list[str]) -> str:
    return "".join(f"<td{_side(c.right)}>{clean.markup(cell)}</td>" for c, cell in zip(kept.columns, row, strict=True))


def _side(right: bool) -> str:
    return ' class="fnb-right"' if right else ""


def _prompt(state: RunState) -> str:
    system = f"<pre>{clean.markup(state.params.system)}</pre>" if state.params.system else ""
    meta = f'<p class="fnb-meta">run {clean.markup(state.run)} · seed {state.seed} · {clean.markup(state.when)}</p>'
    return (
        f'<details class="fnb-ledger"><summary>Prompt <span>as sent</span></summary>'
        f"{system}<pre>{clean.markup(state.prompt)}</pre>{meta}</details>"
    )
