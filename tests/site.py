"""A service on loopback that says what a test wants it to, over real HTTP, and counts what it is asked."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from fusion_nb.providers import custom_services
from fusion_nb.providers.http import Http

T = TypeVar("T")

ROWS: list[dict[str, Any]] = [
    {
        "id": "acme/one",
        "name": "Acme: One",
        "created": 1770000000,
        "description": "long " * 500,
        "context_length": 200_000,
        "architecture": {"input_modalities": ["text", "image"], "tokenizer": "Other"},
        "pricing": {
            "prompt": "0.0000033333333333",
            "completion": "0.00001",
            "input_cache_read": "0.0000003",
            "overrides": [{"min_prompt_tokens": 100_000, "prompt": "0.00001", "completion": "0.00002"}],
        },
    },
    {
        "id": "~acme/latest",
        "name": "Acme Latest",
        "alias_target": {"name": "Acme: One", "slug": "acme/one"},
        "pricing": {"prompt": "0.0009", "completion": "0.0009"},
    },
    {"id": "acme/auto", "name": "Auto", "pricing": {"prompt": "-1", "completion": "-1"}},
]


class Site:
    """Answers GET by path from `answers`; what is not there is a 404. `bytes` are sent as they are."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"/v1/models": {"data": ROWS}}
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                found = site.answers.get(self.path)
                body = json.dumps(found).encode() if not isinstance(found, bytes) else found
                self.send_response(404 if found is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        self.service = custom_services.custom_service("acme", self.url)

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def asking(ask: Callable[[Http], Awaitable[T]]) -> T:
    async def main() -> T:
        http = Http()
        try:
            return await ask(http)
        finally:
            await http.aclose()

    return asyncio.run(main())
