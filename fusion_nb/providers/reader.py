"""Chat-completion objects into chunks, in order: what the objects of one reply say, one after the other. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fusion_nb._errors import ProviderError
from fusion_nb._types import Chunk
from fusion_nb.providers import faults
from fusion_nb.providers.completion import cost_of, finish_of, texts_of, usage_in, usage_of
from fusion_nb.providers.faults import Asked
from fusion_nb.providers.text import RunOfText

MAX_TEXT = 8 * 1024 * 1024
"""Characters of one reply, reasoning included."""
GENERATION = "gen-"
"""What an object's `id` begins with where it is what the call will be billed under (OpenRouter)."""
_MAX_TOOLS = 2000


class ReplyReader:
    """Reads the objects of one reply. `finished` once a reason to finish was given; `fault` once it went wrong."""

    def __init__(self, asked: Asked) -> None:
        self.fault: ProviderError | None = None
        self.finished = False
        self._asked = asked
        self._out: list[Chunk] = []
        self.text = RunOfText(self._out, MAX_TEXT, asked.hide, asked.begins)
        self._named = self._refused = False
        self._tools: list[str] = []
        self._bill: Chunk | None = None
        self._cost: Decimal | None = None

    def read(self, said: dict[str, Any]) -> None:
        if not self._named:
            self._name(said)
        choices = said.get("choices")
        if choices.__class__ is list:
            for choice in choices:
                if choice.__class__ is dict and not choice.get("index"):
                    self._choice(choice)
        if (said.get("usage") or "x_groq" in said) and (bill := usage_in(said)):
            self._usage(bill)
        if said.get("error"):
            self.stop(faults.of_error(faults.error_in(said), self._asked))
        if self.text.full:
            self.fail("too_big", "It went on for more than 8 million characters.", status="incomplete")

    def taken(self) -> list[Chunk]:
        """The chunks since the last time; text that came together is together."""
        self.text.flush()
        if self._bill is not None:  # once: some services send one with every word
            self._out.append(self._bill)
            self._bill = None
        if not self._out:
            return []
        taken = self._out.copy()
        self._out.clear()
        return taken

    def close(self) -> None:
        """No more objects come."""
        self.text.close()
        if self._tools:
            self.warn(f"tool_calls: {self._asked.clean(''.join(self._tools), 500)}")
            self._tools.clear()

    def warn(self, word: str) -> None:
        self._say(Chunk(warning=word))

    def stop(self, fault: ProviderError) -> None:
        self.fault = self.fault or fault

    def fail(self, kind: str, detail: str, *, status: str = "error", retryable: bool = False) -> None:
        self.stop(ProviderError(kind, detail, status=status, retryable=retryable, max_retries=1, maybe_billed=True))

    def _say(self, chunk: Chunk) -> None:
        self.text.flush()
        self._out.append(chunk)

    def _name(self, said: dict[str, Any]) -> None:
        """The model that answered and the generation's id, from the first object that has them."""
        model, generation = said.get("model"), said.get("id")
        self._named = bool(model or generation)
        name = self._asked.clean(model, 200) if isinstance(model, str) else ""
        known = isinstance(generation, str) and generation.startswith(GENERATION)
        if known or (name and name != self._asked.model):
            other = name if name != self._asked.model else None
            self._say(Chunk(generation_id=self._asked.clean(generation, 200) if known else None, model=other))

    def _choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta") or choice.get("message")
        if delta.__class__ is dict:
            self._delta(delta)
        elif isinstance(choice.get("text"), str) and choice["text"]:
            self.text.say("content", choice["text"])
        finish = choice.get("finish_reason")
        if finish:
            self._finish(finish_of(finish))
        if choice.get("usage") and (bill := usage_in(choice)):
            self._usage(bill)
        if choice.get("error"):
            self.stop(faults.of_error(choice["error"], self._asked))

    def _delta(self, delta: dict[str, Any]) -> None:
        content = delta.get("content")
        if content.__class__ is str and content and (len(delta) == 1 or (len(delta) == 2 and "role" in delta)):
            self.text.say("content", str(content))  # what nearly every delta is
            return
        for channel, text in texts_of(delta):
            self.text.say(channel, text)
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str):
            self._refused = True
            self.text.say("content", refusal)
        if delta.get("tool_calls") or delta.get("function_call"):
            self._tool_calls(delta)

    def _tool_calls(self, delta: dict[str, Any]) -> None:
        """Kept as text for people to see; never executed."""
        calls = delta.get("tool_calls")
        for call in [*(calls if isinstance(calls, list) else ()), {"function": delta.get("function_call")}]:
            function = call.get("function") if isinstance(call, Mapping) else None
            if isinstance(function, Mapping):
                said = [function.get(part) for part in ("name", "arguments")]
                self._tools += [part for part in said if isinstance(part, str)]
        if sum(map(len, self._tools)) > _MAX_TOOLS:
            self._tools = ["".join(self._tools)[:_MAX_TOOLS]]

    def _finish(self, finish: str | None) -> None:
        if finish is not None:
            self.finished = True
            self._say(Chunk(finish="refusal" if self._refused and finish == "stop" else self._asked.clean(finish, 60)))

    def _usage(self, said: Mapping[str, Any]) -> None:
        usage, bad_count = usage_of(said)
        cost, bad_cost = cost_of(said)
        if bad_cost or bad_count:
            self.warn("bad_cost" if bad_cost else "bad_usage")
        # The last bill counts, and the last cost that any of them named.
        self._cost = self._cost if cost is None else cost
        self._bill = Chunk(usage=usage, cost=self._cost)
