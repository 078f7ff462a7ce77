"""Runs that go on from an earlier one: its replies are taken over, and only what is missing is asked for.

A reply that an earlier run paid for is written whole into the record of the run that takes it over, where nothing is
asked and nothing is paid for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Literal, cast

from fusion_nb.core import STOPPED, Mode, Ref, Reply, RunState
from fusion_nb.core.events import CallEnded, CallStarted, Event, RunEnded, TextDelta
from fusion_nb.core.run_spec import LateBill, RunSpec
from fusion_nb.errors import UnknownName, UserError
from fusion_nb.journal.maintenance import append_events
from fusion_nb.journal.run_reader import CRASHED, DIED
from fusion_nb.run.call_progress import billed_end
from fusion_nb.run.members_under_way import current_reply

_End = Literal["best-of", "merge"]
_BROKEN_OFF = "disconnect"
"""The error of a call whose connection was lost, as by a program that ended in the middle of its run."""


def resume(state: RunState) -> RunSpec:
    """The rest of a run that crashed or was stopped: members without a reply, then the judge.

    Replies that ended are kept, failed ones too, and so are whole rounds of a debate. What is left of `max_cost` holds.
    Raises `UserError` where nothing is left to do.
    """
    if state.status == "running":
        raise UserError(f"Run {state.run} is under way: there is nothing to resume yet.")
    if state.resumed_by:
        raise UserError(already_resumed(state.run, state.resumed_by))
    if state.status != "cancelled" or (state.verdict is not None and state.verdict.state != "by-hand"):
        raise UserError(f"Run {state.run} has ended: there is nothing to resume. retry() asks the members that failed.")
    reused: list[Reply] = []
    for turn in range(max(state.max_rounds, state.selection.deeper) + 1):
        asked = _standing(state, turn)
        ended = [reply for reply in asked if _is_final(reply, asked, state.limits.quorum)]
        reused += ended
        if len(ended) < len(asked):
            # The texts of a later round answer these; others will stand in their place.
            break
    # Those that a cascade asked besides are asked anew only where it still comes to that; their replies are kept.
    later = {ref.name for ref in (state.escalation.to if state.escalation else ())}
    pool = tuple(ref for ref in state.pool if ref.name not in later)
    return replace(same_spec(state), pool=pool, reused=tuple(reused))


def already_resumed(run: str, by: str) -> str:
    """The sentence for a run that a later one finishes."""
    return (
        f"Run {run} has been resumed by run {by}, so that nobody is paid twice: load that one, resume() it where it "
        "was cut short, retry() it where members of it failed."
    )


def record_bills(run: str, ended: Sequence[CallEnded]) -> None:
    """Put late bills on a run's record. Raises `UserError` where another kernel has just done so: they count once."""

    def check(recorded: Sequence[Event]) -> None:
        known = {event.call for event in recorded if isinstance(event, CallEnded) and event.cost is not None}
        if known & {end.call for end in ended}:
            raise UserError(f"Run {run} is being resumed elsewhere at this moment: load it to see which run does.")

    append_events(run, ended, check)


_claims: dict[str, str] = {}
"""The runs that resume others whose record cannot be written: this kernel at least pays nobody twice."""


def claim_resume(state: RunState, by: str) -> None:
    """Put on a run's record which run finishes it. Raises `UserError` where another one does."""

    def check(recorded: Sequence[Event]) -> None:
        for event in recorded:
            if isinstance(event, RunEnded) and event.resumed_by:
                raise UserError(already_resumed(state.run, event.resumed_by))

    if state.run in _claims:
        raise UserError(already_resumed(state.run, _claims[state.run]))
    notes = (DIED,) if DIED in state.notes else ()
    end = RunEnded(status=state.status, error=state.error, notes=notes, seconds=state.seconds, resumed_by=by)
    try:
        append_events(state.run, [end], check)
    except UnknownName:
        _claims[state.run] = by


def billed_reply(reply: Reply, bill: LateBill) -> CallEnded:
    """How a call ended, once more, with what its service tells of its last attempt."""
    more = reply.attempts > 1
    # Every attempt was held at the same worst case: what the last one was held at is no longer unknown.
    unknown = reply.at_most * (reply.attempts - 1) / reply.attempts if more and reply.at_most is not None else None
    if reply.error == CRASHED:
        detail = "The kernel stopped while it was answering; its service told afterwards what it cost."
        reply = replace(reply, detail=detail, latency=bill.latency)
    return billed_end(reply, bill, reported=Decimal(0), unknown=unknown, maybe_billed=more)


def _standing(state: RunState, round: int) -> list[Reply]:
    """What counts of each member asked in that round: one may have been asked anew."""
    by_member: dict[str, list[Reply]] = {}
    for reply in state.replies:
        if reply.role == "candidate" and reply.round == round:
            by_member.setdefault(reply.ref.name, []).append(reply)
    return [current_reply(replies) for replies in by_member.values()]


def _is_final(reply: Reply, asked: Sequence[Reply], quorum: int | None) -> bool:
    """Whether a reply is kept as it ended: not one that the stop of its run cut off."""
    if reply.status == "error" and reply.error == _BROKEN_OFF:
        return False
    if reply.status != "cancelled" or reply.error == STOPPED:
        return True
    # It was stopped because the quorum was there without it.
    return reply.error == "cancelled" and quorum is not None and sum(r.usable for r in asked) >= quorum


def retry(state: RunState, call: int | None = None) -> RunSpec:
    """The members that failed, asked once more, then the judge on all; with `call` its member alone, failed or not.

    Raises `UserError` where none failed, or `call` is no member's.
    """
    if state.status == "running":
        raise UserError(f"Run {state.run} is under way: its own retry_call() asks a member anew.")
    if call is not None:
        reused = tuple(reply for reply in state.candidates if reply.ref.name != _member(state, call).name)
        return _judged_again(state, reused, _replied(state))
    reused = tuple(reply for reply in state.candidates if reply.usable)
    if len(reused) == len(state.pool):
        raise UserError(f"No member failed in run {state.run}: there is nothing to ask again.")
    return _judged_again(state, reused, state.pool)


def _member(state: RunState, call: int) -> Ref:
    match = next((r for r in state.replies if r.call == call and r.role == "candidate"), None)
    if match is None:
        calls = ", ".join(str(reply.call) for reply in state.candidates)
        raise UserError(f"Call {call!r} is no member's in run {state.run}: the candidates are {calls or 'none'}.")
    return match.ref


def add(state: RunState, members: Sequence[Ref]) -> RunSpec:
    """New members asked, then the judge on all: nobody else is asked again.

    Raises `UserError` where one is a member already, or the run is under way.
    """
    _must_have_ended(state, "to add to")
    names = {ref.name for ref in state.pool}
    for ref in members:
        if ref.name in names:
            raise UserError(f"{ref.name} is a member of run {state.run} already. retry() asks members that failed.")
    return _judged_again(state, state.candidates, (*_replied(state), *members))


def rejudge(state: RunState) -> RunSpec:
    """The candidates of a run before a judge again: no member is asked.

    Raises `UserError` where the run is under way or has no candidate.
    """
    _must_have_ended(state, "to judge again")
    if not any(reply.usable for reply in state.candidates):
        raise UserError(f"Run {state.run} has no candidate to judge.")
    return _judged_again(state, state.candidates, _replied(state))


def in_mode(spec: RunSpec, mode: str) -> RunSpec:
    """A derived run in another mode. Raises `UserError` for a debate: that asks its members."""
    if mode.startswith("debate"):
        raise UserError("A debate asks its members anew: begin a new run with mode='debate'.")
    return replace(spec, mode=cast(Mode, mode))


def with_judges(spec: RunSpec, judges: Sequence[Ref]) -> RunSpec:
    """A derived run before other judges."""
    return replace(spec, judge=next(iter(judges), None), jury=tuple(judges[1:]))


def _must_have_ended(state: RunState, what: str) -> None:
    if state.status == "running":
        raise UserError(
            f"Run {state.run} is under way: there is nothing {what} before it ends. Wait for it or stop it."
        )


def _replied(state: RunState) -> tuple[Ref, ...]:
    """The members that have a reply, be it a failed one: not those a crash came before."""
    return tuple(ref for ref in state.pool if any(reply.ref.name == ref.name for reply in state.candidates))


def same_spec(state: RunState) -> RunSpec:
    """The spec `state` is the run of; its seed too, so that a judge sees the same labels in the same order."""
    return RunSpec(
        prompt=state.prompt,
        pool=state.pool,
        judge=state.judge,
        jury=state.jury,
        selection=state.selection,
        mode=cast(Mode, state.mode),
        then=cast(_End, state.then or "merge"),
        rounds=state.max_rounds,
        orders=state.orders,
        tag=state.tag,
        criteria=state.criteria,
        params=state.params,
        limits=state.limits,
        seed=state.seed,
        of=state.run,
    )


def _judged_again(state: RunState, replies: Sequence[Reply], pool: tuple[Ref, ...]) -> RunSpec:
    """The judge on standing answers. A debate is over by then: what is left of it is the way it ends."""
    spec = same_spec(state)
    return replace(
        spec,
        pool=pool,
        mode=cast(Mode, spec.then if spec.mode == "debate" else spec.mode),
        rounds=1,
        reused=tuple(replace(reply, round=0) for reply in replies),
        # The cascade is over too: whoever it asked is a member.
        selection=replace(spec.selection, escalate=(), deeper=0),
        # It was there without those who are asked now, and they are asked to be waited for.
        limits=replace(spec.limits, quorum=None),
    )


def rest_of_cap(state: RunState, cap: Decimal | None) -> Decimal | None:
    """USD of a run's cap that are left: what it has spent is off, and what it may have spent besides."""
    if cap is None:
        return None
    # Of the calls a dead kernel left open, those that waited for a place had not been sent: places are given in order.
    open_calls = [r for r in state.replies if r.at_most is not None and r.error == CRASHED]
    unsent = {reply.call for reply in open_calls[state.limits.concurrency :]}
    unknown = sum((r.at_most for r in state.replies if r.at_most is not None and r.call not in unsent), Decimal(0))
    return max(Decimal(0), cap - (state.cost or 0) - unknown)


def reused_reply_events(call: int, reply: Reply, of: str) -> Iterator[Event]:
    """The events of `reply` as call number `call` of a run that takes it over from the run `of`.

    Its cost here is 0, and what it cost then is `kept_cost`; a reply kept twice still names the run that paid for it.
    """
    again = bool(reply.kept_from)
    yield CallStarted(
        call=call, ref=reply.ref, role=reply.role, round=reply.round, kept_from=reply.kept_from if again else of
    )
    if reply.reasoning:
        yield TextDelta(call=call, text=reply.reasoning, channel="reasoning")
    if reply.text:
        yield TextDelta(call=call, text=reply.text)
    yield CallEnded(
        call=call,
        status=reply.status or "cancelled",
        usage=reply.usage,
        cost=Decimal(0),
        ttft=reply.ttft,
        latency=reply.latency,
        finish=reply.finish,
        error=reply.error,
        detail=reply.detail,
        generation_id=reply.generation_id,
        model=reply.model,
        attempts=reply.attempts,
        warnings=reply.warnings,
        kept_cost=reply.kept_cost if again else reply.cost,
        provider=reply.provider,
        quantization=reply.quantization,
        rates=reply.rates,
    )
