"""A chat-completions service on loopback that tells what it was sent: bodies, keys, how many calls at once.

Models: `fast`, `other` and `third` answer at once; `slow` waits before its first text, `pausing` in the middle, each
until it is released; `failing` refuses the first time it is asked; `unlisted` has no price; `judge` and `critic` judge.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.replay import judge

PRICED = ("fast", "other", "third", "slow", "pausing", "failing", "judge", "critic")
COST = 0.001
"""USD of each call, as reported."""
PATIENCE = 30.0


@dataclass
class ChatService:
    """What was asked of it so far."""

    server: ThreadingHTTPServer
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    at_once: int = 0
    most_at_once: int = 0
    failed: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    @property
    def models(self) -> list[str]:
        """Which models were asked, in order."""
        return [body["model"] for body in self.bodies]

    def sent_to(self, *models: str) -> list[dict[str, Any]]:
        return [body for body in self.bodies if body["model"] in models]

    def prompts(self, model: str) -> str:
        return "\n".join(str(message["content"]) for body in self.sent_to(model) for message in body["messages"])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: ChatService

    def do_GET(self) -> None:
        price = {"prompt": "0.000001", "completion": "0.000001"}
        self._json(200, {"data": [{"id": model, "name": model, "pricing": price} for model in PRICED]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        service = self.service
        with service.lock:
            service.bodies.append(body)
            service.keys.append(self.headers.get("Authorization", "").removeprefix("Bearer "))
            service.at_once += 1
            service.most_at_once = max(service.most_at_once, service.at_once)
        try:
            self._answer(body)
        finally:
            with service.lock:
                service.at_once -= 1

    def _answer(self, body: dict[str, Any]) -> None:
        model, service = body["model"], self.service
        if model == "failing" and model not in service.failed:
            service.failed.add(model)
            self._json(400, {"error": {"message": "not this time", "code": 400}})
            return
        asked = "\n".join(str(message["content"]) for message in body["messages"])
        text = judge.reply(asked) if model in ("judge", "critic") else f"{model} says 42 to {len(asked)} characters."
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self._event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
        if model == "slow":
            service.released.wait(PATIENCE)
        half = len(text) // 2
        self._event({"choices": [{"index": 0, "delta": {"content": text[:half]}}]})
        if model == "pausing":
            service.released.wait(PATIENCE)
        self._event({"choices": [{"index": 0, "delta": {"content": text[half:]}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": len(asked) // 4, "completion_tokens": len(text) // 4, "cost": COST}
        self._event({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _event(self, data: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())
        self.wfile.flush()

    def _json(self, status: int, data: dict[str, Any]) -> None:
        written = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def handle(self) -> None:
        # The client may stop listening at any time.
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, *args: Any) -> None:
        """Quiet."""


@contextmanager
def chat_service() -> Iterator[ChatService]:
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    service = ChatService(server)
    handler.service = service  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        service.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
