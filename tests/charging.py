"""A chat-completions service on loopback that keeps account of what it charged: the other side of every cap.

A model's name says how it behaves and how dear it is: `told-3` reports its cost with the stream, `late-3` only when it is
asked by generation id, `never-3` not at all; each charges three tenths of the most that the request could cost.
`slow-told-3`, `slow-late-3`, `slow-never-3` begin to answer and then hold, so that somebody must stop them; they charge
as soon as they begin. `flaky-3` refuses every first request for nothing. `judge-3` reports its cost. Everything is listed
at 1 USD for a million tokens.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from decimal import Decimal
from typing import Any, Self

from tests.wire_server import END, Received, Step, WireServer, delta, event, finish, head, response

USD_PER_TOKEN = Decimal("0.000001")
PER_MESSAGE = 4
"""Tokens around a message: no more than any client should count with."""
KINDS = ("told", "late", "never", "slow-told", "slow-late", "slow-never", "flaky", "judge")
MODELS = [f"{kind}-{tenths}" for kind in KINDS for tenths in range(1, 11)]


class ChargingService:
    """`charged` is what every generation was charged, by its id; `by_prompt` the same by the first line of its prompt."""

    def __init__(self) -> None:
        self.charged: dict[str, Decimal] = {}
        self.known: dict[str, Decimal] = {}
        """Of these, what `GET /generation` tells or the stream has told."""
        self.by_prompt: Counter[str] = Counter()
        self.by_door: Counter[str] = Counter()
        """The same by the first part of the path it was asked at: `url_of(door)` leads there."""
        self.asked: Counter[str] = Counter()
        """Requests by model; requests for a bill as `generation`."""
        self.holding = threading.Semaphore(0)
        """Released each time a slow reply has begun."""
        self._lock = threading.Lock()
        self._server = WireServer(self._script)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(*error)

    @property
    def url(self) -> str:
        return self._server.url

    def url_of(self, door: str) -> str:
        """An address of this service that tells who asks."""
        return self.url.replace("/v1", f"/{door}/v1")

    @property
    def services(self) -> dict[str, dict[str, str]]:
        return {"openrouter": {"base_url": self.url}}

    @property
    def total(self) -> Decimal:
        """USD charged so far."""
        with self._lock:
            return sum(self.charged.values(), Decimal(0))

    @property
    def told(self) -> Decimal:
        """USD of it that anybody could know."""
        with self._lock:
            return sum(self.known.values(), Decimal(0))

    def _script(self, request: Received) -> list[Step]:
        path, _, query = request.path.partition("?")
        if path.endswith("/models"):
            price = str(USD_PER_TOKEN)
            rows = [{"id": m, "pricing": {"prompt": price, "completion": price}} for m in MODELS]
            return response(200, {"data": rows})
        if path.endswith("/generation"):
            return self._bill(query.partition("=")[2])
        return self._reply(request.json, path.split("/")[1])

    def _bill(self, generation: str) -> list[Step]:
        with self._lock:
            self.asked["generation"] += 1
            if generation not in self.known:
                return response(404, {"error": {"code": 404, "message": "Not found"}})
            cost = self.known[generation]
        usage = {"tokens_prompt": 3, "tokens_completion": 2, "total_cost": float(cost)}
        return response(200, {"data": {"id": generation, **usage}})

    def _reply(self, body: dict[str, Any], door: str) -> list[Step]:
        model = str(body["model"])
        kind, _, tenths = model.rpartition("-")
        with self._lock:
            self.asked[model] += 1
            if kind == "flaky" and self.asked[model] % 2:
                return response(503, {"error": {"code": 503, "message": "Overloaded"}})
            generation = f"gen-{len(self.charged) + 1}"
            cost = self.charged[generation] = self._cost(body, int(tenths))
            self.by_prompt[self._prompt(body)] += cost  # type: ignore[assignment]
            self.by_door[door] += cost  # type: ignore[assignment]
            if "never" not in kind:
                self.known[generation] = cost
        first = event({**delta(f"7 is the answer of {model}."), "id": generation, "model": model})
        if kind.startswith("slow"):
            self.holding.release()
            return [head(), first, "hold"]
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "cost": float(cost)}
        bill = [event({"id": generation, "model": model, "choices": [], "usage": usage})]
        tail = [] if kind in ("late", "never") else bill
        return [head(), first, event({**finish(), "id": generation, "model": model}), *tail, event("[DONE]") + END]

    @staticmethod
    def _cost(body: dict[str, Any], tenths: int) -> Decimal:
        prompt = sum(len(m["content"].encode()) + PER_MESSAGE for m in body["messages"])
        most = int(body.get("max_completion_tokens") or body["max_tokens"])
        return (prompt + most) * USD_PER_TOKEN * tenths / 10

    @staticmethod
    def _prompt(body: dict[str, Any]) -> str:
        """The tag of the run, wherever it stands: a judge is shown the prompt inside its own."""
        text = json.dumps([m["content"] for m in body["messages"]])
        return next((word for word in text.replace("\\n", " ").split() if word.startswith("run:")), "")
