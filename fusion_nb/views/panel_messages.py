"""A run as messages for a panel: few, small, and a whole snapshot at the end of each phase. Knows no widget.

Beside the events, a message carries fragments of the static view as safe HTML, which the panel puts in its own places.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fusion_nb.core import RunState
from fusion_nb.core.events import (
    AgreementFound,
    CallEnded,
    CallStarted,
    ChoiceMade,
    Escalated,
    Event,
    RoundEnded,
    RunEnded,
    RunStarted,
    to_json,
)
from fusion_nb.core.fold import fold_all, join_events
from fusion_nb.core.json_codec import to_plain
from fusion_nb.core.warnings_text import remarks
from fusion_nb.views import candidate_wording, candidates, formatting, run_html, verdict_wording
from fusion_nb.views.candidates import judgement, rounds
from fusion_nb.views.citation_chips import cited_answer, cited_draft, member_hue, name_tag
from fusion_nb.views.ledger_cells import ledger
from fusion_nb.views.live_display import Pace, clock_at_start

INTERVAL = 0.06
"""Seconds between two messages: a front end's server drops what comes much faster, and no eye would see it."""
DRAFT = 0.2
"""Seconds between two renderings of the answer under way."""


class Feed:
    """Follows one run. Sends the events as they come, deltas joined, at most twenty messages a second.

    Args:
        send: sends one message to every open view; it is lost on those that open later.
        set_snapshot: sets the snapshot, all there is to know: views that open later begin with it.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        send: Callable[[dict[str, Any]], None],
        set_snapshot: Callable[[dict[str, Any]], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send, self._set_snapshot, self._clock = send, set_snapshot, clock
        self._state = RunState()
        self._pending: list[Event] = []
        self._started: float | None = None
        self._sent_at = float("-inf")
        self._received_up_to = self._sent_up_to = -1
        self._rendered_draft = ""
        self._pace = Pace(DRAFT, clock)
        self._snapshot_requested = False
        self._waiting_on: tuple[int, ...] = ()

    def request_snapshot(self) -> None:
        """A view missed something: the next message is a snapshot. May be called on any thread."""
        self._snapshot_requested = True

    def handle_events(self, events: Sequence[Event]) -> None:
        """Take in what happened; send what is due. Call it often, also while nothing happens."""
        if events and self._started is None:
            when = events[0].when if isinstance(events[0], RunStarted) else ""
            self._started = clock_at_start(when, self._clock, events[0].at)
        self._received_up_to = events[-1].seq if events else self._received_up_to
        self._pending += join_events(map(_without_messages, events))
        if self._snapshot_requested or any(map(_ends_phase, events)):
            self._snapshot()
        elif self._state.waiting_on(self._now()) != self._waiting_on and not self._pending:
            # No event says so: silence is what happens.
            self._snapshot()
        elif self._pending and self._clock() - self._sent_at >= INTERVAL:
            self._send_news()

    def _send_news(self) -> None:
        news = list(join_events(self._pending))
        self._fold_pending()
        message: dict[str, Any] = {
            "kind": "news",
            "from": self._sent_up_to + 1,
            "to": self._received_up_to,
            "now": self._now(),
        }
        message["events"] = [_message(event) for event in news]
        if self._state.draft != self._rendered_draft and self._pace.due():
            self._rendered_draft = self._state.draft
            self._pace.draw(lambda: message.update(html={"draft": cited_draft(self._state)}))
        waiting_on = self._state.waiting_on(self._now())
        if waiting_on != self._waiting_on:
            self._waiting_on = waiting_on
            message["waiting_on"] = list(waiting_on)
        self._sent_at, self._sent_up_to = self._clock(), self._received_up_to
        self._send(message)

    def _snapshot(self) -> None:
        self._fold_pending()
        self._snapshot_requested = False
        self._waiting_on = self._state.waiting_on(self._now())
        self._sent_at, self._sent_up_to = self._clock(), self._received_up_to
        self._set_snapshot(snapshot(self._state, self._now(), self._received_up_to))

    def _fold_pending(self) -> None:
        self._state = fold_all(self._pending, self._state)
        self._pending = []

    def _now(self) -> float:
        return 0.0 if self._started is None else round(self._clock() - self._started, 3)


def snapshot(state: RunState, now: float, seq: int = -1) -> dict[str, Any]:
    """A view's whole knowledge of a run. `seq`: the last event in it, -1 where that is not told."""
    plain: dict[str, Any] = to_plain(state)
    for reply, shown in zip(state.replies, plain.get("replies", ()), strict=False):
        if reply.warnings:
            shown["remarks"] = formatting.remarks(reply)
    waiting_on = state.waiting_on(now)
    if waiting_on:
        plain["waiting_on"] = list(waiting_on)
    return {"state": plain, "html": html_fragments(state), "now": now, "seq": seq}


def _message(event: Event) -> dict[str, Any]:
    """An event for a panel: with sentences beside the words of its warnings."""
    if isinstance(event, CallEnded) and event.warnings:
        return {**to_json(event), "remarks": remarks(event.warnings)}
    return to_json(event)


def _without_messages(event: Event) -> Event:
    """Without what a view has no use for: the conversation a call was sent, which repeats every candidate."""
    return replace(event, messages=()) if isinstance(event, CallStarted) else event


def _ends_phase(event: Event) -> bool:
    judge_begins = isinstance(event, CallStarted) and event.role == "judge"
    found = isinstance(event, (AgreementFound, Escalated))
    return judge_begins or found or isinstance(event, (RunStarted, RoundEnded, RunEnded, ChoiceMade))


def html_fragments(state: RunState) -> dict[str, Any]:
    """What there is to show by now, by place.

    From the start: `agreement` and `rounds`, the words `pool`, `judges`, `escalation` and `cascade`; `calls` has the
    text of every candidate that ended, by call. `draft` while the answer is being written; then `answer`, `shares`,
    `judge`, `ledger`, with the words `status`, `title`, `verdict`, `none`, `caption`, `total` and, by call, `facts`.
    """
    standing = [reply for reply in state.candidates if reply.status is not None]
    found = {
        "pool": formatting.pool(state),
        "agreement": verdict_wording.agreement(state, lambda name: name_tag(name, member_hue(state, name))),
        "judges": verdict_wording.judges(state),
        "escalation": verdict_wording.escalation(state),
        "cascade": verdict_wording.escalation_note(state),
        "rounds": rounds(state),
        "calls": {str(reply.call): candidates.candidate_body(state, reply) for reply in standing},
    }
    if state.status == "running":
        return {**found, "draft": cited_draft(state) if state.draft else ""}
    return {
        **found,
        "answer": cited_answer(state),
        "shares": run_html.share_bar(state),
        "judge": judgement(state),
        "verdict": verdict_wording.verdict_title(state),
        "ledger": run_html.ledger_table(ledger(state)) if state.replies else "",
        "status": formatting.run_status(state),
        "title": verdict_wording.answer_title(state),
        "none": verdict_wording.no_answer(state) if state.answer is None else "",
        "caption": formatting.caption(state),
        "total": formatting.total_cost(state),
        "facts": {str(reply.call): candidate_wording.facts(state, reply)[1:] for reply in state.candidates},
    }
