"""A service of small replies that costs next to nothing, on a core of its own: `python -m tests.bench.small_replies`.

It prints its port, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

_CHUNKS = (
    {"id": "g", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "ye"}}]},
    {"id": "g", "model": "m", "choices": [{"index": 0, "delta": {"content": "s"}, "finish_reason": "stop"}]},
    {"id": "g", "model": "m", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 2}},
)
_BODY = b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in _CHUNKS) + b"data: [DONE]\n\n"
_REPLY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"%x\r\n%s\r\n0\r\n\r\n" % (len(_BODY), _BODY)
)


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, rest = self._received.partition(b"\r\n\r\n")
            lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            length = int(lengths[0]) if lengths else 0
            if len(rest) < length:
                return
            self._received = rest[length:]
            self._transport.write(_REPLY)  # type: ignore[attr-defined]


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    asyncio.run(serve())
