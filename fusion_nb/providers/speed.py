"""How fast a model answers just now, by OpenRouter's `GET /models/{slug}/endpoints`: percentiles of 30 minutes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fusion_nb._errors import ProviderError
from fusion_nb.money.outlook import Speed
from fusion_nb.money.past import Range
from fusion_nb.providers.services import Service

if TYPE_CHECKING:
    from fusion_nb.providers.http import Http
    from fusion_nb.providers.keys import KeyAuth

TIMEOUT = 5.0
_MAX_ENDPOINTS = 100


async def speed(http: Http, service: Service, auth: KeyAuth | None, model: str) -> Speed | None:
    """The speed of a model at its service; `None` where the service does not say. Never raises."""
    slug = quote(model.partition(":")[0], safe="/~")  # a variant (`:free`) has its base's endpoints
    try:
        return speed_in(await http.get_json(f"{service.base_url}/models/{slug}/endpoints", auth=auth, timeout=TIMEOUT))
    except ProviderError:
        return None


def speed_in(said: Any) -> Speed | None:
    """The speed in an answer of `GET /models/{slug}/endpoints`; `None` without a key, or where nobody asked it lately.

    Any endpoint may get the call, so the ranges reach from the quickest's median to the slowest's 90th percentile. Of
    throughput a high percentile is the quick end; the slow end is taken to be as far below the median.
    """
    data = said.get("data") if isinstance(said, Mapping) else None
    rows = data.get("endpoints") if isinstance(data, Mapping) else None
    serving = [row for row in (rows[:_MAX_ENDPOINTS] if isinstance(rows, list) else ()) if _serves(row)]
    waits = [found for row in serving if (found := _percentiles(row.get("latency_last_30m")))]
    rates = [found for row in serving if (found := _percentiles(row.get("throughput_last_30m")))]
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


def _percentiles(said: Any) -> tuple[float, float] | None:
    """The 50th and the 90th, both above zero."""
    if not isinstance(said, Mapping):
        return None
    found = [said.get("p50"), said.get("p90")]
    known = [float(v) for v in found if isinstance(v, (int, Decimal)) and not isinstance(v, bool) and 0 < v < 10**8]
    return (known[0], max(known)) if len(known) == 2 else None
