"""The chat-completions wire, bytes in and chunks out: what arrived is kept, and nothing is called whole that is not."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_nb.core import Chunk, Usage
from fusion_nb.errors import ProviderError
from fusion_nb.providers.chat_decoder import ChatDecoder
from fusion_nb.providers.provider_errors import Target
from tests.wire_server import delta, finish, sse, usage

DONE = sse("[DONE]")
TARGET = Target("openrouter", "m", "OPENROUTER_API_KEY")


class Decoded:
    """What a stream came to."""

    def __init__(self, *pieces: bytes, kind: str = "text/event-stream", target: Target = TARGET) -> None:
        decoder = ChatDecoder(target, kind)
        self.chunks: list[Chunk] = []
        for piece in pieces:
            if not decoder.done:
                self.chunks += decoder.feed(piece)
        self.done = decoder.done
        self.chunks += decoder.end()
        self.fault: ProviderError | None = decoder.fault

    def text(self, channel: str = "content") -> str:
        return "".join(c.text for c in self.chunks if c.channel == channel)

    def last(self, field: str) -> Any:
        return next((v for c in reversed(self.chunks) if (v := getattr(c, field)) is not None), None)

    @property
    def warnings(self) -> list[str]:
        return [c.warning for c in self.chunks if c.warning]

    @property
    def error(self) -> tuple[str, str] | None:
        return (self.fault.error, self.fault.status) if self.fault else None


def stream(*events: Any) -> bytes:
    return b"".join(map(sse, events))


GOOD = stream(delta("Hi "), delta("wörld 🥊\u2028\u2029\x85."), finish(), usage("0.0012"), "[DONE]")


def test_a_reply() -> None:
    """Text, reason, usage and cost of a plain reply; text that came together is one chunk."""
    decoded = Decoded(GOOD)
    assert decoded.chunks == [
        Chunk(generation_id="gen-1"),
        Chunk("Hi wörld 🥊\u2028\u2029\x85."),
        Chunk(finish="stop"),
        Chunk(usage=Usage(3, 2), cost=Decimal("0.0012")),
    ]
    assert decoded.error is None
    assert decoded.done


def test_every_split_gives_the_same_text() -> None:
    """Cut at any byte, the text is the same to the byte."""
    for cut in range(len(GOOD)):
        decoded = Decoded(GOOD[:cut], GOOD[cut:])
        assert (decoded.text(), decoded.last("finish"), decoded.last("cost")) == (
            "Hi wörld 🥊\u2028\u2029\x85.",
            "stop",
            Decimal("0.0012"),
        )
    assert Decoded(*(bytes([b]) for b in GOOD)).text() == "Hi wörld 🥊\u2028\u2029\x85."


@given(st.lists(st.text(max_size=8), min_size=1, max_size=8))
def test_any_text_comes_through(texts: list[str]) -> None:
    """Whatever a model says arrives as it was said."""
    decoded = Decoded(stream(*map(delta, texts), finish(), "[DONE]"))
    assert decoded.text() == "".join(texts)


def test_channels_keep_their_order() -> None:
    """Reasoning and content are told apart, in the order they came."""
    thinking = {"index": 0, "delta": {"reasoning": "hm"}}
    decoded = Decoded(
        stream(
            {"choices": [thinking]}, {"choices": [thinking]}, delta("a"), {"choices": [thinking]}, finish(), "[DONE]"
        )
    )
    assert [(c.channel, c.text) for c in decoded.chunks if c.text] == [
        ("reasoning", "hmhm"),
        ("content", "a"),
        ("reasoning", "hm"),
    ]
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]
    decoded = Decoded(stream({"choices": [{"delta": {"content": parts}}]}, finish(), "[DONE]"))
    assert (decoded.text("reasoning"), decoded.text()) == ("hm", "a")
    decoded = Decoded(stream({"choices": [{"delta": {"reasoning_content": "hm", "content": "a"}}]}, finish(), "[DONE]"))
    assert [c.text for c in decoded.chunks if c.text] == ["hm", "a"]


def test_done_ends_at_once_and_what_follows_is_ignored() -> None:
    """`[DONE]` is the end, whatever comes behind it."""
    decoded = Decoded(GOOD + stream(delta("late"), "[DONE]"), stream(delta("later")))
    assert decoded.text() == "Hi wörld 🥊\u2028\u2029\x85."
    assert decoded.error is None


@pytest.mark.parametrize(
    ("events", "error", "warnings"),
    [
        ([delta("a")], ("truncated", "incomplete"), []),
        ([delta("a"), "[DONE]"], ("no_finish", "incomplete"), ["no_finish"]),
        ([delta("a"), finish()], None, []),
        ([delta("a"), finish("length"), "[DONE]"], None, []),
        ([{"choices": []}, {"choices": None}, {"id": "x"}], ("empty", "empty"), []),
        (["[DONE]"], ("empty", "empty"), []),
        ([finish(), "[DONE]"], None, []),
        ([delta("a"), "{oops", delta("b"), finish(), "[DONE]"], ("bad_event", "incomplete"), ["bad_event"]),
        ([delta("a"), "{", "{", "{", delta("b"), finish()], ("bad_event", "incomplete"), ["bad_event"] * 3),
        (["{", "{", "{", delta("b"), finish()], ("bad_event", "error"), ["bad_event"] * 3),
        ([delta("a"), "{oops", "[DONE]"], ("bad_event", "incomplete"), ["bad_event"]),
        ([delta("a"), "[" * 100_000, finish(), "[DONE]"], ("bad_event", "incomplete"), ["bad_event"]),
    ],
)  # fmt: skip
def test_how_it_may_end(events: list[Any], error: Any, warnings: list[str]) -> None:
    """A reply is whole where the service said why it stopped and nothing of it was lost; else it is not."""
    decoded = Decoded(stream(*events))
    assert decoded.error == error
    assert decoded.warnings == warnings
    assert (
        decoded.text()
        == "".join(
            s["choices"][0]["delta"].get("content", "") for s in events if isinstance(s, dict) and s.get("choices")
        )[: len(decoded.text())]
    )


def test_nothing_at_all_is_empty() -> None:
    """No bytes, or only blank ones, are no reply."""
    for pieces in ((), (b"",), (b"\n\n\n",), (b": ping\n\n",)):
        assert Decoded(*pieces).error == ("empty", "empty")


def test_progress_alone_makes_chunks() -> None:
    """Keep-alives and empty deltas are no progress, or a stalled reply would never be noticed."""
    decoded = Decoded(
        b": OPENROUTER PROCESSING\n\n" * 3 + stream({"choices": [{"index": 0, "delta": {"content": ""}}]}) * 3
    )
    assert decoded.chunks == []


def test_the_last_event_without_its_blank_line_is_kept() -> None:
    """The bill is not lost where the connection ends right behind it; half an event is."""
    bill = stream(delta("a"), finish()) + sse(usage("0.5")).rstrip(b"\n")
    decoded = Decoded(bill)
    assert (decoded.last("cost"), decoded.warnings, decoded.error) == (Decimal("0.5"), ["unterminated_event"], None)
    assert Decoded(bill[:-5]).last("cost") is None


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ("0.1", Decimal("0.1")),
        ("0.30000000000000004", Decimal("0.30000000000000004")),
        ("0.00001234567890123456789", Decimal("0.00001234567890123456789")),
        ('"0.01"', Decimal("0.01")),
        ("0", Decimal(0)),
        ("null", None),
    ],
)
def test_cost_is_exact(cost: str, expected: Decimal | None) -> None:
    """What the service charged is kept to the last digit; nothing said is nothing, not zero."""
    events = b'data: {"choices": [], "usage": {"prompt_tokens": 1, "cost": %s}}\n\n' % cost.encode()
    decoded = Decoded(stream(delta("a"), finish()) + events + DONE)
    assert (decoded.last("cost"), decoded.warnings) == (expected, [])


@pytest.mark.parametrize(
    "cost", ["-0.1", "NaN", "Infinity", "1e400", '"free"', "true", "[]", "1e9", "1e-500", "9" * 5000]
)
def test_nonsense_cost_is_unknown_and_said(cost: str) -> None:
    """A cost that cannot be is `None` with a warning, and the rest of its event still counts."""
    events = b'data: {"choices": [], "usage": {"prompt_tokens": 7, "cost": %s}}\n\n' % cost.encode()
    decoded = Decoded(stream(delta("a"), finish()) + events + DONE)
    assert (decoded.last("cost"), decoded.last("usage"), decoded.warnings) == (None, Usage(7), ["bad_cost"])


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4},
          "completion_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 15}, Usage(10, 5, 4, 3)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3},
          "total_tokens": 18}, Usage(10, 8, None, 3)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 18}, Usage(10, 8, None, 3)),
        ({"prompt_tokens": "10", "completion_tokens": 5.0, "prompt_cache_hit_tokens": 2}, Usage(10, 5, 2)),
        ({"prompt_tokens": -1, "completion_tokens": 10**30}, Usage()),
        ({"prompt_tokens": True, "completion_tokens": None, "prompt_tokens_details": []}, Usage()),
    ],
)  # fmt: skip
def test_tokens(used: dict[str, Any], expected: Usage) -> None:
    """Prompt includes cached, completion includes reasoning, whatever the service's habit; nonsense is unknown."""
    assert Decoded(stream(delta("a"), finish(), {"usage": used}, "[DONE]")).last("usage") == expected


def test_the_last_usage_counts() -> None:
    """Usage that grows with every chunk is not added up, and may be anywhere."""
    decoded = Decoded(stream(delta("a", usage={"prompt_tokens": 1}), finish(usage={"prompt_tokens": 2}), "[DONE]"))
    assert [c.usage for c in decoded.chunks if c.usage] == [Usage(2)]
    groq = {"id": "x", "choices": [], "x_groq": {"usage": {"prompt_tokens": 9}}}
    assert Decoded(stream(delta("a"), finish(), groq, "[DONE]")).last("usage") == Usage(9)
    moonshot = {"choices": [{"delta": {}, "finish_reason": "stop", "usage": {"prompt_tokens": 8}}]}
    assert Decoded(stream(delta("a"), moonshot, "[DONE]")).last("usage") == Usage(8)


@pytest.mark.parametrize(
    ("events", "finish_as"),
    [("stop", "stop"), ("STOP", "stop"), ("end_turn", "stop"), ("eos", "stop"), ("MAX_TOKENS", "length"), ("model_length", "length"),
     ("SAFETY", "content_filter"), ("tool_calls", "tool_calls"), ("insufficient_system_resource", "insufficient_system_resource")],
)  # fmt: skip
def test_reasons_to_finish(events: str, finish_as: str) -> None:
    """Each service's word for the same end is the field's word; an unknown one stays its own."""
    assert Decoded(stream(delta("a"), finish(events), "[DONE]")).last("finish") == finish_as


def test_a_refusal_is_one() -> None:
    """A refusal's words are shown, and it does not count as an answer."""
    decoded = Decoded(stream({"choices": [{"delta": {"refusal": "I cannot."}}]}, finish(), "[DONE]"))
    assert (decoded.text(), decoded.last("finish")) == ("I cannot.", "refusal")


def test_tool_calls_are_told_and_never_executed() -> None:
    """What a model wanted to call is on record, as words."""
    calls = [{"index": 0, "function": {"name": "rm", "arguments": '{"path"'}}]
    more = [{"index": 0, "function": {"arguments": ': "/"}'}}]
    decoded = Decoded(
        stream(
            {"choices": [{"delta": {"tool_calls": calls}}]},
            {"choices": [{"delta": {"tool_calls": more}}]},
            finish("tool_calls"),
            "[DONE]",
        )
    )
    assert decoded.last("finish") == "tool_calls"
    assert decoded.warnings == ['tool_calls: rm{"path": "/"}']


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ({"error": {"code": 502, "message": "bad upstream"}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}, "server"),
        ({"error": {"code": 429, "metadata": {"error_type": "rate_limit_exceeded"}}}, "rate_limit"),
        ({"error": "out of luck"}, "provider"),
        ({"choices": [{"delta": {}, "error": {"code": 503, "metadata": {"error_type": "provider_overloaded"}}}]}, "overloaded"),
        ({"error": {"type": "refusal", "message": "no"}}, "refusal"),
        ({"type": "error", "error": {"type": "overloaded_error"}}, "overloaded"),
        ({"message": "Internal server error", "status": 500}, "server"),
    ],
)  # fmt: skip
def test_errors_in_the_middle(events: dict[str, Any], error: str) -> None:
    """An error under the status of a success is an error; the text before it is kept."""
    decoded = Decoded(stream(delta("half"), events))
    assert decoded.fault is not None
    assert (decoded.text(), decoded.fault.error) == ("half", error)


@pytest.mark.parametrize("line", [
    b'{"error": {"message": "oops", "code": 500}}', b"<html><body>504 Gateway Time-out</body></html>",
    b"<!DOCTYPE html><title>502</title>",
])  # fmt: skip
def test_a_gateways_words_in_the_middle_of_a_stream(line: bytes) -> None:
    """What a gateway writes into a stream is no field of it; text may be missing, and no end makes up for that."""
    decoded = Decoded(stream(delta("half ")) + line + b"\n\n" + stream(finish(), "[DONE]"))
    assert (decoded.text(), decoded.fault is not None) == ("half ", True)


@pytest.mark.parametrize(("native", "finish_as"), [
    ("MAX_TOKENS", "length"), ("max_output_tokens", "length"), ("SAFETY", "content_filter"),
    ("MALFORMED_FUNCTION_CALL", "error"), ("STOP", "stop"), ("end_turn", "stop"), ("completed", "stop"), (None, "stop"),
    ("some_word", "stop"),
])  # fmt: skip
def test_what_a_router_was_told_about_the_end(native: str | None, finish_as: str) -> None:
    """A router's `stop` is none where the service behind it says that the reply was cut or blocked."""
    choice = {"delta": {}, "finish_reason": "stop", "native_finish_reason": native}
    assert Decoded(stream(delta("a"), {"choices": [choice]}, "[DONE]")).last("finish") == finish_as


def test_error_events() -> None:
    """`event: error` is an error whatever its data looks like."""
    for body in (
        '{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}',
        '{"type": "overloaded_error"}',
    ):
        decoded = Decoded(stream(delta("a")) + f"event: error\ndata: {body}\n\n".encode())
        assert decoded.error == ("overloaded", "error")
    assert Decoded(b"event: error\ndata: something broke\n\n").error == ("provider", "error")


def test_a_body_that_is_no_stream() -> None:
    """A whole completion is taken, an error in it is one, a web page is none."""
    whole = {
        "id": "gen-2",
        "model": "m-1",
        "choices": [{"message": {"role": "assistant", "content": "Hi", "reasoning": "hm"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "cost": 0.25},
    }
    body = json.dumps(whole).encode()
    decoded = Decoded(body[:9], body[9:], kind="application/json")
    assert (decoded.text(), decoded.text("reasoning"), decoded.last("cost"), decoded.last("model")) == (
        "Hi",
        "hm",
        Decimal("0.25"),
        "m-1",
    )
    assert (decoded.warnings, decoded.error) == (["not_streamed"], None)
    partial = {
        "choices": [{"message": {"content": "Ha"}, "finish_reason": "error", "error": {"code": 502, "message": "x"}}]
    }
    decoded = Decoded(json.dumps(partial).encode())
    assert (decoded.text(), decoded.error) == ("Ha", ("server", "error"))
    for events in ({"error": {"code": 402, "message": "pay"}}, [{"error": {"code": 402, "message": "pay"}}]):
        assert Decoded(json.dumps(events).encode(), kind="application/json").error == ("credits", "error")
    decoded = Decoded(
        b"<!doctype html><html><head><title>Hotel login</title><script>x()</script></head><body>Pay</body></html>",
        kind="text/html",
    )
    assert decoded.error == ("not_sse", "error")
    assert "Hotel login" in str(decoded.fault)
    assert "<" not in str(decoded.fault)
    assert Decoded(b'{"a": ', kind="application/json").error == ("protocol", "error")


def test_content_type_is_trusted_less_than_the_bytes() -> None:
    """A stream under a wrong or missing type is a stream."""
    for kind in ("", "text/plain", "application/json"):
        assert Decoded(GOOD, kind=kind).error is None
        assert Decoded(b"\xef\xbb\xbf: hi\n\n" + GOOD, kind=kind).text().startswith("Hi")


def test_sizes_are_bounded() -> None:
    """A reply without end, or one enormous event, stops as too big; what came before is kept."""
    megabyte = stream(delta("x" * 1024 * 1024))
    decoded = Decoded(*[megabyte] * 9)
    assert decoded.error == ("too_big", "incomplete")
    assert len(decoded.text()) == 8 * 1024 * 1024
    decoded = Decoded(stream(delta("a")), b"data: ", *[b"x" * 1024 * 1024] * 17)
    assert (decoded.error, decoded.text()) == (("too_big", "incomplete"), "a")
    assert Decoded(b"{", *[b" " * 1024 * 1024] * 17).error == ("too_big", "incomplete")


def half_of(escaped: str) -> bytes:
    return sse('{"choices": [{"delta": {"content": "' + escaped + '"}}]}')


def test_halves_of_characters() -> None:
    """A character a server cut in two arrives whole; half of one never does."""
    decoded = Decoded(
        *map(half_of, ("a\\ud83e", "\\udd4ab")),
        stream(finish()),
    )
    assert decoded.text() == "a🥊b"
    decoded = Decoded(
        *map(half_of, ("a\\udd4a", "\\ud83e")),
        stream(finish()),
    )
    assert decoded.text() == "a\ufffd\ufffd"


def test_nonsense_of_every_type() -> None:
    """Fields of the wrong type are nothing, never an exception."""
    junk: list[Any] = [None, 1, 1.5, "x", [], {}, [[]], [None], {"a": 1}, True]
    for value in junk:
        for events in ({"choices": value}, {"choices": [value]}, {"choices": [{"delta": value, "index": 0}]},
                     {"choices": [{"delta": {"content": value, "reasoning": value, "refusal": value, "tool_calls": value}}]},
                     {"choices": [{"delta": {}, "finish_reason": value, "usage": value}]}, {"usage": value, "x_groq": value},
                     {"model": value, "id": value}, {"error": value}, {"error": {"message": value, "code": value, "metadata": value, "availability": value}}):  # fmt: skip
            Decoded(stream(delta("a"), events, finish(), "[DONE]"))
            Decoded(json.dumps(events).encode())


VECTORS = Path(__file__).parents[1] / "../shared/vectors"


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared test vectors are not here")
def test_the_json_test_suite() -> None:
    """No document of the JSON test suite, good or bad, as an event or as a body, raises or loses the text around it."""
    files = sorted((VECTORS / "json").glob("*.json"))
    assert len(files) > 300
    for file in files:
        document = file.read_bytes().replace(b"\r", b" ").replace(b"\n", b"\ndata: ")
        decoded = Decoded(stream(delta("a")), b"data: " + document + b"\n\n", stream(delta("b"), finish(), "[DONE]"))
        assert decoded.text() == "ab", file.name
        damaged = ("bad_event", "incomplete") if file.name.startswith("n_") or "utf" in file.name.lower() else None
        assert decoded.error in (None, damaged), file.name
        Decoded(file.read_bytes(), kind="application/json")


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared test vectors are not here")
def test_naughty_strings() -> None:
    """The big list of naughty strings comes through to the byte, at every escape JSON has for it."""
    strings = json.loads((VECTORS / "blns.json").read_text(encoding="utf-8"))
    for text in strings:
        for escaped in (json.dumps(delta(text)), json.dumps(delta(text), ensure_ascii=False)):
            decoded = Decoded(sse(escaped), stream(finish(), "[DONE]"))
            assert decoded.text() == text


def test_a_key_in_the_text_is_hidden() -> None:
    """A service that echoes the key does not get it onto the screen."""
    key = "local-secret-0123456789"
    target = Target("x", "m", "K", hide=lambda text: text.replace(key, "***"))
    decoded = Decoded(
        stream(delta(f"your key {key}!", model=f"m-{key}", id=f"gen-{key}"), {"error": {"message": f"bad key {key}"}}),
        target=target,
    )
    assert decoded.text() == "your key ***!"
    assert key not in repr(decoded.chunks) + str(decoded.fault)
