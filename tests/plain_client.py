"""A plain client of the chat-completions wire, for tests of servers: `http.client` and nothing of ours."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit


@dataclass(slots=True)
class Heard:
    """One answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    raw: bytes = b""
    deltas: list[str] = field(default_factory=list)
    reasoning: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    finish: str | None = None
    body: Any = None
    """The whole JSON, where the answer was not a stream."""
    comments: int = 0
    at: list[float] = field(default_factory=list)
    """Seconds since the request, one for each delta with text."""

    @property
    def text(self) -> str:
        return "".join(self.deltas)

    @property
    def cost(self) -> Decimal:
        return Decimal(str(self.usage["cost"]))


def connect(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def post(connection: http.client.HTTPConnection, url: str, body: Any) -> http.client.HTTPResponse:
    """Send a chat request; the response is unread."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    path = urlsplit(url).path + "/chat/completions"
    connection.request("POST", path, data, {"content-type": "application/json", "authorization": "Bearer nothing"})
    return connection.getresponse()


def ask(url: str, model: str, messages: str | list[dict[str, Any]], **more: Any) -> Heard:
    """One streamed answer over a connection of its own."""
    given = user(messages) if isinstance(messages, str) else messages
    with closing(connect(url)) as connection:
        return hear(connection, url, {"model": model, "messages": given, "stream": True, **more})


def hear(connection: http.client.HTTPConnection, url: str, body: Any) -> Heard:
    """One answer over a connection that may be kept."""
    began = time.monotonic()
    response = post(connection, url, body)
    heard = Heard(response.status, {name.lower(): value for name, value in response.getheaders()})
    if "event-stream" not in heard.headers["content-type"]:
        heard.body = json.loads(response.read())
        return heard
    lines = list(_timed(response, began))
    heard.raw = b"".join(line for line, _ in lines)
    heard.comments = sum(line.startswith(b":") for line, _ in lines)
    for line, at in lines:
        if line.startswith(b"data: {"):
            _take(heard, json.loads(line[6:]), at)
    return heard


def _timed(response: http.client.HTTPResponse, began: float) -> Iterator[tuple[bytes, float]]:
    for line in response:
        yield line, time.monotonic() - began


def _take(heard: Heard, chunk: dict[str, Any], at: float) -> None:
    for choice in chunk["choices"]:
        heard.finish = choice["finish_reason"] or heard.finish
        heard.reasoning += choice["delta"].get("reasoning", "")
        if text := choice["delta"].get("content"):
            heard.deltas.append(text)
            heard.at.append(at)
    if "usage" in chunk:
        assert not heard.usage, "usage must come once"
        assert chunk["choices"] == [], "usage must come with empty choices"
        heard.usage = chunk["usage"]


def get(url: str, path: str) -> tuple[int, Any]:
    """Status and JSON of a GET."""
    with closing(connect(url)) as connection:
        connection.request("GET", urlsplit(url).path + path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
