"""How many calls each service takes at once, found by trying: for runs that are made together, such as a table's.

More calls are let in while a service keeps up (twice as many a round trip at first, then one more a round trip), fewer
when it says 429 or takes far longer to begin (additive increase, multiplicative decrease; Chiu and Jain 1989). A call
that is refused for its rate, or meets a service that is down, waits for its turn again: it uses up no attempt. One
service never waits for another.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fusion_nb.core.loop_clock import loop_clock
from fusion_nb.errors import ProviderError

FIRST = 16
"""Calls at once that a service gets before anything is known of it."""
DOWN = 5
"""Failures in a row after which a service counts as down."""
LONGEST_PAUSE = 60.0
"""Seconds between two tries where the service says nothing of when it can be asked again."""
LONGEST_WISH = 3600.0
"""Seconds that a service may ask to wait: beyond, it is left for another day."""
GIVE_UP = 600.0
"""Seconds without one success, besides what the service asked to wait, after which it is asked no more."""
_SLOWER = 2.0
"""How many times as long as usual the first token may take."""
_MARGIN = 0.5
"""Seconds it has to take longer besides."""
_OWN = 0.1
"""Seconds."""
_USUAL = 20
"""Replies that tell what is usual."""
_TROUBLE = ("server", "overloaded", "connect", "connect_timeout", "dns", "proxy", "send", "disconnect", "timeout")
"""Errors by which a service, or the network before it, shows that it is not there."""


@dataclass(slots=True)
class _Service:
    name: str
    limit: float
    starting: bool = True
    """Whether the limit still doubles every round trip."""
    in_flight: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    paused_until: float = 0.0
    timer: asyncio.Handle | None = None
    lowered: float = 0.0
    """When the limit was lowered: what began before tells nothing of the new one."""
    failures: int = 0
    """In a row, without one success between."""
    tries: int = 0
    """Pauses in a row, without one success between."""
    bad_since: float | None = None
    usual: float | None = None
    """Seconds to the first token, of many replies."""
    recent: float | None = None
    """Of the last few."""
    heard: int = 0
    late: float = 0.0
    """Of our own loop, when it was last heard of."""
    gone: str = ""
    """Why it is asked no more; a sentence."""


class ServiceRates:
    """Lets calls in, service by service. Lives on the engine's loop.

    Args:
        ceiling: calls at once that no service gets more of.
        say: told what people should know: that a service is waited for, or asked no more.
        clock: seconds.
    """

    def __init__(
        self,
        ceiling: int,
        say: Callable[[str], None] = lambda _: None,
        *,
        first_pause: float = 1.0,
        give_up: float = GIVE_UP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ceiling, self._say, self._clock = ceiling, say, clock
        self._first_pause, self._give_up = first_pause, give_up
        self._services: dict[str, _Service] = {}

    @property
    def limits(self) -> dict[str, int]:
        """How many calls each service gets at once, by now."""
        return {name: int(service.limit) for name, service in self._services.items()}

    @property
    def gone(self) -> str:
        """Of the services that are asked no more, why; empty where there is none."""
        return " ".join(service.gone for service in self._services.values() if service.gone)

    async def enter(self, name: str) -> float:
        """Wait for a place; the moment at which there was one. Raises `ProviderError` where none will come."""
        service = self._services.setdefault(name, _Service(name, float(min(FIRST, self._ceiling))))
        if service.gone:
            raise self._unavailable(service)
        if not self._has_room(service) or service.waiting:
            turn = asyncio.get_running_loop().create_future()
            service.waiting.append(turn)
            self._wake(service)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled() and turn.exception() is None:
                    service.in_flight -= 1
                    self._wake(service)
                raise
        else:
            service.in_flight += 1
        return self._clock()

    def leave(self, name: str, entered: float, fault: ProviderError | None, ttft: float | None = None) -> bool:
        """The call's attempt is over. Whether it is to enter again, which may tell why not, instead of failing.

        Args:
            entered: what `enter()` gave.
            ttft: seconds to its first token.
        """
        service = self._services[name]
        service.in_flight -= 1
        again = False
        if fault is None:
            self._succeeded(service, ttft)
        elif fault.error == "rate_limit":
            again = True
            self._lower(service, entered, 0.5)
            self._pause(service, fault.retry_after, f"limits the rate of requests ({int(service.limit)} at once now)")
        elif fault.error in _TROUBLE:
            service.failures += 1
            # What may be on the bill, or was answered in part, is not asked again behind anybody's back.
            again = service.failures >= DOWN and fault.retryable and not fault.maybe_billed
            if service.failures >= DOWN:
                service.limit, service.starting = 1.0, True
                self._pause(service, fault.retry_after, f"failed {service.failures} times in a row ({fault.error})")
        self._wake(service)
        return again

    # ---- what is known of a service

    def _succeeded(self, service: _Service, ttft: float | None) -> None:
        service.failures = service.tries = 0
        service.bad_since = None
        late = loop_clock().late
        own, service.late = late - service.late > _OWN, late
        # While our own loop is late, nothing tells how late the service is.
        if ttft is not None and not own:
            service.heard += 1
            service.recent = ttft if service.recent is None else 0.7 * service.recent + 0.3 * ttft
            if service.usual is None or service.heard <= _USUAL:
                service.usual = (
                    ttft if service.usual is None else service.usual + (ttft - service.usual) / service.heard
                )
            elif service.recent > _SLOWER * service.usual + _MARGIN:
                # It takes them all and lets them wait.
                service.recent, service.starting = service.usual, False
                service.limit = max(1.0, 0.8 * service.limit)
                return
            else:
                service.usual += 0.01 * (ttft - service.usual)
        # What is not made use of tells nothing of a larger limit.
        if 2 * (service.in_flight + 1) >= int(service.limit):
            service.limit = min(float(self._ceiling), service.limit + (1.0 if service.starting else 1 / service.limit))

    def _lower(self, service: _Service, entered: float, share: float) -> None:
        if entered >= service.lowered:
            # Once for all calls that were under way together.
            service.limit, service.starting = max(1.0, share * service.limit), False
            service.lowered = self._clock()

    def _pause(self, service: _Service, wish: float | None, why: str) -> None:
        now = self._clock()
        if service.bad_since is None:
            service.bad_since = now
        if wish is not None and wish > LONGEST_WISH:
            return self._leave_out(service, f"asks to wait {wish / 3600:.1f} hours")
        if wish is not None:
            service.bad_since += max(0.0, now + wish - max(now, service.paused_until))
        elif now - service.bad_since > self._give_up:
            return self._leave_out(service, f"has not answered for {(now - service.bad_since) / 60:.0f} minutes")
        if now < service.paused_until and wish is None:
            return None
        pause = wish if wish is not None else min(LONGEST_PAUSE, self._first_pause * 2**service.tries)
        service.tries += 1
        # A little later than asked: others were told the same moment.
        until = now + pause * random.uniform(1.0, 1.1)
        if until > service.paused_until:
            service.paused_until = until
            if pause >= 5 or service.failures >= DOWN:
                self._say(f"{service.name} {why}: its calls wait {pause:.0f} s.")
        return None

    def _leave_out(self, service: _Service, why: str) -> None:
        service.gone = (
            f"{service.name} {why}: it is asked no more now. The same call goes on later, and pays for nothing twice."
        )
        self._say(service.gone)
        while service.waiting:
            turn = service.waiting.popleft()
            if not turn.done():
                turn.set_exception(self._unavailable(service))

    @staticmethod
    def _unavailable(service: _Service) -> ProviderError:
        return ProviderError("unavailable", f"Not asked: {service.gone}", status="cancelled")

    # ---- places

    def _has_room(self, service: _Service) -> bool:
        return service.in_flight < int(service.limit) and self._clock() >= service.paused_until

    def _wake(self, service: _Service) -> None:
        """Let in who waits, as far as there is room; look again when a pause is over."""
        while service.waiting and self._has_room(service):
            turn = service.waiting.popleft()
            if not turn.done():
                service.in_flight += 1
                turn.set_result(None)
        left = service.paused_until - self._clock()
        if service.waiting and left > 0 and service.timer is None:
            service.timer = asyncio.get_running_loop().call_later(left, self._pause_is_over, service)

    def _pause_is_over(self, service: _Service) -> None:
        service.timer = None
        self._wake(service)
