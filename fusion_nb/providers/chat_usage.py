"""How a call ended, what it used and what it cost, as services tell it, and what of it cannot be trusted. Pure.

Unknown is not zero: what is not told, or cannot be read, is `None`, and the second is said.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from fusion_nb.core import Usage
from fusion_nb.providers.finish_reasons import FINISH

_FINISH_FIELDS = ("finish_reason", "finishReason", "finish", "done_reason")
_DAMAGE = ("length", "content_filter", "refusal", "error")
_MEANING = {word: finish for finish, words in FINISH.items() for word in words.split()}
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
MAX_COST = Decimal(10_000)
"""USD. No single call costs that much: whoever says so made a mistake."""
_MAX_TOKENS = 2**40
_OTHER_NAMES = frozenset({*_FINISH_FIELDS[1:], "stop_reason"})
_HOLDERS = ("usage", "usageMetadata", "usage_metadata", "token_usage")
_PROMPT = ("prompt_tokens", "input_tokens", "promptTokens", "inputTokens", "promptTokenCount", "prompt_eval_count")
_COMPLETION = (
    "completion_tokens",
    "output_tokens",
    "completionTokens",
    "outputTokens",
    "candidatesTokenCount",
    "eval_count",
)
_TOTAL = ("total_tokens", "totalTokens", "totalTokenCount")
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cachedContentTokenCount")
_REASONING = ("reasoning_tokens", "thoughtsTokenCount", "thinking_tokens")
_IN_USD = ("cost_usd", "total_cost_usd", "costUSD")
_COST = ("cost", "total_cost")
_ESTIMATED = ("estimated_cost", "cost_estimate", "estimated_cost_usd")
_IN_COST = ("total_cost", "total", "total_cost_usd", "usd", "amount", "cost")
_USD = frozenset({"usd", "$", "us$", "us dollar", "us dollars", "usdollar"})
_UNITS = ("unit", "cost_unit", "price_unit")
_IN_OTHER = re.compile(r"(?:total_)?cost_([a-z]{3})", re.IGNORECASE)
"""A cost told in another currency beside the one without a name: `cost_rub`."""
_WRITTEN = re.compile(r"(?:USD|US\$|\$)?\s*([\d.eE+-]+)\s*(?:USD|\$)?", re.IGNORECASE)


def finish_in(choice: Mapping[str, Any]) -> Any:
    """The reason to finish, wherever the service puts it; a stop word that stands beside it is none."""
    reason = choice.get("finish_reason")
    if reason and finish_of(reason) == "stop" and finish_of(choice.get("native_finish_reason")) in _DAMAGE:
        # A router calls the end of another service an ordinary one, and says beside it what that service said.
        return choice["native_finish_reason"]
    if reason or not _OTHER_NAMES.intersection(choice):
        return reason
    reason = _first(choice, *_FINISH_FIELDS[1:])
    return reason or (choice.get("stop_reason") if finish_of(choice.get("stop_reason")) in FINISH else None)


def finish_of(reason: object) -> str | None:
    """The service's word for how it ended, in the field's terms where there is one; `None` where it gave none."""
    if isinstance(reason, list) and len(reason) == 1:
        reason = reason[0]
    if isinstance(reason, Mapping):
        reason = reason.get("type") or reason.get("reason")
    if isinstance(reason, bool) or not isinstance(reason, (str, int)) or not reason:
        return None
    return _finish_of(str(reason).strip()[:60])


@functools.lru_cache(256)
def _finish_of(reason: str) -> str | None:
    word = _HUMP.sub("_", reason).lower().replace("-", "_").replace(" ", "_")
    word = word.removeprefix("finish_reason").removeprefix("stop_reason").strip("<|>_.:/")
    return _MEANING.get(word, reason.lower()) or None


class Bill(NamedTuple):
    """USD of a call; `named` is whether the service named any, so that `None` may take back what was known."""

    cost: Decimal | None = None
    named: bool = False
    warning: str | None = None


USAGE_FIELDS = frozenset({*_HOLDERS, "x_groq"})


def usage_in(payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The usage object of a chunk, or of a choice in it."""
    for holder in (payload, _mapping(payload, "x_groq")):
        for name in _HOLDERS:
            usage = holder.get(name)
            if usage and isinstance(usage, Mapping):
                return usage
    return None


def usage_of(usage: Mapping[str, Any]) -> tuple[Usage, bool]:
    """Tokens, and whether a count was nonsense."""
    prompt_details = _mapping(usage, "prompt_tokens_details", "input_tokens_details")
    completion_details = _mapping(usage, "completion_tokens_details", "output_tokens_details")
    prompt, bad1 = _count(_first(usage, *_PROMPT))
    completion, bad2 = _count(_first(usage, *_COMPLETION))
    cached, bad3 = _count(_first(prompt_details, *_CACHED, default=_first(usage, *_CACHED)))
    reasoning, bad4 = _count(_first(completion_details, *_REASONING, default=_first(usage, *_REASONING)))
    total, _ = _count(_first(usage, *_TOTAL))
    written, _ = _count(_first(usage, "cache_creation_input_tokens"))
    if prompt is not None and completion is not None:
        beside = None if total is None else total - prompt - completion
        stored = (cached or 0) + (written or 0)
        anthropic = total is None and "input_tokens" in usage and "cache_read_input_tokens" in usage
        if reasoning and cached and beside in (cached + reasoning, stored + reasoning) and beside != stored:
            completion, beside = completion + reasoning, stored  # both beside: only the total tells
        told_beside = beside and beside in (cached, stored) and reasoning != beside
        if cached and (cached > prompt or told_beside or anthropic):
            # What was read from the cache, or written to it, is counted beside the prompt.
            prompt += stored if beside is None else min(stored, max(beside, 0)) or stored
        elif beside and beside > 0 and reasoning in (None, beside):
            # xAI and Gemini count reasoning beside the completion, and only the total tells.
            completion, reasoning = completion + beside, beside
    return Usage(prompt, completion, cached, reasoning), bad1 or bad2 or bad3 or bad4


def bill_of(usage: Mapping[str, Any], payload: Mapping[str, Any] | None = None) -> Bill:
    """USD as reported, exact to the last digit.

    Args:
        payload: the object the usage came in: it may name the currency.
    """
    payload = payload or {}
    cost, warning, currency = _first(usage, *_IN_USD), None, None
    if cost is None:
        cost = told = _first(usage, *_COST, default=_first(payload, *_COST))
        if cost is None:
            cost = _first(usage, *_ESTIMATED)
            warning = None if cost is None else "cost_estimated"
        if cost is None:
            return Bill()
        currency = _currency(told, usage, payload)
    if currency is not None and currency.casefold() not in _USD:
        return Bill(None, True, f"other_currency: {currency}")
    if isinstance(cost, Mapping):
        cost = _first(cost, *_IN_COST)
    amount = _amount(cost)
    if amount is None:
        return Bill(None, True, "bad_cost")
    if usage.get("is_byok") is True:
        # The fee alone is not what the call cost: the service behind bills the person's own key.
        upstream = _amount(_mapping(usage, "cost_details").get("upstream_inference_cost"))
        if upstream is None:
            return Bill(None, True, "upstream_cost_unknown")
        amount += upstream
    return Bill(amount, True, warning)


def _currency(cost: Any, *holders: Mapping[str, Any]) -> str | None:
    """The money, or the unit, that a cost is told in; `None` where nothing names one."""
    for holder in (cost, *holders, *(_mapping(each, "billing") for each in holders)):
        if not isinstance(holder, Mapping):
            continue
        for name, value in holder.items():
            if "currency" in name.lower() or (name.lower() in _UNITS and (holder is cost or name != "unit")):
                word = _first(value, "code", "name", "symbol") if isinstance(value, Mapping) else value
                if isinstance(word, str) and word.strip():
                    return word.strip()
            other = _IN_OTHER.fullmatch(name)
            if other and value == cost and other[1].lower() != "usd":
                return other[1].upper()
    return None


def _amount(value: Any) -> Decimal | None:
    """A number of USD that a call can cost."""
    if isinstance(value, str):
        written = _WRITTEN.fullmatch(value.strip()) if len(value) < 60 else None
        try:
            value = Decimal(written[1]) if written else None
        except ArithmeticError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    exact = Decimal(value)
    sensible = exact.is_finite() and 0 <= exact <= MAX_COST and (not exact or exact.adjusted() > -16)
    return exact if sensible and len(exact.as_tuple().digits) < 40 else None


def _count(value: Any) -> tuple[int | None, bool]:
    """A number of tokens, and whether what stood there was nonsense."""
    if value is None:
        return None, False
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < _MAX_TOKENS and value == int(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_TOKENS:
        return None, True
    return value, False


def _mapping(holder: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        value = holder.get(name)
        if value is not None and isinstance(value, Mapping):
            return value
    return {}


def _first(holder: Mapping[str, Any], *names: str, default: Any = None) -> Any:
    for name in names:
        value = holder.get(name)
        if value is not None:
            return value
    return default
