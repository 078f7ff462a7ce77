"""What a key has left, by OpenRouter's `GET /key`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fusion_nb._errors import ProviderError
from fusion_nb.providers.plain import plain
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


async def credit(http: Http, service: Service, auth: KeyAuth | None) -> Credit | None:
    """What the key has left; `None` where its service does not say. Never raises."""
    try:
        return credit_in(await http.get_json(f"{service.base_url}/key", auth=auth, timeout=TIMEOUT))
    except ProviderError:
        return None


def credit_in(said: Any) -> Credit | None:
    """The credit in an answer of `GET /key`; `None` where there is none."""
    data = said.get("data") if isinstance(said, Mapping) else None
    if not isinstance(data, Mapping):
        return None
    resets = data.get("limit_reset")
    names = ("limit", "limit_remaining", "usage", "usage_daily")
    limit, remaining, used, today = (_amount(data.get(name)) for name in names)
    return Credit(limit, remaining, plain(resets, 40) if isinstance(resets, str) else None, used, today)


def _amount(said: Any) -> Decimal | None:
    if isinstance(said, bool) or not isinstance(said, (int, Decimal)):
        return None
    amount = Decimal(said)
    return amount if amount.is_finite() and abs(amount) < 10**12 else None
