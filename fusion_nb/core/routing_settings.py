"""The two settings that a service gets nearly as they are written: `provider`, OpenRouter's routing, and `body`.

Both are kept as canonical JSON text: a `Ref` that holds them is hashed, compared and put on record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fusion_nb.core.braced_fields import MAX_DEPTH, read_object
from fusion_nb.core.option_checks import number, one_of, shown, switch
from fusion_nb.errors import UnknownName, UserError

BITS: Mapping[str, int] = {
    "int4": 4, "fp4": 4, "mxfp4": 4, "nvfp4": 4,
    "fp6": 6,
    "int8": 8, "fp8": 8, "mxfp8": 8,
    "fp16": 16, "bf16": 16,
    "fp32": 32,
}  # fmt: skip
"""Quantizations that OpenRouter knows, beside `unknown`."""
_MAX_TEXT = 50_000
_ESCAPE = re.compile(r"\\.")
_PERCENTILES = ("p50", "p75", "p90", "p99")
_MAX_TOKENS = frozenset(
    {"maxtokens", "maxcompletiontokens", "maxoutputtokens", "maxnewtokens", "numpredict", "npredict"}
)
_WHO_AND_WHAT = frozenset({"model", "models", "messages", "prompt", "input", "stream", "streamoptions", "extrabody"})
_BILLED_BESIDE = frozenset(
    {"n", "bestof", "candidatecount", "plugins", "tools", "toolchoice", "functions", "websearchoptions", "servicetier"}
)
"""What is billed beside the tokens of one reply, or at another rate: no cap could hold."""


def routing(value: Any) -> str:
    """OpenRouter's `provider`, checked, as JSON text. `quantization>=fp8` stays as written; see `routing_fields`."""
    fields = _fields("provider", value, "provider={only=[anthropic]}")
    for name in fields:
        if name not in _ROUTING:
            raise UnknownName("field of provider", name[:60], _ROUTING, f"There are {', '.join(_ROUTING)}.")
    if {"quantization", "quantizations"} <= fields.keys():
        raise UserError("provider has quantization and quantizations: give one of them.")
    return _canonical("provider", {name: _ROUTING[name](value) for name, value in fields.items()})


def routing_fields(text: str) -> dict[str, Any]:
    """What OpenRouter is sent for `provider`. Raises `ValueError` or `LookupError` where a record was damaged."""
    fields = _recorded(text)
    if level := str(fields.pop("quantization", "")):
        least = BITS[level.removeprefix(">=")]
        at_least = [name for name, bits in BITS.items() if bits >= least]
        fields["quantizations"] = at_least if level.startswith(">=") else [level]
    return fields


def has_data_policy(text: str) -> bool:
    """Whether a routing says that nobody may keep, or learn from, what is sent."""
    fields = _recorded(text)
    return fields.get("zdr") is True or fields.get("data_collection") == "deny"


def body(value: Any) -> str:
    """Fields of a service's own, as JSON text. Raises `UserError` for those that are not a setting's to change."""
    fields = _fields("body", value, "body={top_k=40}")
    for name in fields:
        if _plain(name) in _MAX_TOKENS:
            raise UserError(f"body cannot hold {shown(name)}, which bounds what a call may cost: write max_tokens=500.")
        if _is_fixed(name):
            raise UserError(
                f"body cannot hold {shown(name)}: it would change who is asked what, or what a call may cost. Leave it "
                "out."
            )
    return _canonical("body", fields)


def body_fields(text: str) -> dict[str, Any]:
    """What a request carries for `body`. Raises `ValueError` where a record was damaged."""
    return {name: value for name, value in _recorded(text).items() if not _is_fixed(name)}


def _is_fixed(name: str) -> bool:
    return _plain(name) in _MAX_TOKENS | _WHO_AND_WHAT | _BILLED_BESIDE


def _plain(name: str) -> str:
    """`maxTokens` is `max_tokens` to some services."""
    return name.strip().replace("_", "").replace("-", "").lower()


def _recorded(text: str) -> dict[str, Any]:
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError("no fields")
    return fields


def _fields(name: str, value: Any, example: str) -> dict[str, Any]:
    fields = read_object(value) if isinstance(value, str) and value.strip().startswith("{") else value
    if not isinstance(fields, Mapping) or not fields or not all(isinstance(key, str) for key in fields):
        raise UserError(f"{name} takes fields, as in {example}, not {shown(value)}.")
    return dict(fields)


def _canonical(name: str, fields: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        # A lone surrogate cannot be sent as UTF-8; `read_object` has no short escapes for these two.
        text = text.encode("utf-8", "replace").decode("utf-8")
        text = _ESCAPE.sub(lambda escape: {r"\b": r"\u0008", r"\f": r"\u000c"}.get(escape[0], escape[0]), text)
        fits = len(text) <= _MAX_TEXT and _depth(json.loads(text)) <= MAX_DEPTH
    except (TypeError, ValueError, RecursionError):
        raise UserError(
            f"{name} takes what JSON has: texts, numbers, true, false, null, lists and fields of them, not "
            f"{shown(fields)}."
        ) from None
    if not fits:
        raise UserError(f"{name} is too large: at most {_MAX_TEXT:,} characters and {MAX_DEPTH} levels.")
    return text


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0) if isinstance(value, dict | list) else 0


def _names(field: str) -> Callable[[Any], list[str]]:
    def check(value: Any) -> list[str]:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, Sequence) or not names or not all(isinstance(n, str) and n.strip() for n in names):
            raise UserError(
                f"{field} takes names of providers, as in {field}=[anthropic, bedrock], not {shown(value)}."
            )
        return [name.strip() for name in names]

    return check


def _level(value: Any) -> str:
    if not isinstance(value, str):
        raise UserError(f"quantization takes a level, as in quantization>=fp8, not {shown(value)}.")
    sign = ">=" if value.startswith(">=") else ""
    return f"{sign}{one_of('quantization', tuple(BITS))(value.removeprefix('>=').strip())}"


def _levels(value: Any) -> list[str]:
    levels = [value] if isinstance(value, str) else value
    if not isinstance(levels, Sequence) or not levels:
        raise UserError(f"quantizations takes levels, as in quantizations=[fp8, bf16], not {shown(value)}.")
    return [one_of("quantization", (*BITS, "unknown"))(level) for level in levels]


def _by_name(field: str, names: Sequence[str], example: str) -> Callable[[Any], Any]:
    """A number, or numbers by name."""

    def check(value: Any) -> Any:
        if isinstance(value, Mapping) and value:
            return {one_of(f"field of {field}", names)(name): amount(part) for name, part in value.items()}
        if isinstance(value, Mapping | str) or field == "max_price":
            raise UserError(f"{field} is written as {example}, not {shown(value)}.")
        return amount(value)

    amount = number(field, 0, 1e9)
    return check


def _sort(value: Any) -> Any:
    # By price within a group of models: a form of its own, which may grow.
    return (
        dict(value)
        if isinstance(value, Mapping)
        else one_of("order to sort by", ("price", "throughput", "latency"))(value)
    )


_ROUTING: Mapping[str, Callable[[Any], Any]] = {
    **{name: _names(name) for name in ("order", "only", "ignore")},
    "quantization": _level,
    "quantizations": _levels,
    **{name: switch(name) for name in ("zdr", "allow_fallbacks", "require_parameters")},
    "data_collection": one_of("data_collection", ("allow", "deny")),
    "sort": _sort,
    "max_price": _by_name(
        "max_price", ("prompt", "completion", "request", "image"), "max_price={prompt=1, completion=3}"
    ),
    "preferred_min_throughput": _by_name("preferred_min_throughput", _PERCENTILES, "preferred_min_throughput=50"),
    "preferred_max_latency": _by_name("preferred_max_latency", _PERCENTILES, "preferred_max_latency=2"),
}
