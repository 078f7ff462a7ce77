"""Whom a run under way has asked, one lane each: how far it is, and the last words received."""

from __future__ import annotations

from fusion_nb.core import Ref, Reply, RunState
from fusion_nb.views import candidate_wording, escape, formatting
from fusion_nb.views.citation_chips import member_hue, name_tag

_TAIL = 280
"""Characters of a text's end that a lane has room for."""


def current_replies(state: RunState) -> list[tuple[Ref, Reply | None]]:
    """Each member, in pool order, those of a cascade behind them, then the judges: with its latest call, or none where
    it was not asked yet."""
    latest: dict[tuple[str, str], Reply] = {(r.role, r.ref.name): r for r in state.replies}
    members = [(ref, latest.get(("candidate", ref.name))) for ref in _members(state)]
    return [*members, *((ref, latest.get(("judge", ref.name))) for ref in state.judges)]


def _members(state: RunState) -> tuple[Ref, ...]:
    """The pool, and from the start whom a cascade may ask: nothing changes its place while a run goes on."""
    names = {ref.name for ref in state.pool}
    return (*state.pool, *(ref for ref in state.selection.escalate if ref.name not in names))


def lanes(state: RunState, now: float | None = None) -> str:
    """`now`: seconds since the run's start; without it a call under way shows no seconds."""
    judges = len(_members(state))
    items = "".join(
        _lane(state, ref, reply, now, is_judge=place >= judges)
        for place, (ref, reply) in enumerate(current_replies(state))
    )
    return f'<ul class="fnb-lanes">{items}</ul>'


def not_asked(state: RunState, ref: Ref) -> str:
    """What a lane says of whom nobody has asked yet."""
    if ref.name not in {member.name for member in state.selection.escalate}:
        return "waiting"
    return "asked only where the others differ" if state.escalation is None else "not asked"


def lane_figures(state: RunState, reply: Reply, now: float | None) -> list[str]:
    """State and what checks say, seconds, tokens (characters until the service has counted tokens), cost."""
    took = reply.latency
    if took is None and reply.status is None and now is not None:
        took = max(0.0, now - reply.started)
    tokens = reply.usage.completion
    uncounted = formatting.DASH if reply.status is not None and not reply.text else f"{len(reply.text):,} characters"
    size = f"{formatting.number(tokens)} tokens" if tokens is not None else uncounted
    again = f"attempt {reply.attempts}" if reply.attempts > 1 and reply.status is None else ""
    draft = state.draft if reply.call == state.draft_call else ""
    words = [formatting.turn(state, reply), formatting.reply_status(reply, draft), again]
    marks = [candidate_wording.check_mark(reply), *candidate_wording.differing(state, reply)]
    return [
        ", ".join(word for word in [*words, *marks] if word),
        formatting.seconds(took),
        size,
        formatting.money(reply.cost),
    ]


def _lane(state: RunState, ref: Ref, reply: Reply | None, now: float | None, *, is_judge: bool) -> str:
    facts = lane_figures(state, reply, now) if reply else [not_asked(state, ref)]
    name = name_tag(ref.name, "fnb-m8" if is_judge else member_hue(state, ref.name), tag="b")
    facts = ["judge", *facts] if is_judge else facts
    figures = "".join(f' <span class="fnb-sep">·</span> <span class="fnb-fig">{escape.markup(f)}</span>' for f in facts)
    under_way = reply is not None and reply.status is None
    return (
        f'<li class="{"fnb-on" if under_way else "fnb-off"}"><p class="fnb-meta">{name}{figures}</p>'
        f'<p class="fnb-words" dir="auto"><span>{_tail(reply, is_judge=is_judge)}</span></p></li>'
    )


def _tail(reply: Reply | None, *, is_judge: bool) -> str:
    """The end of the received text; a call's remarks, its fault or the checks it failed instead. A judge's text is not
    shown in its lane."""
    if reply is None:
        return "&nbsp;"
    remarks = formatting.remarks(reply) if reply.status is not None else []
    if remarks:
        return f'<span class="fnb-warn">⚠ {escape.markup(" ".join(remarks)[:_TAIL])}</span>'
    if reply.status not in (None, "ok", "incomplete") and reply.detail:
        return f'<span class="fnb-badtext">{escape.markup(reply.detail[:_TAIL])}</span>'
    failed = candidate_wording.failed_lines(reply) if reply.passed is False else []
    if failed:
        return f'<span class="fnb-badtext">{escape.markup(" ".join(failed)[:_TAIL])}</span>'
    if is_judge and reply.status in (None, "ok", "incomplete"):
        return "&nbsp;"
    if reply.text or not reply.reasoning:
        return _last(reply.text) or "&nbsp;"
    return f"<em>{_last(reply.reasoning)}</em>"


def _last(text: str) -> str:
    tail = " ".join(text[-2 * _TAIL :].split())
    return escape.markup(f"… {tail[-_TAIL:]}" if len(tail) > _TAIL else tail)
