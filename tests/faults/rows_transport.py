"""Rows 1 to 13: what goes wrong between two machines, and clocks."""

from __future__ import annotations

from tests.faults.answer import FIRST, GOOD, OTHER, OTHER_TEXT, TEXT, Answer, compact, delta, finish, sse, stream
from tests.faults.row import OK, Row

QUICK = {"ttft": 0.8, "idle": 0.8}
HALF = stream(delta(FIRST))
COMMENT = b": OPENROUTER PROCESSING\n\n"
GEN = (("X-Generation-Id", "gen-77"),)
EMPTY_DELTA = sse({"choices": [{"delta": {"content": ""}}]})
SLOW = sse(delta("x"))


def _timed(number: int, name: str, answer: Answer, error: str, **more: object) -> Row:
    given: dict[str, object] = {"status": "timeout", "billed": True, "limits": QUICK, "says": (" s",)}
    return Row(number=number, name=name, answers=(answer,), error=error, **{**given, **more})  # type: ignore[arg-type]


ROWS = (
    Row(number=1, name="dns", at="dns", error="dns", attempts=2, cuts=("whole",), says=("cannot be found",)),
    Row(number=2, name="refused", at="refused", error="connect", attempts=3, cuts=("whole",)),
    *(
        Row(number=3, name=f"tls-{name}", at=name, error="tls", attempts=1, cuts=("whole",), says=("SSL_CERT_FILE", "never switched off"))
        for name in ("selfsigned", "expired", "otherhost")
    ),
    Row(number=3, name="tls-good", at="good", answers=(GOOD,), cuts=("whole",), **OK),
    Row(number=4, name="connect-timeout", at="blackhole", error="connect_timeout", attempts=3, cuts=("whole",)),
    Row(number=5, name="send", at="send", error="send", attempts=2, billed=True, cuts=("whole",), options={"big": True}, heavy=True),
    Row(number=6, name="pool", answers=(GOOD,), cuts=("whole",), **OK),
    Row(number=6, name="other", answers=(OTHER,), cuts=("whole",), **{**OK, "text": OTHER_TEXT}),
    _timed(7, "header-stall", Answer(framing="none", end="hold"), "ttft", cuts=("whole",)),
    _timed(8, "body-stall", Answer(headers=GEN, end="hold"), "ttft", generation="gen-77", cuts=("whole",)),
    _timed(9, "idle", stream(delta(FIRST), end="hold"), "idle", text=FIRST),
    _timed(10, "comments", HALF.but(again=COMMENT, every=0.05), "idle", text=FIRST),
    _timed(10, "comments-only", Answer(COMMENT, again=COMMENT, every=0.05), "ttft"),
    _timed(11, "empty-deltas", HALF.but(again=EMPTY_DELTA, every=0.05), "idle", text=FIRST),
    _timed(11, "empty-deltas-only", Answer(EMPTY_DELTA, again=EMPTY_DELTA, every=0.05), "ttft"),
    _timed(11, "same-usage", HALF.but(again=sse({"choices": [], "usage": {"prompt_tokens": 1}}), every=0.05), "idle",
           text=FIRST, tokens=(1, None)),
    _timed(11, "bad-bytes", HALF.but(again=b'data: {"choices":[],"x":"\xff"}\n\n', every=0.05), "idle", text=FIRST, warns=("bad_utf8",)),
    _timed(12, "slow-loris", Answer(b"data: ", again=b" ", every=0.02), "ttft"),
    _timed(12, "slow-loris-late", HALF.but(again=b"d", every=0.02), "idle", text=FIRST),
    _timed(12, "slow-words", Answer(SLOW, again=SLOW, every=0.1), "total", text="x*", options={"timeout": 1.5},
           says=("1.5 s", "Raise timeout")),
    *(
        Row(number=13, name=f"{how}-half", answers=(answer.but(end=end),), error="disconnect", text=FIRST, billed=True)
        for how, answer, end in (
            ("reset", HALF, "reset"), ("fin", HALF, "close"), ("length", HALF.but(framing="length", short=9), "close"),
        )
    ),
    *(
        Row(number=13, name=f"{how}-nothing", answers=(answer,), error="disconnect", posts=3, billed=True, cuts=("whole",))
        for how, answer in (
            ("reset", Answer(end="reset")), ("fin", Answer(end="close")), ("head", Answer(framing="none", end="reset")),
            ("length", Answer(framing="length", short=9, end="close")),
        )
    ),
    Row(number=13, name="reset-then-good", answers=(Answer(end="reset"), GOOD), posts=2,
        billed=True, cuts=("whole",), **OK),
    Row(number=13, name="half-event", answers=(HALF.but(body=HALF.body + b'data: {"choices":[{"de', end="close"),),
        error="disconnect", text=FIRST, billed=True),
    Row(number=13, name="reset-after-finish", answers=(stream(delta(TEXT), finish(), end="reset"),), status="ok",
        text=TEXT),
    Row(number=14, name="eof", answers=(HALF,), status="incomplete", error="truncated", text=FIRST, billed=True,
        split=True),
    Row(number=14, name="eof-close", answers=(HALF.but(framing="close"),), status="incomplete", error="truncated",
        text=FIRST, billed=True),
    Row(number=14, name="eof-length", answers=(HALF.but(framing="length"),), status="incomplete", error="truncated",
        text=FIRST, billed=True),
    Row(number=14, name="eof-in-event", answers=(HALF.but(body=HALF.body + b"data: " + compact(delta("lost"))[:20].encode()),),
        status="incomplete", error="truncated", text=FIRST, billed=True),
)  # fmt: skip
