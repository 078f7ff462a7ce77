"""What went wrong, by class: a status or an error object becomes one `ProviderError` with its remedy. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from fusion_nb.core.json_codec import decode_service_json
from fusion_nb.errors import ProviderError
from fusion_nb.providers.error_bodies import error_in, field_of, kind_of, message_of, part_of, status_of
from fusion_nb.providers.redaction import one_line, page_text, scrub
from fusion_nb.providers.retry_after import LONGEST, retry_after


@dataclass(frozen=True, slots=True)
class Target:
    """Which model of which service is asked: all a sentence about a failure needs."""

    service: str
    model: str = ""
    key_env: str | None = None
    hide: Callable[[str], str] = str
    """Takes the key out of a text."""
    begins: Callable[[str], int] = lambda text: 0
    """How many characters at the end of a text may be the beginning of the key."""
    has_key: bool = True
    """Whether a key is sent."""

    def clean(self, text: object, limit: int = 1200) -> str:
        """A text of the service as one harmless line, without keys."""
        try:
            words = text if isinstance(text, str) else str(text)
        except (RecursionError, ValueError):
            words = "(unreadable)"
        # Twice: a key must neither be cut in two by the limit nor come together out of entities and escapes.
        return scrub(self.hide(one_line(self.hide(words), limit)))


class Refusal(ProviderError):
    """What a service answered with an error object or status, as it said it.

    `words` is its message, and `field` the field of the request that it names, where it names one.
    """

    words: str = ""
    field: str = ""


_RETRYABLE = frozenset({"timeout", "conflict", "rate_limit", "server", "overloaded"})
_REMEDY = {
    "bad_request": "{service} refused the request{status}.",
    "auth": "{service} does not accept the key{key}: check it, or set a new one.",
    "no_key": "{service} wants a key: set {key_env} to it.",
    "no_variable": "{service} wants a key: put it into an environment variable, and name that one as key_env.",
    "afford": "The credit at {service}{key} is too little for this request: lower max_tokens (--max-tokens), or top it "
    "up.",
    "address": "{service} has nothing at this address, or no {model}: check that the base URL ends as the service "
    "documents it (mostly in /v1); fusion_nb.models() and %fuse_models list what there is.",
    "credits": "There is no credit left at {service}{key}: top it up, or ask another service.",
    "forbidden": "{service} does not allow this request{status}.",
    "model": "{service} does not have {model}: fusion_nb.models() and %fuse_models list what there is.",
    "timeout": "{service} gave up waiting for {model}: run it again, or take a faster model.",
    "conflict": "{service} could not take the request just now{status}: run it again.",
    "too_large": "The prompt is too long for {model}: shorten it, or take a model with a larger context.",
    "rate_limit": "{service} limits the rate of requests{status}: wait, or ask fewer models at once.",
    "server": "{service} failed{status}: run it again later.",
    "server_no_key": "{service} failed{status}, and was sent no key: set {key_env} if it wants one, else run it again "
    "later.",
    "overloaded": "{service} is overloaded{status}: run it again later.",
    "refusal": "{model} refused.",
    "provider": "{service} broke off with an error.",
}


def of_response(status: int, headers: Mapping[str, str], body: bytes, target: Target) -> ProviderError:
    """The fault of an HTTP response that is not a success. `headers`: names in lower case."""
    if 300 <= status < 400:
        return _redirect(headers, target)
    text = body.decode(errors="replace")
    error = error_in(_json(text), whole=True)
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
    status = status or status_of(fields)
    message = message_of(error, fields)
    kind = kind_of(fields, status, message)
    availability = part_of(fields, "availability")
    wait = retry_after(headers or {}, fields, message=message) if kind in _RETRYABLE else None
    flag = availability.get("retryable")
    retryable = flag if isinstance(flag, bool) else kind in _RETRYABLE
    sentence = _REMEDY[_remedy(kind, status, message, target)].format(
        service=target.service,
        model=target.model or "the model",
        status=f" ({status})" if status else "",
        key=f" in {target.key_env}" if target.key_env else "",
        key_env=target.key_env,
    )
    parts = [sentence]
    if wait is not None and wait > LONGEST:
        retryable = False
        moment = datetime.now(UTC) + timedelta(seconds=min(wait, 10**8))
        parts.append(f"It asks to wait {_span(wait)}, until {moment:%Y-%m-%d %H:%M} UTC.")
    parts += _quotes(message, fields, availability, target)
    refusal = Refusal(
        kind,
        " ".join(parts),
        status="refused" if kind == "refusal" else "error",
        retryable=retryable,
        retry_after=wait,
        maybe_billed=billed,
    )
    refusal.words, refusal.field = target.clean(message, 4000), target.clean(field_of(fields), 100)
    return refusal


def _remedy(kind: str, status: int | None, message: str, target: Target) -> str:
    """Which of the sentences helps."""
    if kind == "auth" and not target.has_key:
        return "no_key" if target.key_env else "no_variable"
    if kind == "server" and not target.has_key and target.key_env:
        # LiteLLM without a database fails on a request without a key.
        return "server_no_key"
    if kind == "credits" and re.search(r"can only afford|fewer max_tokens", message):
        return "afford"
    named = "model" in message.lower() or (target.model and target.model in message)
    return "address" if kind == "model" and status == 404 and not named else kind


def _json(text: str) -> Any:
    try:
        return decode_service_json(text)
    except ValueError:
        return None


def _quotes(message: str, fields: Mapping[str, Any], availability: Mapping[str, Any], target: Target) -> list[str]:
    """What the service itself says, in its own words."""
    metadata = part_of(fields, "metadata")
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
