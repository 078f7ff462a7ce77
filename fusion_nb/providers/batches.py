"""The batch APIs of services: many requests handed over at once, answered within a day, for less than they cost alone.

What they have in common: the state of a batch, the reading of its results, and what one result says. A results file is
as untrusted as any answer: a line that is no result, one of nobody's request and a second one of the same are dropped.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from fusion_nb.core import Chunk, Request
from fusion_nb.core.json_codec import decode_service_json
from fusion_nb.errors import ProviderError
from fusion_nb.providers import provider_errors
from fusion_nb.providers.chat_decoder import ChatDecoder
from fusion_nb.providers.error_bodies import error_in
from fusion_nb.providers.http import Http
from fusion_nb.providers.inline_thoughts import requested_tags
from fusion_nb.providers.keys import KeyAuth
from fusion_nb.providers.provider_errors import Refusal, Target
from fusion_nb.providers.request_fields import REFUSED_FIELDS, change_for, request_body
from fusion_nb.providers.services import Service

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one result; a longer one is dropped."""
MAX_RESULTS = 4 * 1024 * 1024 * 1024
"""Bytes of one file of results."""
UPLOAD = 900.0
"""Seconds that handing a batch over may take: it can be 200 MB."""
SILENCE = 120.0
"""Seconds that a file of results may fall silent."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_ERROR_BODY, _ERROR_SECONDS = 64 * 1024, 5.0


@dataclass(frozen=True, slots=True)
class BatchState:
    """How far a batch is."""

    ended: bool
    done: int = 0
    results: tuple[str, ...] = ()
    """The addresses of its results, once it has ended."""
    why: str = ""
    """Why requests without a result have none, a sentence."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one result says of its request."""

    chunks: tuple[Chunk, ...] = ()
    fault: ProviderError | None = None


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much one batch may hold."""

    requests: int
    size: int
    """Bytes of all its requests as they are sent."""


class BatchWire(Protocol):
    """One service's way of handing batches over. Every method raises `ProviderError`."""

    limits: BatchLimits
    one_model: bool
    """Whether all requests of a batch must be of one model."""
    http: BatchHttp

    def line(self, custom_id: str, request: Request) -> bytes:
        """One request as it stands among the others."""
        ...

    async def submit(self, token: str, lines: Sequence[bytes]) -> str:
        """Hand the requests over; the id of the batch. `token`: what it can be found by again."""
        ...

    async def state(self, batch: str) -> BatchState: ...

    async def find(self, token: str, since: datetime, count: int) -> list[str]:
        """Batches that may be the one of `token`, so many requests handed over at about that time."""
        ...

    def answer(self, result: Mapping[str, Any], request: Request) -> Answer: ...


def custom_id(token: str, number: int) -> str:
    """A request's name in its batch: 1 to 64 characters of `[a-zA-Z0-9_-]`, which both wires take."""
    return f"{token}-{number}"


def number_in(token: str, name: object) -> int | None:
    """The number of the request that `custom_id` named so; `None` for any other text."""
    begin = f"{token}-"
    digits = name[len(begin) :] if isinstance(name, str) and name.startswith(begin) else ""
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 8 else -1
    return number if number >= 0 and name == custom_id(token, number) else None


def chat_body(request: Request, service: Service) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body of a chat completion that is not streamed, and warnings about what cannot be passed on."""
    body, warnings = request_body(request, service)
    for change in REFUSED_FIELDS.of(service.base_url, request.ref.model):
        body, warnings = change.applied(body), (*warnings, *change.warnings)
    return {name: value for name, value in body.items() if name not in ("stream", "stream_options")}, warnings


def note_refused(refusal: Refusal, request: Request, service: Service) -> None:
    """Keep in mind an optional field that the service refused: whoever asks again leaves it out."""
    if (change := change_for(refusal, chat_body(request, service)[0])) is not None:
        REFUSED_FIELDS.add(service.base_url, request.ref.model, change)


def encoded(value: Any) -> bytes:
    """One line of JSON. Raises `ProviderError`."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(errors="replace")
    except (TypeError, ValueError, RecursionError):
        raise ProviderError(
            "bad_request", "The request holds something that is not JSON: look at its options."
        ) from None


def checked_id(value: object, service: str) -> str:
    """An id that a service gave, which becomes a part of addresses. Raises `ProviderError` for what is none."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ProviderError("protocol", f"{service} named a batch or a file in a way that is no id.", maybe_billed=True)
    return value


def whole(value: object) -> int:
    """A count that a service told; zero for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def part(fields: object, name: str) -> Any:
    """A field of what should be an object."""
    return fields.get(name) if isinstance(fields, Mapping) else None


@dataclass(frozen=True, slots=True)
class BatchHttp:
    """Requests about batches to one service, under the rules of all other requests."""

    service: Service
    http: Http
    auth: KeyAuth | None
    headers: Mapping[str, str] = field(default_factory=dict)

    def target(self, model: str = "") -> Target:
        service, auth = self.service, self.auth
        if auth is None:
            return Target(service.name, model, service.key_env, has_key=False)
        return Target(service.name, model, auth.variable, auth.hide, auth.begins)

    async def get(self, path: str) -> Any:
        return await self.http.get_json(f"{self.service.base_url}{path}", auth=self.auth, headers=self._headers())

    async def send(self, path: str, content: bytes, kind: str = "application/json") -> Any:
        """POST, and the JSON of the answer. Raises `ProviderError`, `maybe_billed` where its end is unknown."""
        url = f"{self.service.base_url}{path}"
        try:
            async with (
                asyncio.timeout(UPLOAD),
                self.http.exchange(
                    "POST", url, content, self.auth, {**self._headers(), "Content-Type": kind}
                ) as response,
            ):
                if not 200 <= response.status < 300:
                    head = await response.read_head(_ERROR_BODY, _ERROR_SECONDS)
                    raise provider_errors.of_response(response.status, response.headers, head, self.target())
                return decode_service_json((await response.read_all(MAX_LINE)).decode("utf-8-sig"))
        except TimeoutError:
            detail = f"{self.service.name} did not take the batch within {UPLOAD:g} s."
        except ValueError:
            detail = f"{self.service.name} did not answer with JSON."
        raise ProviderError("protocol", detail, maybe_billed=True)

    async def results(self, url: str) -> AsyncIterator[Mapping[str, Any]]:
        """The objects of a file of results, one a line; what is none, or too long, is left out."""
        async with self.http.exchange("GET", url, None, self.auth, self._headers()) as response:
            if response.status != 200:
                head = await response.read_head(_ERROR_BODY, _ERROR_SECONDS)
                raise provider_errors.of_response(response.status, response.headers, head, self.target())
            lines, size = _Lines(), 0
            while True:
                try:
                    async with asyncio.timeout(SILENCE):
                        data = await response.read()
                except TimeoutError:
                    raise ProviderError(
                        "timeout", f"{self.service.name} fell silent in the results.", retryable=True
                    ) from None
                size += len(data)
                if size > MAX_RESULTS:
                    raise ProviderError("too_big", f"The results are larger than {MAX_RESULTS >> 30} GiB.")
                for line in lines.feed(data):
                    if (found := _object(line)) is not None:
                        yield found
                        await asyncio.sleep(0)  # other calls go on beside a long file
                if not data:
                    return

    def _headers(self) -> dict[str, str]:
        return {**dict(self.service.headers), **self.headers}


class _Lines:
    """Lines out of pieces; one that is too long is dropped, and what follows it is read."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._dropping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines these bytes complete; with nothing, the last one."""
        ended = not data
        *lines, rest = data.split(b"\n")
        found = []
        for line in lines:
            if not self._dropping and len(self._rest) + len(line) <= MAX_LINE:
                found.append(bytes(self._rest) + line)
            self._rest.clear()
            self._dropping = False
        if self._dropping or len(self._rest) + len(rest) > MAX_LINE:
            self._dropping = True
            self._rest.clear()
        else:
            self._rest += rest
        if ended and self._rest:
            found.append(bytes(self._rest))
            self._rest.clear()
        return found


def _object(line: bytes) -> Mapping[str, Any] | None:
    try:
        found = decode_service_json(line.decode("utf-8-sig", "replace")) if line.strip() else None
    except ValueError:
        return None
    return found if isinstance(found, Mapping) else None


def answer_of(body: object, request: Request, target: Target, warnings: Sequence[str]) -> Answer:
    """What the body of a chat completion says."""
    decoder = ChatDecoder(
        target, "application/json", requested_tags("\n".join(message.content for message in request.messages))
    )
    try:
        written = json.dumps(body, default=str).encode()
    except (ValueError, RecursionError):
        written = b"{}"
    chunks = [Chunk(warning=word) for word in warnings]
    chunks += [chunk for chunk in (*decoder.feed(written), *decoder.end()) if chunk.warning != "not_streamed"]
    return Answer(tuple(chunks), decoder.fault)


def refused(error: object, target: Target, status: int | None = None) -> Answer:
    """What became of a request that the service did not carry out: nobody is billed for it."""
    found = error_in(error, whole=True) or error
    return Answer(fault=provider_errors.of_error(found, target, status=status, billed=False))


def unanswered(why: str) -> ProviderError:
    """A request that its batch has no result of."""
    return ProviderError("batch", f"{why} The same call submits it anew.")
