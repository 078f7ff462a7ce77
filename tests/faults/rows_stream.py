"""Rows 35 to 51: what comes under the status of a success."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.faults.answer import (
    COST,
    FIRST,
    GOOD,
    SECOND,
    TEXT,
    Answer,
    choice,
    compact,
    delta,
    finish,
    sse,
    stream,
    usage,
    whole,
)
from tests.faults.row import OK, Row
from tests.faults.rows_status import PAGE

BOM = b"\xef\xbb\xbf"
LINES = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
_WHOLE = sse(delta(TEXT), finish())
_OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
_DEEP = "[" * 100_000


def good(number: int, name: str, body: bytes, **more: Any) -> Row:
    return Row(number=number, name=name, answers=(Answer(body),), **{**OK, **more})


def short(number: int, name: str, body: bytes, **more: Any) -> Row:
    """A good reply without a bill, short enough to be cut at every byte."""
    return good(number, name, body, **{"cost": None, "tokens": (None, None), "split": True, **more})


def broken(number: int, name: str, said: Any, error: str, *, kept: str = FIRST, **more: Any) -> Row:
    """Half a reply, then an error under the status of a success."""
    body = said if isinstance(said, bytes) else sse(said)
    more = {"billed": True, **more}
    return Row(number=number, name=name, answers=(Answer(sse(delta(FIRST)) + body),), error=error, text=kept, **more)


def _lines(ending: str) -> bytes:
    head, _, tail = compact(delta(TEXT)).partition("[")
    several = [f"data:{head}[", f"data: {tail}"]
    return ending.join([*several, "", f"data: {compact(finish())}", "", ":x", ""]).encode()


_FIELDS = (
    b": hello\n\nretry: 10\nid: 1\nevent: message\nunknown: x\nnocolon\ndata: " + compact(delta(TEXT)).encode()
    + b"\n\n:\n\n: ping\n" + sse(finish())
)  # fmt: skip
ROWS = (
    Row(number=35, name="portal", answers=(Answer(PAGE, kind="text/html", framing="length"),), error="not_sse", billed=True,
        says=("login page",), never=("<", "alert")),
    Row(number=35, name="portal-as-stream", answers=(Answer(PAGE),), error="not_sse", billed=True, never=("<", "alert")),
    Row(number=35, name="portal-text", answers=(Answer(b"Please log in.", kind="text/plain"),), error="not_sse", billed=True),
    Row(number=36, name="error-object", answers=(Answer(b'{"error":{"code":402,"message":"Pay."}}', kind="application/json"),),
        error="credits", billed=True, says=("Pay.",), split=True),
    Row(number=36, name="error-429", answers=(Answer(b'{"error":{"code":429,"message":"Slow."}}', kind="application/json"),),
        error="rate_limit", billed=True, posts=3, cuts=("whole",)),
    Row(number=36, name="error-event", answers=(stream({"error": {"code": 402, "message": "Pay."}}),), error="credits",
        billed=True, split=True),
    Row(number=37, name="not-streamed", answers=(whole({"content": TEXT}),), warns=("not_streamed",),
        generation="gen-whole", **OK),
    Row(number=37, name="not-streamed-short", answers=(Answer(compact({"choices": [{"message": {"content": TEXT}}]}).encode(), kind=""),),
        warns=("not_streamed", "no_finish"), status="ok", text=TEXT, split=True),
    Row(number=37, name="not-streamed-cut", answers=(Answer(b'{"choices":[{"message":{"content":"Gr', kind="application/json"),),
        error="protocol", billed=True),
    Row(number=38, name="nothing", answers=(Answer(framing="length"),), status="empty", error="empty", posts=2,
        billed=True, cuts=("whole",)),
    Row(number=38, name="blank", answers=(Answer(b"\n\n \n"),), status="empty", error="empty", posts=2, billed=True),
    Row(number=38, name="done-only", answers=(stream("[DONE]"),), status="empty", error="empty", posts=2, billed=True),
    good(39, "bad-event", sse(delta(FIRST), "{oops", delta(SECOND), finish(), usage(), "[DONE]"), warns=("bad_event",),
         status="incomplete", error="bad_event", billed=False),
    Row(number=39, name="bad-event-last", answers=(stream(delta(TEXT), "{oops", "[DONE]"),), status="incomplete",
        error="bad_event", text=TEXT, billed=True, warns=("bad_event",)),
    Row(number=39, name="bad-events", answers=(stream(delta(FIRST), "{", "[", "{", delta(SECOND), finish()),),
        status="incomplete", error="bad_event", text=TEXT, billed=True, warns=("bad_event",), finish="stop"),
    Row(number=39, name="bad-events-only", answers=(stream("{", '{"choices":', "[", delta("late"), finish()),),
        error="bad_event", billed=True, warns=("bad_event",)),
    good(39, "words-for-life", sse(delta(FIRST), "null", "ping", "17", '"alive"', delta(SECOND), finish(), usage(), "[DONE]")),
    *(
        Row(number=40, name=f"number-{n}", answers=(stream(delta(TEXT), finish(), bad, "[DONE]"),), status="ok", text=TEXT,
            tokens=tokens, warns=("bad_cost" if tokens[0] else "bad_usage",))
        for n, bad, tokens in (
            ("nan", usage("NaN"), (7, 3)), ("infinity", usage("-Infinity"), (7, 3)), ("1e999", usage("1e999"), (7, 3)),
            ("huge-exponent", usage("1e99999999999999999999"), (7, 3)), ("digits", usage("9" * 5000), (7, 3)),
            ("tokens", usage(None, prompt_tokens=10**40, completion_tokens=-1), (None, None)),
        )
    ),
    good(41, "deep", sse(delta(FIRST), _DEEP, delta(SECOND), finish(), usage(), "[DONE]"), warns=("bad_event",),
         status="incomplete", error="bad_event", cuts=("whole",)),
    Row(number=41, name="deep-body", answers=(Answer(_DEEP.encode(), kind="application/json"),), error="protocol",
        billed=True, cuts=("whole",)),
    Row(number=41, name="deep-error", answers=(Answer(b'{"error":' + b'{"message":' * 900 + b"1" + b"}" * 900 + b"}", 400, "application/json"),),
        error="bad_request", cuts=("whole",)),
    short(42, "fields", _FIELDS),
    *(short(43, f"lines-{n}", _lines(ending)) for n, ending in (("lf", "\n"), ("cr", "\r"), ("crlf", "\r\n"))),
    short(43, "separators", sse(delta(LINES), finish()), text=LINES),
    short(44, "bom", BOM + _WHOLE),
    short(44, "bom-twice", BOM + BOM + _WHOLE, warns=("extra_bom",)),
    short(45, "code-points", sse(delta("Grüße"), delta(" 🥊."), finish())),
    good(46, "bad-utf8", sse(delta(FIRST + "~")).replace(b"~", b"\xff") + sse(finish(), usage(), "[DONE]"),
         text=FIRST + "\ufffd", warns=("bad_utf8",)),
    good(47, "no-blank-line", sse(delta(TEXT), finish(), usage()).rstrip(b"\n"), warns=("unterminated_event",)),
    good(47, "no-blank-line-done", sse(delta(TEXT), usage(), "[DONE]").rstrip(b"\n"), finish=None,
         status="incomplete", error="no_finish", warns=("unterminated_event", "no_finish")),
    broken(48, "error-object-late", {"error": {"code": 502, "message": "Down.", "metadata": {"error_type": "provider_unavailable"}}, **finish("error")},
           "server", says=("Down.",), finish="error"),
    broken(48, "error-late", {"error": {"code": 502}}, "server", split=True),
    broken(48, "error-limit-late", {"error": {"code": 429, "metadata": {"error_type": "rate_limit_exceeded"}}}, "rate_limit"),
    Row(number=48, name="error-object-first", answers=(stream({"error": {"code": 502, "message": "Down."}}),), error="server",
        posts=3, billed=True, cuts=("whole",)),
    broken(49, "event-error-late", f"event: error\ndata: {compact(_OVERLOADED)}\n\n".encode(), "overloaded"),
    Row(number=49, name="event-error-first", answers=(Answer(f"event: error\ndata: {compact(_OVERLOADED)}\n\n".encode()), GOOD),
        posts=2, billed=True, cuts=("whole",), **OK),
    broken(49, "event-error-text", b"event: error\ndata: something broke\n\n", "provider", says=("something broke",)),
    broken(50, "finish-error", finish("error"), "provider", finish="error"),
    broken(50, "choice-error", choice(error={"code": 503, "message": "Down."}), "server"),
    Row(number=50, name="choice-error-whole", billed=False, error="server", text=FIRST, cost=Decimal(COST), tokens=(7, 3),
        answers=(Answer(compact({"choices": [{"message": {"content": FIRST}, "finish_reason": "error", "error": {"code": 502, "message": "x"}}], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "cost": 0.00125}}).encode(), kind="application/json", framing="length"),),
        finish="error", warns=("not_streamed",)),
    good(51, "no-choices", sse({"choices": []}, {"choices": None}, {"debug": {"x": 1}}, delta(TEXT), finish(), usage(), "[DONE]")),
    Row(number=51, name="no-choices-only", answers=(stream({"choices": []}, {"choices": None}, {"id": "x"}),), status="empty",
        error="empty", posts=2, billed=True),
)  # fmt: skip
