"""The replay server: OpenRouter's wire by hand over asyncio streams, in a process of its own.

`python -m tests.replay.server --port 0 --pace words~fast` prints its port and serves until its standard input ends,
which it does when its parent dies. A client may choose another pace by the path: `http://127.0.0.1:PORT/<pace>/api/v1`.
Besides the chat wire: `GET /generation?id=` tells what an ended call used, `GET /stats` counts requests, and `GET /requests` tells what the latest of them said.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
import time
from collections import Counter, deque
from typing import Any
from urllib.parse import unquote

from tests.replay import recordings, wire
from tests.replay.models import Pace, Plan, contents, plan, this_time

MAX_CONNECTIONS = 1100
MAX_BODY = 32 * 1024 * 1024
BATCH = 64
"""Events written at once when they are due together."""


class Server:
    """Counts what it is asked, and answers it."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.requests: Counter[str] = Counter()
        self.finished: Counter[str] = Counter()
        self.cancelled: Counter[str] = Counter()
        self.generations: dict[str, dict[str, Any]] = {}
        """What ended calls used, by their id."""
        self.latest: deque[dict[str, Any]] = deque(maxlen=300)
        self.open = self.connections = 0

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.connections += 1
        try:
            while self.open <= MAX_CONNECTIONS and await self._one(reader, writer):
                pass
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection can take another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        start, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if length > MAX_BODY:
            return False
        body = await reader.readexactly(length)
        method, path, _ = start.split(" ")
        _, _, generation = path.partition("/generation?id=")
        prefix, _, route = unquote(path.partition("?")[0]).partition("/api/v1")
        if method == "POST" and route == "/chat/completions":
            pace = Pace.read(prefix[1:], self.pace.ttft) if prefix else self.pace
            await self._complete(json.loads(body), pace, reader, writer)
        elif (found := self.generations.get(generation) or self._get(prefix, route)) is not None:
            await send(writer, 200, found)
        else:
            await send(writer, 404, failure(404, "No such path."))
        return "close" not in headers.get("connection", "").lower()

    def _get(self, prefix: str, route: str) -> Any:
        if route == "/models":
            named = [*(f"gsm8k/{model}" for model in recordings.gsm8k_models()), "burst/400", "scripted-judge"]
            return {"data": [_listed(model) for model in named]}
        if prefix == "/stats":
            counts = {name: dict(getattr(self, name)) for name in ("requests", "finished", "cancelled")}
            return {**counts, "open": self.open, "connections": self.connections}
        return list(self.latest) if prefix == "/requests" else None

    async def _complete(
        self, body: dict[str, Any], pace: Pace, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        arrived = time.monotonic()
        model, messages = body["model"], body["messages"]
        self.requests[model] += 1
        self.latest.append(body)
        planned = plan(this_time(model, self.requests[model]), messages, pace)
        if planned.status != 200:
            await send(writer, planned.status, failure(planned.status, f"The replay server fails for {model}."))
            return
        told = Telling(
            model, "".join(map(contents, messages)), planned, pace.stream, f"gen-replay-{os.urandom(8).hex()}"
        )
        try:
            await (told.stream(arrived, reader, writer) if body.get("stream") else told.whole(arrived, writer))
            self.finished[model] += 1
        except (OSError, asyncio.CancelledError):
            self.cancelled[model] += 1
            raise
        finally:
            self.generations[told.generation] = {"data": told.bill}


class Telling:
    """One reply on its way."""

    def __init__(self, model: str, prompt: str, planned: Plan, cut: str, generation: str) -> None:
        self.plan, self.cut, self.generation, self.model = planned, cut, generation, model
        self.used = wire.usage(model, prompt, "".join(planned.pieces), planned.tokens)

    @property
    def bill(self) -> dict[str, Any]:
        """As `GET /generation` tells it. A call that was cut off is billed in full: some providers do."""
        tokens = {f"native_tokens_{kind}": self.used[f"{kind}_tokens"] for kind in ("prompt", "completion")}
        return {"id": self.generation, "model": self.model, "total_cost": self.used["cost"], **tokens}

    async def stream(self, arrived: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Piece by piece, each when it is due by the clock: what comes late does not delay the rest."""
        events, pieces, sent = wire.Events(self.generation, self.model), self.plan.pieces, 0
        ready: list[bytes] = []
        writer.write(
            _head(200, "text/event-stream", f"transfer-encoding: chunked\r\nx-generation-id: {self.generation}")
        )
        self._write(writer, [b": OPENROUTER PROCESSING\n\n"])
        while sent < len(pieces):
            if _gone(reader, writer):
                raise ConnectionResetError("the client has left")
            now = time.monotonic() - arrived
            due = sent
            while due < len(pieces) and due < sent + BATCH and self.plan.due(due) <= now:
                due += 1
            if due == sent:
                await _until(arrived + self.plan.due(sent), reader, writer)
                continue
            ready = [events.text(piece) for piece in pieces[sent:due]]
            sent = due
            if sent < len(pieces):
                self._write(writer, ready)
                await writer.drain()
        self._write(writer, [*ready, *events.end(self.plan.finish, self.used)])
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def whole(self, arrived: float, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(arrived + self.plan.seconds - time.monotonic())
        message = {"role": "assistant", "content": "".join(self.plan.pieces)}
        choice = {"index": 0, "message": message, "finish_reason": self.plan.finish}
        said = {"id": self.generation, "model": self.model, "object": "chat.completion", "choices": [choice]}
        await send(writer, 200, {**said, "usage": self.used}, f"x-generation-id: {self.generation}")

    def _write(self, writer: asyncio.StreamWriter, events: list[bytes]) -> None:
        writer.write(b"".join(wire.frame(piece) for piece in wire.cut_stream(events, self.cut)))


def _gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the client has left: orderly (an end of file), or by a reset (which is none)."""
    return reader.at_eof() or writer.is_closing()


async def _until(when: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sleep, in naps short enough to notice soon that nobody listens any more: a reader has no event for that."""
    while (left := when - time.monotonic()) > 0 and not _gone(reader, writer):  # noqa: ASYNC110
        await asyncio.sleep(min(left, 0.05))


def _listed(model: str) -> dict[str, Any]:
    prompt, completion = wire.price(model)
    return {
        "id": model,
        "name": model,
        "context_length": 128_000,
        "pricing": {"prompt": f"{prompt:f}", "completion": f"{completion:f}"},
    }


def failure(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message}}


async def send(writer: asyncio.StreamWriter, status: int, body: Any, header: str = "x-replay: 1") -> None:
    data = json.dumps(body, ensure_ascii=False).encode()
    writer.write(_head(status, "application/json", f"content-length: {len(data)}\r\n{header}") + data)
    await writer.drain()


def _head(status: int, kind: str, more: str) -> bytes:
    return f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\ncontent-type: {kind}\r\n{more}\r\n\r\n".encode()


async def serve(port: int, pace: Pace, lifetime: float) -> None:
    """Serve until standard input ends or `lifetime` seconds have passed."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(over.set)

    listening = await asyncio.start_server(Server(pace).connection, "127.0.0.1", port, backlog=1024, limit=256 * 1024)
    print(listening.sockets[0].getsockname()[1], flush=True)
    threading.Thread(target=watch, daemon=True).start()
    try:
        async with asyncio.timeout(lifetime):
            await over.wait()
    except TimeoutError:
        print(f"The replay server ends after {lifetime:g} s.", file=sys.stderr)
    listening.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pace", default="words~fast", help="TEXT[+STREAM][~PER_SECOND], e.g. chars:5+bytes:1~200")
    parser.add_argument("--ttft", type=float, default=0.0, help="seconds before a recorded reply begins")
    parser.add_argument("--lifetime", type=float, default=3600.0, help="seconds after which it ends in any case")
    given = parser.parse_args()
    asyncio.run(serve(given.port, Pace.read(given.pace, given.ttft), given.lifetime))


if __name__ == "__main__":
    main()
