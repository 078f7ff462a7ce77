"""What services send that no standard foresees: nothing of a reply is lost, doubled or called whole that is not."""

import gzip
import json
import random
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_nb.core import Usage
from fusion_nb.core.warnings_text import remarks
from fusion_nb.providers.chat_usage import bill_of, finish_of, usage_of
from fusion_nb.providers.reply_batching import RepetitionFilter
from tests.test_chat import ask, text
from tests.test_wire import Decoded, stream
from tests.wire_server import END, WireServer, chunk, delta, event, finish, head, response, sse, usage

LINES = ["Roses are red, ", "violets are blue, ", "sugar is sweet, ", "and so are you."]
POEM = "".join(LINES)


def raw(content: str) -> str:
    """A chunk whose content is written as it stands here."""
    return f'{{"choices":[{{"index":0,"delta":{{"content":{content}}}}}]}}'


# --- a reason to finish
@pytest.mark.parametrize("reason", [
    "stop", "STOP", "eos", "eos_token", "EOS_TOKEN", "end_turn", "EndTurn", "endTurn", "stop_sequence", "stop-sequence",
    "COMPLETE", "completed", "finished", "FINISH_REASON_STOP", "normal", "<|endoftext|>", "end_of_text", {"type": "stop"},
    "<|im_end|>", "<|eot_id|>", "FinishReason.STOP", "end_of_turn", "eos_found", "stop_words", ["stop"],
])  # fmt: skip
def test_every_word_for_whole(reason: Any) -> None:
    """A whole reply is whole in whichever words the service says so."""
    decoded = Decoded(stream(delta(POEM), {"choices": [{"delta": {}, "finish_reason": reason}]}, "[DONE]"))
    assert (decoded.last("finish"), decoded.error) == ("stop", None)


@pytest.mark.parametrize(("reason", "meaning"), [
    ("maxTokens", "length"), ("MAX_NEW_TOKENS", "length"), ("token_limit", "length"), ("model_length", "length"),
    ("model_context_window_exceeded", "length"), ("guardrail_intervened", "content_filter"), ("SPII", "content_filter"),
    ("FinishReason.MAX_TOKENS", "length"), (["stop", "length"], None), ("tool_use", "tool_calls"), ("time_limit", "time_limit"), ("cancelled", "cancelled"), ("abort", "abort"),
    ("insufficient_system_resource", "insufficient_system_resource"), (2, "2"), (True, None), ("", None), ([], None),
])  # fmt: skip
def test_every_word_for_cut(reason: Any, meaning: str | None) -> None:
    """A reply that was cut is not called whole; a word nobody knows is told as it came."""
    assert finish_of(reason) == meaning


@pytest.mark.parametrize("name", ["finish_reason", "finishReason", "done_reason", "finish", "stop_reason"])
def test_a_reason_under_another_name(name: str) -> None:
    """The reason counts wherever a service puts it; the stop word beside a reason does not replace it."""
    assert Decoded(stream(delta(POEM), {"choices": [{"delta": {}, name: "stop"}]}, "[DONE]")).error is None
    both = {"choices": [{"delta": {}, "finish_reason": "length", "stop_reason": "###"}]}
    assert Decoded(stream(delta(POEM), both)).last("finish") == "length"


def finishing(content: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": "stop"}]}


def test_text_after_a_reason_takes_it_back() -> None:
    """A reason on every chunk says nothing: only the mark of the end, or a reason that nothing follows, does."""
    every = [finishing(line) for line in LINES]
    assert Decoded(stream(*every[:2])).error == ("no_finish", "incomplete")
    assert Decoded(stream(*every, "[DONE]")).error is None
    assert Decoded(stream(every[0])).error is None
    assert Decoded(stream(delta(LINES[0]), finish(), delta(LINES[1]))).error == ("truncated", "incomplete")
    assert Decoded(stream(delta(POEM), finish(), delta(" \n"), usage())).error is None
    with WireServer([head(), *(event(each) for each in every[:2]), "reset"]) as server:
        chunks, error = ask(server)
    assert (text(chunks), error and error.error) == ("".join(LINES[:2]), "disconnect")


def test_keep_alives_after_the_end_do_not_hold_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that has finished ends, though its service goes on to send comments."""
    monkeypatch.setattr("fusion_nb.providers.chat.AFTER_FINISH", 0.3)
    alive = [step for _ in range(400) for step in (chunk(b": keep-alive\n\n"), 0.02)]
    with WireServer([head(), event(delta("a")), event(finish()), *alive, END]) as server:
        chunks, error = ask(server)
    assert (text(chunks), error) == ("a", None)


# --- text told again
def cumulative(parts: list[str]) -> list[dict[str, Any]]:
    return [delta("".join(parts[: n + 1])) for n in range(len(parts))]


def message_of(content: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "message": {"role": "assistant", "content": content, **more}}]}


def test_text_told_again_is_kept_once() -> None:
    """Each piece with all before it, a last piece or a last message with everything: the text stands once."""
    for events in (
        cumulative(LINES),
        [delta(""), *cumulative(list(POEM))],
        [*map(delta, LINES), message_of(POEM)],
        [*map(delta, LINES), message_of(POEM), message_of(POEM)],
        [*map(delta, LINES[:3]), message_of(POEM)],
        [message_of("".join(LINES[: n + 1])) for n in range(4)],
        [message_of(line) for line in LINES],
        [*map(delta, LINES), delta(POEM)],
        [message_of(POEM)],
    ):
        decoded = Decoded(stream(*events, finish(), "[DONE]"))
        assert (decoded.text(), decoded.error) == (POEM, None), events
    thoughts = [{"choices": [{"delta": {"reasoning_content": "".join(LINES[: n + 1])}}]} for n in range(4)]
    decoded = Decoded(stream(*thoughts, delta("Yes."), finish()))
    assert (decoded.text("reasoning"), decoded.text()) == (POEM, "Yes.")


@pytest.mark.parametrize("parts", [
    ["ha", "ha", "ha", "ha"],
    ["ha", "haha", "hahaha", "hahahaha"],
    ["*", "**", "***", "****"],
    ["1", "11", "111", "1111"],
    ["no ", "no ", "no no ", "no no no no "],
    [POEM + "\n", POEM + "\n", POEM + "\n"],
    [*LINES, *LINES],
    [*LINES, POEM, "\nThe end."],
    [*LINES, *LINES, POEM + POEM, "again."],
    ["The cat. ", "The cat. The dog."],
    ["a", "ab"],
])  # fmt: skip
def test_what_a_reply_truly_repeats_stays(parts: list[str]) -> None:
    """Refrains, laughter and pyramids are not the service's fault: every character stays."""
    decoded = Decoded(stream(*map(delta, parts), finish(), "[DONE]"))
    assert (decoded.text(), decoded.error) == ("".join(parts), None)


def test_a_last_message_without_the_thoughts() -> None:
    """A service that closes with the answer alone, after thoughts in its text, says nothing new."""
    decoded = Decoded(
        stream(delta("<think>Hm."), delta("</think>\n\n"), delta(POEM), message_of(POEM), finish(), "[DONE]")
    )
    assert (decoded.text(), decoded.text("reasoning"), decoded.warnings) == (POEM, "Hm.", [])


def test_what_cannot_be_decided_is_said() -> None:
    """Two pieces that begin alike may be one text or two: both stay, with a word about it."""
    decoded = Decoded(stream(delta("The capital is "), delta("The capital is Canberra."), finish(), "[DONE]"))
    assert decoded.text() == "The capital is The capital is Canberra."
    assert decoded.warnings == ["maybe_told_twice"]
    decoded = Decoded(stream(delta("One text."), message_of("Another text."), finish(), "[DONE]"))
    assert (decoded.text(), decoded.warnings) == ("One text.", ["told_differently"])


@given(st.lists(st.text("ab \n", min_size=1, max_size=6), max_size=30), st.randoms(use_true_random=False))
def test_pieces_are_never_lost(parts: list[str], rng: random.Random) -> None:
    """Whatever the pieces, what comes out is all of them, or a warning says that some were taken for a repetition."""
    decoded = RepetitionFilter()
    out = "".join([*map(decoded.piece, parts), decoded.close()])
    assert out == "".join(parts) or decoded.warning == "told_twice"


# --- text in unexpected forms
@pytest.mark.parametrize(("content", "expected"), [
    ("0.005", "0.005"), ("1", "1"), ("-0", "-0"), ("1.50", "1.50"), ("1e5", "1e5"), ("1E-7", "1E-7"), ("NaN", "NaN"),
    ("-Infinity", "-Infinity"), ("0.0000001", "0.0000001"), ("123456789012345678901234567890", "123456789012345678901234567890"),
    ("true", "true"), ("false", "false"), ("null", ""), ('""', ""), ('["a", 1.50, {"text": "b"}]', "a1.50b"),
    ('{"type": "text", "text": "a"}', "a"), ('{"text": {"value": "a"}}', "a"), ('[{"type": "output_text", "text": "a"}]', "a"),
])  # fmt: skip
def test_what_can_be_text_is_text(content: str, expected: str) -> None:
    """Tokens that look like numbers come as numbers; their digits arrive as they were sent."""
    decoded = Decoded(stream(raw(content), finish(), "[DONE]"))
    assert (decoded.text(), decoded.warnings) == (expected, [])


def test_what_cannot_be_text_is_said() -> None:
    """A picture in a reply is left out, and that is told."""
    decoded = Decoded(
        stream(delta("See: "), raw('[{"type": "image_url", "image_url": {"url": "data:"}}]'), finish(), "[DONE]")
    )
    assert decoded.text() == "See: "
    assert "no text" in " ".join(remarks(decoded.warnings))


@pytest.mark.parametrize("thought", [
    {"thinking": "Hm."}, {"reasoning": "Hm."}, {"reasoning_content": "Hm."}, {"thoughts": "Hm."}, {"thought": "Hm."},
    {"reasoning_text": "Hm."}, {"thinking": {"content": "Hm."}}, {"reasoning": {"text": "Hm."}},
    {"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}, {"thinking_blocks": [{"type": "thinking", "thinking": "Hm."}]},
    {"reasoning": "Hm.", "reasoning_content": "Hm.", "reasoning_details": [{"type": "reasoning.summary", "summary": "Hm."}]},
    {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}, {"content": [{"type": "reasoning", "text": "Hm."}]},
    {"reasoningContent": {"reasoningText": {"text": "Hm."}}}, {"reasoning_summary": "Hm."}, {"cot": "Hm."}, {"think": "Hm."},
    {"provider_specific_fields": {"reasoning_content": "Hm."}}, {"content": [{"text": "Hm.", "thought": True}]},
    {"thought": "Hm.", "thought_signature": "c2ln", "reasoning_tokens": 7, "reasoning_id": "r1"},
    {"content": "Hm.", "extra_content": {"google": {"thought": True}}}, {"content": "Hm.", "thought": True},
])  # fmt: skip
def test_thoughts_under_any_name(thought: dict[str, Any]) -> None:
    """Thoughts are kept as thoughts under every name that services use, once, and never as the answer."""
    decoded = Decoded(stream({"choices": [{"delta": thought}]}, delta("Yes."), finish(), "[DONE]"))
    assert (decoded.text("reasoning"), decoded.text()) == ("Hm.", "Yes.")


# --- events that are none, frames that are not quite frames
@pytest.mark.parametrize(
    "alive", ["null", "ping", "true", "0", '"ok"', "...", "[]", "{}", '{"type":"ping"}', "heartbeat: 17", "undefined"]
)
def test_words_between_events_keep_the_connection_alive(alive: str) -> None:
    """What never set out to be a part of the reply is no damage, however often it comes."""
    decoded = Decoded(stream(delta("a"), *[alive] * 9, delta("b"), *[alive] * 9, finish(), "[DONE]"))
    assert (decoded.text(), decoded.error, decoded.warnings) == ("ab", None, [])


@pytest.mark.parametrize(
    "bad",
    ["{", '{"choices":[{"delta":{"content":"los', "[{", '"choices":[{"delta":{"content":"lost"}}]}', "{'choices': []}"],
)
def test_damage_is_told_and_the_rest_is_kept(bad: str) -> None:
    """An event that should have held text and cannot be read makes the reply incomplete, wherever it stands."""
    decoded = Decoded(stream(delta("The answer is "), bad, delta(" metres."), finish(), "[DONE]"))
    assert (decoded.text(), decoded.error) == ("The answer is  metres.", ("bad_event", "incomplete"))
    assert "may be missing" in str(decoded.fault)


def lines_of(*events: Any, end: bytes = b"\n") -> bytes:
    return b"".join(sse(each).rstrip(b"\n") + end for each in events)


@pytest.mark.parametrize("size", [1, 7, 40, 10_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_without_blank_lines(end: bytes, size: int) -> None:
    """Where each line is an event by itself, each is taken; data that truly stands on several lines is joined."""
    body = lines_of(*map(delta, LINES), finish(), usage(), "[DONE]", end=end)
    decoded = Decoded(*(body[at : at + size] for at in range(0, len(body), size)))
    assert (decoded.text(), decoded.error, decoded.last("usage")) == (POEM, None, Usage(3, 2))
    pretty = json.dumps(delta(POEM), indent=1).encode().replace(b"\n", b"\ndata: ")
    body = b"data: " + pretty + b"\n\n" + stream(finish(), "[DONE]")
    decoded = Decoded(*(body[at : at + size] for at in range(0, len(body), size)))
    assert (decoded.text(), decoded.error) == (POEM, None)
    named = b"".join(b"event: message\n" + lines_of(delta(line)) for line in LINES) + lines_of(finish(), "[DONE]")
    assert Decoded(named).text() == POEM


@pytest.mark.parametrize(
    "frame", ["data: data: {}\n\n", " data: {}\n\n", "Data: {}\n\n", "\0data: {}\n\n", "DATA:{}\n"]
)
def test_frames_that_are_nearly_right(frame: str) -> None:
    """Text is not lost where a gateway frames an event in its own way."""
    frames = [frame.format(json.dumps(each)).encode() for each in (*map(delta, LINES), finish())]
    decoded = Decoded(sse(delta("> ")), *frames, b"\n", sse("[DONE]"))
    assert (decoded.text(), decoded.error) == ("> " + POEM, None)


def test_objects_behind_one_another() -> None:
    """Objects that share a line, or stand in a list, are each read; a brace inside a text separates nothing."""
    first, second, last = (json.dumps(each) for each in (delta("{a} {b} "), delta("}{"), finish()))
    assert Decoded(stream(first + second, last, "[DONE]")).text() == "{a} {b} }{"
    assert Decoded(f"[{first},{second},{last}]".encode(), kind="application/json").text() == "{a} {b} }{"
    decoded = Decoded(stream(first, second + second[:-4], last, "[DONE]"))
    assert decoded.error == ("bad_event", "incomplete")


def test_a_reply_in_an_envelope() -> None:
    """A reply that a gateway put into an object of its own is read; a refusal in one stays a refusal."""
    reply = {"choices": [{"message": {"content": POEM}, "finish_reason": "stop"}]}
    for body in ({"code": 0, "data": reply}, {"success": True, "result": reply}):
        assert Decoded(json.dumps(body).encode(), kind="application/json").text() == POEM
    decoded = Decoded(json.dumps({"code": 1301, "message": "unsafe", "data": None}).encode(), kind="application/json")
    assert "unsafe" in str(decoded.fault)


def test_lines_come_as_they_are_sent() -> None:
    """Text without blank lines between its events is there at once, not when the reply is over."""
    decoded = Decoded(lines_of(delta("first"), delta("second")))
    assert decoded.chunks[0].text.startswith("first") or decoded.chunks[1].text.startswith("first")
    body = b"\n".join(json.dumps(each).encode() for each in (*map(delta, LINES), finish()))
    assert Decoded(body, kind="application/x-ndjson").text() == POEM


@pytest.mark.parametrize("members", [1, 3, 50])
def test_compressed_in_members(members: int) -> None:
    """A stream whose events are compressed one by one is read to its end; padding behind it does no harm."""
    body = stream(*map(delta, LINES), finish(), "[DONE]")
    step = -(-len(body) // members)
    packed = b"".join(gzip.compress(body[at : at + step]) for at in range(0, len(body), step)) + b"\0" * 9
    for size in (1, 13, len(packed)):
        pieces = [chunk(packed[at : at + size]) for at in range(0, len(packed), size)]
        with WireServer([head(content_encoding="gzip"), *pieces, END]) as server:
            chunks, error = ask(server)
        assert (text(chunks), error) == (POEM, None)


@pytest.mark.parametrize(("encoding", "pack"), [
    ("deflate", zlib.compress), ("deflate", lambda data: zlib.compress(data, wbits=-15)), ("gzip", zlib.compress),
    ("gzip", bytes), ("none", bytes), ("UTF-8", bytes), ("GZIP", gzip.compress),
    ("deflate", lambda data: zlib.compress(data[:90]) + zlib.compress(data[90:])),
])  # fmt: skip
def test_compressed_otherwise_than_the_header_says(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """The first bytes say how a body is packed: a header that is wrong about it loses no reply."""
    packed = pack(stream(*map(delta, LINES), finish(), "[DONE]"))
    for size in (1, len(packed)):
        pieces = [chunk(packed[at : at + size]) for at in range(0, len(packed), size)]
        with WireServer([head(content_encoding=encoding), *pieces, END]) as server:
            chunks, error = ask(server)
        assert (text(chunks), error) == (POEM, None)


def test_bombs_in_members_stay_refused() -> None:
    """What unpacks to more than is bearable is refused, also where it comes in many small members."""
    member = gzip.compress(b": " + b"x" * 4_000_000 + b"\n")
    for body in (member * 40, gzip.compress(b"") * 200_000):
        with WireServer([head(content_encoding="gzip"), chunk(body), END]) as server:
            _, error = ask(server)
        assert error is not None
        assert error.error in ("too_big", "empty")


# --- refusals under the status of a success
@pytest.mark.parametrize(("body", "error", "words"), [
    ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}, "choices": None}, "credits", "insufficient balance"),
    ({"code": "InvalidApiKey", "message": "Invalid API-key provided.", "request_id": "1"}, "auth", "Invalid API-key"),
    ({"code": 40013, "msg": "The model nova-1 does not exist"}, "model", "nova-1"),
    ({"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]}, "auth", "Authentication error"),
    ({"status": "error", "message": "Too many requests today"}, "rate_limit", "Too many requests"),
    ({"error_code": 17, "error_msg": "Open api daily request limit reached"}, "provider", "daily request limit"),
    ({"fault": {"faultstring": "Access denied", "detail": {"errorcode": "oauth.invalid"}}}, "provider", "Access denied"),
    ({"Response": {"Error": {"Code": "AuthFailure.SecretIdNotFound", "Message": "Unauthorized id"}}}, "auth", "Unauthorized"),
    ({"error": True, "message": "Prompt is too long"}, "too_large", "too long"),
    ({"error": "Not Found", "message": "No handler for POST", "status": 404}, "model", "No handler"),
    ({"errors": ["Something broke"]}, "provider", "Something broke"),
    ({"detail": "Insufficient credits left"}, "credits", "Insufficient credits"),
    ({"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}, "overloaded", "Busy"),
])  # fmt: skip
def test_a_refusal_inside_a_success(body: dict[str, Any], error: str, words: str) -> None:
    """The service's words and what they mean are told, in one piece or in a stream; it is not called nothing."""
    with WireServer(response(200, body)) as server:
        _, fault = ask(server)
    assert fault is not None
    assert (fault.error, words.lower() in str(fault).lower()) == (error, True), str(fault)
    streamed = Decoded(stream(body))
    assert streamed.error == (error, "error")
    assert words.lower() in str(streamed.fault).lower()


@pytest.mark.parametrize("extra", [
    {"base_resp": {"status_code": 0, "status_msg": "success"}}, {"code": 200, "message": "ok"}, {"code": 0, "msg": "success"},
    {"success": True, "errors": []}, {"status": "completed", "message": "done"}, {"error": None}, {"error": False}, {"error": ""},
    {"error": {"code": 0, "message": ""}},
])  # fmt: skip
def test_signs_of_success_refuse_nothing(extra: dict[str, Any]) -> None:
    """A code of success beside a reply, or alone in an event, is no error."""
    decoded = Decoded(stream({**delta("a"), **extra}, extra, delta("b"), {**finish(), **extra}, "[DONE]"))
    assert (decoded.text(), decoded.error) == ("ab", None)


def test_what_came_instead_of_a_reply_is_told() -> None:
    """A stream of nothing but notices is empty, and its words stand in the sentence."""
    decoded = Decoded(stream({"status": "queued", "message": "waiting for a worker"}, "[DONE]"))
    assert decoded.error == ("empty", "empty")
    assert "waiting for a worker" in str(decoded.fault)


# --- tokens and money
@pytest.mark.parametrize(("counts", "expected"), [
    ({"prompt_tokens": 12, "completion_tokens": 40, "total_tokens": 1076, "prompt_tokens_details": {"cached_tokens": 1024}}, Usage(1036, 40, 1024, None)),
    ({"input_tokens": 9, "output_tokens": 5, "cache_read_input_tokens": 700, "cache_creation_input_tokens": 50}, Usage(759, 5, 700, None)),
    ({"prompt_tokens": 900, "completion_tokens": 5, "total_tokens": 905, "prompt_tokens_details": {"cached_tokens": 700}}, Usage(900, 5, 700, None)),
    ({"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 325, "completion_tokens_details": {"reasoning_tokens": 300}}, Usage(20, 305, None, 300)),
    ({"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 325}, Usage(20, 305, None, 300)),
    ({"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 325, "prompt_tokens_details": {"cached_tokens": 10}}, Usage(20, 305, 10, 300)),
    ({"promptTokenCount": 8, "candidatesTokenCount": 2, "thoughtsTokenCount": 6, "totalTokenCount": 16}, Usage(8, 8, None, 6)),
    ({"input_tokens": 9, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 4}}, Usage(9, 5, 4, None)),
    ({"prompt_tokens": 12, "completion_tokens": 40, "total_tokens": 1126, "prompt_tokens_details": {"cached_tokens": 1024}, "completion_tokens_details": {"reasoning_tokens": 50}}, Usage(1036, 90, 1024, 50)),
])  # fmt: skip
def test_tokens_counted_in_other_ways(counts: dict[str, Any], expected: Usage) -> None:
    """The prompt includes what was cached, the completion what was thought, whichever way a service counts."""
    assert usage_of(counts) == (expected, False)


@pytest.mark.parametrize(("counts", "cost", "warning"), [
    ({"cost": {"total_cost": Decimal("0.0123"), "request_cost": Decimal("0.01")}}, "0.0123", None),
    ({"cost": {"total": "0.5", "currency": "USD"}}, "0.5", None),
    ({"total_cost": Decimal("0.004")}, "0.004", None),
    ({"estimated_cost": Decimal("0.00042")}, "0.00042", "cost_estimated"),
    ({"cost": Decimal("1.85"), "currency": "RUB"}, None, "other_currency: RUB"),
    ({"cost": {"amount": Decimal("3"), "currency": "credits"}}, None, "other_currency: credits"),
    ({"cost": Decimal("1.85"), "currency": "usd"}, "1.85", None),
    ({"cost": {"input": Decimal("0.1"), "output": Decimal("0.2")}}, None, "bad_cost"),
    ({"cost": "free"}, None, "bad_cost"),
    ({"cost": "$0.0123"}, "0.0123", None),
    ({"cost": "0.0123 USD"}, "0.0123", None),
    ({"cost": "€0.0123"}, None, "bad_cost"),
    ({"cost": Decimal("1.85"), "cost_rub": Decimal("1.85")}, None, "other_currency: RUB"),
    ({"cost": Decimal("1.85"), "cost_rub": Decimal("150")}, "1.85", None),
    ({"cost": Decimal("1.85"), "currency": "RUB", "cost_usd": Decimal("0.02")}, "0.02", None),
    ({"cost": {"total": Decimal("5"), "currency_code": "EUR"}}, None, "other_currency: EUR"),
    ({"cost": Decimal("5"), "currency": {"code": "JPY"}}, None, "other_currency: JPY"),
    ({"cost": Decimal("5"), "currency_symbol": "€"}, None, "other_currency: €"),
    ({"cost": 0}, "0", None),
    ({"cost": None}, None, None),
    ({"cost": Decimal("0.0005"), "is_byok": True, "cost_details": {"upstream_inference_cost": Decimal("0.01")}}, "0.0105", None),
    ({"cost": Decimal("0.0005"), "is_byok": True, "cost_details": {"upstream_inference_cost": None}}, None, "upstream_cost_unknown"),
    ({"cost": Decimal("0.0005"), "is_byok": True}, None, "upstream_cost_unknown"),
    ({"cost": Decimal("0.0005"), "is_byok": False, "cost_details": {"upstream_inference_cost": Decimal("9")}}, "0.0005", None),
])  # fmt: skip
def test_costs_in_other_shapes(counts: dict[str, Any], cost: str | None, warning: str | None) -> None:
    """What is read is exact and in dollars; what cannot be is unknown, and said."""
    bill = bill_of(counts)
    assert (bill.cost, bill.warning) == (None if cost is None else Decimal(cost), warning)
    named = {"currency", "currency_symbol", "cost_usd"} & counts.keys()
    assert bill_of(counts, {"currency": "EUR"}).cost is None or named or isinstance(counts["cost"], dict)


def test_a_cost_beside_the_usage() -> None:
    """A cost that stands beside the usage is read, with the currency that stands there too."""
    assert bill_of({"prompt_tokens": 3}, {"cost": Decimal("0.5")}).cost == Decimal("0.5")
    assert bill_of({"prompt_tokens": 3}, {"cost": Decimal("5"), "billing": {"currency": "EUR"}}).cost is None


def test_every_warning_has_its_sentence() -> None:
    """What is noticed about a call is told in words, each once, and the signs to the judge together."""
    words = ["bad_event", "bad_event", "field_dropped:seed", "suspect:plea", "suspect:hidden", "no_such_word: x"]
    sentences = remarks(words)
    assert len(sentences) == 4
    assert "`seed`" in sentences[1]
    assert "it asks to be chosen and it hides characters" in sentences[-1]
    assert all(sentence.endswith(".") for sentence in sentences)
