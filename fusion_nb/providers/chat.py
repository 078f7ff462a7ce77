"""The chat-completions wire over HTTP: a request goes out, chunks come in. One provider for every service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fusion_nb._errors import ProviderError
from fusion_nb._types import Chunk, Request
from fusion_nb.providers import faults
from fusion_nb.providers.answer import Answer
from fusion_nb.providers.body import body_of
from fusion_nb.providers.faults import Asked
from fusion_nb.providers.http import Http
from fusion_nb.providers.keys import KeyAuth
from fusion_nb.providers.services import Service
from fusion_nb.providers.wire import ChatDecoder

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
            asked = Asked(service.name, request.ref.model, auth.variable, auth.hide, auth.begins)
        else:
            asked = Asked(service.name, request.ref.model, service.key_env)
        body, warnings = body_of(request, service)
        for warning in warnings:
            yield Chunk(warning=warning)
        url = f"{service.base_url}/chat/completions"
        async with self._http.post(url, body, auth=auth, headers=dict(service.headers)) as answer:
            if not 200 <= answer.status < 300:
                head = await answer.read_head(_ERROR_BODY, _ERROR_SECONDS)
                raise faults.of_response(answer.status, answer.headers, head, asked)
            generation = answer.headers.get("x-generation-id")
            if generation:
                yield Chunk(generation_id=asked.clean(generation, 200))
            decoder = ChatDecoder(asked, answer.headers.get("content-type", ""))
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


async def _next(answer: Answer, decoder: ChatDecoder) -> bytes:
    """What comes next. Once a reply has finished, not for ever."""
    if not decoder.finished:
        return await answer.read()
    try:
        async with asyncio.timeout(AFTER_FINISH):
            return await answer.read()
    except TimeoutError:
        return b""
