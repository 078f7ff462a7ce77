"""What has arrived of one call, and what that makes of it when the call has ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from fusion_nb._errors import ProviderError
from fusion_nb._types import Reply, Status, Usage

_STATUS_BY_FINISH: dict[str, Status] = {
    "stop": "ok",
    "length": "incomplete",
    "content_filter": "filtered",
    "refusal": "refused",
    "error": "error",
}


@dataclass(slots=True)
class Arrived:
    """What has arrived of one call so far."""

    began: float
    usage: Usage = Usage()
    cost: Decimal | None = None
    finish: str | None = None
    generation_id: str | None = None
    model: str | None = None
    ttft: float | None = None
    attempts: int = 1
    sent: bool = False
    content: bool = False
    warnings: list[str] = field(default_factory=list)


def outcome(reply: Reply, arrived: Arrived, fault: ProviderError | None) -> tuple[Status, str | None, str | None]:
    """Status, class and sentence of a call that has ended."""
    if fault is not None:
        return fault.status, fault.error, fault.detail  # type: ignore[return-value]
    finish = arrived.finish
    if finish == "error":
        return "error", "provider", "The service broke off with an error it did not explain."
    if finish == "tool_calls" and not reply.text.strip():
        return "error", "tool_calls", "It answered with a tool call, which is never executed here."
    if not reply.text.strip() and finish not in ("content_filter", "refusal"):
        said = " It used its tokens on reasoning: raise --max-tokens." if finish == "length" else ""
        return "empty", "empty", f"It answered without text.{said}"
    status = _STATUS_BY_FINISH.get(finish or "stop", "ok" if finish == "tool_calls" else "incomplete")
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
