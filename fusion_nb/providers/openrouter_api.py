"""OpenRouter's endpoints beside the chat: a key's credit, the bill of an ended call, the speed of a model.

`GET /key`; `GET /generation?id=`, asked where a stream broke off before its usage; `GET /models/{slug}/endpoints`, with
percentiles of the last 30 minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fusion_nb.accounts.forecast_types import Speed
from fusion_nb.accounts.token_counts import Range
from fusion_nb.core import Usage
from fusion_nb.errors import ProviderError
from fusion_nb.providers.chat_response import upstream_name
from fusion_nb.providers.chat_usage import bill_of, finish_of, usage_of
from fusion_nb.providers.redaction import one_line
from fusion_nb.providers.services import Service

if TYPE_CHECKING:
    from fusion_nb.providers.http import Http
    from fusion_nb.providers.keys import KeyAuth


TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Credit:
    """USD; what the service does not say is `None`. A key without a limit has none left to tell."""

    limit: Decimal | None = None
    remaining: Decimal | None = None
    resets: str | None = None
    """`daily`, `weekly`, `monthly`; `None` where it does not."""
    used: Decimal | None = None
    used_today: Decimal | None = None
    """Of the UTC day, by everything that uses the key."""


async def fetch_credit(http: Http, service: Service, auth: KeyAuth | None) -> Credit | None:
    """What the key has left; `None` where its service does not say. Never raises."""
    try:
        return parse_credit(
            await http.get_json(f"{service.base_url}/key", auth=auth, headers=dict(service.headers), timeout=TIMEOUT)
        )
    except ProviderError:
        return None


def parse_credit(body: Any) -> Credit | None:
    """The credit in an answer of `GET /key`; `None` where there is none."""
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(data, Mapping):
        return None
    resets = data.get("limit_reset")
    names = ("limit", "limit_remaining", "usage", "usage_daily")
    limit, remaining, used, today = (_amount(data.get(name)) for name in names)
    return Credit(limit, remaining, one_line(resets, 40) if isinstance(resets, str) else None, used, today)


def _amount(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    amount = Decimal(value)
    return amount if amount.is_finite() and abs(amount) < 10**12 else None


_WAITS = (0.0, 0.5, 1.5)
"""Seconds before each try: a service knows of a generation only a moment after its end."""


WAITS_IN_RUN = (0.2, 0.5, 0.9)
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
    provider: str | None = None
    """Who served it behind the router."""
    quantization: str | None = None


def parse_generation(body: Any) -> Generation | None:
    """The generation in an answer of `GET /generation`; `None` where there is none."""
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(data, Mapping):
        return None
    counts = {"prompt_tokens": _first(data, "prompt"), "completion_tokens": _first(data, "completion")}
    reasoning = {"completion_tokens_details": {"reasoning_tokens": data.get("native_tokens_reasoning")}}
    cached = {"prompt_tokens_details": {"cached_tokens": data.get("native_tokens_cached")}}
    usage, _ = usage_of({**counts, **reasoning, **cached})
    upstream = {"is_byok": data.get("is_byok"), "cost_details": data}
    cost = bill_of({"cost": data.get("total_cost", data.get("usage")), **upstream}).cost
    times = [t for t in map(_seconds, (data.get("latency"), data.get("generation_time"))) if t is not None]
    model = data.get("model")
    return Generation(
        usage,
        cost,
        max(times, default=None),
        finish_of(data.get("finish_reason")),
        data.get("cancelled") is True,
        one_line(model, 200) if isinstance(model, str) else None,
        upstream_name(data.get("provider_name")),
        upstream_name(data.get("quantization")),
    )


async def fetch_generation(
    http: Http, service: Service, auth: KeyAuth | None, generation_id: str, waits: tuple[float, ...] = _WAITS
) -> Generation | None:
    """What the service kept of a call, tried again for two seconds while it is not there yet. `None` where it stays so.

    Never raises: what cannot be learnt stays unknown.
    """
    url = f"{service.base_url}/generation?id={quote(generation_id, safe='')}"
    for wait in waits:
        await asyncio.sleep(wait)
        try:
            generation = parse_generation(
                await http.get_json(url, auth=auth, headers=dict(service.headers), timeout=5.0)
            )
        except ProviderError as fault:
            if fault.error not in ("model", "timeout", "disconnect", "server", "overloaded", "rate_limit"):
                return None
            continue
        if generation is not None:
            return generation
    return None


def _first(data: Mapping[str, Any], kind: str) -> Any:
    """Tokens as the model counts them, which is what is billed; else as OpenRouter does."""
    native = data.get(f"native_tokens_{kind}")
    return data.get(f"tokens_{kind}") if native is None else native


def _seconds(value: Any) -> float | None:
    """Milliseconds as seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not 0 <= value < 10**9:
        return None
    return float(value) / 1000


SPEED_TIMEOUT = 5.0
_MAX_ENDPOINTS = 100


async def fetch_speed(http: Http, service: Service, auth: KeyAuth | None, model: str) -> Speed | None:
    """The speed of a model at its service; `None` where the service does not say. Never raises."""
    slug = quote(model.partition(":")[0], safe="/~")  # a variant (`:free`) has its base's endpoints
    try:
        return parse_speed(
            await http.get_json(
                f"{service.base_url}/models/{slug}/endpoints",
                auth=auth,
                headers=dict(service.headers),
                timeout=SPEED_TIMEOUT,
            )
        )
    except ProviderError:
        return None


def parse_speed(body: Any) -> Speed | None:
    """The speed in an answer of `GET /models/{slug}/endpoints`; `None` without a key, or where nobody asked it lately.

    Any endpoint may get the call, so the ranges reach from the quickest's median to the slowest's 90th percentile. Of
    throughput a high percentile is the quick end; the slow end is taken to be as far below the median.
    """
    data = body.get("data") if isinstance(body, Mapping) else None
    rows = data.get("endpoints") if isinstance(data, Mapping) else None
    serving = [row for row in (rows[:_MAX_ENDPOINTS] if isinstance(rows, list) else ()) if _serves(row)]
    waits = [pair for row in serving if (pair := _percentiles(row.get("latency_last_30m")))]
    rates = [pair for row in serving if (pair := _percentiles(row.get("throughput_last_30m")))]
    if not waits or not rates:
        return None
    return Speed(
        Range(min(p50 for p50, _ in waits) / 1000, max(p90 for _, p90 in waits) / 1000),
        Range(min(p50 * p50 / p90 for p50, p90 in rates), max(p90 for _, p90 in rates)),
    )


def _serves(row: Any) -> bool:
    """Whether an endpoint takes calls: a negative status says that it does not."""
    status = row.get("status") if isinstance(row, Mapping) else -1
    return not (isinstance(status, (int, Decimal)) and not isinstance(status, bool) and status < 0)


def _percentiles(value: Any) -> tuple[float, float] | None:
    """The 50th and the 90th, both above zero."""
    if not isinstance(value, Mapping):
        return None
    pair = [value.get("p50"), value.get("p90")]
    valid = [float(v) for v in pair if isinstance(v, (int, Decimal)) and not isinstance(v, bool) and 0 < v < 10**8]
    return (valid[0], max(valid)) if len(valid) == 2 else None
