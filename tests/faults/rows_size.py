"""Rows 58 to 62, 64 and 65: bills, and sizes."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

from tests.faults.answer import COST, FIRST, TEXT, Answer, compact, delta, failure, finish, sse, stream, usage
from tests.faults.row import Row

MIB = 1 << 20
WORDS = sse(delta("word " * 4000))


@cache
def bomb(size: int, *, begin: bytes = b"") -> bytes:
    """`size` bytes of zeros, packed."""
    packer = zlib.compressobj(9, wbits=31)
    return packer.compress(begin) + b"".join(packer.compress(bytes(MIB)) for _ in range(size // MIB)) + packer.flush()


def _bill(number: int, name: str, *bills: Any, **more: Any) -> Row:
    answer = stream(delta(TEXT), *bills[:-1], finish(), *bills[-1:], "[DONE]")
    return Row(number=number, name=name, answers=(answer,), **{"status": "ok", "text": TEXT, "finish": "stop", **more})


_KNOWN = (("X-Generation-Id", "gen-$MODEL"),)
_BILL = {"total_cost": 0.00125, "native_tokens_prompt": 7, "native_tokens_completion": 3, "model": "the/model"}
BILL = Answer(compact({"data": _BILL}).encode(), kind="application/json", framing="length")
NOT_YET = failure(404, "Generation not found.")


def _later(name: str, *bills: Answer, said: tuple[Any, ...] = (delta(TEXT), finish(), "[DONE]"), **more: Any) -> Row:
    """A good reply that tells its id and no usage; its bill is `bills`."""
    given: dict[str, Any] = {"status": "ok", "text": TEXT, "finish": "stop", "looks": len(bills), **more}
    if bills[-1] is BILL:
        given |= {"cost": Decimal(COST), "tokens": (7, 3)}
    return Row(number=58, name=name, answers=(stream(*said, headers=_KNOWN),), bills=bills, **given)


def _big(number: int, name: str, answer: Any, **more: Any) -> Row:
    given = {"status": "incomplete", "error": "too_big", "billed": True, "cuts": ("whole",), "heavy": True}
    return Row(number=number, name=name, answers=answer if callable(answer) else (answer,), **{**given, **more})


def _event(
    filling: str, times: int, *, before: str = '{"choices":[{"delta":{"content":"', after: str = '"}}]}'
) -> bytes:
    """One event that is just allowed in raw size."""
    return f"data: {before}{filling * times}{after}\n\n".encode()


def _one(name: str, make: Callable[[], bytes], error: str | None = "too_big", **more: Any) -> Row:
    given = {"status": "incomplete", "billed": True, "cuts": ("whole",), "heavy": True}
    return Row(number=61, name=f"event-{name}", error=error, answers=lambda turn: Answer(make() + sse(finish(), "[DONE]")),
               **{**given, **more})  # fmt: skip


ROWS = (
    _bill(58, "no-usage", tokens=(None, None)),
    _later("bill-at-once", BILL),
    _later("bill-in-time", NOT_YET, NOT_YET, BILL),
    _later("bill-never", NOT_YET, NOT_YET, NOT_YET, tokens=(None, None)),
    _later("bill-forbidden", failure(403, "No."), tokens=(None, None)),
    _later("bill-hangs", BILL.but(framing="none", end="hold"), tokens=(None, None)),
    _later("bill-of-junk", Answer(b'{"data":{"total_cost":-1,"native_tokens_prompt":"x"}}', kind="application/json",
           framing="length"), tokens=(None, None)),
    _later("bill-of-an-error", BILL, said=(delta(FIRST), {"error": {"code": 502, "message": "Down."}}), status="error",
           error="server", text=FIRST, finish=None),
    _later("bill-of-nothing", BILL, said=(finish(),), status="empty", error="empty", text=""),
    _bill(59, "usage-twice", usage("0.5", prompt_tokens=1), usage(), cost=Decimal(COST), tokens=(7, 3)),
    _bill(60, "no-cost", usage(None), tokens=(7, 3)),
    _bill(60, "negative", usage("-0.01"), tokens=(7, 3), warns=("bad_cost",)),
    _bill(60, "text", usage('"0.01"'), cost=Decimal("0.01"), tokens=(7, 3)),
    _bill(60, "zero", usage("0"), cost=Decimal(0), tokens=(7, 3)),
    _bill(60, "exact", usage("0.30000000000000004"), cost=Decimal("0.30000000000000004"), tokens=(7, 3)),
    _big(61, "words", Answer(WORDS, again=WORDS), text="word *"),
    _big(61, "one-event", Answer(b'data: {"choices":[{"delta":{"content":"', again=b"x" * 65536)),
    _big(61, "one-line-of-json", Answer(b'{"choices":[{"message":{"content":"', again=b"x" * 65536, kind="application/json")),
    _big(61, "blank", Answer(b"\n", again=b"\n" * 65536), status="timeout", error="ttft", limits={"ttft": 1.0, "idle": 1.0}),
    _big(61, "spaces", Answer(b" ", again=b" " * 65536)),
    _one("of-text", lambda: _event("word ", 3 * MIB), text="word *"),
    _one("of-half", lambda: _event("x", 7 * MIB), None, status="ok", text="x*", billed=False, finish="stop"),
    _one("of-escapes", lambda: _event("\\u00e9", 2 * MIB), None, status="ok", text="é*", billed=False, finish="stop"),
    _one("of-emoji", lambda: _event("🥊", 4 * MIB - 100), None, status="ok", text="🥊*", billed=False, finish="stop"),
    _one("of-text-and-one-emoji", lambda: _event("x", 12 * MIB, after='🥊"}}]}')),
    _one("of-lists", lambda: _event("[],", 5 * MIB, before="[", after="[]]"), status="error",
         error="bad_event", warns=("bad_event",)),
    _one("of-objects", lambda: _event('{"a":1},', 1_900_000, before="[", after="{}]"), status="error",
         error="bad_event", warns=("bad_event",)),
    _one("of-junk", lambda: _event('"\\"', 5 * MIB, before="[", after=""), status="error",
         error="bad_event", warns=("bad_event",)),
    _big(62, "gzip", lambda turn: Answer(bomb(300 * MIB), headers=(("Content-Encoding", "gzip"),), framing="length")),
    _big(62, "gzip-event", lambda turn: Answer(bomb(300 * MIB, begin=b"data: "), headers=(("Content-Encoding", "gzip"),))),
    _big(62, "gzip-error", lambda turn: Answer(bomb(300 * MIB), 400, headers=(("Content-Encoding", "gzip"),), framing="length"),
         status="error", error="bad_request", billed=False),
    _big(62, "brotli", Answer(b"\x1b\x03", headers=(("Content-Encoding", "br"),)), status="error", error="protocol"),
    _big(64, "words-slowly", Answer(WORDS, again=sse(delta("and ")), every=0.02), status="timeout", error="total",
         text="word *", options={"timeout": 2}),
    _big(64, "reasoning", Answer(again=sse({"choices": [{"delta": {"reasoning": "hm " * 4000}}]})), reasoning="hm *"),
    Row(number=65, name="long-header", answers=(Answer(headers=(("X", "y" * MIB),)),), error="protocol", billed=True,
        cuts=("whole",)),
    Row(number=65, name="many-headers", answers=(Answer(headers=tuple((f"X-{n}", "y" * 100) for n in range(10_000))),),
        error="protocol", billed=True, cuts=("whole",)),
    Row(number=65, name="not-http", answers=(Answer(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", framing="raw"),), error="protocol",
        billed=True, cuts=("whole",)),
    Row(number=90, name="goaway", at="goaway", error="protocol", attempts=1, billed=True, cuts=("whole",)),
)  # fmt: skip
