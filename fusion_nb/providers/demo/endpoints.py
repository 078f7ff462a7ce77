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
from fusion_nb.providers.demo.judges import judge_reply
from fusion_nb.providers.demo.scripts import (
    MODELS,
    DemoModel,
    ScriptedReply,
    count_prompt_tokens,
    find_model,
    list_models,
    member_reply,
    split_tokens,
)
from fusion_nb.providers.demo.server import Client, HttpRequest

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
                await client.send_json(HTTPStatus.OK, {"data": list_models()})
            case "GET", "/api/v1/generation":
                await self._generation(request, client)
            case _:
                routes = "POST /chat/completions, GET /models and GET /generation?id="
                await client.send_error(HTTPStatus.NOT_FOUND, f"The demo service knows {routes}.", "not_found")

    async def _generation(self, request: HttpRequest, client: Client) -> None:
        generation = self._ended.get("".join(parse_qs(request.query).get("id", [])))
        if generation is None:
            await client.send_error(HTTPStatus.NOT_FOUND, "No such generation, or it has not ended yet.", "not_found")
        else:
            await client.send_json(HTTPStatus.OK, {"data": generation_json(generation)})

    async def _complete(self, request: HttpRequest, client: Client) -> None:
        try:
            body = json.loads(request.body)
            messages = read_messages(body)
        except (ValueError, RecursionError) as wrong:
            await client.send_error(HTTPStatus.BAD_REQUEST, f"Not a chat request: {wrong}", "invalid_request")
            return
        model = find_model(body.get("model"))
        if model is None:
            message = f"The demo service has no such model; it has {', '.join(MODELS)}."
            await client.send_error(HTTPStatus.NOT_FOUND, message, "not_found")
            return
        verdict = judge_reply(messages, model.id)
        reply = member_reply(model.id, messages) if verdict is None else ScriptedReply(verdict)
        pieces, finish = split_reply(reply, read_limit(body))
        generation = Generation(model, count_prompt_tokens(messages), pieces, finish)
        try:
            await (_stream if body.get("stream") else _whole)(generation, client)
        finally:
            generation.seconds = time.monotonic() - generation.began
            generation.cancelled = generation.sent < len(generation.pieces)
            self._ended[generation.id] = generation
            while len(self._ended) > REMEMBERED:
                self._ended.popitem(last=False)


async def _stream(generation: Generation, client: Client) -> None:
    wait, rate = generation.model.ttft / speed(), generation.model.rate * speed()
    await client.start_events({"x-generation-id": generation.id})
    for _ in range(2):
        await client.send_events(COMMENT)
        await asyncio.sleep(wait / 2)
    generation.ttft = time.monotonic() - generation.began
    delta: dict[str, str] = {"role": "assistant", "content": ""}
    await client.send_events(sse_event(chunk_json(generation, delta)))
    while generation.sent < len(generation.pieces):
        # By the clock and not by the tick, so that a busy machine makes it jerky and not slow.
        due = min(len(generation.pieces), 1 + int((time.monotonic() - generation.began - generation.ttft) * rate))
        fresh, generation.sent = generation.pieces[generation.sent : due], max(generation.sent, due)
        grouped = itertools.groupby(fresh, key=lambda piece: piece.channel)
        deltas = [{channel: "".join(piece.text for piece in pieces)} for channel, pieces in grouped]
        await client.send_events(*(sse_event(chunk_json(generation, delta)) for delta in deltas))
        await asyncio.sleep(TICK / speed())
    last = (
        sse_event(chunk_json(generation, {"content": ""}, generation.finish)),
        sse_event(last_chunk_json(generation)),
    )
    await client.send_events(*last, b"data: [DONE]\n\n")
    await client.end_events()


async def _whole(generation: Generation, client: Client) -> None:
    await asyncio.sleep((generation.model.ttft + len(generation.pieces) / generation.model.rate) / speed())
    generation.ttft, generation.sent = time.monotonic() - generation.began, len(generation.pieces)
    await client.send_json(HTTPStatus.OK, completion_json(generation), {"x-generation-id": generation.id})


class Piece(NamedTuple):
    """One token of a script, and the delta field it is streamed in."""

    channel: str
    text: str


@dataclass(slots=True)
class Generation:
    """One answer under way: what will be said, and how much of it has been."""

    model: DemoModel
    prompt_tokens: int
    pieces: list[Piece]
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
        return "".join(piece.text for piece in self.pieces[: self.sent] if piece.channel == channel)


def split_reply(reply: ScriptedReply, limit: int | None) -> tuple[list[Piece], str]:
    """A script in pieces, cut at `limit` tokens as a model would be; and its finish reason."""
    reasoning = [Piece("reasoning", token) for token in split_tokens(reply.reasoning)]
    pieces = reasoning + [Piece("content", token) for token in split_tokens(reply.text)]
    return (pieces, "stop") if limit is None or len(pieces) <= limit else (pieces[:limit], "length")


def read_messages(body: object) -> tuple[Message, ...]:
    """The conversation of a request; text parts are joined. Raises `ValueError` where there is none."""
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not messages:
        raise ValueError("`messages` must be a list with at least one message.")
    if not all(isinstance(message, dict) for message in messages):
        raise ValueError("Each message must be an object.")
    return tuple(Message(_role(message.get("role")), _content(message.get("content"))) for message in messages)


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


def sse_event(payload: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def chunk_json(generation: Generation, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    """One chunk of a stream."""
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish, "native_finish_reason": finish}
    return {**_about(generation, "chat.completion.chunk"), "choices": [choice]}


def last_chunk_json(generation: Generation) -> dict[str, Any]:
    """The chunk before `[DONE]`: usage and cost, once, and no choices."""
    return {**_about(generation, "chat.completion.chunk"), "choices": [], "usage": usage_json(generation)}


def completion_json(generation: Generation) -> dict[str, Any]:
    """The whole answer at once, for `stream: false`."""
    message = {"role": "assistant", "content": generation.text("content"), "refusal": None}
    if reasoning := generation.text("reasoning"):
        message["reasoning"] = reasoning
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": generation.finish,
        "native_finish_reason": generation.finish,
    }
    return {**_about(generation, "chat.completion"), "choices": [choice], "usage": usage_json(generation)}


def usage_json(generation: Generation) -> dict[str, Any]:
    """Tokens and cost of what was sent so far."""
    prompt_cost, completion_cost = generation.model.cost(generation.prompt_tokens, generation.sent)
    reasoning = sum(piece.channel == "reasoning" for piece in generation.pieces[: generation.sent])
    return {
        "prompt_tokens": generation.prompt_tokens,
        "completion_tokens": generation.sent,
        "total_tokens": generation.prompt_tokens + generation.sent,
        # The shortest float of so few digits is the decimal itself.
        "cost": float(prompt_cost + completion_cost),
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": float(prompt_cost),
            "upstream_inference_completions_cost": float(completion_cost),
        },
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def generation_json(generation: Generation) -> dict[str, Any]:
    """What `GET /generation?id=` tells of an answer that has ended."""
    prompt_cost, completion_cost = generation.model.cost(generation.prompt_tokens, generation.sent)
    return {
        "id": generation.id,
        "model": generation.model.id,
        "provider_name": "Demo (scripted)",
        "total_cost": float(prompt_cost + completion_cost),
        "usage": float(prompt_cost + completion_cost),
        "native_tokens_prompt": generation.prompt_tokens,
        "native_tokens_completion": generation.sent,
        "native_tokens_reasoning": usage_json(generation)["completion_tokens_details"]["reasoning_tokens"],
        "native_tokens_cached": 0,
        "latency": None if generation.ttft is None else round(generation.ttft * 1000),
        "generation_time": round(generation.seconds * 1000),
        "finish_reason": None if generation.cancelled else generation.finish,
        "cancelled": generation.cancelled,
    }


def _about(generation: Generation, kind: str) -> dict[str, Any]:
    return {
        "id": generation.id,
        "provider": "Demo (scripted)",
        "model": generation.model.id,
        "object": kind,
        "created": generation.created,
    }
