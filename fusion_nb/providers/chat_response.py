"""Chat-completion objects into chunks, in order: what the objects of one reply say, one after the other. Pure.

What a chat-completion object says, field by field. Pure; every field may be missing, or nonsense.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from fusion_nb.core import Channel, Chunk, Usage
from fusion_nb.errors import ProviderError
from fusion_nb.providers import faults
from fusion_nb.providers.faults import Target
from fusion_nb.providers.text_chunks import TextBatcher

MAX_TEXT = 8 * 1024 * 1024
"""Characters of one reply, reasoning included."""
GENERATION = "gen-"
"""What an object's `id` begins with where it is what the call will be billed under (OpenRouter)."""
_MAX_TOOLS = 2000


class ReplyReader:
    """Reads the objects of one reply. `finished` once a reason to finish was given; `fault` once it went wrong."""

    def __init__(self, target: Target) -> None:
        self.fault: ProviderError | None = None
        self.finished = False
        self._target = target
        self._out: list[Chunk] = []
        self.text = TextBatcher(self._out, MAX_TEXT, target.hide, target.begins)
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
            self.stop(faults.of_error(faults.error_in(said), self._target))
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
            self.warn(f"tool_calls: {self._target.clean(''.join(self._tools), 500)}")
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
        name = self._target.clean(model, 200) if isinstance(model, str) else ""
        known = isinstance(generation, str) and generation.startswith(GENERATION)
        if known or (name and name != self._target.model):
            other = name if name != self._target.model else None
            self._say(Chunk(generation_id=self._target.clean(generation, 200) if known else None, model=other))

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
            self.stop(faults.of_error(choice["error"], self._target))

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
            self._say(Chunk(finish="refusal" if self._refused and finish == "stop" else self._target.clean(finish, 60)))

    def _usage(self, said: Mapping[str, Any]) -> None:
        usage, bad_count = usage_of(said)
        cost, bad_cost = cost_of(said)
        if bad_cost or bad_count:
            self.warn("bad_cost" if bad_cost else "bad_usage")
        # The last bill counts, and the last cost that any of them named.
        self._cost = self._cost if cost is None else cost
        self._bill = Chunk(usage=usage, cost=self._cost)


MAX_COST = Decimal(10_000)
"""USD. No single call costs that much: whoever says so made a mistake."""
_MAX_TOKENS = 2**40
_FINISH = {
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "complete": "stop",
    "model_length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "safety": "content_filter",
    "sensitive": "content_filter",
    "prohibited_content": "content_filter",
    "recitation": "content_filter",
    "content_filtered": "content_filter",
}


def finish_of(said: object) -> str | None:
    """The service's word for how it ended, in the field's terms where there is one."""
    if not isinstance(said, str) or not said:
        return None
    word = said.lower()[:60]
    return _FINISH.get(word, word)


def texts_of(delta: Mapping[str, Any]) -> Iterator[tuple[Channel, str]]:
    """The text in a delta or a message, reasoning first."""
    for name in ("reasoning", "reasoning_content"):
        said = delta.get(name)
        if said and isinstance(said, str):
            yield "reasoning", said
            break
    content = delta.get("content")
    if isinstance(content, str):
        if content:
            yield "content", content
    elif isinstance(content, list):
        yield from _parts(content, "content")


def _parts(parts: list[Any], channel: Channel) -> Iterator[tuple[Channel, str]]:
    """Content in parts: `text`, and Mistral's `thinking`, whose text is in parts again."""
    for part in parts:
        if isinstance(part, str):
            yield channel, part
        elif isinstance(part, Mapping):
            text, thinking = part.get("text"), part.get("thinking")
            if isinstance(text, str) and text:
                yield channel, text
            if isinstance(thinking, str) and thinking:
                yield "reasoning", thinking
            elif isinstance(thinking, list) and channel == "content":
                yield from _parts(thinking, "reasoning")


def usage_of(said: Mapping[str, Any]) -> tuple[Usage, bool]:
    """Tokens, and whether a count was nonsense. What is not said, or nonsense, is `None`."""
    details = _inner(said, "prompt_tokens_details")
    prompt, bad1 = _count(_first(said, "prompt_tokens", "input_tokens"))
    completion, bad2 = _count(_first(said, "completion_tokens", "output_tokens"))
    cached, bad3 = _count(details.get("cached_tokens", said.get("prompt_cache_hit_tokens")))
    reasoning, bad4 = _count(_inner(said, "completion_tokens_details").get("reasoning_tokens"))
    total, _ = _count(said.get("total_tokens"))
    if total is not None and prompt is not None and completion is not None:
        # xAI and Gemini count reasoning beside the completion, and only the total tells.
        beside = total - prompt - completion
        if beside > 0 and reasoning in (None, beside):
            completion, reasoning = completion + beside, beside
    return Usage(prompt, completion, cached, reasoning), bad1 or bad2 or bad3 or bad4


def cost_of(said: Mapping[str, Any]) -> tuple[Decimal | None, bool]:
    """USD as reported, exact to the last digit, and whether it was nonsense."""
    cost = said.get("cost")
    if cost is None or isinstance(cost, Mapping):
        return None, False
    if isinstance(cost, str):
        try:
            cost = Decimal(cost.strip()) if len(cost) < 60 else None
        except ArithmeticError:
            cost = None
    if isinstance(cost, bool) or not isinstance(cost, (int, Decimal)):
        return None, True
    exact = Decimal(cost)
    sensible = exact.is_finite() and 0 <= exact <= MAX_COST and (not exact or exact.adjusted() > -16)
    return (exact, False) if sensible and len(exact.as_tuple().digits) < 40 else (None, True)


def usage_in(said: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The usage object, wherever the service puts it."""
    for holder in (said, _inner(said, "x_groq"), *(c for c in _choices(said) if isinstance(c, Mapping))):
        found = holder.get("usage")
        if found and isinstance(found, Mapping):
            return found
    return None


def _choices(said: Mapping[str, Any]) -> list[Any]:
    found = said.get("choices")
    return found if isinstance(found, list) else []


def _inner(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name)
    return found if isinstance(found, Mapping) else {}


def _first(said: Mapping[str, Any], *names: str) -> Any:
    return next((said[name] for name in names if said.get(name) is not None), None)


def _count(said: Any) -> tuple[int | None, bool]:
    """A number of tokens, and whether what stood there was nonsense."""
    if said is None:
        return None, False
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) < 16:
        said = int(said)
    if isinstance(said, Decimal) and said.is_finite() and abs(said) < _MAX_TOKENS and said == int(said):
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int) or not 0 <= said < _MAX_TOKENS:
        return None, True
    return said, False
