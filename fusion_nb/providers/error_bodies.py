"""What the body of an error says: where the error stands in it, its class, its words, the field it names. Pure.

Services agree on little: the same refusal comes under `error`, under a code of the service's own, or in words alone,
with the status of a failure or of a success.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_BY_STATUS = {
    400: "bad_request",
    401: "auth",
    402: "credits",
    403: "forbidden",
    404: "model",
    408: "timeout",
    409: "conflict",
    410: "model",
    413: "too_large",
    422: "bad_request",
    425: "conflict",
    429: "rate_limit",
    451: "forbidden",
    498: "rate_limit",
    504: "timeout",
    524: "timeout",
    529: "overloaded",
}
# The words services use for the same things; a part of the word is enough. The first that fits counts.
_BY_WORD = (
    ("context_length", "too_large"),
    ("context_size", "too_large"),
    ("context_window", "too_large"),
    ("contextwindow", "too_large"),
    ("too_large", "too_large"),
    ("string_above_max", "too_large"),
    ("quota", "credits"),
    ("payment", "credits"),
    ("credit", "credits"),
    ("billing", "credits"),
    ("balance", "credits"),
    ("rate_limit", "rate_limit"),
    ("resource_exhausted", "rate_limit"),
    ("overload", "overloaded"),
    ("refusal", "refusal"),
    ("content_policy", "forbidden"),
    ("content_filter", "forbidden"),
    ("moderation", "forbidden"),
    ("guardrail", "forbidden"),
    ("permission", "forbidden"),
    ("api_key", "auth"),
    ("authentic", "auth"),
    ("unauthorized", "auth"),
    ("no_endpoints", "model"),
    ("deprecated", "model"),
    ("model_not", "model"),
    ("not_found", "model"),
    ("timeout", "timeout"),
)
# Words that say less than a status does.
_BY_VAGUE_WORD = (
    ("unavailable", "server"),
    ("invalid", "bad_request"),
    ("server", "server"),
    ("internal", "server"),
    ("api_error", "server"),
)
# What services say in words alone, where status and code tell less than that.
_BY_MESSAGE = {
    "too_large": (
        r"context[ _-]?(?:length|window|size)",
        r"contextwindow",
        r"maximum context",
        r"(?:prompt|input) (?:is )?too long",
        r"too many (?:input |prompt )?tokens",
        r"range of input length",
        r"(?:token count|tokens?|input|prompt)\b.{0,60}\bexceed",
        r"exceeds? .{0,40}\b(?:token|context|input length)",
        r"reduce the length",
    ),
    "credits": (
        r"credit balance",
        r"insufficient[ _](?:balance|credits?|funds|quota)",
        r"(?:out of|no) credits?\b",
        r"can only afford",
        r"payment required",
        r"exceeded your current quota",
        r"balance (?:is )?(?:too low|not enough|insufficient)",
        r"arrears|余额不足|欠费",
    ),
    "auth": (
        r"api[ _-]?key (?:is )?(?:not valid|invalid|expired|not found|missing|required)",
        r"(?:invalid|incorrect|missing|wrong|no|malformed) (?:x-)?api[ _-]?key",
        r"api_key_invalid|unauthori[sz]ed|not authenticated",
        r"authentication (?:failed|error|required)",
        r"invalid (?:auth\w*|access|bearer) ?token",
        r"no connected db",  # LiteLLM without a database, and a key it does not know
    ),
    "model": (
        r"(?:unknown|invalid|no such|unsupported|unrecognized) model\b",
        r"\bmodel\b[^.,:;]{0,80}(?:not found|not exist|doesn't exist|is unknown|not available|not a valid)",
        r"pinned to|model_not_found",
    ),
    "rate_limit": (r"rate[ -]?limit", r"too many requests"),
}
_MESSAGES = [(kind, re.compile("|".join(words), re.IGNORECASE)) for kind, words in _BY_MESSAGE.items()]
_UNCLEAR = frozenset({"bad_request", "server", "provider", "forbidden"})


def error_in(body: Any, *, whole: bool = False) -> Any:
    """The error in a JSON body, in any of the shapes services give it; `None` where there is none.

    Args:
        whole: the body is all there is, so that a message in it can be nothing else.
    """
    if isinstance(body, list) and body:
        body = body[0]  # Gemini
    if not isinstance(body, Mapping):
        return None
    if blocked := part_of(body, "promptFeedback").get("blockReason"):  # Gemini
        return {"message": f"The prompt was blocked: {blocked}", "code": "content_filter"}
    for name in ("error", "Error", "fault", "errors"):
        error = body.get(name)
        if error and not (isinstance(error, Mapping) and not any(error.values())):  # code 0, no words: none
            return _named_error(error[0] if isinstance(error, list) else error, body)
    if body.get("object") == "error" or body.get("type") == "error":
        return body
    for name in ("base_resp", "Response", "response", "header", "meta"):
        inner = body.get(name)
        if isinstance(inner, Mapping) and (inner.get("Error") or _refused(inner)):
            return error_in(inner, whole=True)
    if body.get("detail") and not body.get("choices"):
        return {"message": body["detail"], **{k: v for k, v in body.items() if k != "message"}}
    if _refused(body) or (whole and _words(body) and not body.get("choices")):
        return {**body, "message": _words(body), "code": next((body[n] for n in _CODES if body.get(n)), None)}
    return None


def _named_error(error: Any, body: Mapping[str, Any]) -> Any:
    """What stands under `error`, with what the body says beside it."""
    if isinstance(error, Mapping):
        return {"availability": body.get("availability"), **error}
    words = _words(body)
    if isinstance(error, bool):
        return {"message": words, **body}
    return {**body, "message": words or error} if words or isinstance(error, str) else error


_WORDS = (
    *("message", "msg", "error_message", "errorMessage", "error_msg", "errmsg", "status_msg", "statusMessage"),
    *("Message", "error_description", "faultstring", "detail"),
)
_CODES = ("code", "error_code", "errorCode", "errcode", "status_code", "statusCode", "Code", "ret")
_WELL = frozenset({"", "0", "ok", "success", "succeeded", "none", "null", "true"})
_BADLY = frozenset({"error", "fail", "failed", "failure"})


def message_in(body: Mapping[str, Any]) -> str:
    """What an object tells people, where it is no part of a reply."""
    return _words(body)


def _words(body: Mapping[str, Any]) -> str:
    return next((value for name in _WORDS if isinstance(value := body.get(name), str) and value.strip()), "")


def _refused(body: Mapping[str, Any]) -> bool:
    """Whether an object without `error` says all the same that the request was refused: by its code, in words."""
    if body.get("success") is False or body.get("ok") is False:
        return True
    if str(body.get("status", "")).lower() in _BADLY:
        return True
    status = body.get("status")
    if isinstance(status, int) and status >= 400 and _words(body):
        return True
    codes = [str(body[name]).strip().lower() for name in _CODES if isinstance(body.get(name), (str, int))]
    failing = [code for code in codes if code not in _WELL and not (code.isdigit() and len(code) == 3 and code < "400")]
    return bool(failing and _words(body))


def part_of(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, Mapping) else {}


def status_of(fields: Mapping[str, Any]) -> int | None:
    for name in ("code", "status", "status_code"):
        value = fields.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None


def message_of(error: Any, fields: Mapping[str, Any]) -> str:
    """The service's own sentence."""
    message = fields.get("message") or fields.get("msg") or _words(fields) or ("" if fields else error)
    try:
        return message if isinstance(message, str) else str(message or "")
    except (RecursionError, ValueError):
        return "(unreadable)"


def field_of(fields: Mapping[str, Any]) -> str:
    """The field of the request an error names: `param`, or where its `loc` leads."""
    param = fields.get("param")
    if isinstance(param, str):
        return param
    details = fields.get("message")
    detail = details[0] if isinstance(details, list) and details else {}
    where = detail.get("loc") if isinstance(detail, Mapping) else None
    return ".".join(str(step) for step in where if step != "body") if isinstance(where, list) else ""


def kind_of(fields: Mapping[str, Any], status: int | None, message: str) -> str:
    if status == 413:  # Groq calls it a rate limit, and waiting would not make the prompt shorter
        return "too_large"
    metadata, availability, details = (
        part_of(fields, "metadata"),
        part_of(fields, "availability"),
        fields.get("details"),
    )
    reasons = [each.get("reason") for each in details if isinstance(each, Mapping)] if isinstance(details, list) else []
    codes = (metadata.get("error_type"), availability.get("code"), *(fields.get(n) for n in ("code", "type", "status")))
    words = [word[:100].lower() for word in (*codes, *reasons) if isinstance(word, str)]
    kind = next((kind for word in words for part, kind in _BY_WORD if part in word), None)
    if kind is None and status is not None:
        kind = _BY_STATUS.get(status, "server" if status >= 500 else "bad_request")
    if kind is None:
        kind = next((kind for word in words for part, kind in _BY_VAGUE_WORD if part in word), "provider")
    if kind in _UNCLEAR:
        kind = next((clear for clear, pattern in _MESSAGES if pattern.search(message[:4000])), kind)
    return kind
