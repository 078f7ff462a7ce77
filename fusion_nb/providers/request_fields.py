"""The body of a chat-completions request, field by field as the service wants it, and what to do where it does not.

Pure, but for what is learnt of services in this session.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fusion_nb.core import Ref, Request
from fusion_nb.core.routing_settings import body_fields, routing_fields
from fusion_nb.errors import ProviderError
from fusion_nb.providers.provider_errors import Refusal
from fusion_nb.providers.services import OPENROUTER, Service, nearest_effort

_BY_TOKENS = ((2048, "low"), (8192, "medium"))


def request_body(request: Request, service: Service) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body, and warnings about what was asked and cannot be passed on.

    Raises `ProviderError` where the record that a request comes from was damaged.
    """
    seed = request.ref.setting("seed", request.seed)
    body: dict[str, Any] = {
        "model": request.ref.model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "stream": True,
        service.max_tokens: request.max_tokens,
    }
    if service.stream_options:
        body["stream_options"] = {"include_usage": True}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if service.seed is not None and seed is not None:
        body[service.seed] = seed
    if request.schema is not None and service.structured:
        schema = {"name": "verdict", "schema": request.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    reasoning, warnings = _reasoning(request.reasoning, service)
    if seed is not None and service.seed is None:
        warnings = ("seed_ignored", *warnings)
    routing, own = _of_ref(request.ref, "provider", routing_fields), _of_ref(request.ref, "body", body_fields)
    if routing and service.name != OPENROUTER.name:
        routing, warnings = {}, (*warnings, "provider_ignored")
    return {**body, **reasoning, **dict(service.body), **({"provider": routing} if routing else {}), **own}, warnings


def _of_ref(ref: Ref, name: str, read: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """A setting of the ref's own that is JSON text; empty where it has none."""
    text = ref.setting(name, "")
    try:
        return {} if text == "" else read(text)
    except (ValueError, LookupError, TypeError):
        raise ProviderError(
            "bad_request", f"The setting {name} of {ref.name} is damaged: ask it in a new run."
        ) from None


def _reasoning(wanted: str | None, service: Service) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Effort, or a number of tokens: as the service takes it, or the nearest it takes."""
    if wanted is None:
        return {}, ()
    if service.reasoning is None:
        return {}, ("reasoning_ignored",)
    tokens = int(wanted) if wanted.isascii() and wanted.isdigit() else None
    if service.reasoning == "object":
        return {"reasoning": {"effort": wanted} if tokens is None else {"max_tokens": tokens}}, ()
    if tokens is not None:
        effort = next((level for most, level in _BY_TOKENS if tokens <= most), "high")
        return {"reasoning_effort": effort}, ()
    effort = service.nearest_effort(wanted)
    return {"reasoning_effort": effort}, () if effort == wanted else (f"reasoning_nearest:{effort}",)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """How the next request differs from the refused one."""

    drop: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    put: tuple[tuple[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()

    def applied(self, body: Mapping[str, Any]) -> dict[str, Any]:
        renamed = dict(self.rename)
        changed = {renamed.get(name, name): value for name, value in body.items() if name not in self.drop}
        return {**changed, **{name: value for name, value in self.put if name in changed or name == "stream"}}


class RefusedFields:
    """What services refused in this session, by address and model: it is not sent to them again."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._changes: dict[tuple[str, str], tuple[FieldChange, ...]] = {}

    def of(self, address: str, model: str) -> tuple[FieldChange, ...]:
        return self._changes.get((address, model), ())

    def add(self, address: str, model: str, *changes: FieldChange) -> None:
        if changes and len(self._changes) < self._most:
            self._changes[address, model] = tuple(dict.fromkeys((*self.of(address, model), *changes)))

    def clear(self) -> None:
        self._changes.clear()


REFUSED_FIELDS = RefusedFields()

_REASONING = ("reasoning_effort", "reasoning", "thinking", "effort")
# What shapes a reply and can be left out: never what bounds a bill or says where data may go.
_OPTIONAL: dict[str, tuple[str, ...]] = {
    "response_format": ("response_format", "json_schema", "json_object", "structured outputs?", "response schema"),
    "reasoning_effort": _REASONING,
    "reasoning": _REASONING,
    "stream_options": ("stream_options", "include_usage"),
    "random_seed": ("random_seed", "seed"),
    **{name: (name,) for name in ("seed", "temperature", "top_p", "top_k", "min_p", "top_a", "typical_p")},
    **{name: (name,) for name in ("presence_penalty", "frequency_penalty", "repetition_penalty", "verbosity")},
    **{name: (name,) for name in ("logprobs", "top_logprobs", "logit_bias", "parallel_tool_calls")},
}
_RENAMES = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_STREAM = r"['\"`]stream['\"`]|\bstream(?:ing|ed)?\b(?!_)"
_UNKNOWN = re.compile(
    r"unsupported|not supported|(?:not|n't) support|not permitted|unrecogni[sz]ed|unknown|unexpected"
    r"|extra (?:input|field)|no longer|deprecated|instead",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    rf"{_UNKNOWN.pattern}|not allowed|invalid|must|should|cannot|can't|not (?:available|implemented|enabled|valid)|only"
    r"|disabled|verified|reject|refus|out of range|does not (?:take|accept)|remove",
    re.IGNORECASE,
)
_LEVEL = re.compile(r"['\"`](none|minimal|low|medium|high|xhigh|max)['\"`]")
_ELSEWHERE = frozenset({"auth", "credits", "too_large", "rate_limit", "overloaded", "timeout", "refusal"})


def change_for(refusal: Refusal, body: Mapping[str, Any]) -> FieldChange | None:
    """How to ask again after a refusal that names a field which can be changed or left out; `None` where none is."""
    if refusal.error in _ELSEWHERE:
        return None
    named = refusal.field.split(".")[0].split("[")[0]
    words = refusal.words
    complains = _REFUSED.search(words) is not None
    for name, other in _RENAMES.items():
        if name in body and (named == name or _names(words, name)) and _UNKNOWN.search(words):
            return FieldChange(rename=((name, other),), warnings=(f"field_renamed:{other}",))
    if named in body and named in _OPTIONAL:
        fields = [named]
    elif complains and refusal.error != "forbidden":
        fields = [name for name, aliases in _OPTIONAL.items() if name in body and _names(words, *aliases)]
    else:
        fields = []
    if fields:
        return _without(fields, words, body)
    if body.get("stream") is True and (named == "stream" or (complains and re.search(_STREAM, words, re.IGNORECASE))):
        return FieldChange(("stream_options",), put=(("stream", False),), warnings=("field_dropped:stream",))
    return None


def _without(fields: list[str], words: str, body: Mapping[str, Any]) -> FieldChange:
    """Leave the fields out; a level of reasoning becomes the nearest of those that the refusal lists."""
    wanted = body.get("reasoning_effort")
    levels = tuple(level for level in dict.fromkeys(_LEVEL.findall(words)) if level != wanted)
    if "reasoning_effort" in fields and isinstance(wanted, str) and levels:
        level = nearest_effort(wanted, levels)
        return FieldChange(put=(("reasoning_effort", level),), warnings=(f"reasoning_nearest:{level}",))
    return FieldChange(tuple(fields), warnings=tuple(f"field_dropped:{name}" for name in fields))


def _names(words: str, *names: str) -> bool:
    """Whether a message names one of the fields."""
    # `presence_penalty` is `presencePenalty` to some.
    forms = (name.replace("_", "_?") for name in names)
    return any(re.search(rf"(?<![\w-]){form}(?![\w-])", words, re.IGNORECASE) for form in forms)
