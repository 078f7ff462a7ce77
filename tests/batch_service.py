"""OpenAI's and Anthropic's batch wires on loopback, as documented; what is asked is kept, what is answered can be bent.

A prompt `Say WORD.` is answered with `WORD`. Batches end when `release()` was called (or at once), in reversed order.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.replay import judge

Lines = list[dict[str, Any]]
TOKENS = (40, 4)
"""In and out, of each request."""


@dataclass
class Batch:
    id: str
    wire: str
    requests: Lines
    metadata: dict[str, str] = field(default_factory=dict)
    made: datetime = field(default_factory=lambda: datetime.now(UTC))
    looks: int = 0


@dataclass
class BatchService:
    """What was asked of it, and how it behaves."""

    server: ThreadingHTTPServer
    batches: list[Batch] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    chats: list[dict[str, Any]] = field(default_factory=list)
    keys: list[tuple[str, str]] = field(default_factory=list)
    """(path, what carried the key)."""
    held: threading.Event = field(default_factory=threading.Event)
    """Clear: no batch ends."""
    ends: str = ""
    """The state in which batches end, where it is not their usual one."""
    errors: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By word: the error of its request."""
    bend: Callable[[bytes], bytes] = bytes
    """What is made of a file of results."""
    done: int | None = None
    """How many requests of a batch are done; `None`: all, once it has ended."""
    results_url: str = ""
    failing_looks: list[int] = field(default_factory=list)
    """Statuses with which the next looks at a batch fail."""
    answer: Callable[[str, str], str] = lambda word, model: word
    """(the word, the model) -> what it says."""
    refuse: tuple[int, str] | None = None
    """Status and words with which batches are refused."""
    gone: bool = False
    """Whether files of results are not there any more."""
    slow: float = 0.0
    """Seconds until it tells what a batch is called."""
    break_off: bool = False
    """Whether the connection breaks after a batch was made, before its id is told."""
    handed_over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def of(self, wire: str) -> list[Batch]:
        return [batch for batch in self.batches if batch.wire == wire]


def word_in(request: dict[str, Any]) -> str:
    messages = (request.get("body") or request.get("params"))["messages"]
    found = re.search(r"Say ([\w-]+)\.", messages[-1]["content"])
    return found[1] if found else "nothing"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: BatchService

    def do_GET(self) -> None:
        path, _, _ = self.path.partition("?")
        self._key(path)
        service, base = self.service, "/v1/messages/batches"
        if path == "/v1/batches":
            return self._json(
                200,
                {
                    "object": "list",
                    "data": [self._openai(b) for b in reversed(service.of("openai"))],
                    "has_more": False,
                },
            )
        if path == base:
            return self._json(
                200, {"data": [self._anthropic(b) for b in reversed(service.of("anthropic"))], "has_more": False}
            )
        batch = next((b for b in service.batches if b.id in path), None)
        if service.gone and path.endswith("/content"):
            return self._json(404, {"error": {"message": "No such File object"}})
        if found := re.fullmatch(r"/v1/files/([\w-]+)/content", path):
            return self._bytes(200, service.bend(service.files[found[1]]))
        if batch is None:
            return self._json(
                404, {"error": {"message": f"No batch found with id {path}.", "type": "invalid_request_error"}}
            )
        if path.endswith("/results"):
            return self._bytes(200, service.bend(_lines(self._anthropic_results(batch))))
        batch.looks += 1
        if service.failing_looks:
            return self._json(service.failing_looks.pop(0), {"error": {"message": "not now"}})
        return self._json(200, self._openai(batch) if batch.wire == "openai" else self._anthropic(batch))

    def do_POST(self) -> None:
        body, service = self.rfile.read(int(self.headers["Content-Length"])), self.service
        self._key(self.path)
        if self.path == "/v1/files":
            assert b'name="purpose"\r\n\r\nbatch\r\n' in body
            edge = self.headers["Content-Type"].partition("boundary=")[2].encode()
            content = body.split(b"--" + edge)[2].partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
            name = f"file-{len(service.files)}"
            service.files[name] = content
            return self._json(200, {"id": name, "object": "file", "purpose": "batch"})
        asked = json.loads(body)
        if self.path == "/v1/chat/completions":
            service.chats.append(asked)
            return self._json(
                200,
                _completion(
                    asked["model"], judge.reply("\n".join(message["content"] for message in asked["messages"]))
                ),
            )
        if service.refuse is not None:
            return self._json(
                service.refuse[0], {"error": {"message": service.refuse[1], "type": "invalid_request_error"}}
            )
        if self.path == "/v1/batches":
            assert (asked["endpoint"], asked["completion_window"]) == ("/v1/chat/completions", "24h")
            requests = [json.loads(line) for line in service.files[asked["input_file_id"]].splitlines()]
            assert len({request["body"]["model"] for request in requests}) == 1, "OpenAI: mismatched_model"
            batch = Batch(f"batch_{len(service.batches)}", "openai", requests, asked["metadata"])
        else:
            assert self.path == "/v1/messages/batches"
            assert self.headers["anthropic-version"] == "2023-06-01"
            batch = Batch(f"msgbatch_{len(service.batches)}", "anthropic", asked["requests"])
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", request["custom_id"]) for request in batch.requests)
        service.batches.append(batch)
        service.handed_over.set()
        time.sleep(service.slow)
        if service.break_off:
            self.close_connection = True
            return self.connection.close()
        return self._json(200, self._openai(batch) if batch.wire == "openai" else self._anthropic(batch))

    def _openai(self, batch: Batch) -> dict[str, Any]:
        service, total = self.service, len(batch.requests)
        over = service.held.is_set()
        told: dict[str, Any] = {
            "id": batch.id,
            "object": "batch",
            "metadata": batch.metadata,
            "output_file_id": None,
            "error_file_id": "",
        }
        told |= {"status": (service.ends or "completed") if over else "in_progress"}
        told |= {
            "request_counts": {
                "total": total,
                "completed": (total if service.done is None else service.done) if over else 0,
                "failed": 0,
            }
        }
        if over and service.ends == "failed":
            return told | {
                "errors": {
                    "object": "list",
                    "data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}],
                }
            }
        if over:
            good = [r for r in batch.requests if word_in(r) not in service.errors]
            bad = [r for r in batch.requests if word_in(r) in service.errors]
            service.files[f"{batch.id}-out"] = _lines(
                [_openai_result(r, service.answer(word_in(r), "openai")) for r in reversed(good)]
            )
            service.files[f"{batch.id}-err"] = _lines(
                [{"custom_id": r["custom_id"], **service.errors[word_in(r)]} for r in bad]
            )
            told |= {"output_file_id": f"{batch.id}-out"} | ({"error_file_id": f"{batch.id}-err"} if bad else {})
        return told

    def _anthropic(self, batch: Batch) -> dict[str, Any]:
        over, total = self.service.held.is_set(), len(batch.requests)
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        counts |= {"succeeded": total} if over else {"processing": total}
        url = self.service.results_url or f"{self.service.url}/messages/batches/{batch.id}/results"
        return {
            "id": batch.id, "type": "message_batch", "processing_status": "ended" if over else "in_progress",
            "request_counts": counts, "created_at": batch.made.isoformat().replace("+00:00", "Z"),
            "results_url": url if over else None,
        }  # fmt: skip

    def _anthropic_results(self, batch: Batch) -> Lines:
        lines = []
        for request in reversed(batch.requests):
            result = self.service.errors.get(word_in(request))
            if result is None:
                usage = {"input_tokens": TOKENS[0], "output_tokens": TOKENS[1]}
                message = {
                    "type": "message",
                    "role": "assistant",
                    "model": request["params"]["model"],
                    "stop_reason": "end_turn",
                    "usage": usage,
                }
                message |= {"content": [{"type": "text", "text": self.service.answer(word_in(request), "anthropic")}]}
                result = {"result": {"type": self.service.ends or "succeeded", "message": message}}
            lines.append({"custom_id": request["custom_id"], **result})
        return lines

    def _key(self, path: str) -> None:
        names = [
            name for name in ("Authorization", "x-api-key") if self.headers.get(name, "").endswith("a-key-of-batches")
        ]
        self.service.keys.append((path, " ".join(names)))

    def _json(self, status: int, data: dict[str, Any]) -> None:
        self._bytes(status, json.dumps(data).encode(), "application/json")

    def _bytes(self, status: int, data: bytes, kind: str = "application/octet-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, *args: Any) -> None:
        """Quiet."""


def _completion(model: str, text: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": TOKENS[0], "completion_tokens": TOKENS[1], "total_tokens": sum(TOKENS)}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}


def _openai_result(request: dict[str, Any], text: str) -> dict[str, Any]:
    body = _completion(request["body"]["model"], text)
    return {
        "id": "batch_req_1",
        "custom_id": request["custom_id"],
        "response": {"status_code": 200, "body": body},
        "error": None,
    }


def _lines(results: Lines) -> bytes:
    return b"".join(json.dumps(result).encode() + b"\n" for result in results)


@contextmanager
def batch_service() -> Iterator[BatchService]:
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    service = BatchService(server)
    service.held.set()
    handler.service = service  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
