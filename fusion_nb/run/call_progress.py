"""What has arrived of one call, and what that makes of it when the call has ended.

Bills that did not come with their stream: asked for by generation id, beside the run, while it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from decimal import Decimal

from fusion_nb.core import SUSPECT, Chunk, CostSource, Limits, Ref, Reply, RunState, Status, Usage, injection_signs
from fusion_nb.core.events import CallEnded
from fusion_nb.core.spec import LateBill, RunServices
from fusion_nb.errors import ProviderError
from fusion_nb.run.event_recorder import EventRecorder

_STATUS_BY_FINISH: dict[str, Status] = {
    "stop": "ok",
    "length": "incomplete",
    "content_filter": "filtered",
    "refusal": "refused",
    "error": "error",
}


@dataclass(slots=True)
class CallProgress:
    """What has arrived of one call so far."""

    began: float
    usage: Usage = Usage()
    cost: Decimal | None = None
    finish: str | None = None
    generation_id: str | None = None
    generation_of: int = 0
    """The attempt that id is of."""
    model: str | None = None
    ttft: float | None = None
    attempts: int = 0
    content: bool = False
    billed: bool = False
    """Whether an earlier attempt may be on the bill too."""
    reported: Decimal = Decimal(0)
    """USD that earlier attempts were reported to cost."""
    reserved: Decimal = Decimal(0)
    """USD held under the cap, for all attempts together."""
    free: bool = False
    """Whether the last attempt is surely on no bill."""
    held: Decimal = Decimal(0)
    """USD of it for the attempt under way."""
    lost: Decimal = Decimal(0)
    """USD that earlier attempts cost at most."""
    warnings: list[str] = field(default_factory=list)

    @property
    def sent(self) -> bool:
        return self.attempts > 0

    @property
    def identified(self) -> bool:
        """Whether the service knows the last attempt by an id it has told."""
        return self.sent and bool(self.generation_id) and self.generation_of == self.attempts

    def take(self, chunk: Chunk) -> bool:
        """Keep what a chunk says beside its text. Whether it moves the reply on: a repetition does not."""
        moves = bool(chunk.text or chunk.finish or (chunk.usage and chunk.usage != self.usage))
        self.usage = chunk.usage or self.usage
        self.cost = self.cost if chunk.cost is None else chunk.cost
        self.finish = chunk.finish or self.finish
        self.model = chunk.model or self.model
        if chunk.warning is not None and chunk.warning not in self.warnings:
            self.warnings.append(chunk.warning)
        return moves

    def hold(self, worst: Decimal) -> None:
        """The worst case of an attempt is reserved."""
        self.held = worst
        self.reserved += worst

    def again(self, fault: ProviderError) -> None:
        """A further attempt follows: what this one said of its end is void, what it cost is not."""
        if self.cost is not None:
            self.reported += self.cost
            self.lost += self.cost
        elif fault.maybe_billed:
            self.lost += self.held
        self.billed = self.billed or fault.maybe_billed
        self.usage, self.cost, self.finish = Usage(), None, None

    def settled(self, cost: Decimal | None) -> Decimal:
        """USD the call takes off the cap: what nobody priced counts at its worst. `cost`: of the last attempt."""
        if not self.sent:
            return Decimal(0)
        worst = Decimal(0) if self.free else self.held
        return self.lost + (worst if cost is None else cost)


def outcome(reply: Reply, arrived: CallProgress, fault: ProviderError | None) -> tuple[Status, str | None, str | None]:
    """Status, class and sentence of a call that has ended."""
    if fault is not None:
        return fault.status, fault.error, fault.detail  # type: ignore[return-value]
    finish = arrived.finish
    if finish == "error":
        return "error", "provider", "The service broke off with an error it did not explain."
    if finish == "tool_calls":
        said = "It wanted to call a tool, and none is ever executed here"
        if not reply.text.strip():
            return "error", "tool_calls", f"{said}: ask another model, or tell it to answer by itself."
        return "incomplete", "tool_calls", f"{said}: what it said first may not be its answer."
    if not reply.text.strip() and finish not in ("content_filter", "refusal"):
        said = " It used its tokens on reasoning: raise --max-tokens." if finish == "length" else ""
        return "empty", "empty", f"It answered without text.{said}"
    status = _STATUS_BY_FINISH.get(finish or "stop", "incomplete")
    match status:
        case "incomplete":
            why = "length" if finish == "length" else f"finish:{finish}"
            return (
                status,
                why,
                "Cut off: it reached --max-tokens." if finish == "length" else f"It ended as {finish!r}.",
            )
        case "filtered":
            return status, "content_filter", "The service's content filter stopped it."
        case "refused":
            return status, "refusal", "The model refused."
        case _:
            return status, None, None


def timed_out(arrived: CallProgress, limits: Limits, *, total: bool) -> ProviderError:
    """Which of the three clocks ran out. `total`: the call's own; the service may bill for any of them."""
    if total:
        error, detail = "total", f"No end after {limits.timeout:g} s. Raise --timeout to wait longer."
    elif arrived.content:
        error, detail = "idle", f"Silent for {limits.idle:g} s in the middle of its reply."
    else:
        error, detail = "ttft", f"No text within {limits.ttft:g} s. Reasoning models may need a longer wait."
    return ProviderError(error, detail, status="timeout", maybe_billed=True)


def call_ended(
    reply: Reply,
    arrived: CallProgress,
    fault: ProviderError | None,
    cost: Decimal | None,
    source: CostSource | None,
    *,
    latency: float,
) -> CallEnded:
    """The end of a call, from what arrived and what went wrong. `cost`: USD of all its attempts; `latency`: seconds."""
    status, error, detail = outcome(reply, arrived, fault)
    broken = status == "cancelled" or (fault.maybe_billed if fault else status in ("error", "empty"))
    return CallEnded(
        call=reply.call,
        status=status,
        usage=arrived.usage,
        cost=cost,
        cost_source=source,
        ttft=arrived.ttft,
        latency=latency,
        finish=arrived.finish,
        error=error,
        detail=detail,
        generation_id=arrived.generation_id,
        model=arrived.model,
        attempts=arrived.attempts,
        # Whether the bill may hold more than `cost` says.
        maybe_billed=arrived.billed or (broken and arrived.sent and source != "reported"),
        warnings=(*arrived.warnings, *_suspicions(reply)),
    )


def _suspicions(reply: Reply) -> list[str]:
    """What in a candidate seems meant for the judge, as warnings."""
    return (
        [f"{SUSPECT}{sign}" for sign in injection_signs.injection_signs(reply.text)]
        if reply.role == "candidate"
        else []
    )


SECONDS = 2.0
"""From a call's end: no run is held open longer for the sake of a price."""
_END = frozenset(field.name for field in fields(CallEnded)) - {"seq", "at", "call"}


class LateBills:
    """The calls of one run that ended without a cost, while their service knows them by an id.

    The judge and the answer wait for none of them, only the run's last event does. What the service tells is the call's
    end once more, now with tokens and cost; what it does not tell within `SECONDS` stays unknown.
    """

    def __init__(self, record: EventRecorder[RunState], tools: RunServices) -> None:
        self._record, self._tools = record, tools
        self._asked: set[asyncio.Task[LateBill | None]] = set()

    def ask(self, call: int, ref: Ref, arrived: CallProgress, settle: Callable[[Decimal | None], None]) -> bool:
        """Whether the service is asked what the call cost: then `settle(cost)` follows, once, whatever comes of it."""
        if self._tools.bill is None or not arrived.identified:
            return False

        def told(task: asyncio.Task[LateBill | None]) -> None:
            # Here and not in the task: one that is cancelled before its first step runs nothing of its own.
            self._asked.discard(task)
            found = None if task.cancelled() or task.exception() else task.result()
            settle(None if found is None else found.cost)
            if found is not None and self._record.state.status == "running":
                self._record.emit(self._end(call, found, arrived))

        task = asyncio.create_task(self._told(ref, arrived.generation_id or ""))
        self._asked.add(task)
        task.add_done_callback(told)
        return True

    async def all_told(self) -> None:
        """Wait for what is still asked: `SECONDS` at most, and not at all where every bill came with its stream.

        Stop ends the wait, and nothing else: all but a price is there.
        """
        try:
            while self._asked:
                await asyncio.wait(set(self._asked))
        except asyncio.CancelledError:
            self.give_up()

    def give_up(self) -> None:
        """The run ends now: what nobody has told yet stays unknown."""
        for task in set(self._asked):
            task.cancel()

    async def _told(self, ref: Ref, generation_id: str) -> LateBill | None:
        try:
            async with asyncio.timeout(SECONDS):
                return await self._tools.bill(ref, generation_id) if self._tools.bill else None
        except TimeoutError:
            return None

    def _end(self, call: int, found: LateBill, arrived: CallProgress) -> CallEnded:
        """The end of a call once more, with its bill."""
        reply = self._record.state.reply(call)
        end = {name: getattr(reply, name) for name in _END} | {
            "usage": found.usage,
            "model": reply.model or found.model,
        }
        if found.cost is not None:
            cost = arrived.reported + found.cost
            end |= {"cost": cost, "cost_source": "reported", "maybe_billed": arrived.billed}
        return CallEnded(call=call, **end)
