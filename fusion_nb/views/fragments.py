"""The pieces of the static view that a panel puts in places of its own. Each is safe HTML."""

from __future__ import annotations

from typing import Any

from fusion_nb._types import RunState
from fusion_nb.views import candidates, html, words
from fusion_nb.views.cited import answer, draft
from fusion_nb.views.judgement import judgement, rounds
from fusion_nb.views.ledger import ledger


def fragments(state: RunState) -> dict[str, Any]:
    """What there is to show by now, by place.

    `draft` while the answer is being written; then `answer`, `shares`, `judge`, `rounds`, `ledger`, with their words
    beside them: `title`, `caption`, `total`; `calls` has the text of every candidate that ended, by call.
    """
    calls = {str(r.call): candidates.body(state, r) for r in state.candidates if r.status is not None}
    if state.status == "running":
        return {"draft": draft(state) if state.draft else "", "calls": calls, "rounds": rounds(state)}
    return {
        "answer": answer(state),
        "shares": html.shares(state),
        "judge": judgement(state),
        "rounds": rounds(state),
        "ledger": html.ledger_table(ledger(state)) if state.replies else "",
        "title": words.answer_title(state),
        "none": words.no_answer(state) if state.answer is None else "",
        "caption": words.caption(state),
        "total": words.total_cost(state),
        "calls": calls,
    }
