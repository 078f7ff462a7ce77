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
from fusion_nb.providers.faults import Target
from tests.wire_server import delta, finish, sse, usage

DONE = sse("[DONE]")
ASKED = Target("openrouter", "m", "OPENROUTER_API_KEY")


class Told:
    """What a stream came to."""

    def __init__(self, *pieces: bytes, kind: str = "text/event-stream", asked: Target = ASKED) -> None:
        decoder = ChatDecoder(asked, kind)
        self.chunks: list[Chunk] = []
        for piece in pieces:
            if not decoder.done:
                self.chunks += decoder.feed(piece)
        self.done = decoder.done
        self.chunks += decoder.end()
        self.fault: ProviderError | None = decoder.fault

    def said(self, channel: str = "content") -> str:
        return "".join(c.text for c in self.chunks if c.channel == channel)

    def last(self, field: str) -> Any:
        return next((v for c in reversed(self.chunks) if (v := getattr(c, field)) is not None), None)

    @property
    def warnings(self) -> list[str]:
        return [c.warning for c in self.chunks if c.warning]

    @property
    def error(self) -> tuple[str, str] | None:
        return (self.fault.error, self.fault.status) if self.fault else None


def stream(*said: Any) -> bytes:
    return b"".join(map(sse, said))


GOOD = stream(delta("Hi "), delta("wörld 🥊\u2028\u2029\x85."), finish(), usage("0.0012"), "[DONE]")


def test_a_reply() -> None:
    """Text, reason, usage and cost of a plain reply; text that came together is one chunk."""
    told = Told(GOOD)
    assert told.chunks == [
        Chunk(generation_id="gen-1"),
        Chunk("Hi wörld 🥊\u2028\u2029\x85."),
        Chunk(finish="stop"),
        Chunk(usage=Usage(3, 2), cost=Decimal("0.0012")),
    ]
    assert told.error is None
    assert told.done


def test_every_split_gives_the_same_text() -> None:
    """Cut at any byte, the text is the same to the byte."""
    for cut in range(len(GOOD)):
        told = Told(GOOD[:cut], GOOD[cut:])
        assert (told.said(), told.last("finish"), told.last("cost")) == (
            "Hi wörld 🥊\u2028\u2029\x85.",
            "stop",
            Decimal("0.0012"),
        )
    assert Told(*(bytes([b]) for b in GOOD)).said() == "Hi wörld 🥊\u2028\u2029\x85."


@given(st.lists(st.text(max_size=8), min_size=1, max_size=8))
def test_any_text_comes_through(texts: list[str]) -> None:
    """Whatever a model says arrives as it was said."""
    told = Told(stream(*map(delta, texts), finish(), "[DONE]"))
    assert told.said() == "".join(texts)


def test_channels_keep_their_order() -> None:
    """Reasoning and content are told apart, in the order they came."""
    thinking = {"index": 0, "delta": {"reasoning": "hm"}}
    told = Told(
        stream(
            {"choices": [thinking]}, {"choices": [thinking]}, delta("a"), {"choices": [thinking]}, finish(), "[DONE]"
        )
    )
    assert [(c.channel, c.text) for c in told.chunks if c.text] == [
        ("reasoning", "hmhm"),
        ("content", "a"),
        ("reasoning", "hm"),
    ]
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]
    told = Told(stream({"choices": [{"delta": {"content": parts}}]}, finish(), "[DONE]"))
    assert (told.said("reasoning"), told.said()) == ("hm", "a")
    told = Told(stream({"choices": [{"delta": {"reasoning_content": "hm", "content": "a"}}]}, finish(), "[DONE]"))
    assert [c.text for c in told.chunks if c.text] == ["hm", "a"]


def test_done_ends_at_once_and_what_follows_is_ignored() -> None:
    """`[DONE]` is the end, whatever comes behind it."""
    told = Told(GOOD + stream(delta("late"), "[DONE]"), stream(delta("later")))
    assert told.said() == "Hi wörld 🥊\u2028\u2029\x85."
    assert told.error is None


@pytest.mark.parametrize(
    ("said", "error", "warnings"),
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
def test_how_it_may_end(said: list[Any], error: Any, warnings: list[str]) -> None:
    """A reply is whole where the service said why it stopped and nothing of it was lost; else it is not."""
    told = Told(stream(*said))
    assert told.error == error
    assert told.warnings == warnings
    assert (
        told.said()
        == "".join(
            s["choices"][0]["delta"].get("content", "") for s in said if isinstance(s, dict) and s.get("choices")
        )[: len(told.said())]
    )


def test_nothing_at_all_is_empty() -> None:
    """No bytes, or only blank ones, are no reply."""
    for pieces in ((), (b"",), (b"\n\n\n",), (b": ping\n\n",)):
        assert Told(*pieces).error == ("empty", "empty")


def test_progress_alone_makes_chunks() -> None:
    """Keep-alives and empty deltas are no progress, or a stalled reply would never be noticed."""
    told = Told(b": OPENROUTER PROCESSING\n\n" * 3 + stream({"choices": [{"index": 0, "delta": {"content": ""}}]}) * 3)
    assert told.chunks == []


def test_the_last_event_without_its_blank_line_is_kept() -> None:
    """The bill is not lost where the connection ends right behind it; half an event is."""
    bill = stream(delta("a"), finish()) + sse(usage("0.5")).rstrip(b"\n")
    told = Told(bill)
    assert (told.last("cost"), told.warnings, told.error) == (Decimal("0.5"), ["unterminated_event"], None)
    assert Told(bill[:-5]).last("cost") is None


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
    said = b'data: {"choices": [], "usage": {"prompt_tokens": 1, "cost": %s}}\n\n' % cost.encode()
    told = Told(stream(delta("a"), finish()) + said + DONE)
    assert (told.last("cost"), told.warnings) == (expected, [])


@pytest.mark.parametrize(
    "cost", ["-0.1", "NaN", "Infinity", "1e400", '"free"', "true", "[]", "1e9", "1e-500", "9" * 5000]
)
def test_nonsense_cost_is_unknown_and_said(cost: str) -> None:
    """A cost that cannot be is `None` with a warning, and the rest of its event still counts."""
    said = b'data: {"choices": [], "usage": {"prompt_tokens": 7, "cost": %s}}\n\n' % cost.encode()
    told = Told(stream(delta("a"), finish()) + said + DONE)
    assert (told.last("cost"), told.last("usage"), told.warnings) == (None, Usage(7), ["bad_cost"])


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
    assert Told(stream(delta("a"), finish(), {"usage": used}, "[DONE]")).last("usage") == expected


def test_the_last_usage_counts() -> None:
    """Usage that grows with every chunk is not added up, and may be anywhere."""
    told = Told(stream(delta("a", usage={"prompt_tokens": 1}), finish(usage={"prompt_tokens": 2}), "[DONE]"))
    assert [c.usage for c in told.chunks if c.usage] == [Usage(2)]
    groq = {"id": "x", "choices": [], "x_groq": {"usage": {"prompt_tokens": 9}}}
    assert Told(stream(delta("a"), finish(), groq, "[DONE]")).last("usage") == Usage(9)
    moonshot = {"choices": [{"delta": {}, "finish_reason": "stop", "usage": {"prompt_tokens": 8}}]}
    assert Told(stream(delta("a"), moonshot, "[DONE]")).last("usage") == Usage(8)


@pytest.mark.parametrize(
    ("said", "finish_as"),
    [("stop", "stop"), ("STOP", "stop"), ("end_turn", "stop"), ("eos", "stop"), ("MAX_TOKENS", "length"), ("model_length", "length"),
     ("SAFETY", "content_filter"), ("tool_calls", "tool_calls"), ("insufficient_system_resource", "insufficient_system_resource")],
)  # fmt: skip
def test_reasons_to_finish(said: str, finish_as: str) -> None:
    """Each service's word for the same end is the field's word; an unknown one stays its own."""
    assert Told(stream(delta("a"), finish(said), "[DONE]")).last("finish") == finish_as


def test_a_refusal_is_one() -> None:
    """A refusal's words are shown, and it does not count as an answer."""
    told = Told(stream({"choices": [{"delta": {"refusal": "I cannot."}}]}, finish(), "[DONE]"))
    assert (told.said(), told.last("finish")) == ("I cannot.", "refusal")


def test_tool_calls_are_told_and_never_executed() -> None:
    """What a model wanted to call is on record, as words."""
    calls = [{"index": 0, "function": {"name": "rm", "arguments": '{"path"'}}]
    more = [{"index": 0, "function": {"arguments": ': "/"}'}}]
    told = Told(
        stream(
            {"choices": [{"delta": {"tool_calls": calls}}]},
            {"choices": [{"delta": {"tool_calls": more}}]},
            finish("tool_calls"),
            "[DONE]",
        )
    )
    assert told.last("finish") == "tool_calls"
    assert told.warnings == ['tool_calls: rm{"path": "/"}']


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"error": {"code": 502, "message": "bad upstream"}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}, "server"),
        ({"error": {"code": 429, "metadata": {"error_type": "rate_limit_exceeded"}}}, "rate_limit"),
        ({"error": "out of luck"}, "provider"),
        ({"choices": [{"delta": {}, "error": {"code": 503, "metadata": {"error_type": "provider_overloaded"}}}]}, "overloaded"),
        ({"error": {"type": "refusal", "message": "no"}}, "refusal"),
        ({"type": "error", "error": {"type": "overloaded_error"}}, "overloaded"),
    ],
)  # fmt: skip
def test_errors_in_the_middle(said: dict[str, Any], error: str) -> None:
    """An error under the status of a success is an error; the text before it is kept."""
    told = Told(stream(delta("half"), said))
    assert told.fault is not None
    assert (told.said(), told.fault.error) == ("half", error)


def test_error_events() -> None:
    """`event: error` is an error whatever its data looks like."""
    for body in (
        '{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}',
        '{"type": "overloaded_error"}',
    ):
        told = Told(stream(delta("a")) + f"event: error\ndata: {body}\n\n".encode())
        assert told.error == ("overloaded", "error")
    assert Told(b"event: error\ndata: something broke\n\n").error == ("provider", "error")


def test_a_body_that_is_no_stream() -> None:
    """A whole completion is taken, an error in it is one, a web page is none."""
    whole = {
        "id": "gen-2",
        "model": "m-1",
        "choices": [{"message": {"role": "assistant", "content": "Hi", "reasoning": "hm"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "cost": 0.25},
    }
    body = json.dumps(whole).encode()
    told = Told(body[:9], body[9:], kind="application/json")
    assert (told.said(), told.said("reasoning"), told.last("cost"), told.last("model")) == (
        "Hi",
        "hm",
        Decimal("0.25"),
        "m-1",
    )
    assert (told.warnings, told.error) == (["not_streamed"], None)
    partial = {
        "choices": [{"message": {"content": "Ha"}, "finish_reason": "error", "error": {"code": 502, "message": "x"}}]
    }
    told = Told(json.dumps(partial).encode())
    assert (told.said(), told.error) == ("Ha", ("server", "error"))
    for said in ({"error": {"code": 402, "message": "pay"}}, [{"error": {"code": 402, "message": "pay"}}]):
        assert Told(json.dumps(said).encode(), kind="application/json").error == ("credits", "error")
    told = Told(
        b"<!doctype html><html><head><title>Hotel login</title><script>x()</script></head><body>Pay</body></html>",
        kind="text/html",
    )
    assert told.error == ("not_sse", "error")
    assert "Hotel login" in str(told.fault)
    assert "<" not in str(told.fault)
    assert Told(b'{"a": ', kind="application/json").error == ("protocol", "error")


def test_content_type_is_trusted_less_than_the_bytes() -> None:
    """A stream under a wrong or missing type is a stream."""
    for kind in ("", "text/plain", "application/json"):
        assert Told(GOOD, kind=kind).error is None
        assert Told(b"\xef\xbb\xbf: hi\n\n" + GOOD, kind=kind).said().startswith("Hi")


def test_sizes_are_bounded() -> None:
    """A reply without end, or one enormous event, stops as too big; what came before is kept."""
    megabyte = stream(delta("x" * 1024 * 1024))
    told = Told(*[megabyte] * 9)
    assert told.error == ("too_big", "incomplete")
    assert len(told.said()) == 8 * 1024 * 1024
    told = Told(stream(delta("a")), b"data: ", *[b"x" * 1024 * 1024] * 17)
    assert (told.error, told.said()) == (("too_big", "incomplete"), "a")
    assert Told(b"{", *[b" " * 1024 * 1024] * 17).error == ("too_big", "incomplete")


def half_of(escaped: str) -> bytes:
    return sse('{"choices": [{"delta": {"content": "' + escaped + '"}}]}')


def test_halves_of_characters() -> None:
    """A character a server cut in two arrives whole; half of one never does."""
    told = Told(
        *map(half_of, ("a\\ud83e", "\\udd4ab")),
        stream(finish()),
    )
    assert told.said() == "a🥊b"
    told = Told(
        *map(half_of, ("a\\udd4a", "\\ud83e")),
        stream(finish()),
    )
    assert told.said() == "a\ufffd\ufffd"


def test_nonsense_of_every_type() -> None:
    """Fields of the wrong type are nothing, never an exception."""
    junk: list[Any] = [None, 1, 1.5, "x", [], {}, [[]], [None], {"a": 1}, True]
    for value in junk:
        for said in ({"choices": value}, {"choices": [value]}, {"choices": [{"delta": value, "index": 0}]},
                     {"choices": [{"delta": {"content": value, "reasoning": value, "refusal": value, "tool_calls": value}}]},
                     {"choices": [{"delta": {}, "finish_reason": value, "usage": value}]}, {"usage": value, "x_groq": value},
                     {"model": value, "id": value}, {"error": value}, {"error": {"message": value, "code": value, "metadata": value, "availability": value}}):  # fmt: skip
            Told(stream(delta("a"), said, finish(), "[DONE]"))
            Told(json.dumps(said).encode())


VECTORS = Path(__file__).parents[1] / "../shared/vectors"


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared test vectors are not here")
def test_the_json_test_suite() -> None:
    """No document of the JSON test suite, good or bad, as an event or as a body, raises or loses the text around it."""
    files = sorted((VECTORS / "json").glob("*.json"))
    assert len(files) > 300
    for file in files:
        document = file.read_bytes().replace(b"\r", b" ").replace(b"\n", b"\ndata: ")
        told = Told(stream(delta("a")), b"data: " + document + b"\n\n", stream(delta("b"), finish(), "[DONE]"))
        assert told.said() == "ab", file.name
        damaged = ("bad_event", "incomplete") if file.name.startswith("n_") or "utf" in file.name.lower() else None
        assert told.error in (None, damaged), file.name
        Told(file.read_bytes(), kind="application/json")


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared test vectors are not here")
def test_naughty_strings() -> None:
    """The big list of naughty strings comes through to the byte, at every escape JSON has for it."""
    strings = json.loads((VECTORS / "blns.json").read_text(encoding="utf-8"))
    for text in strings:
        for escaped in (json.dumps(delta(text)), json.dumps(delta(text), ensure_ascii=False)):
            told = Told(sse(escaped), stream(finish(), "[DONE]"))
            assert told.said() == text


def test_a_key_in_the_text_is_hidden() -> None:
    """A service that echoes the key does not get it onto the screen."""
    key = "local-secret-0123456789"
    asked = Target("x", "m", "K", hide=lambda text: text.replace(key, "***"))
    told = Told(
        stream(delta(f"your key {key}!", model=f"m-{key}", id=f"gen-{key}"), {"error": {"message": f"bad key {key}"}}),
        asked=asked,
    )
    assert told.said() == "your key ***!"
    assert key not in repr(told.chunks) + str(told.fault)
