"""`GET /generation?id=`: what a call used and cost, asked for afterwards where its stream broke off too soon."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fusion_nb._errors import ProviderError
from fusion_nb._types import Usage
from fusion_nb.providers.completion import cost_of, finish_of, usage_of
from fusion_nb.providers.plain import plain
from fusion_nb.providers.services import Service

if TYPE_CHECKING:
    from fusion_nb.providers.http import Http
    from fusion_nb.providers.keys import KeyAuth

WAITS = (0.0, 0.5, 1.5)
"""Seconds before each try: a service knows of a generation only a moment after its end."""


SOON = (0.2, 0.5, 0.9)
"""The same where a run waits for it. Not at once: that is too soon for the service, and the try would be lost."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What the service kept of a call. What it does not say is `None`."""

    usage: Usage = Usage()
    cost: Decimal | None = None
    """USD, to the last digit."""
    latency: float | None = None
    """Seconds it took the service."""
    finish: str | None = None
    cancelled: bool = False
    model: str | None = None


def generation_in(said: Any) -> Generation | None:
    """The generation in an answer of `GET /generation`; `None` where there is none."""
    data = said.get("data") if isinstance(said, Mapping) else None
    if not isinstance(data, Mapping):
        return None
    counts = {"prompt_tokens": _first(data, "prompt"), "completion_tokens": _first(data, "completion")}
    reasoning = {"completion_tokens_details": {"reasoning_tokens": data.get("native_tokens_reasoning")}}
    cached = {"prompt_tokens_details": {"cached_tokens": data.get("native_tokens_cached")}}
    usage, _ = usage_of({**counts, **reasoning, **cached})
    cost, _ = cost_of({"cost": data.get("total_cost", data.get("usage"))})
    times = [t for t in map(_seconds, (data.get("latency"), data.get("generation_time"))) if t is not None]
    model = data.get("model")
    return Generation(
        usage,
        cost,
        max(times, default=None),
        finish_of(data.get("finish_reason")),
        data.get("cancelled") is True,
        plain(model, 200) if isinstance(model, str) else None,
    )


async def fetch(
    http: Http, service: Service, auth: KeyAuth | None, generation_id: str, waits: tuple[float, ...] = WAITS
) -> Generation | None:
    """What the service kept of a call, tried again for two seconds while it is not there yet. `None` where it stays so.

    Never raises: what cannot be learnt stays unknown.
    """
    url = f"{service.base_url}/generation?id={quote(generation_id, safe='')}"
    for wait in waits:
        await asyncio.sleep(wait)
        try:
            found = generation_in(await http.get_json(url, auth=auth, timeout=5.0))
        except ProviderError as fault:
            if fault.error not in ("model", "timeout", "disconnect", "server", "overloaded", "rate_limit"):
                return None
            continue
        if found is not None:
            return found
    return None


async def reconcile(
    http: Http, service: Service, auth: KeyAuth | None, generation_id: str
) -> tuple[Usage, Decimal | None]:
    """Tokens and USD of a call by its generation id; unknown where it does not tell. 3 tries in 2 s at most."""
    found = await fetch(http, service, auth, generation_id)
    return (found.usage, found.cost) if found else (Usage(), None)


def _first(data: Mapping[str, Any], kind: str) -> Any:
    """Tokens as the model counts them, which is what is billed; else as OpenRouter does."""
    native = data.get(f"native_tokens_{kind}")
    return data.get(f"tokens_{kind}") if native is None else native


def _seconds(said: Any) -> float | None:
    """Milliseconds as seconds."""
    if isinstance(said, bool) or not isinstance(said, (int, Decimal)) or not 0 <= said < 10**9:
        return None
    return float(said) / 1000
