"""What has arrived of one call, and what that makes of it when the call has ended."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal

from fusion_nb.core import SUSPECT, Chunk, CostSource, Limits, Reply, Status, Usage, injection_signs
from fusion_nb.core.default_ignorable import is_blank
from fusion_nb.core.events import CallEnded
from fusion_nb.core.run_spec import LateBill
from fusion_nb.core.values import PricesUsed
from fusion_nb.errors import ProviderError

_MAX_TOKENS = "max_tokens (--max-tokens)"
"""As Python and as a magic's line has it: the sentence is kept, and read at either."""
_STATUS_BY_FINISH: dict[str, Status] = {
    "stop": "ok",
    "length": "incomplete",
    "content_filter": "filtered",
    "refusal": "refused",
    "error": "error",
}


@dataclass(slots=True)
class CallProgress:
    """What has arrived of one call so far. Moments are seconds since the run's start."""

    began: float | None = None
    """When it had its place among the calls in flight: the wait for that is ours, not the model's."""
    ended: float | None = None
    usage: Usage = Usage()
    cost: Decimal | None = None
    finish: str | None = None
    generation_id: str | None = None
    generation_of: int = 0
    """The attempt that id is of."""
    model: str | None = None
    provider: str | None = None
    quantization: str | None = None
    ttft: float | None = None
    attempts: int = 0
    content: bool = False
    billed: bool = False
    """Whether an earlier attempt may be on the bill too."""
    reported: Decimal = Decimal(0)
    """USD that earlier attempts were reported to cost."""
    unknown: Decimal | None = None
    """USD that earlier attempts without a cost may have cost at most; `None` where there is none."""
    held: Decimal = Decimal(0)
    """USD that the attempt under way may cost at most; zero where nobody knows."""
    free: bool = True
    """Whether the last attempt is surely on no bill."""
    warnings: list[str] = field(default_factory=list)

    @property
    def sent(self) -> bool:
        return self.attempts > 0

    @property
    def identified(self) -> bool:
        """Whether the service knows the last attempt by an id it has told."""
        return self.sent and bool(self.generation_id) and self.generation_of == self.attempts

    @property
    def latency(self) -> float | None:
        return None if self.began is None or self.ended is None else self.ended - self.began

    def take(self, chunk: Chunk) -> bool:
        """Keep what a chunk says beside its text. Whether it moves the reply on: a repetition does not."""
        moves = bool(chunk.text or chunk.finish or (chunk.usage and chunk.usage != self.usage))
        self.usage = chunk.usage or self.usage
        self.cost = self.cost if chunk.cost is None else chunk.cost
        self.finish = chunk.finish or self.finish
        self.model = chunk.model or self.model
        self.provider = chunk.provider or self.provider
        self.quantization = chunk.quantization or self.quantization
        if chunk.warning is not None and chunk.warning not in self.warnings:
            self.warnings.append(chunk.warning)
        return moves

    def again(self, fault: ProviderError) -> None:
        """A further attempt follows: what this one said of its end is void, what it cost is not."""
        if self.cost is not None:
            self.reported += self.cost
        elif fault.maybe_billed:
            self.unknown = (self.unknown or Decimal(0)) + self.held
        self.billed = self.billed or fault.maybe_billed
        self.free = True
        self.usage, self.cost, self.finish = Usage(), None, None
        self.provider = self.quantization = None

    @property
    def so_far(self) -> Decimal:
        """USD that all attempts, the one under way among them, may cost."""
        return self.reported + (self.unknown or 0) + self.held

    def at_most(self, cost: Decimal | None) -> Decimal | None:
        """USD the call may have cost beside what is known; `None` where all is. `cost`: of the last attempt."""
        if cost is not None or self.free:
            return self.unknown
        return (self.unknown or Decimal(0)) + self.held


def outcome(reply: Reply, progress: CallProgress, fault: ProviderError | None) -> tuple[Status, str | None, str | None]:
    """Status, class and sentence of a call that has ended."""
    if fault is not None:
        return fault.status, fault.error, fault.detail  # type: ignore[return-value]
    finish = progress.finish
    if finish == "error":
        return "error", "provider", "The service broke off with an error it did not explain."
    if finish == "tool_calls":
        wanted = "It wanted to call a tool, and none is ever executed here"
        if is_blank(reply.text):
            return "error", "tool_calls", f"{wanted}: ask another model, or tell it to answer by itself."
        return "incomplete", "tool_calls", f"{wanted}: what it said first may not be its answer."
    if is_blank(reply.text) and finish not in ("content_filter", "refusal"):
        remedy = (
            f" All it wrote is a thought: raise {_MAX_TOKENS}, or ask with less reasoning." if reply.reasoning else ""
        )
        remedy = f" It used its tokens on reasoning: raise {_MAX_TOKENS}." if finish == "length" else remedy
        return "empty", "empty", f"It answered without text.{remedy}"
    status = _STATUS_BY_FINISH.get(finish or "stop", "incomplete")
    match status:
        case "incomplete":
            why = "length" if finish == "length" else f"finish:{finish}"
            return (
                status,
                why,
                f"Cut off: it reached {_MAX_TOKENS}." if finish == "length" else f"It ended as {finish!r}.",
            )
        case "filtered":
            return status, "content_filter", "The service's content filter stopped it."
        case "refused":
            return status, "refusal", "The model refused."
        case _:
            return status, None, None


def timed_out(progress: CallProgress, limits: Limits, *, total: bool) -> ProviderError:
    """Which of the three clocks ran out. `total`: the call's own; the service may bill for any of them."""
    if total:
        error, detail = "total", f"No end after {limits.timeout:g} s. Raise timeout to wait longer."
    elif progress.content:
        error, detail = "idle", f"Silent for {limits.idle:g} s in the middle of its reply."
    else:
        error, detail = "ttft", f"No text within {limits.ttft:g} s. Reasoning models may need a longer wait."
    return ProviderError(error, detail, status="timeout", maybe_billed=True)


def call_ended(
    reply: Reply,
    progress: CallProgress,
    fault: ProviderError | None,
    cost: Decimal | None,
    source: CostSource | None,
    at_most: Decimal | None,
    rates: PricesUsed | None = None,
) -> CallEnded:
    """The end of a call, from what has arrived and what went wrong.

    Args:
        cost: USD of all its attempts, as far as it is known.
        at_most: USD it may have cost besides.
        rates: the prices behind a computed cost.
    """
    status, error, detail = outcome(reply, progress, fault)
    broken = status == "cancelled" or (fault.maybe_billed if fault else status in ("error", "empty"))
    return CallEnded(
        call=reply.call,
        status=status,
        usage=progress.usage,
        cost=cost,
        cost_source=source,
        ttft=progress.ttft,
        latency=progress.latency,
        finish=progress.finish,
        error=error,
        detail=detail,
        generation_id=progress.generation_id,
        model=progress.model,
        attempts=progress.attempts,
        # Whether the bill may hold more than `cost` says.
        maybe_billed=progress.billed or (broken and progress.sent and source != "reported"),
        warnings=(*progress.warnings, *_suspicions(reply)),
        at_most=at_most,
        provider=progress.provider,
        quantization=progress.quantization,
        rates=rates,
    )


def _suspicions(reply: Reply) -> list[str]:
    """What in a candidate seems meant for the judge, as warnings."""
    return (
        [f"{SUSPECT}{sign}" for sign in injection_signs.injection_signs(reply.text)]
        if reply.role == "candidate"
        else []
    )


_END = frozenset(field.name for field in fields(CallEnded)) - {"seq", "at", "call"}


def billed_end(
    reply: Reply, bill: LateBill, *, reported: Decimal, unknown: Decimal | None, maybe_billed: bool
) -> CallEnded:
    """The end of a call once more, now with what its service told of its last attempt.

    Args:
        reported: USD that earlier attempts were reported to cost.
        unknown: USD that earlier attempts may have cost besides.
        maybe_billed: whether an earlier attempt may be on the bill too.
    """
    end = {name: getattr(reply, name) for name in _END} | {"usage": bill.usage, "model": reply.model or bill.model}
    end |= {"provider": reply.provider or bill.provider, "quantization": reply.quantization or bill.quantization}
    if bill.cost is not None:
        end |= {"cost": reported + bill.cost, "cost_source": "reported", "maybe_billed": maybe_billed}
        end |= {"at_most": unknown or None, "rates": None}
    return CallEnded(call=reply.call, **end)
