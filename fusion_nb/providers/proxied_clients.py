"""Clients of one origin, a few requests each.

The client looks through all of its connections at the beginning and the end of every request: with 500 in flight that
is most of what a request costs. Several clients with a few connections each cost the same at 1,000 in flight as at 10.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

IN_FLIGHT = 8
"""Requests that one client has under way."""
_KEPT = 16
"""Clients whose idle connections are kept; a burst's others are let go after it."""
_IDLE = 30.0
"""Seconds after a burst."""


class Client(Protocol):
    async def aclose(self) -> None: ...


C = TypeVar("C", bound=Client)


class HttpClients(Generic[C]):
    """Hands out the first client that has room, so that few connections are open and those are used again.

    Args:
        make: a new client.
    """

    def __init__(self, make: Callable[[], C]) -> None:
        self._make = make
        self._clients: list[C] = []
        self._under_way: list[int] = []
        self._trimming: asyncio.Handle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def take(self) -> tuple[C, Callable[[], None]]:
        """A client for one request, and what says that the request is over: its connection is idle or closed then."""
        place = next((place for place, count in enumerate(self._under_way) if count < IN_FLIGHT), len(self._clients))
        if place == len(self._clients):
            self._clients.append(self._make())
            self._under_way.append(0)
        self._under_way[place] += 1
        return self._clients[place], lambda: self._give_back(place)

    def _give_back(self, place: int) -> None:
        self._under_way[place] -= 1
        if len(self._clients) > _KEPT and self._trimming is None:
            self._trimming = asyncio.get_running_loop().call_later(_IDLE, self._trim)

    async def aclose(self) -> None:
        if self._trimming is not None:
            self._trimming.cancel()
        for client in self._clients:
            await client.aclose()

    def _trim(self) -> None:
        self._trimming = None
        while len(self._clients) > _KEPT and not self._under_way[-1]:
            self._under_way.pop()
            closing = asyncio.create_task(self._clients.pop().aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
