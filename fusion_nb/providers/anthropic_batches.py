"""Anthropic's Message Batches: requests of the Messages API in one body, results in one file of lines.

As documented: `POST /messages/batches`, `GET /messages/batches/{id}` until its `processing_status` is `ended`, then the
file at `results_url`. At most 100,000 requests and 256 MB; results come in any order. Calls by themselves go to
Anthropic's compatible chat endpoint, which has no batches: here bodies become those of the Messages API, and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fusion_nb.core import Request
from fusion_nb.errors import ProviderError, UserError
from fusion_nb.providers.batches import (
    Answer,
    BatchHttp,
    BatchLimits,
    BatchState,
    answer_of,
    chat_body,
    checked_id,
    encoded,
    part,
    refused,
    unanswered,
    whole,
)
from fusion_nb.providers.service_addresses import parse

HEADERS = {"anthropic-version": "2023-06-01"}
KEY_HEADER = "x-api-key"
_NOT_OURS = ("model", "messages", "max_tokens", "max_completion_tokens", "response_format", "temperature")
_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
_ENDS = {
    "canceled": "The batch was cancelled at the service before this request was answered.",
    "expired": "The batch expired: 24 hours were over before this request was answered.",
}
_NEAR = timedelta(minutes=20)
"""How far two clocks may be apart where a batch is looked for by its time."""


class AnthropicBatches:
    """See `BatchWire`."""

    limits = BatchLimits(100_000, 256_000_000)
    one_model = False

    def __init__(self, http: BatchHttp) -> None:
        self.http = http

    def line(self, custom_id: str, request: Request) -> bytes:
        body, _ = chat_body(request, self.http.service)
        system = "\n\n".join(message.content for message in request.messages if message.role == "system")
        params = {
            "model": request.ref.model,
            "max_tokens": request.max_tokens,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages if m.role != "system"],
            **({"system": system} if system else {}),
            # The compatible endpoint takes up to 2 and lowers it to 1; this one refuses more.
            **({"temperature": min(1.0, body["temperature"])} if "temperature" in body else {}),
            **{name: value for name, value in body.items() if name not in _NOT_OURS},
        }
        return encoded({"custom_id": custom_id, "params": params})

    async def submit(self, token: str, lines: Sequence[bytes]) -> str:
        made = await self.http.send("/messages/batches", b'{"requests":[' + b",".join(lines) + b"]}")
        return checked_id(part(made, "id"), self.http.service.name)

    async def state(self, batch: str) -> BatchState:
        service = self.http.service
        told = await self.http.get(f"/messages/batches/{checked_id(batch, service.name)}")
        status, url = part(told, "processing_status"), part(told, "results_url")
        done = sum(whole(part(part(told, "request_counts"), name)) for name in _COUNTS[1:])
        if status in ("in_progress", "canceling"):
            return BatchState(ended=False, done=done)
        if status != "ended":
            raise ProviderError("protocol", f"{service.name} names no state of the batch that is known here.")
        if part(told, "archived_at") and not url:
            return BatchState(ended=True, why="The results of the batch are no longer kept at the service.")
        if not isinstance(url, str) or not self._is_own(url):
            raise ProviderError(
                "protocol",
                f"{service.name} keeps the results of the batch at another address than its own, where no key is sent: "
                "check its base URL.",
            )
        return BatchState(ended=True, done=done, results=(url,), why="The batch ended without a result for it.")

    def _is_own(self, url: str) -> bool:
        """Whether an address is the service's own, so that the key may go there."""
        try:
            return parse(url).origin == parse(self.http.service.base_url).origin
        except UserError:
            return False

    async def find(self, token: str, since: datetime, count: int) -> list[str]:
        # A batch carries no words of ours: those of that size and time are asked, and their results name the token.
        page = await self.http.get("/messages/batches?limit=1000")
        rows = part(page, "data")
        found = [row for row in rows if self._may_be(row, since, count)] if isinstance(rows, list) else []
        return [checked_id(part(row, "id"), self.http.service.name) for row in found]

    def _may_be(self, row: object, since: datetime, count: int) -> bool:
        counts = part(row, "request_counts")
        try:
            made = datetime.fromisoformat(str(part(row, "created_at")).replace("Z", "+00:00"))
            near = since - _NEAR <= made <= since + _NEAR
        except (ValueError, TypeError):
            near = False
        return near and sum(whole(part(counts, name)) for name in _COUNTS) == count

    def answer(self, result: Mapping[str, Any], request: Request) -> Answer:
        target, outcome = self.http.target(request.ref.model), result.get("result")
        kind = part(outcome, "type")
        if kind in _ENDS:
            return Answer(fault=unanswered(_ENDS[kind]))
        if kind != "succeeded":
            return refused(part(outcome, "error") or {}, target)
        body = _as_completion(part(outcome, "message"))
        return answer_of(body, request, target, chat_body(request, self.http.service)[1])


def _as_completion(message: object) -> dict[str, Any]:
    """A message of the Messages API as a chat completion."""
    blocks = part(message, "content")
    texts: dict[str, list[str]] = {"text": [], "thinking": []}
    for block in blocks if isinstance(blocks, list) else ():
        kind = part(block, "type")
        if kind in texts and isinstance(text := part(block, kind), str):
            texts[kind].append(text)
    said = {"role": "assistant", "content": "".join(texts["text"]), "reasoning": "".join(texts["thinking"])}
    choice = {"index": 0, "message": said, "finish_reason": part(message, "stop_reason")}
    usage = part(message, "usage")
    return {
        "model": part(message, "model"),
        "choices": [choice],
        **({"usage": usage} if isinstance(usage, Mapping) else {}),
    }
