"""Whether a call is sent at all after another was refused, and whether one that failed is asked again."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta

from fusion_nb.errors import ProviderError
from fusion_nb.run.call_progress import CallProgress

_ABOUT_ONE_REQUEST = re.compile(
    r"can only afford|fewer max_tokens|litellm\.\w+: .*Exception|The provider said: ", re.IGNORECASE
)
"""What a service says where the key is good: there is credit for a smaller request, or what stands behind a gateway
refused the gateway's own key."""


class AuthCircuitBreaker:
    """Remembers, for one run, which services said no to the key (401) or to its credit (402).

    A key is bound to its service, so the service's name stands for the key. Calls under way go on: some may have been
    paid for. A service that accepted a call of this run has accepted the key, and has credit for some request: what it
    refuses later is about one model, or one size, only.
    """

    def __init__(self) -> None:
        self._accepted: set[str] = set()
        self._faults: dict[str, ProviderError] = {}

    def accepted(self, service: str) -> None:
        self._accepted.add(service)
        self._faults.pop(service, None)

    def forget(self, service: str) -> None:
        """The key may be good by now: whoever is asked next finds out."""
        self._faults.pop(service, None)

    def note(self, service: str, fault: ProviderError) -> None:
        """Remember what `fault` says of the key, if anything."""
        about_key = fault.error in ("auth", "credits") and not _ABOUT_ONE_REQUEST.search(fault.detail)
        if about_key and service not in self._accepted:
            self._faults.setdefault(service, fault)

    def check(self, service: str) -> None:
        """Raise `ProviderError`, unsent, where the service has refused the key."""
        fault = self._faults.get(service)
        if fault is not None:
            raise ProviderError(fault.error, f"Not asked: another call with the same key was refused. {fault.detail}")


MAX_RETRIES = 2
MAX_STALE = 5
"""Attempts after which a kept connection that was closed is a failure like any other."""


class RetryAllowance:
    """The further attempts of one run: when everything fails at once, hammering helps nobody."""

    def __init__(self, pool_size: int) -> None:
        self._left = max(3, pool_size // 5)

    def wait(self, fault: ProviderError, progress: CallProgress, remaining: float) -> float | None:
        """Seconds before the next attempt, or `None` where there is none: text has progress, or it would not help.

        Args:
            remaining: seconds the call may still take. Where the service asks for more than that, `fault` says so.
        """
        if fault.stale and not progress.content and progress.attempts <= MAX_STALE:
            # Nobody is hammered: the service had closed a connection that was kept for the next request.
            return 0.0
        may_help = fault.retryable and progress.attempts <= min(MAX_RETRIES, fault.max_retries)
        if not may_help or progress.content or self._left <= 0:
            return None
        if fault.retry_after is not None:
            # Never earlier than asked, and a little later: others were told the same moment.
            wait = fault.retry_after * random.uniform(1.0, 1.1)
        else:
            # Full jitter, so that a pool that failed together does not come back together.
            wait = random.uniform(0.0, min(8.0, 0.5 * 2 ** (progress.attempts - 1)))
        if wait < remaining:
            self._left -= 1
            return wait
        if fault.retry_after is not None:
            moment = datetime.now(UTC) + timedelta(seconds=fault.retry_after)
            fault.detail += f" It asks to wait until {moment:%H:%M:%S} UTC, longer than timeout leaves."
        return None
