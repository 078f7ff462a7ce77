"""Rows 19 to 34 and 63: answers that are not a success, and how long they ask to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from tests.faults.answer import GOOD, Answer, failure, sse
from tests.faults.row import OK, Row

WAIT = 1.0
WAITED = (1.0, 2.5)
_SKEW = timedelta(days=-3)
"""The service's clock is wrong, and says so in its `Date`."""
HOOK = {"code": "x", "retry_after": 1}
PAGE = (
    b"<!doctype html><html><head><title>502 Bad Gateway</title><style>p{}</style></head><body><script>alert(1)</script>"
    b"<h1>502</h1><p>The <b>upstream</b> is down.</p></body></html>"
)


def no(number: int, status: int, error: str, **more: Any) -> Row:
    """A status that is told at once, and not asked again."""
    extra = more.pop("extra", {})
    answer = failure(status, "Because <b>I</b> say so: $KEY.", **extra)
    given = {"name": f"{status}", "says": ("Because I say so",), "never": ("<b>",), **more}
    return Row(number=number, answers=(answer,), error=error, **given)


def refused_field(number: int, status: int, message: str, **extra: Any) -> Row:
    """An optional field is refused; without it the service answers. One attempt of two requests."""
    return Row(number=number, name=f"{status}-field", answers=(failure(status, message, **extra), GOOD), posts=2, attempts=1,
               options={"temperature": 0.3}, warns=("field_dropped:temperature",), **OK)  # fmt: skip


def retried(number: int, name: str, status: int, error: str, **more: Any) -> Row:
    return Row(number=number, name=name, answers=(failure(status),), **{"error": error, "posts": 3, **more})


def asked_to_wait(number: int, name: str, headers: Callable[[], dict[str, str]], **extra: Any) -> Row:
    """The first answer asks for a wait, the second is good."""

    def answers(turn: int) -> Answer:
        return GOOD if turn > 1 else failure(429, headers=tuple(headers().items()), **extra)

    return Row(number=number, name=name, answers=answers, posts=2, waits=WAITED, cuts=("whole",), **OK)


def _date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC).replace(microsecond=0) + _SKEW + timedelta(seconds=seconds), usegmt=True)


def _reset(times: int) -> dict[str, str]:
    return {"X-RateLimit-Reset": str(int((time.time() + WAIT + 0.05) * times))}


def _too_long(name: str, headers: dict[str, str], says: str, **more: Any) -> Row:
    answer = failure(429, headers=tuple(headers.items()))
    return Row(
        number=more.pop("number", 32), name=name, answers=(answer,), error="rate_limit", says=(says, "UTC"), **more
    )


_METADATA = {"metadata": {"reasons": ["violence"], "flagged_input": "<script>x</script>"}}
ROWS = (
    no(19, 400, "bad_request"),
    no(19, 400, "bad_request", name="400-offer", extra={"availability": {"code": "c", "fallback_models": ["a/b"]}},
       says=("a/b",)),
    refused_field(19, 400, "Unsupported parameter: 'temperature' is not supported with this model.", param="temperature"),
    no(20, 401, "auth", says=("FAULT_KEY", "***")),
    no(21, 402, "credits", says=("FAULT_KEY",)),
    no(22, 403, "forbidden", extra=_METADATA, says=("violence",), never=("<script>", "<b>")),
    no(23, 404, "model", says=("%fuse_models",)),
    no(23, 400, "model", name="deprecated", extra={"metadata": {"error_type": "model_deprecated"}}),
    no(23, 404, "model", name="no-endpoints", extra={"availability": {"code": "no_endpoints", "fallback_models": ["a/b"]}},
       says=("offers instead: a/b",)),
    retried(24, "408", 408, "timeout", billed=True),
    retried(24, "409", 409, "conflict"),
    no(25, 413, "too_large"),
    no(25, 400, "too_large", name="context", extra={"metadata": {"error_type": "context_length_exceeded"}}),
    no(26, 422, "bad_request"),
    refused_field(26, 422, "temperature: Extra inputs are not permitted"),
    retried(27, "429", 429, "rate_limit"),
    Row(number=27, name="429-then-good", answers=(failure(429), failure(429), GOOD), posts=3, **OK),
    asked_to_wait(28, "after-seconds", lambda: {"Retry-After": "1"}),
    Row(number=28, name="after-7", answers=(failure(429, headers=(("Retry-After", "7"),)),), error="rate_limit",
        options={"timeout": 3}, says=("until", "longer than timeout")),
    asked_to_wait(29, "after-date", lambda: {"Date": _date(0), "Retry-After": _date(WAIT)}),
    Row(number=29, name="after-past", answers=lambda turn: GOOD if turn > 1 else failure(429, headers=(("Date", _date(0)), ("Retry-After", _date(-50)))),
        posts=2, waits=(0, 0.9), cuts=("whole",), **OK),
    asked_to_wait(30, "reset-ms", lambda: _reset(1000)),
    asked_to_wait(30, "reset-relative", lambda: {"X-RateLimit-Reset": "1"}),
    asked_to_wait(31, "body", dict, availability=HOOK),
    asked_to_wait(31, "provider", dict, metadata={"headers": {"Retry-After": "1"}}),
    asked_to_wait(31, "retry-info", dict, details=[{"@type": "RetryInfo", "retryDelay": "1s"}]),
    asked_to_wait(31, "in-words", dict, message="The limit is 3 a minute. Please try again in 1.0s."),
    Row(number=31, name="in-stream", posts=2, waits=WAITED, billed=True, **OK,
        answers=(Answer(sse({"error": {"code": 429, "message": "slow", "availability": HOOK}})), GOOD)),
    _too_long("after-hour", {"Retry-After": "3600"}, "60 min"),
    _too_long("after-year", {"Retry-After": "31536000"}, "days"),
    _too_long("after-1e300", {"Retry-After": "1e300"}, "days"),
    *(
        Row(number=32, name=f"junk-{n}", answers=(failure(429, headers=(("Retry-After", junk),)),), error="rate_limit",
            posts=3, cuts=("whole",))
        for n, junk in enumerate(("-1", "NaN", "abc", "1e400", "", "inf", "99999999999999 GMT"))
    ),
    *(retried(33, str(status), status, error, billed=status == 504, cuts=("whole",))
      for status, error in ((500, "server"), (502, "server"), (503, "server"), (504, "timeout"), (529, "overloaded"))),
    no(33, 503, "server", name="503-not-retryable", extra={"availability": {"code": "x", "retryable": False}}),
    Row(number=34, name="page-404", answers=(Answer(PAGE, 404, "text/html", framing="length"),), error="model",
        says=("502 Bad Gateway", "The upstream is down."), never=("<", "alert")),
    Row(number=34, name="page-502", answers=(Answer(PAGE, 502, "text/html", framing="length"),), error="server", posts=3,
        says=("502 Bad Gateway",), never=("<", "alert"), cuts=("whole",)),
    Row(number=34, name="long-body", answers=(Answer(b"x" * 200_000, 400, "text/plain"),), error="bad_request",
        cuts=("whole",)),
    *(
        Row(number=63, name=f"{status}", error="redirect", says=("elsewhere.test",), never=("secret",),
            answers=(Answer(status=status, headers=(("Location", "http://u:secret@elsewhere.test/?k=secret"),), framing="length"),))
        for status in (301, 302, 303, 307, 308)
    ),
    Row(number=63, name="loopback", error="redirect", says=("localhost",),
        answers=(Answer(status=307, headers=(("Location", "http://localhost:$ELSEWHERE/"),), framing="length"),)),
)  # fmt: skip
