"""State is the fold of the events, and nothing else. Pure: the same events give the same state, in Python and in JS."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar, assert_never, cast

from fusion_nb.core.events import (
    AgreementFound,
    CallAccepted,
    CallEnded,
    CallRetried,
    CallStarted,
    ChecksEnded,
    ChoiceMade,
    Escalated,
    Event,
    RoundEnded,
    RunEnded,
    RunStarted,
    TextDelta,
    ThoughtEnded,
    VerdictReached,
)
from fusion_nb.core.state import RunState
from fusion_nb.core.values import Reply
from fusion_nb.core.verdict import Verdict

S = TypeVar("S", bound=RunState)
T = TypeVar("T")
BY_HAND = "Chosen by hand"


def fold(state: S, event: Event) -> S:
    """`state` after `event`. The state's own class is kept."""
    match event:
        case TextDelta():
            return _append_text(state, event)
        case ThoughtEnded():
            return _move_thought(state, event.call)
        case CallStarted():
            reply = Reply(
                event.call,
                event.ref,
                event.role,
                event.round,
                started=event.at,
                kept_from=event.kept_from,
                at_most=event.at_most,
            )
            # Of a jury the first-named judge is asked first: its labels stand in the answer it writes.
            return _fast_replace(state, {"replies": (*state.replies, reply), "labels": state.labels or event.labels})
        case CallAccepted():
            return _with_reply(state, event.call, generation_id=event.generation_id)
        case CallRetried():
            return _with_reply(state, event.call, attempts=event.attempt, at_most=event.at_most)
        case CallEnded():
            outcome = ("usage", "cost", "cost_source", "ttft", "latency", "finish", "status", "error", "detail")
            metadata = ("generation_id", "model", "attempts", "maybe_billed", "warnings", "kept_cost", "at_most")
            served = ("provider", "quantization", "rates")
            return _with_reply(state, event.call, **{f: getattr(event, f) for f in (*outcome, *metadata, *served)})
        case ChecksEnded() | AgreementFound() | Escalated() | RoundEnded() | VerdictReached() | ChoiceMade():
            return _decide(state, event)
        case RunStarted():
            identity = ("run", "when", "prompt", "mode", "then", "pool", "judge", "seed", "params", "limits", "notes")
            options = ("jury", "criteria", "max_rounds", "orders", "selection", "of", "tag", "imported")
            return replace(state, **{f: getattr(event, f) for f in (*identity, *options)})
        case RunEnded():
            notes = (*state.notes, *event.notes)
            by = event.resumed_by or state.resumed_by
            seconds = event.at if event.seconds is None else event.seconds
            end: dict[str, Any] = {"status": event.status, "error": event.error, "seconds": seconds}
            return replace(state, **end, notes=notes, resumed_by=by)
    assert_never(event)


def _decide(state: S, event: ChecksEnded | AgreementFound | Escalated | RoundEnded | VerdictReached | ChoiceMade) -> S:
    """On the way from candidates to an answer."""
    match event:
        case ChecksEnded():
            return _with_reply(state, event.call, checks=event.checks)
        case AgreementFound():
            return replace(state, agreement=event.agreement)
        case Escalated():
            return replace(state, escalation=event.escalation, pool=(*state.pool, *event.escalation.to))
        case RoundEnded():
            return replace(state, rounds=(*state.rounds, event.ended))
        case VerdictReached():
            return replace(state, verdict=event.verdict)
        case ChoiceMade():
            return _choose(state, event.call)


def fold_all(events: Iterable[Event], state: S) -> S:
    """`state` after all of `events`, in their order."""
    for event in events:
        state = fold(state, event)
    return state


def join_events(events: Iterable[Event]) -> Iterator[Event]:
    """The same in fewer events: the text between two others as few deltas as can be."""
    for is_text, group in itertools.groupby(events, lambda event: isinstance(event, TextDelta)):
        if is_text:
            yield from join_deltas(cast(Iterable[TextDelta], group))
        else:
            yield from group


def join_deltas(deltas: Iterable[TextDelta]) -> list[TextDelta]:
    """As few deltas as say the same: neighbours of one call and channel become one, with the `seq` of the last."""
    unfinished: dict[int, tuple[TextDelta, list[str]]] = {}
    joined: list[TextDelta] = []
    for delta in deltas:
        previous = unfinished.get(delta.call)
        if previous is not None and previous[0].channel == delta.channel:
            previous[1].append(delta.text)
            unfinished[delta.call] = (delta, previous[1])
            continue
        if previous is not None:
            joined.append(_with_texts(*previous))
        unfinished[delta.call] = (delta, [delta.text])
    joined += [_with_texts(*rest) for rest in unfinished.values()]
    return sorted(joined, key=lambda delta: delta.seq)


def _with_texts(last: TextDelta, texts: list[str]) -> TextDelta:
    return last if len(texts) == 1 else replace(last, text="".join(texts))


def _append_text(state: S, event: TextDelta) -> S:
    reply = state.replies[event.call - 1]
    if event.channel == "reasoning":
        return _with_reply(state, event.call, reasoning=reply.reasoning + event.text)
    changed = _with_reply(state, event.call, text=reply.text + event.text)
    if event.channel != "answer":
        return changed
    # A repaired answer is written anew; until it begins, what the first try left stays on the screen.
    draft = state.draft if state.draft_call == event.call else ""
    return _fast_replace(changed, {"draft": draft + event.text, "draft_call": event.call})


def _move_thought(state: S, call: int) -> S:
    reply = state.replies[call - 1]
    moved = _with_reply(state, call, reasoning=reply.reasoning + reply.text, text="")
    return _fast_replace(moved, {"draft": "", "draft_call": 0}) if state.draft_call == call else moved


def _choose(state: S, call: int) -> S:
    """A person's choice takes the answer's place; the judge's words stay, and its verdict as it was beside them."""
    reply, judged = state.replies[call - 1], state.judged or state.verdict
    before = judged or Verdict(state="by-hand")
    note = f"{BY_HAND}: {reply.ref.name}."
    verdict = replace(before, answer=reply.text, chosen=(call,), citations=(), note=note)
    return replace(state, verdict=verdict, judged=judged)


def _with_reply(state: S, call: int, **changes: Any) -> S:
    replies = list(state.replies)
    replies[call - 1] = _fast_replace(replies[call - 1], changes)
    return _fast_replace(state, {"replies": tuple(replies)})


def _fast_replace(value: T, changes: dict[str, Any]) -> T:
    """`dataclasses.replace` at a fraction of its price, for what happens with every piece of text: no `__init__` is
    run."""
    kind: Any = type(value)
    copy = object.__new__(kind)
    values, setters = _fields_of(kind)
    for set_field, each in zip(setters.values(), values(value), strict=True):
        set_field(copy, each)
    for name, changed in changes.items():
        setters[name](copy, changed)
    return cast(T, copy)


@functools.cache
def _fields_of(kind: Any) -> tuple[Callable[[Any], tuple[Any, ...]], dict[str, Callable[[Any, Any], None]]]:
    """What reads all fields of an object at once, and what sets each: the slots themselves, past `frozen`."""
    names = [field.name for field in fields(kind)]
    return operator.attrgetter(*names), {name: getattr(kind, name).__set__ for name in names}
