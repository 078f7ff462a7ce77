"""The body of a chat-completions request, field by field as the service wants it. Pure."""

from __future__ import annotations

from typing import Any

from fusion_nb._types import Request
from fusion_nb.providers.services import Service

_EFFORTS = ((2048, "low"), (8192, "medium"))


def body_of(request: Request, service: Service) -> tuple[dict[str, Any], tuple[str, ...]]:
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


def _reasoning(asked: str | None, service: Service) -> dict[str, Any]:
    """Effort, or a number of tokens: as the service takes it, or the nearest it takes."""
    if asked is None or service.reasoning is None:
        return {}
    tokens = int(asked) if asked.isascii() and asked.isdigit() else None
    if service.reasoning == "object":
        return {"reasoning": {"effort": asked} if tokens is None else {"max_tokens": tokens}}
    if tokens is not None:
        asked = next((effort for most, effort in _EFFORTS if tokens <= most), "high")
    return {"reasoning_effort": asked}
