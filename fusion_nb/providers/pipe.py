"""Pieces of text from any thread or loop to the one that reads them, a bounded number ahead."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Self

AHEAD = 64
"""Pieces a writer may be ahead of the reader."""


class Pipe:
    """Made, read and closed on one loop; written from wherever the writer lives."""

    def __init__(self) -> None:
        self.raised: BaseException | None = None
        """What the writer ended with, where it did not end well."""
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._room = threading.Semaphore(AHEAD)
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        said = await self._queue.get()
        if said is None:
            raise StopAsyncIteration
        self._room.release()
        return said

    def put(self, text: str) -> bool:
        """From a thread: waits while the writer is too far ahead. False once nobody reads any more."""
        self._room.acquire()
        if not self._closed:
            self.call(lambda: self._queue.put_nowait(text))
        return not self._closed

    async def send(self, text: str) -> None:
        """From a coroutine, on this loop or another."""
        if not self._room.acquire(blocking=False):
            await asyncio.to_thread(self._room.acquire)
        self.call(lambda: self._queue.put_nowait(text))

    def call(self, then: Callable[[], object]) -> None:
        """Have something done on the reader's loop, if it still turns."""
        try:
            self._loop.call_soon_threadsafe(then)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            return

    def end(self, work: asyncio.Future[Any]) -> None:
        """The writer's work is over, well or not."""
        self.raised = self.raised or (asyncio.CancelledError() if work.cancelled() else work.exception())
        self._queue.put_nowait(None)

    def close(self) -> None:
        """The reader has left; a writer that waits for room goes on, into nothing."""
        self._closed = True
        self._room.release(AHEAD)
