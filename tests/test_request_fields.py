"""An optional field that a service refuses never costs the call: asked again without it, said, and kept in mind."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import fusion_nb
from fusion_nb.core import Message, Ref, Request
from fusion_nb.core.member_settings import parse_entry
from fusion_nb.core.warnings_text import remarks
from fusion_nb.errors import ProviderError
from fusion_nb.providers.request_fields import REFUSED_FIELDS, request_body
from fusion_nb.providers.services import SERVICES
from tests.test_chat import ask, text
from tests.wire_server import Received, WireServer, reply, response

SCHEMA = {"type": "object"}


@pytest.fixture(autouse=True)
def nothing_learnt() -> Iterator[None]:
    REFUSED_FIELDS.clear()
    yield
    REFUSED_FIELDS.clear()


def refusing(status: int, body: Callable[[dict[str, Any]], Any]) -> Callable[[Received], Any]:
    """A service that refuses while `body` finds something to refuse in a request."""

    def answer(request: Received) -> Any:
        refusal = body(request.json)
        return reply("Yes.") if refusal is None else response(status, json.dumps(refusal).encode())

    return answer


def openai(message: str, param: str | None = None) -> dict[str, Any]:
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": param, "code": "unsupported_parameter"}
    }


def on(field: str, refusal: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda body: refusal if field in body else None


FULL = Request(Ref("mine", "m"), (Message("user", "Hi?"),), 50, temperature=0.3, seed=7, reasoning="high")
STRUCTURED = Request(Ref("openai", "m"), (Message("user", "Hi?"),), 50, schema=SCHEMA)


@pytest.mark.parametrize(("field", "status", "refusal", "warning"), [
    ("seed", 400, openai("Unsupported parameter: 'seed'", "seed"), "field_dropped:seed"),
    ("seed", 400, {"error": {"message": "litellm.UnsupportedParamsError: anthropic does not support parameters: ['seed'], for model=x"}}, "field_dropped:seed"),
    ("seed", 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}, "field_dropped:seed"),
    ("temperature", 400, openai("'temperature' does not support 0.3 with this model. Only the default (1) value is supported.", "temperature"), "field_dropped:temperature"),
    ("temperature", 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "`temperature` is deprecated for this model."}}, "field_dropped:temperature"),
    ("stream_options", 400, {"error": {"message": "Validation error at #/stream_options: Extra inputs are not permitted", "code": 400}}, "field_dropped:stream_options"),
    ("stream_options", 400, {"message": "Unrecognized request argument supplied: stream_options"}, "field_dropped:stream_options"),
    ("reasoning_effort", 400, {"error": {"message": '"llama3.2" does not support thinking'}}, "field_dropped:reasoning_effort"),
    ("reasoning_effort", 400, openai("Unrecognized request argument supplied: reasoning_effort"), "field_dropped:reasoning_effort"),
    ("temperature", 400, {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "temperature"], "msg": "Extra inputs are not permitted"}]}}, "field_dropped:temperature"),
    ("reasoning_effort", 400, {"error": "Argument not supported on this model: reasoningEffort"}, "field_dropped:reasoning_effort"),
    ("seed", 500, {"error": {"message": "create() got an unexpected keyword argument 'seed'"}}, "field_dropped:seed"),
    ("seed", 400, [{"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'}}], "field_dropped:seed"),
    ("max_tokens", 400, openai("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "max_tokens"), "field_renamed:max_completion_tokens"),
])  # fmt: skip
def test_a_refused_field_is_left_out(field: str, status: int, refusal: Any, warning: str) -> None:
    """The call is asked again without the field that the refusal names, the rest as it was, and that is said."""
    with WireServer(refusing(status, on(field, refusal))) as server:
        chunks, error = ask(server, FULL)
        first, second = (each.json for each in server.requests)
        again, _ = ask(server, FULL)
        assert len(server.requests) == 3, "what was refused once is not sent again"
        assert field not in server.requests[2].json
    assert (text(chunks), error, text(again)) == ("Yes.", None, "Yes.")
    said = [c.warning for c in chunks if c.warning]
    assert warning in said
    assert warning in [c.warning for c in again if c.warning]
    assert "refused" in " ".join(remarks(said))
    gone = set(first) - set(second)
    assert gone == {field}
    assert {k: v for k, v in second.items() if k in first} == {k: v for k, v in first.items() if k != field}


def test_several_fields_in_one_refusal_or_one_after_the_other() -> None:
    """Fields that are named together go together, and those named one by one go one by one; the limit stays."""

    def one_by_one(body: dict[str, Any]) -> Any:
        return next(
            (openai(f"Unsupported parameter: '{f}'", f) for f in ("temperature", "seed", "max_tokens") if f in body),
            None,
        )

    with WireServer(refusing(400, one_by_one)) as server:
        chunks, error = ask(server, FULL)
        assert [len(server.requests), error, text(chunks)] == [4, None, "Yes."]
        assert server.requests[-1].json["max_completion_tokens"] == 50
    REFUSED_FIELDS.clear()
    together = {"error": {"message": "Unsupported parameters: ['seed', 'temperature', 'reasoning_effort']"}}
    with WireServer(refusing(400, on("seed", together))) as server:
        assert text(ask(server, FULL)[0]) == "Yes."
        assert len(server.requests) == 2
        assert not {"seed", "temperature", "reasoning_effort"} & set(server.requests[-1].json)


@pytest.mark.parametrize("refusal", [
    (500, {"error": {"message": "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg': \"Input should be 'text' or 'json_object'\"}]", "type": "internal_server_error"}}),
    (400, openai("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.")),
    (400, {"error": {"message": "This model does not support structured outputs", "code": 400}}),
])  # fmt: skip
def test_a_schema_is_a_wish(refusal: tuple[int, Any]) -> None:
    """A judge's schema that the service refuses is left out; the judge answers all the same."""
    with WireServer(refusing(refusal[0], on("response_format", refusal[1]))) as server:
        chunks, error = ask(server, STRUCTURED, name="openai")
    assert (text(chunks), error) == ("Yes.", None)
    assert "field_dropped:response_format" in [c.warning for c in chunks]


def test_a_model_that_may_not_be_streamed_answers_in_one_piece() -> None:
    """Where streaming itself is refused, the reply comes whole."""
    no = openai("Your organization must be verified to stream this model.", "stream")

    def answer(request: Received) -> Any:
        if request.json.get("stream"):
            return response(400, no)
        return response(200, {"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]})

    with WireServer(answer) as server:
        chunks, error = ask(server)
        assert "stream_options" not in server.requests[-1].json
    assert (text(chunks), error) == ("Yes.", None)
    assert "field_dropped:stream" in [c.warning for c in chunks]


def test_a_refusal_in_the_stream_counts_before_any_text_only() -> None:
    """A field refused under the status of a success is left out too; a reply that has begun is not asked again."""
    from tests.wire_server import END, delta, event, head

    no = {"error": {"code": 400, "message": "Unsupported parameter: 'seed'"}}
    with WireServer(lambda r: [head(), event(no), END] if "seed" in r.json else reply("Yes.")) as server:
        assert text(ask(server, FULL)[0]) == "Yes."
    with WireServer(lambda _: [head(), event(delta("Ye")), event(no), END]) as server:
        chunks, error = ask(server, FULL)
        assert len(server.requests) == 1
    assert (text(chunks), error and error.error) == ("Ye", "bad_request")


@pytest.mark.parametrize(("status", "refusal", "error"), [
    (400, openai("max_tokens is too large: 50. This model supports at most 20 completion tokens.", "max_tokens"), "bad_request"),
    (400, openai("This model's maximum context length is 10 tokens; lower max_tokens or the temperature of your prompt."), "too_large"),
    (401, openai("Invalid API key; temperature and seed must be sent with one."), "auth"),
    (403, {"error": {"message": "Your prompt about seed oils is not allowed"}}, "forbidden"),
    (429, {"error": {"message": "Too many requests with a seed: not allowed"}}, "rate_limit"),
    (400, openai("Unsupported value: the message"), "bad_request"),
    (404, {"error": {"message": "The model m does not exist; seed must be a number"}}, "model"),
    (500, {"error": {"message": "Internal error near temperature sensor"}}, "server"),
])  # fmt: skip
def test_other_refusals_are_not_asked_again(status: int, refusal: Any, error: str) -> None:
    """A refusal that is about something else is told at once, even where a word of it is a field's name."""
    request = FULL if error != "model" else Request(Ref("mine", "m"), (Message("user", "x"),), 50)
    with WireServer(lambda _: response(status, json.dumps(refusal).encode())) as server:
        _, fault = ask(server, request)
        assert len(server.requests) == 1
    assert fault is not None
    assert fault.error == error


def test_a_service_that_refuses_everything_is_not_asked_for_ever() -> None:
    """Each field is left out once; the refusal is told then, and nothing of it is kept in mind."""
    with WireServer(
        lambda r: response(400, openai(f"Unsupported parameter: {sorted(set(r.json) - {'model'})}"))
    ) as server:
        _, fault = ask(server, FULL)
        assert len(server.requests) <= 5
        before = len(server.requests)
        ask(server, FULL)
        assert set(server.requests[before].json) == set(server.requests[0].json)
    assert fault is not None


def body_of(
    options: tuple[tuple[str, Any], ...], service: str = "openrouter", **more: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    request = Request(Ref(service, "m", options=options), (Message("user", "Hi?"),), 50, **more)
    return request_body(request, SERVICES[service])


def test_settings_of_a_member_are_no_fields() -> None:
    """What the request itself carries is not sent once more, and under no name of ours."""
    options = parse_entry("m{reasoning=high, temperature=0, max_tokens=7, system=x, seed=3}").settings
    body, warnings = body_of(options, "openai", temperature=0.0, reasoning="high", seed=3)
    assert (body["temperature"], body["reasoning_effort"], body["seed"], warnings) == (0.0, "high", 3, ())
    assert body["max_completion_tokens"] == 50, "the engine's word"
    assert not {"system", "max_tokens", "reasoning", "provider", "body"} & set(body)
    assert body_of((("seed", 7),), "openai", seed=1)[0]["seed"] == 7, "records of earlier releases"


def test_routing_goes_to_openrouter() -> None:
    """`provider` is its object; a least quantization is every level as precise. Elsewhere it is left out, and said."""
    options = parse_entry(
        "m{provider={order=[a, b], only=a, ignore=[c], quantization>=fp8, zdr, data_collection=deny}}"
    ).settings
    body, warnings = body_of(options)
    assert body["provider"] == {
        "order": ["a", "b"], "only": ["a"], "ignore": ["c"], "zdr": True, "data_collection": "deny",
        "quantizations": ["int8", "fp8", "mxfp8", "fp16", "bf16", "fp32"],
    }  # fmt: skip
    assert warnings == ()
    for written, sent in (
        ("quantization=bf16", ["bf16"]),
        ("quantization>=fp32", ["fp32"]),
        ("quantizations=[fp8, unknown]", ["fp8", "unknown"]),
    ):
        assert body_of(parse_entry(f"m{{provider={{{written}}}}}").settings)[0]["provider"] == {"quantizations": sent}
    body, warnings = body_of(options, "groq")
    assert ("provider" in body, warnings) == (False, ("provider_ignored",))
    assert remarks(warnings) == ["Only OpenRouter takes provider={...}: this service was asked without it."]


def test_a_body_of_ones_own_comes_last() -> None:
    """Its fields are sent as they are, over ours; never those that say who is asked, or bound the bill."""
    options = parse_entry("m{body={top_k=40, temperature=0.5, chat_template_kwargs={enable_thinking=false}}}").settings
    body, _ = body_of(options, "vllm", temperature=1.0)
    assert (body["top_k"], body["temperature"], body["chat_template_kwargs"]) == (40, 0.5, {"enable_thinking": False})
    hostile = json.dumps({"model": "dear", "max_tokens": 10**6, "n": 99, "plugins": [], "stream": False, "top_k": 1})
    body, _ = body_of((("body", hostile),))
    assert (body["model"], body["stream"], body["top_k"]) == ("m", True, 1)
    assert not {"n", "max_tokens"} & set(body)
    assert body["plugins"], "the service's own"


@pytest.mark.parametrize("options", [
    (("provider", "{"),), (("provider", "[]"),), (("provider", 3),), (("provider", '{"quantization": "x"}'),), (("body", "1"),), (("body", None),), (("body", {"a": 1}),),
])  # fmt: skip
def test_damaged_settings_of_a_record_are_told(options: Any) -> None:
    """A record that was changed by hand fails the one call, before anything is sent."""
    with pytest.raises(ProviderError, match="damaged"):
        body_of(options)


def test_the_nearest_level_of_reasoning() -> None:
    """A level that a service does not know becomes the nearest it lists, and that is said."""
    no = openai(
        "Unsupported value: 'minimal' is not supported with this model. Supported values are: 'low', 'medium', and 'high'.",
        "reasoning_effort",
    )
    request = Request(Ref("openai", "m"), (Message("user", "Hi?"),), 50, reasoning="minimal")
    with WireServer(refusing(400, lambda body: no if body.get("reasoning_effort") == "minimal" else None)) as server:
        chunks, error = ask(server, request, name="openai")
        assert server.requests[-1].json["reasoning_effort"] == "low"
    assert (text(chunks), error) == ("Yes.", None)
    assert "reasoning_nearest:low" in [c.warning for c in chunks]
    most = Request(Ref("groq", "m"), (), 50, reasoning="max")
    body, warnings = request_body(most, SERVICES["groq"])
    assert (body["reasoning_effort"], warnings) == ("high", ("reasoning_nearest:high",))


def test_a_pool_of_one_model_thrice_survives_a_refused_seed() -> None:
    """The seeds of `name*3` are ours: a service that takes none still gives three candidates and a verdict."""

    def answer(request: Received) -> Any:
        if "seed" in request.json:
            return response(400, {"error": {"message": "anthropic does not support parameters: ['seed']"}})
        return reply("Yes.")

    with WireServer(answer) as server:
        result = fusion_nb.fuse("Hi?", ["claude-x*3"], base_url=server.url, mode="merge", journal=False)
    assert [r.status for r in result.candidates] == ["ok"] * 3
    assert all("field_dropped:seed" in r.warnings for r in result.candidates)
