"""The chat-completions wire over HTTP: a request goes out, chunks come in. One provider for every service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import aclosing
from typing import Any

from fusion_nb.core import Chunk, Request
from fusion_nb.errors import ProviderError
from fusion_nb.providers import provider_errors
from fusion_nb.providers.chat_decoder import ChatDecoder
from fusion_nb.providers.http import Http
from fusion_nb.providers.http_response import StreamingResponse
from fusion_nb.providers.inline_thoughts import requested_tags
from fusion_nb.providers.keys import KeyAuth
from fusion_nb.providers.provider_errors import Refusal, Target
from fusion_nb.providers.request_fields import REFUSED_FIELDS, FieldChange, RefusedFields, change_for, request_body
from fusion_nb.providers.services import Service

AFTER_FINISH = 10.0
"""Seconds to wait for the bill once the reply has finished and the connection stays open, whatever comes on it."""
_ERROR_BODY = 64 * 1024
_ERROR_SECONDS = 5.0
_MAX_CHANGES = 4
"""Times one call is asked again because of a field that the service refused."""


class ChatProvider:
    """Asks one service. Yields chunks for progress only: no keep-alives, no empty deltas.

    Args:
        refused: what services refused in earlier requests of this session.
    """

    def __init__(
        self, service: Service, http: Http, auth: KeyAuth | None = None, refused: RefusedFields = REFUSED_FIELDS
    ) -> None:
        self._service, self._http, self._auth, self._refused = service, http, auth, refused

    def __repr__(self) -> str:
        return f"ChatProvider({self._service.name!r})"

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        """The reply as it comes. Raises `ProviderError`; closing the iterator closes the connection.

        An optional field that the service refuses does not cost the call: it is asked again without it, before any
        text, and that is said and kept in mind for this model.
        """
        body, warnings = request_body(request, self._service)
        place = (self._service.base_url, request.ref.model)
        for change in self._refused.of(*place):
            body = change.applied(body)
            warnings = (*warnings, *change.warnings)
        for warning in warnings:
            yield Chunk(warning=warning)
        tags = requested_tags("\n".join(message.content for message in request.messages))
        target = self._target(request.ref.model)
        changes: list[FieldChange] = []
        while True:
            wrote = False
            try:
                async with aclosing(self._exchange(body, target, tags)) as chunks:  # type: ignore[type-var]
                    async for chunk in chunks:
                        wrote = wrote or bool(chunk.text)
                        yield chunk
                self._refused.add(*place, *changes)
                return
            except Refusal as refusal:
                step = None if wrote or len(changes) == _MAX_CHANGES else change_for(refusal, body)
                if step is None or step in changes:
                    raise
            body = step.applied(body)
            changes.append(step)
            for warning in step.warnings:
                yield Chunk(warning=warning)

    def _target(self, model: str) -> Target:
        service, auth = self._service, self._auth
        if auth is None:
            return Target(service.name, model, service.key_env, has_key=False)
        return Target(service.name, model, auth.variable, auth.hide, auth.begins)

    async def _exchange(self, body: dict[str, Any], target: Target, tags: Collection[str]) -> AsyncIterator[Chunk]:
        """One request and the reply to it."""
        service = self._service
        url = f"{service.base_url}/chat/completions"
        async with self._http.post(url, body, auth=self._auth, headers=dict(service.headers)) as response:
            if not 200 <= response.status < 300:
                head = await response.read_head(_ERROR_BODY, _ERROR_SECONDS)
                raise provider_errors.of_response(response.status, response.headers, head, target)
            generation = response.headers.get("x-generation-id")
            if generation:
                yield Chunk(generation_id=target.clean(generation, 200))
            decoder = ChatDecoder(target, response.headers.get("content-type", ""), tags)
            reading = _Reading(response, decoder)
            while not reading.over:
                for chunk in await reading.next_chunks():
                    yield chunk
            # A reply that has finished is whole, however its connection ended.
            fault = decoder.fault if decoder.finished else reading.broken or decoder.fault
            if fault is not None:
                raise fault
            response.done()


class _Reading:
    """A response read to its end, or to the end of what is worth waiting for."""

    def __init__(self, response: StreamingResponse, decoder: ChatDecoder) -> None:
        self.over = False
        self.broken: ProviderError | None = None
        """What broke the connection, if anything."""
        self._response, self._decoder = response, decoder
        self._finished_at: float | None = None

    async def next_chunks(self) -> list[Chunk]:
        """What comes next; the last of it where it is `over` then."""
        decoder, chunks = self._decoder, list[Chunk]()
        try:
            data = b"" if decoder.done else await self._next()
        except ProviderError as fault:
            self.broken, data = fault, b""
        if data:
            chunks = decoder.feed(data)
        if not data or decoder.done:
            self.over = True
            chunks += decoder.end()
        return chunks

    async def _next(self) -> bytes:
        """What comes next. Once a reply has finished, not for ever: keep-alives may follow it without end."""
        if not self._decoder.finished:
            self._finished_at = None
            return await self._response.read()
        now = asyncio.get_running_loop().time()
        self._finished_at = self._finished_at or now
        try:
            async with asyncio.timeout_at(self._finished_at + AFTER_FINISH):
                return await self._response.read()
        except TimeoutError:
            return b""
