"""What the demo service answers: chat completions, streamed or whole, the list of models, ended generations."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections import OrderedDict
from http import HTTPStatus
from urllib.parse import parse_qs

from fusion_nb.providers.demo import wire
from fusion_nb.providers.demo.http1 import Client, HttpRequest
from fusion_nb.providers.demo.judge import verdict
from fusion_nb.providers.demo.models import MODELS, count, find, listing
from fusion_nb.providers.demo.scripts import Said, answer
from fusion_nb.providers.demo.wire import Generation

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
            await client.send_json(HTTPStatus.OK, {"data": wire.generation(made)})

    async def _complete(self, request: HttpRequest, client: Client) -> None:
        try:
            body = json.loads(request.body)
            messages = wire.read_messages(body)
        except (ValueError, RecursionError) as wrong:
            await refuse(client, HTTPStatus.BAD_REQUEST, f"Not a chat request: {wrong}", "invalid_request")
            return
        model = find(body.get("model"))
        if model is None:
            message = f"The demo service has no such model; it has {', '.join(MODELS)}."
            await refuse(client, HTTPStatus.NOT_FOUND, message, "not_found")
            return
        judged = verdict(messages)
        said = answer(model.id, messages) if judged is None else Said(judged)
        plan, finish = wire.plan(said.text, said.reasoning, wire.read_limit(body))
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
    await client.send_events(wire.event(wire.chunk(made, delta)))
    while made.sent < len(made.plan):
        # By the clock and not by the tick, so that a busy machine makes it jerky and not slow.
        due = min(len(made.plan), 1 + int((time.monotonic() - made.began - made.ttft) * rate))
        fresh, made.sent = made.plan[made.sent : due], max(made.sent, due)
        grouped = itertools.groupby(fresh, key=lambda piece: piece.channel)
        deltas = [{channel: "".join(piece.text for piece in pieces)} for channel, pieces in grouped]
        await client.send_events(*(wire.event(wire.chunk(made, delta)) for delta in deltas))
        await asyncio.sleep(TICK / speed())
    last = (wire.event(wire.chunk(made, {"content": ""}, made.finish)), wire.event(wire.last_chunk(made)))
    await client.send_events(*last, b"data: [DONE]\n\n")
    await client.end_events()


async def _whole(made: Generation, client: Client) -> None:
    await asyncio.sleep((made.model.ttft + len(made.plan) / made.model.rate) / speed())
    made.ttft, made.sent = time.monotonic() - made.began, len(made.plan)
    await client.send_json(HTTPStatus.OK, wire.completion(made), {"x-generation-id": made.id})


async def refuse(client: Client, status: HTTPStatus, message: str, error_type: str) -> None:
    """An error, in OpenRouter's form."""
    await client.send_json(status, wire.error(status.value, message, error_type))
