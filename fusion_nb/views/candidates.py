"""The candidates side by side: tabs where the front end can, a list of foldable texts where it cannot."""

from __future__ import annotations

from fusion_nb._types import Reply, RunState
from fusion_nb.views import clean, ledger, words
from fusion_nb.views.cited import hue
from fusion_nb.views.markdown import render

_BAD = ("error", "timeout", "refused", "filtered", "empty")


def tabs(state: RunState, group: str) -> str:
    """All candidates, one open. `group`: the page-wide name that makes opening one close the others."""
    shown = opened(state)
    entries = "".join(_entry(state, reply, group, reply.call == shown) for reply in state.candidates)
    return f'<div class="fnb-tabs">{entries}</div>'


def opened(state: RunState) -> int | None:
    """The call that stands open: the chosen, else the best ranked, else the first that said something."""
    calls = [r.call for r in state.candidates]
    given = state.verdict
    liked = [c for c in (*given.chosen, *given.ranking) if c in calls] if given else []
    usable = [r.call for r in state.candidates if r.usable]
    return next(iter([*liked, *usable, *calls]), None)


def failure(reply: Reply) -> str:
    """Why a reply is not what was asked for, as a sentence; empty where it is."""
    if reply.status in (None, "ok"):
        return ""
    detail = reply.detail or reply.error or ""
    said = clean.markup(f"{words.reply_status(reply)}{f': {detail}' if detail else ''}")
    kind = "fnb-bad" if reply.status in _BAD else "fnb-warn"
    return f'<p class="{kind}">{said[0].upper()}{said[1:]}</p>'


def suspicion(reply: Reply) -> str:
    """What in it seems meant for the judge; mostly empty."""
    said = words.suspicion(reply)
    return f'<p class="fnb-warn">⚠ {clean.markup(said)}</p>' if said else ""


def _entry(state: RunState, reply: Reply, group: str, is_open: bool) -> str:
    name, *facts = words.facts(state, reply)
    chosen = bool(state.verdict) and reply.call in (state.verdict.chosen if state.verdict else ())
    star = '<span class="fnb-star" title="chosen">★</span> ' if chosen else ""
    bad = " fnb-isbad" if reply.status in _BAD else ""
    badge = f' <span class="fnb-suspect">⚠ {words.SUSPECT}</span>' if reply.suspect else ""
    rest = " · ".join(clean.markup(fact) for fact in facts)
    summary = (
        f'<summary><b class="fnb-name {hue(state, name)}{bad}">{star}{clean.markup(name)}</b>'
        f'<span class="fnb-facts"><i> · </i>{rest}{badge}</span></summary>'
    )
    attributes = f' name="{clean.attribute(group)}"{" open" if is_open else ""}'
    return f"<details{attributes}>{summary}{body(state, reply)}</details>"


def body(state: RunState, reply: Reply) -> str:
    """What stands under a candidate's tab."""
    said = render(reply.text) if reply.text.strip() else ""
    return (
        f'<div class="fnb-panel"><p class="fnb-meta">{_meta(state, reply)}{_share(state, reply)}</p>'
        f'{failure(reply)}{suspicion(reply)}<div class="fnb-md">{said}</div>{_earlier(state, reply)}</div>'
    )


def _meta(state: RunState, reply: Reply) -> str:
    tokens = reply.usage.completion
    facts = [
        f"{reply.ref.service}:{ledger.model(reply)}",
        f"{words.number(tokens)} tokens" if tokens is not None else "",
        f"first text {words.seconds(reply.ttft)}" if reply.ttft is not None else "",
        words.plural(reply.attempts, "attempt") if reply.attempts > 1 else "",
    ]
    return " · ".join(clean.markup(fact) for fact in facts if fact)


def _share(state: RunState, reply: Reply) -> str:
    given = state.verdict
    share = given.share(reply.call) if given and not given.chosen else None
    if not share:
        return ""
    bar = f'<span class="fnb-bar {hue(state, reply.ref.name)}"><i style="width:{share:.1%}"></i></span>'
    return f" · {bar} {words.percent(share)} of the answer"


def _earlier(state: RunState, reply: Reply) -> str:
    """What the same member said in the rounds before, and in calls that were given up and asked anew."""
    before = [
        r for r in state.replies if r.role == "candidate" and r.ref.name == reply.ref.name and r.call != reply.call
    ]
    return "".join(
        f'<details class="fnb-earlier"><summary>{_which(r, reply)}</summary>{failure(r)}{suspicion(r)}'
        f'<div class="fnb-md">{render(r.text)}</div></details>'
        for r in before
    )


def _which(before: Reply, reply: Reply) -> str:
    return f"Round {before.round}" if before.round != reply.round else f"Call {before.call}, another try"
