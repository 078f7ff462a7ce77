"""What API keys look like, so that none is shown, kept, or taken for a prompt.

The HTTP client's own log, without keys: at its loudest it writes down what a service answers, and services quote.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar

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


_SAME = re.compile(r"(.)\1{3,}")
_FILLER = re.compile(
    r"(?i)example|placeholder|redacted|replace|changeme|insert|dummy|sample|secret|token|"
    r"(?<![a-z0-9])(?:your|my|the|api|key|here|goes|right|fake|test|demo|todo|none|real|put|this)(?![a-z0-9])"
)
_WORD = re.compile(r"[a-z]{1,15}|[A-Z]{1,15}|[A-Z][a-z]{1,14}|\d{1,4}")
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
    return sum(len(part) for part in re.split(r"[-_.]+", rest) if not _WORD.fullmatch(part))


def scrub(text: str) -> str:
    """`text` with `***` in place of everything that looks like a key."""
    return _SHAPES.sub("***", _BEARER.sub("Bearer ***", text))


LOGGERS = ("httpx2", *(f"httpcore2.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
hide: ContextVar[Callable[[str], str]] = ContextVar("hide", default=str)
"""Takes the key of the request under way out of a text."""


class Redacted(logging.Filter):
    """Lets every record through, with `***` in place of keys."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        clean = scrub(hide.get()(said))
        if clean != said:
            record.msg, record.args = clean, ()
        return True


def install_log_filter() -> None:
    """Once is enough, more does no harm."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, Redacted) for known in logger.filters):
            logger.addFilter(Redacted())
