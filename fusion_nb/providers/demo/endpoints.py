"""What the demo service answers: chat completions, streamed or whole, the list of models, ended generations.

OpenRouter's chat-completions wire, from the service's side: requests read, chunks, usage and errors written.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from fusion_nb.core import Message
from fusion_nb.providers.demo.http1 import Client, HttpRequest
from fusion_nb.providers.demo.judge import verdict
from fusion_nb.providers.demo.scripts import (
    MODELS,
    DemoModel,
    Said,
    count,
    count_tokens,
    find_model,
    listing,
    script_answer,
)

REMEMBERED = 1000
"""Ended generations that can still be asked for."""
TICK = 0.02
"""Seconds between two writes of a stream: a fast script is a few dozen packets, not thousands."""
COMMENT = b": OPENROUTER PROCESSING\n\n"


def speed() -> float:
    """How many times faster than life the scripts are told: the environment's `FUSION_NB_DEMO_SPEED`, or 1."""
    try:
        factor = float(os.environ.get("FUSION_NB_DEMO_SPEED", "1"))
    except ValueError:
        return 1.0
    return min(factor, 1e6) if factor > 0 else 1.0


class Endpoints:
    """The service apart from its sockets' lives."""

    def __init__(self) -> None:
        self._ended: OrderedDict[str, Generation] = OrderedDict()

    async def respond(self, request: HttpRequest, client: Client) -> None:
        """Answer one request, whatever it asks."""
        match request.method, request.path:
            case "POST", "/api/v1/chat/completions":
                await self._complete(request, client)
            case "GET", "/api/v1/models":
                await client.send_json(HTTPStatus.OK, {"data": listing()})
            case "GET", "/api/v1/generation":
                await self._generation(request, client)
            case _:
                known = "POST /chat/completions, GET /models and GET /generation?id="
                await refuse(client, HTTPStatus.NOT_FOUND, f"The demo service knows {known}.", "not_found")

    async def _generation(self, request: HttpRequest, client: Client) -> None:
        made = self._ended.get("".join(parse_qs(request.query).get("id", [])))
        if made is None:
            await refuse(client, HTTPStatus.NOT_FOUND, "No such generation, or it has not ended yet.", "not_found")
        else:
            await client.send_json(HTTPStatus.OK, {"data": generation(made)})

    async def _complete(self, request: HttpRequest, client: Client) -> None:
        try:
            body = json.loads(request.body)
            messages = read_messages(body)
        except (ValueError, RecursionError) as wrong:
            await refuse(client, HTTPStatus.BAD_REQUEST, f"Not a chat request: {wrong}", "invalid_request")
            return
        model = find_model(body.get("model"))
        if model is None:
            message = f"The demo service has no such model; it has {', '.join(MODELS)}."
            await refuse(client, HTTPStatus.NOT_FOUND, message, "not_found")
            return
        judged = verdict(messages)
        said = script_answer(model.id, messages) if judged is None else Said(judged)
        plan, finish = stream_plan(said.text, said.reasoning, read_limit(body))
        made = Generation(model, count(messages), plan, finish)
        try:
            await (_stream if body.get("stream") else _whole)(made, client)
        finally:
            made.seconds = time.monotonic() - made.began
            made.cancelled = made.sent < len(made.plan)
            self._ended[made.id] = made
            while len(self._ended) > REMEMBERED:
                self._ended.popitem(last=False)


async def _stream(made: Generation, client: Client) -> None:
    wait, rate = made.model.ttft / speed(), made.model.rate * speed()
    await client.start_events({"x-generation-id": made.id})
    for _ in range(2):
        await client.send_events(COMMENT)
        await asyncio.sleep(wait / 2)
    made.ttft = time.monotonic() - made.began
    delta: dict[str, str] = {"role": "assistant", "content": ""}
    await client.send_events(event(chunk(made, delta)))
    while made.sent < len(made.plan):
        # By the clock and not by the tick, so that a busy machine makes it jerky and not slow.
        due = min(len(made.plan), 1 + int((time.monotonic() - made.began - made.ttft) * rate))
        fresh, made.sent = made.plan[made.sent : due], max(made.sent, due)
        grouped = itertools.groupby(fresh, key=lambda piece: piece.channel)
        deltas = [{channel: "".join(piece.text for piece in pieces)} for channel, pieces in grouped]
        await client.send_events(*(event(chunk(made, delta)) for delta in deltas))
        await asyncio.sleep(TICK / speed())
    last = (event(chunk(made, {"content": ""}, made.finish)), event(last_chunk(made)))
    await client.send_events(*last, b"data: [DONE]\n\n")
    await client.end_events()


async def _whole(made: Generation, client: Client) -> None:
    await asyncio.sleep((made.model.ttft + len(made.plan) / made.model.rate) / speed())
    made.ttft, made.sent = time.monotonic() - made.began, len(made.plan)
    await client.send_json(HTTPStatus.OK, completion(made), {"x-generation-id": made.id})


async def refuse(client: Client, status: HTTPStatus, message: str, error_type: str) -> None:
    """An error, in OpenRouter's form."""
    await client.send_json(status, error_json(status.value, message, error_type))


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


def stream_plan(text: str, reasoning: str, limit: int | None) -> tuple[list[Piece], str]:
    """A script in pieces, cut at `limit` tokens as a model would be; and its finish reason."""
    pieces = [Piece("reasoning", t) for t in count_tokens(reasoning)] + [
        Piece("content", t) for t in count_tokens(text)
    ]
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
    return {**_about(made, "chat.completion.chunk"), "choices": [], "usage": usage_json(made)}


def completion(made: Generation) -> dict[str, Any]:
    """The whole answer at once, for `stream: false`."""
    message = {"role": "assistant", "content": made.text("content"), "refusal": None}
    if reasoning := made.text("reasoning"):
        message["reasoning"] = reasoning
    choice = {"index": 0, "message": message, "finish_reason": made.finish, "native_finish_reason": made.finish}
    return {**_about(made, "chat.completion"), "choices": [choice], "usage": usage_json(made)}


def usage_json(made: Generation) -> dict[str, Any]:
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
        "native_tokens_reasoning": usage_json(made)["completion_tokens_details"]["reasoning_tokens"],
        "native_tokens_cached": 0,
        "latency": None if made.ttft is None else round(made.ttft * 1000),
        "generation_time": round(made.seconds * 1000),
        "finish_reason": None if made.cancelled else made.finish,
        "cancelled": made.cancelled,
    }


def error_json(code: int, message: str, error_type: str) -> dict[str, Any]:
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
