"""The fault server: one scenario per model name, by hand over asyncio streams, in a process of its own.

`python -m tests.faults.server` prints its ports as JSON and serves on loopback until its standard input ends, which it
does when its parent dies. A model is named `<row>~<cut>~<tag>`: the row's answers, the body cut in the way `cut` says,
and a tag that keeps the counts of two runs apart. `GET /stats` tells what was asked and what became of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import ssl
import sys
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.faults import listeners, vectors
from tests.faults.answer import TEXT, Answer, delta, finish, stream, usage
from tests.faults.judge import verdict
from tests.faults.rows import BY_NAME
from tests.faults.telling import Telling

LIFETIME = 7200.0
"""Seconds after which it ends in any case: longer than the soak."""
MAX_BODY = 64 * 1024 * 1024
MOST = 2_400
"""Millionths of a dollar: less than the worst case of a small model at 4,096 tokens."""


class Server:
    """Answers, and keeps count."""

    def __init__(self) -> None:
        self.posts: Counter[str] = Counter()
        self.looks: Counter[str] = Counter()
        """How often it was asked for a bill, by model."""
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        self.open: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.spent = Decimal(0)
        """USD of all priced replies."""
        self.connections = 0

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        served: list[str] = []
        try:
            while await self._one(reader, writer, served):
                pass
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            self._release(served)
            self.connections -= 1
            writer.close()

    def _release(self, served: list[str]) -> None:
        while served:
            self.open[served.pop()] -= 1

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: list[str]) -> bool:
        """One request; whether the connection can take another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self._release(served)
        start, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if start.startswith("GET"):
            return await self._get(start.split()[1], headers, reader, writer)
        length = int(headers.get("content-length", 0))
        if length > MAX_BODY or "/send/" in start:  # a service that hangs up on a request it does not want
            self.posts["send"] += 1
            writer.transport.abort()
            return False
        body = json.loads(await reader.readexactly(length))
        model = body["model"]
        self.posts[model] += 1
        self.times[model].append(time.monotonic())
        served.append(model)
        self.open[model] += 1
        row, cut, _ = model.split("~") if "~" in model else ("priced", "whole", "")
        if row == "priced":
            answer = self._priced()
        elif row.partition("_")[0] == "judge":
            answer = verdict(row, body["messages"], self.posts[model])
        elif row.startswith("json_"):
            answer = vectors.answer(row)
        else:
            answers = BY_NAME[row].answers
            turn = self.posts[model]
            answer = answers(turn) if callable(answers) else answers[min(turn, len(answers)) - 1]
        return await self._tell(answer, headers, model, cut, reader, writer)

    def _priced(self) -> Answer:
        """A good reply of a model that has a price: it costs less than the worst, and what it costs is added up."""
        cost = Decimal(random.randrange(1, MOST)) / 1_000_000
        self.spent += cost
        return stream(delta(TEXT), finish(), usage(f"{cost:f}"), "[DONE]")

    async def _tell(
        self,
        answer: Answer,
        headers: dict[str, str],
        model: str,
        cut: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        answer = answer.but(headers=tuple((name, value.replace("$MODEL", model)) for name, value in answer.headers))

        def count(size: int) -> None:
            self.sent[model] += size

        return await Telling(answer, cut, headers.get("authorization", ""), reader, writer, count).tell()

    async def _get(
        self, path: str, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        generation = parse_qs(urlsplit(path).query).get("id", [""])[0].removeprefix("gen-")
        if generation.count("~") == 2:
            row = BY_NAME.get(generation.partition("~")[0])
            self.looks[generation] += 1
            if row is not None and row.bills:
                bill = row.bills[min(self.looks[generation], len(row.bills)) - 1]
                return await Telling(bill, "whole", headers.get("authorization", ""), reader, writer).tell()
        counts = {name: dict(getattr(self, name)) for name in ("posts", "times", "open", "sent", "looks")}
        said = {**counts, "connections": self.connections, "seen": listeners.SEEN, "spent": str(self.spent)}
        data = json.dumps(said if path == "/stats" else {}).encode()
        writer.write(b"HTTP/1.1 %d Some\r\ncontent-type: application/json\r\n" % (200 if path == "/stats" else 404))
        writer.write(b"content-length: %d\r\n\r\n%b" % (len(data), data))
        await writer.drain()
        return True


async def serve(certificates: str | None) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(over.set)

    server = Server()
    ports = listeners.PORTS
    open_servers: list[asyncio.Server] = []

    async def listen(name: str, then: Any, tls: ssl.SSLContext | None = None) -> None:
        made = await asyncio.start_server(then, "127.0.0.1", 0, backlog=1024, limit=256 * 1024, ssl=tls)
        open_servers.append(made)
        ports[name] = made.sockets[0].getsockname()[1]

    await listen("main", server.connection)
    for name, then in listeners.RAW.items():
        await listen(name, then)
    for name, context in listeners.contexts(certificates):
        await listen(name, listeners.watched(name, server.connection), context)
    print(json.dumps(ports), flush=True)
    threading.Thread(target=watch, daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(LIFETIME):
            await over.wait()
    for made in open_servers:
        made.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1] if len(sys.argv) > 1 else None))
