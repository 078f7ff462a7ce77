"""OpenAI's batch API: a file of requests is uploaded, a batch made of it, and its results are two more files.

As documented: `POST /files` with `purpose=batch`, `POST /batches`, `GET /batches/{id}` until the status is an end,
`GET /files/{id}/content`. At most 50,000 requests of one model, and 200 MB, a file; results come in any order.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fusion_nb.core import Request
from fusion_nb.errors import ProviderError
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

_ENDS = {
    "completed": "The batch was completed without a result for it.",
    "expired": "The batch expired: 24 hours were over before this request was answered.",
    "cancelled": "The batch was cancelled at the service before this request was answered.",
    "failed": "The batch failed",
}
_UNDER_WAY = ("validating", "in_progress", "finalizing", "cancelling")
_METADATA = "fusion_nb"
_PAGES = 5
"""Pages of 100 batches that are looked through for one, the newest first."""


class OpenAIBatches:
    """See `BatchWire`."""

    limits = BatchLimits(50_000, 200_000_000)
    one_model = True

    def __init__(self, http: BatchHttp) -> None:
        self.http = http

    def line(self, custom_id: str, request: Request) -> bytes:
        body, _ = chat_body(request, self.http.service)
        return encoded({"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body})

    async def submit(self, token: str, lines: Sequence[bytes]) -> str:
        # A boundary that nobody's text can hold: it is made up now.
        edge = secrets.token_hex(24).encode()
        head = (
            b'--%b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b.jsonl"\r\n'
            b"Content-Type: application/jsonl\r\n\r\n"
        ) % (edge, edge, token.encode())
        content = b"".join((head, b"\n".join(lines), b"\r\n--%b--\r\n" % edge))
        try:
            file = await self.http.send("/files", content, f"multipart/form-data; boundary={edge.decode()}")
        except ProviderError as fault:
            # A file costs nothing: only the batch that is made of it does.
            fault.maybe_billed = False
            raise
        batch = {
            "input_file_id": checked_id(part(file, "id"), self.http.service.name),
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "metadata": {_METADATA: token},
        }
        made = await self.http.send("/batches", encoded(batch))
        return checked_id(part(made, "id"), self.http.service.name)

    async def state(self, batch: str) -> BatchState:
        told = await self.http.get(f"/batches/{checked_id(batch, self.http.service.name)}")
        status = part(told, "status")
        done = whole(part(part(told, "request_counts"), "completed")) + whole(
            part(part(told, "request_counts"), "failed")
        )
        if status in _UNDER_WAY:
            return BatchState(ended=False, done=done)
        if status not in _ENDS:
            raise ProviderError("protocol", f"{self.http.service.name} names no state of the batch that is known here.")
        # An empty text stands for no file too.
        names = [name for key in ("output_file_id", "error_file_id") if (name := part(told, key))]
        base, service = self.http.service.base_url, self.http.service.name
        files = tuple(f"{base}/files/{checked_id(name, service)}/content" for name in names)
        return BatchState(ended=True, done=done, results=files, why=self._why(told, status))

    def _why(self, told: object, status: str) -> str:
        if status != "failed":
            return _ENDS[status]
        errors = part(part(told, "errors"), "data")
        words = [part(error, "message") for error in errors[:3]] if isinstance(errors, list) else []
        said = self.http.target().clean("; ".join(word for word in words if isinstance(word, str)), 600)
        return f"{_ENDS[status]}: {said.rstrip('.') or 'no reason was given'}."

    async def find(self, token: str, since: datetime, count: int) -> list[str]:
        after = ""
        for _ in range(_PAGES):
            page = await self.http.get(f"/batches?limit=100{after}")
            rows = part(page, "data")
            rows = rows if isinstance(rows, list) else []
            for row in rows:
                if part(part(row, "metadata"), _METADATA) == token:
                    return [checked_id(part(row, "id"), self.http.service.name)]
            if not rows or part(page, "has_more") is not True:
                break
            after = f"&after={checked_id(part(rows[-1], 'id'), self.http.service.name)}"
        return []

    def answer(self, result: Mapping[str, Any], request: Request) -> Answer:
        target, error, response = self.http.target(request.ref.model), result.get("error"), result.get("response")
        if error:
            if part(error, "code") in ("batch_expired", "batch_cancelled"):
                return Answer(fault=unanswered(_ENDS[str(part(error, "code")).removeprefix("batch_")]))
            return refused(error, target)
        status = part(response, "status_code")
        if status != 200:
            return refused(part(response, "body") or {}, target, status if isinstance(status, int) else None)
        return answer_of(part(response, "body"), request, target, chat_body(request, self.http.service)[1])
