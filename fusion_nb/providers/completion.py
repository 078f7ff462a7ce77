"""What a chat-completion object says, field by field. Pure; every field may be missing, or nonsense."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from fusion_nb._types import Channel, Usage

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
