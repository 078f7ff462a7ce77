"""What went wrong, by class: a status or an error object becomes one `ProviderError` with its remedy. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from fusion_nb.errors import ProviderError
from fusion_nb.providers.redaction import scrub
from fusion_nb.providers.retry_after import LONGEST, retry_after
from fusion_nb.providers.text_chunks import one_line, page_text


@dataclass(frozen=True, slots=True)
class Target:
    """Who was asked for what: all a sentence about a failure needs."""

    service: str
    model: str = ""
    key_env: str | None = None
    hide: Callable[[str], str] = str
    """Takes the key out of a text."""
    begins: Callable[[str], int] = lambda text: 0
    """How many characters at the end of a text may be the beginning of the key."""

    def clean(self, text: object, limit: int = 1200) -> str:
        """A text of the service as one harmless line, without keys."""
        try:
            words = text if isinstance(text, str) else str(text)
        except (RecursionError, ValueError):
            words = "(unreadable)"
        # Twice: a key must neither be cut in two by the limit nor come together out of entities and escapes.
        return scrub(self.hide(one_line(self.hide(words), limit)))


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
_RETRYABLE = frozenset({"timeout", "conflict", "rate_limit", "server", "overloaded"})
_REMEDY = {
    "bad_request": "{service} refused the request{status}.",
    "auth": "{service} does not accept the key{key}: check it, or set a new one.",
    "credits": "There is no credit left at {service}{key}: top it up, or ask another service.",
    "forbidden": "{service} does not allow this request{status}.",
    "model": "{service} does not have {model}: %fuse_models lists what there is.",
    "timeout": "{service} gave up waiting for {model}: run it again, or take a faster model.",
    "conflict": "{service} could not take the request just now{status}: run it again.",
    "too_large": "The prompt is too long for {model}: shorten it, or take a model with a larger context.",
    "rate_limit": "{service} limits the rate of requests{status}: wait, or ask fewer models at once.",
    "server": "{service} failed{status}: run it again later.",
    "overloaded": "{service} is overloaded{status}: run it again later.",
    "refusal": "{model} refused.",
    "provider": "{service} broke off with an error.",
}


def of_response(status: int, headers: Mapping[str, str], body: bytes, target: Target) -> ProviderError:
    """The fault of an HTTP response that is not a success. `headers`: names in lower case."""
    if 300 <= status < 400:
        return _redirect(headers, target)
    text = body.decode(errors="replace")
    error = error_in(_json(text))
    if error is None:
        error = page_text(text) if "<" in text[:512] else text
    return of_error(error, target, status=status, headers=headers, billed=status in (408, 504, 524))


def of_error(
    error: Any,
    target: Target,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    billed: bool = True,
) -> ProviderError:
    """The fault an error object tells of, wherever it came: in a body, in a chunk, in a choice."""
    fields = error if isinstance(error, Mapping) else {}
    status = status or _status(fields)
    kind = _kind(fields, status)
    availability = _part(fields, "availability")
    wait = retry_after(headers or {}, fields) if kind in _RETRYABLE else None
    told = availability.get("retryable")
    retryable = told if isinstance(told, bool) else kind in _RETRYABLE
    sentence = _REMEDY[kind].format(
        service=target.service,
        model=target.model or "the model",
        status=f" ({status})" if status else "",
        key=f" in {target.key_env}" if target.key_env else "",
    )
    parts = [sentence]
    if wait is not None and wait > LONGEST:
        retryable = False
        moment = datetime.now(UTC) + timedelta(seconds=min(wait, 10**8))
        parts.append(f"It asks to wait {_span(wait)}, until {moment:%Y-%m-%d %H:%M} UTC.")
    parts += _said(error, fields, availability, target)
    return ProviderError(
        kind,
        " ".join(parts),
        status="refused" if kind == "refusal" else "error",
        retryable=retryable,
        retry_after=wait,
        maybe_billed=billed,
    )


def error_in(said: Any) -> Any:
    """The error in a JSON body, in any of the shapes services give it; `None` where there is none."""
    if isinstance(said, list) and said:
        said = said[0]  # Gemini
    if not isinstance(said, Mapping):
        return None
    if said.get("error"):
        inner = said["error"]
        return {"availability": said.get("availability"), **inner} if isinstance(inner, Mapping) else inner
    if said.get("object") == "error" or said.get("type") == "error":
        return said
    return {"message": said["detail"]} if said.get("detail") else None


def _part(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = fields.get(name)
    return found if isinstance(found, Mapping) else {}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _status(fields: Mapping[str, Any]) -> int | None:
    for name in ("code", "status", "status_code"):
        value = fields.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None


def _kind(fields: Mapping[str, Any], status: int | None) -> str:
    if status == 413:  # Groq calls it a rate limit, and waiting would not make the prompt shorter
        return "too_large"
    metadata, availability = _part(fields, "metadata"), _part(fields, "availability")
    said = (metadata.get("error_type"), availability.get("code"), *(fields.get(n) for n in ("code", "type", "status")))
    words = [word[:100].lower() for word in said if isinstance(word, str)]
    by_word = next((kind for word in words for part, kind in _BY_WORD if part in word), None)
    if by_word:
        return by_word
    if status is not None:
        return _BY_STATUS.get(status, "server" if status >= 500 else "bad_request")
    return next((kind for word in words for part, kind in _BY_VAGUE_WORD if part in word), "provider")


def _said(error: Any, fields: Mapping[str, Any], availability: Mapping[str, Any], target: Target) -> list[str]:
    """What the service itself says, in its own words."""
    metadata = _part(fields, "metadata")
    message = fields.get("message") or fields.get("msg") or ("" if fields else error)
    parts = [("It said: ", message), ("The provider said: ", metadata.get("raw"))]
    reasons = metadata.get("reasons")
    if isinstance(reasons, list):
        parts.append(("Reasons: ", ", ".join(map(str, reasons[:10]))))
    fallbacks = availability.get("fallback_models")
    if isinstance(fallbacks, list):
        parts.append(("It offers instead: ", ", ".join(map(str, fallbacks[:5]))))
    cleaned = [(lead, target.clean(text, 900 if lead.startswith("It said") else 300)) for lead, text in parts if text]
    return [f"{lead}{text}{'' if text.endswith(('.', '!', '?', '…')) else '.'}" for lead, text in cleaned if text]


def _redirect(headers: Mapping[str, str], target: Target) -> ProviderError:
    try:
        host = urlsplit(headers.get("location", "")).hostname or "another path"
    except ValueError:
        host = "another place"
    return ProviderError(
        "redirect",
        f"{target.service} redirects to {target.clean(host, 100)}; a request with a key in it is never sent on. "
        "Set the base URL to where the service really is.",
    )


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 180:
        return f"{minutes} min"
    return f"{round(minutes / 60)} h" if minutes < 4320 else f"{round(minutes / 1440)} days"
