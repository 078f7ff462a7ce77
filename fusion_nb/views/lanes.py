"""A run under way: one lane per member, of fixed height and order, so that nothing jumps while texts arrive."""

from __future__ import annotations

from fusion_nb._types import Ref, Reply, RunState
from fusion_nb.views import clean, words
from fusion_nb.views.cited import hue

_TAIL = 280
"""Characters of a text's end that a lane has room for."""


def current(state: RunState) -> list[tuple[Ref, Reply | None]]:
    """Each member, in pool order, then the judge: with its latest call, or none where it was not asked yet."""
    latest: dict[tuple[str, str], Reply] = {(r.role, r.ref.name): r for r in state.replies}
    members = [(ref, latest.get(("candidate", ref.name))) for ref in state.pool]
    return [*members, *([(state.judge, latest.get(("judge", state.judge.name)))] if state.judge else [])]


def lanes(state: RunState, now: float | None = None) -> str:
    """`now`: seconds since the run's start; without it a call under way shows no seconds."""
    last = len(state.pool)
    items = "".join(_lane(state, ref, reply, now, is_judge=i == last) for i, (ref, reply) in enumerate(current(state)))
    return f'<ul class="fnb-lanes">{items}</ul>'


def figures(reply: Reply, now: float | None, draft: str = "") -> list[str]:
    """State, seconds, tokens (characters until the service has counted tokens), cost."""
    took = reply.latency
    if took is None and reply.status is None and now is not None:
        took = max(0.0, now - reply.started)
    tokens = reply.usage.completion
    nothing = words.DASH if reply.status is not None and not reply.text else f"{len(reply.text):,} characters"
    said = f"{words.number(tokens)} tokens" if tokens is not None else nothing
    turn = f"round {reply.round}, " if reply.round and reply.role == "candidate" else ""
    again = f", attempt {reply.attempts}" if reply.attempts > 1 and reply.status is None else ""
    return [f"{turn}{words.reply_status(reply, draft)}{again}", words.seconds(took), said, words.money(reply.cost)]


def _lane(state: RunState, ref: Ref, reply: Reply | None, now: float | None, *, is_judge: bool) -> str:
    facts = figures(reply, now, state.draft) if reply else ["waiting"]
    name = f'<b class="fnb-name {"fnb-m8" if is_judge else hue(state, ref.name)}">{clean.markup(ref.name)}</b>'
    facts = ["judge", *facts] if is_judge else facts
    said = "".join(f' <span class="fnb-sep">·</span> <span class="fnb-fig">{clean.markup(f)}</span>' for f in facts)
    under_way = reply is not None and reply.status is None
    return (
        f'<li class="{"fnb-on" if under_way else "fnb-off"}"><p class="fnb-meta">{name}{said}</p>'
        f'<p class="fnb-words"><span>{_tail(reply, is_judge=is_judge)}</span></p></li>'
    )


def _tail(reply: Reply | None, *, is_judge: bool) -> str:
    """The last words of what has arrived; of a failed call, why. A judge's answer stands above, its verdict is JSON."""
    if reply is None or (is_judge and reply.status in (None, "ok", "incomplete")):
        return "&nbsp;"
    if reply.status not in (None, "ok", "incomplete") and reply.detail:
        return f'<span class="fnb-badtext">{clean.markup(reply.detail[:_TAIL])}</span>'
    if reply.text or not reply.reasoning:
        return _last(reply.text) or "&nbsp;"
    return f"<em>{_last(reply.reasoning)}</em>"


def _last(text: str) -> str:
    words_ = " ".join(text[-2 * _TAIL :].split())
    return clean.markup(f"… {words_[-_TAIL:]}" if len(words_) > _TAIL else words_)
