"""Orders that go on from an earlier run: its replies are taken over, and only what is missing is asked for.

A reply that an earlier run paid for, taken over: this run's record holds it whole, and asks and pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Literal, cast

from fusion_nb.core import MODES, STOPPED, Limits, Mode, Ref, Reply, RunState
from fusion_nb.core.events import CallEnded, CallStarted, Event, TextDelta
from fusion_nb.core.spec import RunSpec
from fusion_nb.errors import UnknownName, UserError
from fusion_nb.run.members import current_reply

_End = Literal["best-of", "merge"]


def resume(state: RunState) -> RunSpec:
    """The rest of a run that crashed or was stopped: members without a reply, then the judge.

    Replies that ended are kept, failed ones too, and so are whole rounds of a debate. What is left of `max_cost` holds.
    Raises `UserError` where nothing is left to do.
    """
    if state.status == "running":
        raise UserError(f"Run {state.run} is under way: there is nothing to resume yet.")
    if state.status != "cancelled" or (state.verdict is not None and state.verdict.state != "by-hand"):
        raise UserError(f"Run {state.run} has ended: there is nothing to resume. --retry asks the members that failed.")
    kept: list[Reply] = []
    for turn in range(state.max_rounds + 1):
        asked = _standing(state, turn)
        there = [r for r in asked if r.status != "cancelled" or _let_go(r, asked, state.limits.quorum)]
        kept += there
        if len(there) < len(asked):
            # What was said in a later round was said to these; others will stand in their place.
            break
    return replace(_same(state), kept=tuple(kept), limits=_rest(state))


def _standing(state: RunState, round: int) -> list[Reply]:
    """What counts of each member asked in that round: one may have been asked anew."""
    asked: dict[str, list[Reply]] = {}
    for reply in state.replies:
        if reply.role == "candidate" and reply.round == round:
            asked.setdefault(reply.ref.name, []).append(reply)
    return [current_reply(said) for said in asked.values()]


def _let_go(reply: Reply, asked: Sequence[Reply], quorum: int | None) -> bool:
    """Whether a person stopped it, or it was stopped because the quorum was there without it."""
    if reply.error == STOPPED:
        return True
    return reply.error == "cancelled" and quorum is not None and sum(r.usable for r in asked) >= quorum


def retry(state: RunState, call: int | None = None) -> RunSpec:
    """The members that failed, asked once more, then the judge on all; with `call` its member alone, failed or not.

    Raises `UserError` where none failed, or `call` is no member's.
    """
    if state.status == "running":
        raise UserError(f"Run {state.run} is under way: its own retry_call() asks a member anew.")
    if call is not None:
        kept = tuple(reply for reply in state.candidates if reply.ref.name != _member(state, call).name)
        return _judged_again(state, kept, _heard(state))
    kept = tuple(reply for reply in state.candidates if reply.usable)
    if len(kept) == len(state.pool):
        raise UserError(f"No member failed in run {state.run}: there is nothing to ask again.")
    return _judged_again(state, kept, state.pool)


def _member(state: RunState, call: int) -> Ref:
    found = next((r for r in state.replies if r.call == call and r.role == "candidate"), None)
    if found is None:
        calls = ", ".join(str(reply.call) for reply in state.candidates)
        raise UserError(f"Call {call!r} is no member's in run {state.run}: the candidates are {calls or 'none'}.")
    return found.ref


def add(state: RunState, members: Sequence[Ref]) -> RunSpec:
    """New members asked, then the judge on all: nobody else is asked again. Raises `UserError` for who is there."""
    there = {ref.name for ref in state.pool}
    for ref in members:
        if ref.name in there:
            raise UserError(f"{ref.name} is a member of run {state.run} already. --retry asks members that failed.")
    return _judged_again(state, state.candidates, (*_heard(state), *members))


def rejudge(
    state: RunState,
    *,
    judge: Ref | None = None,
    mode: str | None = None,
    criteria: tuple[str, ...] | None = None,
    orders: int | None = None,
) -> RunSpec:
    """The candidates of a run before a judge again: no member is asked. What is not given is as it was.

    Raises `UserError` where the run has no candidate, or a debate is asked for: that asks its members.
    """
    if mode is not None and mode not in MODES:
        raise UnknownName("mode", mode, MODES, "best-of or merge can judge again.")
    if mode == "debate":
        raise UserError("A debate asks its members anew: run it with %%fuse --mode debate.")
    if not any(reply.usable for reply in state.candidates):
        raise UserError(f"Run {state.run} has no candidate to judge.")
    order = _judged_again(state, state.candidates, _heard(state))
    return replace(
        order,
        judge=judge or order.judge,
        mode=cast(Mode, mode) or order.mode,
        criteria=order.criteria if criteria is None else criteria,
        orders=order.orders if orders is None else orders,
    )


def _heard(state: RunState) -> tuple[Ref, ...]:
    """The members that have a reply, be it a failed one: not those a crash came before."""
    return tuple(ref for ref in state.pool if any(reply.ref.name == ref.name for reply in state.candidates))


def _same(state: RunState) -> RunSpec:
    """The order `state` is the run of; its seed too, so that a judge sees the same labels in the same order."""
    return RunSpec(
        prompt=state.prompt,
        pool=state.pool,
        judge=state.judge,
        mode=cast(Mode, state.mode),
        then=cast(_End, state.then or "merge"),
        rounds=state.max_rounds,
        orders=state.orders,
        criteria=state.criteria,
        params=state.params,
        limits=state.limits,
        seed=state.seed,
        of=state.run,
    )


def _judged_again(state: RunState, kept: Sequence[Reply], pool: tuple[Ref, ...]) -> RunSpec:
    """The judge on standing answers. A debate is over by then: what is left of it is the way it ends."""
    order = _same(state)
    return replace(
        order,
        pool=pool,
        mode=cast(Mode, order.then if order.mode == "debate" else order.mode),
        rounds=1,
        kept=tuple(replace(reply, round=0) for reply in kept),
        # It was there without those who are asked now, and they are asked to be waited for.
        limits=replace(order.limits, quorum=None),
    )


def _rest(state: RunState) -> Limits:
    """The run's limits with what it has spent taken off."""
    if state.limits.max_cost is None:
        return state.limits
    return replace(state.limits, max_cost=max(Decimal(0), state.limits.max_cost - (state.cost or 0)))


def reused_reply_events(call: int, reply: Reply, of: str) -> Iterator[Event]:
    """The events of `reply` as call number `call` of a run that takes it over from the run `of`.

    Its cost here is 0, and what it cost then is `kept_cost`; a reply kept twice still names the run that paid for it.
    """
    again = bool(reply.kept_from)
    started = CallStarted(
        call=call, ref=reply.ref, role=reply.role, round=reply.round, kept_from=reply.kept_from if again else of
    )
    yield started
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
    )
