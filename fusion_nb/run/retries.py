"""Whether a call that failed is asked again, and after how long."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from fusion_nb._errors import ProviderError
from fusion_nb.run.arrived import Arrived

MAX_RETRIES = 2


class Retries:
    """The further attempts of one run: when everything fails at once, hammering helps nobody."""

    def __init__(self, pool_size: int) -> None:
        self._left = max(3, pool_size // 5)

    def wait(self, fault: ProviderError, arrived: Arrived, remaining: float) -> float | None:
        """Seconds before the next attempt, or `None` where there is none: text has arrived, or it would not help.

        Args:
            remaining: seconds the call may still take. Where the service asks for more than that, `fault` says so.
        """
        worth = fault.retryable and arrived.attempts <= min(MAX_RETRIES, fault.max_retries)
        if not worth or arrived.content or self._left <= 0:
            return None
        if fault.retry_after is not None:
            # Never earlier than asked, and a little later: others were told the same moment.
            wait = fault.retry_after * random.uniform(1.0, 1.1)
        else:
            # Full jitter, so that a pool that failed together does not come back together.
            wait = random.uniform(0.0, min(8.0, 0.5 * 2 ** (arrived.attempts - 1)))
        if wait < remaining:
            self._left -= 1
            return wait
        if fault.retry_after is not None:
            moment = datetime.now(UTC) + timedelta(seconds=fault.retry_after)
            fault.detail += f" It asks to wait until {moment:%H:%M:%S} UTC, longer than --timeout leaves."
        return None
