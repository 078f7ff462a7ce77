"""Text from outside, made fit to be shown: no keys, no tags, no control characters, one line, not too long.

It knows what API keys look like, takes the key of a request out of what a service says, and cleans the HTTP client's
own log the same way: at its loudest it writes down what a service answers, and services quote.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from urllib.parse import quote

from fusion_nb.providers.key_sources import Sealed

_BODY = r"[A-Za-z0-9_-]"
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    rf"sk-(?:or-v1|proj|ant|svcacct|admin|lf)-{_BODY}{{16,}}"  # OpenRouter, OpenAI, Anthropic, Langfuse
    rf"|sk-(?=[A-Za-z_-]*\d){_BODY}{{20,}}"  # OpenAI of old, DeepSeek, LiteLLM ...: with a digit, unlike words
    rf"|AIza{_BODY}{{30,}}"  # Google
    rf"|AQ\.{_BODY}{{30,}}"  # Google, newer
    r"|gsk_[A-Za-z0-9]{20,}"  # Groq
    r"|xai-[A-Za-z0-9]{20,}"
    r"|hf_[A-Za-z0-9]{20,}"  # Hugging Face
    r"|r8_[A-Za-z0-9]{20,}"  # Replicate
    r"|pplx-[A-Za-z0-9]{20,}"  # Perplexity
    r"|fw_[A-Za-z0-9]{20,}"  # Fireworks
    r"|tgp_v1_[A-Za-z0-9_-]{20,}"  # Together
    r"|nvapi-[A-Za-z0-9_-]{20,}"
    r"|csk-[A-Za-z0-9]{20,}"  # Cerebras
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"
    r"|glpat-[A-Za-z0-9_-]{20,}"
    r"|AKIA[A-Z0-9]{16}(?![A-Z0-9])"  # Amazon
    r")"
)
_PREFIX = re.compile(
    r"^(?:sk-(?:(?:or-v1|proj|ant|svcacct|admin|lf)-)?|AKIA|AIza|AQ\.|github_pat_|tgp_v1_|[a-z0-9]+[-_])"
)
_BEARER = re.compile(r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{16,}")


_SAME = re.compile(r"(.)\1{4,}")
_FILLER = re.compile(
    r"(?i)example|placeholder|redacted|replace|changeme|insert|dummy|sample|secret|token|"
    r"(?<![a-z0-9])(?:your|my|the|api|key|here|goes|right|fake|test|demo|todo|none|real|put|this)(?![a-z0-9])"
)
_TOGETHER = re.compile(r"(?i)your|api|key|here|paste|change|goes|please|fake|test|demo|valid|real|face")
_WORD = re.compile(r"[a-z]{1,15}|[A-Z]{1,15}|[A-Z][a-z]{1,14}|\d+")
_RANDOM = 10
"""Characters that no placeholder explains, from which on a text of a key's shape is taken for a key."""


def looks_like_key(text: str) -> bool:
    """Whether `text` holds an API key: something of a key's shape that is no placeholder and not made of words.

    `sk-proj-xxxxxxxx`, `AKIAIOSFODNN7EXAMPLE` and `sk-or-v1-YOUR_KEY_GOES_HERE` are what documentation shows; a real
    key is random. In doubt it is a key.
    """
    return any(_random_characters(match[0]) >= _RANDOM for match in _SHAPES.finditer(text))


def is_placeholder(key: str) -> bool:
    """Whether `key` is what documentation writes in a key's place: `sk-or-v1-xxxx...`, `<your key>`, `YOUR_KEY`."""
    shaped = _SHAPES.fullmatch(key) is not None and not looks_like_key(key)
    return shaped or re.fullmatch(r"(?i)<.*>|\.{3,}|your[-_ ].*|x{4,}", key) is not None


def _random_characters(key: str) -> int:
    """Characters of `key` behind its prefix that are no filler, no repetition and no word or number."""
    rest = _SAME.sub("-", _FILLER.sub("-", _PREFIX.sub("", key)))
    return sum(len(part) for part in re.split(r"[-_.]+", rest) if not _made_of_words(part))


def _made_of_words(part: str) -> bool:
    """Whether a part is one word or number, or words of documentation written together: `YourApiKeyGoesHere`."""
    return _WORD.fullmatch(part) is not None or len({word.lower() for word in _TOGETHER.findall(part)}) > 1


def scrub(text: str) -> str:
    """`text` with `***` in place of everything that looks like a key."""
    return _SHAPES.sub("***", _BEARER.sub("Bearer ***", text))


_PART = 24
"""Characters of a key that give it away: more than the beginning all keys of a service share."""


def written_forms(key: Sealed) -> tuple[Sealed, ...]:
    """What a service may quote: the key, also as URLs, JSON, HTML and base64 write it; none for a word ("EMPTY")."""
    mixed = len(key) >= 8 and any(map(str.isdigit, key)) and any(map(str.isalpha, key))
    if len(key) < 12 and not mixed:
        return ()
    every = (
        *(key, Sealed(quote(key, safe="")), Sealed(json.dumps(key)[1:-1]), Sealed(html.escape(key))),
        # Some escape more of it than they must.
        Sealed("".join(each if each.isalnum() else f"%{ord(each):02X}" for each in key)),
        # Behind the user name and the colon of basic authentication each third place is another text.
        *(Sealed(_base64(key, before)) for before in range(3)),
    )
    return tuple(dict.fromkeys(every))


def _base64(key: str, before: int) -> str:
    """What base64 makes of the key alone, where so many bytes stand before it in their group of three."""
    encoded = base64.b64encode(b"\0" * before + key.encode()).decode()
    last = len(encoded) - (4 if (before + len(key)) % 3 else 0)
    return encoded[4 if before else 0 : last]


def without_key(text: str, key: Sealed) -> str:
    """`text` with `***` in place of the key's first part, or its last, and of all that belongs to it there.

    Half a key is hidden as well as a whole one where it is long enough to be no other's. Linear in the text.
    """
    head, tail = (key[:_PART], key[-_PART:]) if len(key) >= 2 * _PART else (key, Sealed())
    parts, start = [], 0
    while (at := text.find(head, start)) >= 0:
        end = at + len(head)
        while end < len(text) and end - at < len(key) and text[end] == key[end - at]:
            end += 1
        parts += [text[start:at], "***"]
        start = end
    text = "".join([*parts, text[start:]]) if parts else text
    parts, start = [], 0
    while tail and (at := text.find(tail, start)) >= 0:
        end = at + len(tail)
        while at > start and end - at < len(key) and text[at - 1] == key[at - 1 - end]:
            at -= 1
        parts += [text[start:at], "***"]
        start = end
    return "".join([*parts, text[start:]]) if parts else text


LOGGERS = (
    "fusion_nb.http",
    "httpx2",
    *(f"httpcore2.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
)
hide: ContextVar[Callable[[str], str]] = ContextVar("hide", default=str)
"""Takes the key of the request under way out of a text."""


class Redacted(logging.Filter):
    """Lets every record through, with `***` in place of keys."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = scrub(hide.get()(message))
        if clean != message:
            record.msg, record.args = clean, ()
        return True


def install_log_filter() -> None:
    """Once is enough, more does no harm."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, Redacted) for each in logger.filters):
            logger.addFilter(Redacted())


_HIDDEN = re.compile(r"<(script|style|head)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^<>]{0,200}>([^<]{0,400})", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,2000}>")
# Escape sequences of terminals: CSI, OSC and friends, then whatever C0, C1 and bidirectional controls are left.
_ESCAPE = re.compile(r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]|\x1b[\]PX^_][^\x07\x1b\x9c]{0,512}(?:\x07|\x1b\\|\x9c)?|\x1b.?")
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_CUT_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,2000}\Z")
_SPACE = re.compile(r"\s+")


def one_line(text: str, limit: int = 2000, *, tags: bool = False) -> str:
    """`text` on one line, of at most `limit` characters: what a service says of itself is not to be trusted.

    Args:
        tags: keep what stands in angle brackets, for text that is Python's and not a page's.
    """
    text = text[: max(8192, 2 * limit)]
    text = _CONTROL.sub("", _ESCAPE.sub("", text if tags else html.unescape(text)))
    if "<" in text and not tags:
        text = _CUT_TAG.sub(" ", _TAG.sub(" ", _HIDDEN.sub(" ", text)))
    text = _SPACE.sub(" ", text).strip()
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def page_text(text: str) -> str:
    """What a web page says where no web page should be: its title and the first words."""
    title = _TITLE.search(text[:8192])
    words = one_line(text, 200)
    named = one_line(title[1], 100) if title else ""
    return f"{named}: {words}" if named and not words.startswith(named) else words
