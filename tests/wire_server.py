"""A scripted HTTP/1.1 server on loopback, in a thread of its own: it says exactly the bytes a test gives it.

>>> with WireServer(response(200, b"hello")) as server:
...     server.url, server.requests
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Self

Step = bytes | float | threading.Event | Literal["hold", "reset", "close"]
"""Bytes are sent; a number is a pause in seconds; an event is waited for; `hold` waits for the client to leave; `reset`
tears the connection down; `close` ends it. After the last step the connection takes the next request."""
Script = Iterable[Step] | Callable[["Received"], Iterable[Step]]


@dataclass
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    raw: bytes = field(repr=False, default=b"")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class WireServer:
    """`requests` is what it was asked; `left` is set when a client has closed a connection that was still in use."""

    def __init__(self, script: Script = (), *, tls: ssl.SSLContext | None = None, read_body: bool = True) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self.left = threading.Event()
        self.asked = threading.Event()
        self.port = 0
        self.raw = b""
        self._script, self._tls, self._read_body = script, tls, read_body
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._listening = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls, limit=64 * 1024 * 1024)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._over.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(number, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, TimeoutError, ssl.SSLError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, path, _ = start.split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0)) if self._read_body else 0
        body = await reader.readexactly(length)
        self.raw += head + body
        request = Received(method, path, headers, body, number, head + body)
        self.requests.append(request)
        self.asked.set()
        for step in self._script(request) if callable(self._script) else self._script:
            if not await self._step(step, reader, writer):
                return False
        return headers.get("connection", "").lower() != "close"

    async def _step(self, step: Step, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if isinstance(step, bytes):
            writer.write(step)
            try:
                await writer.drain()
            except ConnectionError:
                self.left.set()
                raise
        elif isinstance(step, threading.Event):
            while not step.is_set():  # noqa: ASYNC110  an event of another thread
                await asyncio.sleep(0.005)
        elif step == "hold":
            try:
                await reader.read(1)
            finally:
                self.left.set()
            return False
        elif step == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        elif step == "close":
            return False
        else:
            await asyncio.sleep(float(step))
        return True


def head(status: int = 200, kind: str = "text/event-stream", **headers: str) -> bytes:
    """The head of a response whose body comes in chunks."""
    lines = [f"HTTP/1.1 {status} Some", f"content-type: {kind}", "transfer-encoding: chunked"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


END = b"0\r\n\r\n"


def event(said: Any) -> bytes:
    """One server-sent event, in an HTTP chunk of its own."""
    return chunk(sse(said))


def sse(said: Any) -> bytes:
    data = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return f"data: {data}\n\n".encode()


def delta(text: str, **more: Any) -> dict[str, Any]:
    """A chunk of a chat completion that says `text`."""
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    return {"id": "gen-1", "model": "m", "object": "chat.completion.chunk", "choices": [choice], **more}


def finish(reason: str = "stop", **more: Any) -> dict[str, Any]:
    return {"id": "gen-1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **more}


def usage(cost: Any = None, prompt: int = 3, completion: int = 2) -> dict[str, Any]:
    used: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion}
    return {"id": "gen-1", "model": "m", "choices": [], "usage": {**used, **({} if cost is None else {"cost": cost})}}


def reply(*texts: str, **headers: str) -> list[Step]:
    """A whole, well-behaved reply."""
    return [
        head(**headers),
        *(event(delta(t)) for t in texts),
        event(finish()),
        event(usage(0.001)),
        event("[DONE]") + END,
    ]


def response(status: int, body: bytes | dict[str, Any], kind: str = "application/json", **headers: str) -> list[Step]:
    """A response in one piece."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Some", f"content-type: {kind}", f"content-length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return [("\r\n".join(lines) + "\r\n\r\n").encode() + data]
