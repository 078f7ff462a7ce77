"""OpenRouter's chat-completions wire, from the service's side: requests read, chunks, usage and errors written."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fusion_nb._types import Message
from fusion_nb.providers.demo.models import DemoModel, tokens


class Piece(NamedTuple):
    """One token of a script, and the delta field it is streamed in."""

    channel: str
    text: str


@dataclass(slots=True)
class Generation:
    """One answer under way: what will be said, and how much of it has been."""

    model: DemoModel
    prompt_tokens: int
    plan: list[Piece]
    finish: str
    id: str = field(default_factory=lambda: f"gen-demo-{secrets.token_hex(8)}")
    created: int = field(default_factory=lambda: int(time.time()))
    sent: int = 0
    cancelled: bool = False
    began: float = field(default_factory=time.monotonic)
    ttft: float | None = None
    """Seconds to its first text; `None` where the client left before there was any."""
    seconds: float = 0.0

    def text(self, channel: str) -> str:
        return "".join(piece.text for piece in self.plan[: self.sent] if piece.channel == channel)


def plan(text: str, reasoning: str, limit: int | None) -> tuple[list[Piece], str]:
    """A script in pieces, cut at `limit` tokens as a model would be; and its finish reason."""
    pieces = [Piece("reasoning", t) for t in tokens(reasoning)] + [Piece("content", t) for t in tokens(text)]
    return (pieces, "stop") if limit is None or len(pieces) <= limit else (pieces[:limit], "length")


def read_messages(body: object) -> tuple[Message, ...]:
    """The conversation of a request; text parts are joined. Raises `ValueError` where there is none."""
    given = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(given, list) or not given:
        raise ValueError("`messages` must be a list with at least one message.")
    if not all(isinstance(message, dict) for message in given):
        raise ValueError("Each message must be an object.")
    return tuple(Message(_role(message.get("role")), _content(message.get("content"))) for message in given)


def _role(role: object) -> Any:
    return role if role in ("system", "assistant") else "user"


def _content(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def read_limit(body: Mapping[str, Any]) -> int | None:
    """Completion tokens the request allows."""
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    return limit if isinstance(limit, int) and limit > 0 else None


def event(payload: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def chunk(made: Generation, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    """One chunk of a stream."""
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish, "native_finish_reason": finish}
    return {**_about(made, "chat.completion.chunk"), "choices": [choice]}


def last_chunk(made: Generation) -> dict[str, Any]:
    """The chunk before `[DONE]`: usage and cost, once, and no choices."""
    return {**_about(made, "chat.completion.chunk"), "choices": [], "usage": usage(made)}


def completion(made: Generation) -> dict[str, Any]:
    """The whole answer at once, for `stream: false`."""
    message = {"role": "assistant", "content": made.text("content"), "refusal": None}
    if reasoning := made.text("reasoning"):
        message["reasoning"] = reasoning
    choice = {"index": 0, "message": message, "finish_reason": made.finish, "native_finish_reason": made.finish}
    return {**_about(made, "chat.completion"), "choices": [choice], "usage": usage(made)}


def usage(made: Generation) -> dict[str, Any]:
    """Tokens and cost of what was sent so far."""
    asked, said = made.model.cost(made.prompt_tokens, made.sent)
    thought = sum(piece.channel == "reasoning" for piece in made.plan[: made.sent])
    return {
        "prompt_tokens": made.prompt_tokens,
        "completion_tokens": made.sent,
        "total_tokens": made.prompt_tokens + made.sent,
        # The shortest float of so few digits is the decimal itself.
        "cost": float(asked + said),
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": float(asked),
            "upstream_inference_completions_cost": float(said),
        },
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def generation(made: Generation) -> dict[str, Any]:
    """What `GET /generation?id=` tells of an answer that has ended."""
    asked, said = made.model.cost(made.prompt_tokens, made.sent)
    return {
        "id": made.id,
        "model": made.model.id,
        "provider_name": "Demo (scripted)",
        "total_cost": float(asked + said),
        "usage": float(asked + said),
        "native_tokens_prompt": made.prompt_tokens,
        "native_tokens_completion": made.sent,
        "native_tokens_reasoning": usage(made)["completion_tokens_details"]["reasoning_tokens"],
        "native_tokens_cached": 0,
        "latency": None if made.ttft is None else round(made.ttft * 1000),
        "generation_time": round(made.seconds * 1000),
        "finish_reason": None if made.cancelled else made.finish,
        "cancelled": made.cancelled,
    }


def error(code: int, message: str, error_type: str) -> dict[str, Any]:
    """An error in OpenRouter's form."""
    return {"error": {"code": code, "message": message, "metadata": {"error_type": error_type}}}


def _about(made: Generation, kind: str) -> dict[str, Any]:
    return {
        "id": made.id,
        "provider": "Demo (scripted)",
        "model": made.model.id,
        "object": kind,
        "created": made.created,
    }
