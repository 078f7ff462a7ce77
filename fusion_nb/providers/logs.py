"""The HTTP client's own log, without keys: at its loudest it writes down what a service answers, and services quote."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar

from fusion_nb.providers.redact import scrub

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


def install() -> None:
    """Once is enough, more does no harm."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, Redacted) for known in logger.filters):
            logger.addFilter(Redacted())
