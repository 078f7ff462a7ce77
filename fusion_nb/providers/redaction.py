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
    rf"|sk-(?=[A-Za-z_-]*\d){_BODY}{{24,}}"  # OpenAI of old, DeepSeek, LiteLLM ...: with a digit, unlike words
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
_BEARER = re.compile(r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{16,}")


def looks_like_key(text: str) -> bool:
    """Whether `text` holds something of the shape of an API key."""
    return _SHAPES.search(text) is not None


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
