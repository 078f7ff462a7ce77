"""Threat 5: a service quotes the key it was sent, wherever a service can say anything. Numbered 0."""

from __future__ import annotations

from tests.faults.answer import Answer, choice, compact, delta, failure, finish, sse, stream, whole
from tests.faults.row import Row

_TOOL = {"index": 0, "function": {"name": "$KEY", "arguments": "$KEY1"}}
_TOOL_REST = {"function": {"arguments": "$KEY2"}}
_SAID = {"status": "ok", "finish": "stop"}
_FALLBACK = {"fallback_models": ["$KEY"]}
_ALSO = {"metadata": {"raw": "$KEY", "reasons": ["$KEY"]}, "availability": _FALLBACK}


def _row(name: str, answer: Answer, **more: object) -> Row:
    return Row(number=0, name=f"echo-{name}", answers=(answer,), **more)  # type: ignore[arg-type]


ROWS = (
    _row("text", stream(delta("It is $KEY, yes."), finish()), text="It is ***, yes.", **_SAID),
    _row("text-in-two", stream(delta("It is $KEY1"), delta("$KEY2, yes."), finish()), text="It is ***, yes.", **_SAID),
    _row("text-in-three", stream(delta("It is s"), delta("k-or"), delta("-v1-no, $KEY1"), delta("$KEY2"), finish()),
         text="It is sk-or-v1-no, ***", **_SAID),
    _row("halves", stream(delta("First $KEY1 then"), delta(" $KEY2, and $KEY1"), finish()),
         text="First *** then ***, and ***", **_SAID),
    _row("reasoning", stream(choice(delta={"reasoning": "Hm, $KEY1"}), choice(delta={"reasoning": "$KEY2."}), delta("A."), finish()),
         text="A.", reasoning="Hm, ***.", **_SAID),
    _row("whole", whole({"content": "It is $KEY."}, usage={"prompt_tokens": 1}), text="It is ***.", warns=("not_streamed",), **_SAID),
    _row("names", stream({"id": "gen-$KEY", "model": "m-$KEY", **delta("A.")}, finish()), text="A.",
         generation="gen-***", **_SAID),
    _row("header", stream(delta("A."), finish(), headers=(("X-Generation-Id", "$KEY"), ("X-Key", "$KEY"))), text="A.",
         generation="***", **_SAID),
    _row("tools", stream(choice(delta={"tool_calls": [_TOOL]}), choice(delta={"tool_calls": [_TOOL_REST]}), finish("tool_calls")),
         error="tool_calls", billed=True, warns=("tool_calls: ******",)),
    _row("finish", stream(delta("A."), finish("$KEY")), status="incomplete", error="finish:***", text="A."),
    _row("error", failure(400, "Bad key $KEY.", **_ALSO), error="bad_request", says=("***",)),
    _row("error-cut", failure(400, "x" * 870 + " $KEY"), error="bad_request"),
    _row("error-entities", failure(400, "<b>$KEY1</b>&#x2d;$KEY2 $KEY1\u200b$KEY2"), error="bad_request", says=("***",)),
    _row("page", Answer(b"<title>$KEY</title><p>$KEY</p>", 404, "text/html"), error="model", says=("***",)),
    _row("late", Answer(sse(delta("A."), {"error": {"code": 502, "message": "$KEY"}})), error="server", text="A.",
         billed=True, says=("***",)),
    _row("portal", Answer(b"Hello $KEY, log in.", kind="text/plain"), error="not_sse", billed=True, says=("***",)),
    _row("redirect", Answer(status=302, headers=(("Location", "https://$KEY.example/"),), framing="length"), error="redirect"),
    _row("json", Answer(compact({"error": "$KEY"}).encode(), kind="application/json"), error="provider", billed=True,
         says=("***",)),
)  # fmt: skip
