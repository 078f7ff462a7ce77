"""Rows 14 to 18 and 52 to 57: how a reply may end."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.faults.answer import COST, FIRST, TEXT, choice, delta, finish, sse, stream, usage, whole
from tests.faults.row import Row

_TOOL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "rm", "arguments": '{"path":"/"}'}}
_PAID: dict[str, Any] = {"cost": Decimal(COST), "tokens": (7, 3)}


def both(
    number: int, name: str, said: list[Any], message: dict[str, Any], reason: str | None, **more: Any
) -> tuple[Row, Row]:
    """The same end as a stream and as a reply in one piece."""
    streamed = Row(number=number, name=name, answers=(stream(*said, usage(), "[DONE]"),), **_PAID, **more)
    warns = ("not_streamed", *more.pop("warns", ()))
    piece = Row(number=number, name=f"{name}-whole", answers=(whole(message, reason),), warns=warns, **_PAID, **more)
    return streamed, piece


ROWS = (
    Row(number=15, name="no-finish", answers=(stream(delta(TEXT), "[DONE]"),), status="incomplete", error="no_finish",
        text=TEXT, warns=("no_finish",), billed=True, split=True),
    Row(number=16, name="no-done", answers=(stream(delta(TEXT), finish()),), status="ok", text=TEXT, finish="stop",
        split=True),
    Row(number=17, name="done-open", answers=(stream(delta(TEXT), finish(), "[DONE]", end="hold"),), status="ok",
        text=TEXT, finish="stop"),
    Row(number=17, name="done-open-no-finish", answers=(stream(delta(TEXT), "[DONE]", end="hold"),),
        status="incomplete", error="no_finish", text=TEXT, warns=("no_finish",), billed=True),
    Row(number=18, name="after-done", answers=(stream(delta(TEXT), finish(), usage(), "[DONE]", delta("late"), usage("9"), "[DONE]"),),
        status="ok", text=TEXT, finish="stop", **_PAID),
    Row(number=18, name="after-done-for-ever", answers=(stream(delta(TEXT), finish(), "[DONE]", again=sse(delta("late"))),),
        status="ok", text=TEXT, finish="stop", cuts=("whole",)),
    *both(52, "length", [delta(TEXT), finish("length")], {"content": TEXT}, "length", status="incomplete",
          error="length", text=TEXT, finish="length", says=("--max-tokens",)),
    *both(53, "filter", [delta(FIRST), finish("content_filter")], {"content": FIRST}, "content_filter",
          status="filtered", error="content_filter", text=FIRST, finish="content_filter"),
    *both(53, "filter-nothing", [finish("content_filter")], {"content": None}, "content_filter",
          status="filtered", error="content_filter", finish="content_filter"),
    *both(54, "unknown-finish", [delta(TEXT), finish("insufficient_system_resource")], {"content": TEXT},
          "insufficient_system_resource", status="incomplete", error="finish:insufficient_system_resource", text=TEXT,
          finish="insufficient_system_resource"),
    *both(55, "null", [choice(), finish()], {"content": None}, "stop", status="empty", error="empty", finish="stop"),
    *both(55, "reasoning-only", [choice(delta={"reasoning": "Hm."}), finish()], {"content": None, "reasoning": "Hm."},
          "stop", status="empty", error="empty", reasoning="Hm.", finish="stop"),
    *both(55, "reasoning-to-the-end", [choice(delta={"reasoning": "Hm."}), finish("length")],
          {"content": "", "reasoning": "Hm."}, "length", status="empty", error="empty", reasoning="Hm.",
          finish="length", says=("--max-tokens",)),
    *both(56, "refusal", [choice(delta={"refusal": "I cannot."}), finish()], {"content": None, "refusal": "I cannot."},
          "stop", status="refused", error="refusal", text="I cannot.", finish="refusal"),
    Row(number=56, name="refusal-error", answers=(stream({"error": {"code": 400, "message": "No.", "metadata": {"error_type": "refusal"}}}),),
        status="refused", error="refusal", billed=True, says=("No.",)),
    *both(57, "tools", [choice(delta={"tool_calls": [_TOOL]}), finish("tool_calls")],
          {"content": None, "tool_calls": [_TOOL]}, "tool_calls", status="error", error="tool_calls",
          finish="tool_calls", warns=('tool_calls: rm{"path":"/"}',)),
    *both(57, "tools-and-text", [delta(FIRST), choice(delta={"tool_calls": [_TOOL]}), finish("tool_calls")],
          {"content": FIRST, "tool_calls": [_TOOL]}, "tool_calls", status="incomplete", error="tool_calls",
          text=FIRST, finish="tool_calls", warns=('tool_calls: rm{"path":"/"}',)),
)  # fmt: skip
