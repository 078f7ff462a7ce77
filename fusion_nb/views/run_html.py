"""A run as one piece of static HTML: no script, no remote resource, readable where even its styles are taken away.

A run that is under way shows one lane per member, of fixed height and order, so that nothing jumps while texts arrive.
Every rule of the one style sheet stands under `.fusion-nb`.
"""

from __future__ import annotations

import re
import secrets
from functools import cache, lru_cache
from importlib.resources import files

from fusion_nb.core import RunState
from fusion_nb.views import candidates, escape, formatting, verdict_wording
from fusion_nb.views.candidates import judgement, rounds, title
from fusion_nb.views.citation_chips import cited_answer, cited_draft, member_hue, name_tag
from fusion_nb.views.frame_html import IGNORED
from fusion_nb.views.ledger_cells import Ledger, ledger
from fusion_nb.views.progress_lanes import lanes


def render_html(state: RunState, *, now: float | None = None, group: str | None = None, foot: str = "") -> str:
    """The whole view of a run, in any phase.

    Args:
        state: the run so far.
        now: seconds since its start, for calls under way.
        group: the name its tabs are tied by. Random by default: the same result may stand twice on one page.
        foot: HTML for the view's last line.
    """
    group = group or f"fnb-{state.run}-{secrets.token_hex(4)}"
    body = _running(state, now) if state.status == "running" else _finished(state, group)
    # The outer classes keep MathJax away: formulas are MathML already. The style comes last: where only
    # the tag is taken away, its text is not what a person sees first.
    view = f'<div class="fusion-nb {IGNORED}">{_head(state, now)}{_notes(state)}{body}{foot}</div>'
    return view + style_element(view)


def _head(state: RunState, now: float | None) -> str:
    took = state.seconds if state.status != "running" else now
    facts = [
        formatting.pool(state),
        verdict_wording.judges(state),
        verdict_wording.escalation(state),
        formatting.seconds(took) if took is not None else "",
        formatting.total_cost(state),
    ]
    agreement = verdict_wording.agreement(state, lambda name: name_tag(name, member_hue(state, name)))
    agreed = f'<p class="fnb-agree">{agreement}</p>' if agreement else ""
    status = (
        "" if state.status == "ok" else f' · <span class="fnb-{state.status}">{formatting.run_status(state)}</span>'
    )
    demo = f' · <strong class="fnb-demo">{escape.markup(formatting.DEMO)}</strong>' if state.demo else ""
    rest = "".join(f" · {escape.markup(fact)}" for fact in facts if fact)
    return (
        f'<p class="fnb-head"><strong>{escape.markup(formatting.mode(state))}</strong>{rest}{status}{demo}</p>{agreed}'
    )


def _notes(state: RunState) -> str:
    cascade = verdict_wording.escalation_note(state)
    told = f'<li class="fnb-good">{escape.markup(cascade)}</li>' if cascade else ""
    notes = "".join(map(_note, formatting.notes(state))) + told
    return f'<ul class="fnb-notes">{notes}</ul>' if notes else ""


def _note(note: str) -> str:
    kind = ' class="fnb-good"' if formatting.is_good_news(note) else ""
    return f"<li{kind}>{escape.markup(note)}</li>"


def _running(state: RunState, now: float | None) -> str:
    note = formatting.waiting_note(state, now)
    waiting = f'<p class="fnb-warn">{with_code(note)}</p>' if note else ""
    written = cited_draft(state) if state.draft else '<p class="fnb-meta">The answer will stand here.</p>'
    body = f'{title("Answer")}<div class="fnb-md" dir="auto">{written}</div>'
    return f'<section class="fnb-answer fnb-draft">{body}</section>{lanes(state, now)}{waiting}{rounds(state)}'


def _finished(state: RunState, group: str) -> str:
    tabs = (
        f"<section>{title('Candidates')}{candidates.candidate_tabs(state, group)}</section>" if state.candidates else ""
    )
    left = tabs and f"<div>{tabs}{rounds(state)}</div>"
    judge = judgement(state) if verdict_wording.was_judged(state) else ""
    head = title(*verdict_wording.verdict_title(state))
    right = f'<section class="fnb-judge">{head}{judge}</section>' if judge else ""
    columns = f'<div class="{"fnb-cols" if left and right else "fnb-one"}">{left}{right}</div>' if left or right else ""
    return f"{_answer(state)}{columns}{_ledger(state)}{_prompt(state)}"


def _found(state: RunState) -> str:
    """How the answer was found without a judge, below it; empty where one judged."""
    verdict = state.verdict
    note = verdict_wording.verdict_note(verdict) if verdict and not verdict_wording.was_judged(state) else ""
    head = verdict_wording.verdict_title(state)[0]
    return f'<p class="fnb-meta"><b>{head}</b> · {escape.markup(note)}</p>' if note else ""


def _answer(state: RunState) -> str:
    if state.answer is None:
        why = verdict_wording.no_answer(state)
        kind = "fnb-bad" if state.status == "error" else "fnb-warn"
        step = verdict_wording.next_step(state)
        next_step = f'<p class="fnb-meta">{with_code(step)}</p>' if step else ""
        reason = f'<p class="{kind}">{escape.markup(why)}</p>'
        return f'<section class="fnb-answer">{title("Answer")}{reason}{_found(state)}{next_step}</section>'
    error = f'<p class="fnb-bad">{escape.markup(state.error)}</p>' if state.error else ""
    head = title(verdict_wording.answer_title(state))
    body = f'<div class="fnb-md" dir="auto">{cited_answer(state)}</div>{share_bar(state)}{_found(state)}'
    return f'<section class="fnb-answer">{head}{error}{body}</section>'


def with_code(sentence: str) -> str:
    """A sentence of ours as HTML, with its commands as code."""
    return re.sub(r"`(%fuse [\w -]+)`", r"<code>\1</code>", escape.markup(sentence))


def share_bar(state: RunState) -> str:
    """Each member's part of the answer, by the judge's citations, as one thin bar with a legend."""
    shares = formatting.cited_shares(state)
    if not shares:
        return ""
    bar = "".join(f'<i class="{member_hue(state, name)}" style="width:{share:.1%}"></i>' for name, share in shares)
    legend = " ".join(
        name_tag(name, member_hue(state, name), more=f" {formatting.percent(share)}") for name, share in shares
    )
    return f'<p class="fnb-shares"><span class="fnb-bar">{bar}</span>{legend}</p>'


def _ledger(state: RunState) -> str:
    if not state.replies:
        return ""
    table = ledger(state)
    summary = f"<summary>Ledger <span>· {escape.markup(table.caption)}</span></summary>"
    return f'<details class="fnb-ledger">{summary}{ledger_table(table)}</details>'


def ledger_table(table: Ledger) -> str:
    """One row per call, totals at the foot."""
    head = "".join(f"<th{_side(c.right)}>{escape.markup(c.head)}</th>" for c in table.columns)
    body = "".join(f"<tr>{_cells(table, row)}</tr>" for row in table.rows)
    foot = f"<tfoot><tr>{_cells(table, table.totals)}</tr></tfoot>"
    rows = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}"
    remarks = "".join(f"<li>{escape.markup(remark)}</li>" for remark in table.remarks)
    notes = f'<ul class="fnb-notes">{remarks}</ul>' if remarks else ""
    return f'<div><div class="fnb-wide"><table>{rows}</table></div>{notes}</div>'


def _cells(table: Ledger, row: list[str]) -> str:
    return "".join(
        f"<td{_side(c.right)}>{escape.markup(cell)}</td>" for c, cell in zip(table.columns, row, strict=True)
    )


def _side(right: bool) -> str:
    return ' class="fnb-right"' if right else ""


def _prompt(state: RunState) -> str:
    system = f'<pre dir="auto">{escape.markup(state.params.system)}</pre>' if state.params.system else ""
    meta = f'<p class="fnb-meta">run {escape.markup(state.run)} · seed {state.seed} · {escape.markup(state.when)}</p>'
    return (
        f'<details class="fnb-ledger"><summary>Prompt <span>as sent</span></summary>'
        f'{system}<pre dir="auto">{escape.markup(state.prompt)}</pre>{meta}</details>'
    )


_SHEETS = ("style.css", "selection.css", "lanes.css", "evaluation.css", "code.css")
_RULE = re.compile(r"[^{};]+\{[^{}]*\}")
_EMPTY = re.compile(r"[^{};]+\{\s*\}")
_CLASS = re.compile(r"fnb-[\w-]+")
_ARGUMENTS = re.compile(r"\([^()]*\)")


@cache
def style_sheet() -> str:
    """Every rule, without comments and needless blanks, ready for a `<style>` element."""
    folder = files("fusion_nb.views")
    css = "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in _SHEETS)
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"\s*([{};,>])\s*", r"\1", re.sub(r"\s+", " ", css))
    # After a property's name; before a pseudo-class a blank says something.
    return re.sub(r"(?<=[\w-]): (?=\S)", ":", css).replace(";}", "}").strip()


def style_element(body: str) -> str:
    """The rules for the classes in `body` alone: a notebook keeps a copy with every result, and so does its export."""
    classes = frozenset(_CLASS.findall(body)).intersection(_CLASS.findall(style_sheet()))
    return f"<style>{_rules_for(classes)}</style>"


@lru_cache(maxsize=32)
def _rules_for(classes: frozenset[str]) -> str:
    css = _RULE.sub(lambda rule: rule[0] if _applies(rule[0], classes) else "", style_sheet())
    before = ""
    while css != before:
        before, css = css, _EMPTY.sub("", css)
    return css


def _applies(rule: str, classes: frozenset[str]) -> bool:
    """Whether a selector of the rule names no class outside `classes`; arguments of `:is(...)` do not count."""
    selectors = rule.partition("{")[0]
    while selectors != (bare := _ARGUMENTS.sub("", selectors)):
        selectors = bare
    return any(classes.issuperset(_CLASS.findall(selector)) for selector in selectors.split(","))
