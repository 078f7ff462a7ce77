"""The chat-completions wire over HTTP: a request goes out, chunks come in. One provider for every service.

The body of a chat-completions request, field by field as the service wants it. Pure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fusion_nb.core import Chunk, Request
from fusion_nb.errors import ProviderError
from fusion_nb.providers import faults
from fusion_nb.providers.chat_decoder import ChatDecoder
from fusion_nb.providers.faults import Target
from fusion_nb.providers.http import Http
from fusion_nb.providers.http_response import StreamingResponse
from fusion_nb.providers.keys import KeyAuth
from fusion_nb.providers.services import Service

AFTER_FINISH = 10.0
"""Seconds to wait for the bill once the reply has finished and the connection stays open without a word."""
_ERROR_BODY = 64 * 1024
_ERROR_SECONDS = 5.0


class ChatProvider:
    """Asks one service. Yields chunks for progress only: no keep-alives, no empty deltas."""

    def __init__(self, service: Service, http: Http, auth: KeyAuth | None = None) -> None:
        self._service, self._http, self._auth = service, http, auth

    def __repr__(self) -> str:
        return f"ChatProvider({self._service.name!r})"

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        """The reply as it comes. Raises `ProviderError`; closing the iterator closes the connection."""
        service, auth = self._service, self._auth
        if auth:
            target = Target(service.name, request.ref.model, auth.variable, auth.hide, auth.begins)
        else:
            target = Target(service.name, request.ref.model, service.key_env)
        body, warnings = request_body(request, service)
        for warning in warnings:
            yield Chunk(warning=warning)
        url = f"{service.base_url}/chat/completions"
        async with self._http.post(url, body, auth=auth, headers=dict(service.headers)) as answer:
            if not 200 <= answer.status < 300:
                head = await answer.read_head(_ERROR_BODY, _ERROR_SECONDS)
                raise faults.of_response(answer.status, answer.headers, head, target)
            generation = answer.headers.get("x-generation-id")
            if generation:
                yield Chunk(generation_id=target.clean(generation, 200))
            decoder = ChatDecoder(target, answer.headers.get("content-type", ""))
            broken: ProviderError | None = None
            while not decoder.done:
                try:
                    data = await _next(answer, decoder)
                except ProviderError as fault:
                    broken = fault
                    break
                if not data:
                    break
                for chunk in decoder.feed(data):
                    yield chunk
            for chunk in decoder.end():
                yield chunk
            # A reply that has finished is whole, however its connection ended.
            final = decoder.fault if decoder.finished else broken or decoder.fault
            if final is not None:
                raise final
            answer.done()


async def _next(answer: StreamingResponse, decoder: ChatDecoder) -> bytes:
    """What comes next. Once a reply has finished, not for ever."""
    if not decoder.finished:
        return await answer.read()
    try:
        async with asyncio.timeout(AFTER_FINISH):
            return await answer.read()
    except TimeoutError:
        return b""


_EFFORTS = ((2048, "low"), (8192, "medium"))


def request_body(request: Request, service: Service) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body, and warnings about what was asked and cannot be passed on."""
    options = dict(request.ref.options)
    seed = options.pop("seed", request.seed)
    body: dict[str, Any] = {
        "model": request.ref.model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "stream": True,
        service.max_tokens: request.max_tokens,
    }
    if service.stream_options:
        body["stream_options"] = {"include_usage": True}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if service.seed is not None and seed is not None:
        body[service.seed] = seed
    if request.schema is not None and service.structured:
        schema = {"name": "verdict", "schema": request.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    reasoning = _reasoning(request.reasoning, service)
    ignored = (
        ("seed_ignored", seed is not None and service.seed is None),
        ("reasoning_ignored", request.reasoning is not None and not reasoning),
    )
    return {**body, **reasoning, **dict(service.body), **options}, tuple(word for word, true in ignored if true)


def _reasoning(effort: str | None, service: Service) -> dict[str, Any]:
    """Effort, or a number of tokens: as the service takes it, or the nearest it takes."""
    if effort is None or service.reasoning is None:
        return {}
    tokens = int(effort) if effort.isascii() and effort.isdigit() else None
    if service.reasoning == "object":
        return {"reasoning": {"effort": effort} if tokens is None else {"max_tokens": tokens}}
    if tokens is not None:
        effort = next((level for most, level in _EFFORTS if tokens <= most), "high")
    return {"reasoning_effort": service.nearest_effort(effort)}
