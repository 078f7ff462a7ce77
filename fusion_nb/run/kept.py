"""A reply that an earlier run paid for, taken over: this run's record holds it whole, and asks and pays nothing."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from fusion_nb._events import CallEnded, CallStarted, Event, TextDelta
from fusion_nb._types import Reply


def kept_events(call: int, reply: Reply, of: str) -> Iterator[Event]:
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
