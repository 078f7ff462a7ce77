"""What a request carries out: headers and body, and how far it got."""

from __future__ import annotations

from collections.abc import AsyncIterator

PIECE = 64 * 1024


class Body:
    """A request's body, which knows whether all of it has been sent."""

    def __init__(self, content: bytes | None) -> None:
        self.begun = False
        """Whether its first byte was asked for: before that, nothing but the head can have gone out."""
        self.sent = content is None
        self.headers = {"Accept": "text/event-stream, application/json", "Accept-Encoding": "identity"}
        self.content = None if content is None else self._pieces(content)
        if content is not None:
            self.headers |= {"Content-Type": "application/json", "Content-Length": str(len(content))}

    async def _pieces(self, content: bytes) -> AsyncIterator[bytes]:
        self.begun = True
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]
        self.sent = True
