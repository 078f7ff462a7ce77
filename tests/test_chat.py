"""A service asked over a real socket: what it says comes as chunks, what goes wrong as one error with its class."""

import asyncio
import json
import threading
import time
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest

from fusion_nb.core import Chunk, Message, Ref, Request, Usage
from fusion_nb.errors import ProviderError
from fusion_nb.providers import chat
from fusion_nb.providers.chat import ChatProvider
from fusion_nb.providers.custom_services import custom_service
from fusion_nb.providers.http import Http
from fusion_nb.providers.keys import KeyAuth
from fusion_nb.providers.provider_errors import Target, of_response
from fusion_nb.providers.request_fields import request_body
from fusion_nb.providers.retry_after import retry_after
from fusion_nb.providers.services import OPENROUTER, SERVICES, Service
from tests.wire_server import END, WireServer, chunk, delta, event, finish, head, reply, response, sse, usage

KEY = "sk-or-v1-" + "0123456789abcdef" * 4
ASK = Request(Ref("mine", "m"), (Message("system", "Be brief."), Message("user", "Hi?")), 50)


def ask(
    server: WireServer, request: Request = ASK, *, key: bool = False, name: str = "mine"
) -> tuple[list[Chunk], ProviderError | None]:
    """What a provider yields, and what it raises."""

    async def main() -> tuple[list[Chunk], ProviderError | None]:
        http, chunks = Http(), []
        auth = KeyAuth(KEY, "MY_KEY", f"http://127.0.0.1:{server.port}") if key else None
        try:
            async with (
                asyncio.timeout(20),
                aclosing(ChatProvider(custom_service(name, server.url), http, auth).stream(request)) as stream,
            ):  # type: ignore[type-var]
                async for said in stream:
                    chunks.append(said)  # noqa: PERF401  what came before an error counts too
        except ProviderError as error:
            return chunks, error
        finally:
            await http.aclose()
        return chunks, None

    return asyncio.run(main())


def text(chunks: Sequence[Chunk]) -> str:
    return "".join(c.text for c in chunks if c.channel == "content")


def test_a_reply() -> None:
    """Text, finish, usage, exact cost, generation id and the model that answered, over a socket."""
    with WireServer(reply("Hel", "lo ", "wörld\u2028", x_generation_id="gen-77")) as server:
        chunks, error = ask(server)
        [request] = server.requests
    assert error is None
    assert text(chunks) == "Hello wörld\u2028"
    assert chunks[0] == Chunk(generation_id="gen-77")
    assert Chunk(usage=Usage(3, 2), cost=Decimal("0.001")) in chunks
    assert Chunk(finish="stop") in chunks
    assert request.path == "/v1/chat/completions"
    assert request.json == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi?"}],
        "stream": True,
        "max_tokens": 50,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_text_is_exact_whatever_the_pieces(size: int) -> None:
    """The text is the same to the byte however the network cuts the stream."""
    said = 'Zwölf Boxkämpfer 🥊 jagen\r\n\u2028Viktor\x85 quer\t"über" den \\großen\\ Sylter Deich'
    whole = sse(delta(said[:20])) + b": ping\r\n\r\n" + sse(delta(said[20:])) + sse(finish()) + sse("[DONE]")
    with WireServer([head(), *(chunk(whole[i : i + size]) for i in range(0, len(whole), size)), END]) as server:
        assert text(ask(server)[0]) == said


def test_first_words_come_first() -> None:
    """Text is there as soon as it was sent, and not when the reply is over."""
    read = threading.Event()

    async def main() -> None:
        http = Http()
        async with (
            asyncio.timeout(20),
            aclosing(ChatProvider(custom_service("mine", server.url), http).stream(ASK)) as stream,
        ):  # type: ignore[type-var]
            async for said in stream:
                if said.text == "first":
                    read.set()
        await http.aclose()

    with WireServer([head(), event(delta("first")), read, event(delta("last")), event(finish()), END]) as server:
        asyncio.run(main())


@pytest.mark.parametrize("script", [
    [head(), event(delta("a")), event(finish()), event("[DONE]"), "hold"],
    [head(), event(delta("a")), event(finish()), "reset"],
    [head(), event(delta("a")), event(finish()), "close"],
    [head(), event(delta("a")), event(finish()), END],
])  # fmt: skip
def test_whole_replies_are_ok_however_the_connection_ends(script: Any) -> None:
    """A reply that has finished is whole: a connection that stays open, or tears, takes nothing from it."""
    with WireServer(script) as server:
        chunks, error = ask(server)
    assert (text(chunks), error) == ("a", None)


def test_a_service_that_finishes_and_never_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a `[DONE]` the bill is waited for, and not for ever."""
    monkeypatch.setattr(chat, "AFTER_FINISH", 0.05)
    with WireServer([head(), event(delta("a")), event(finish()), "hold"]) as server:
        chunks, error = ask(server)
    assert (text(chunks), error) == ("a", None)


@pytest.mark.parametrize(
    ("script", "said", "error", "status"),
    [
        ([head(), event(delta("half")), "reset"], "half", "disconnect", "error"),
        ([head(), event(delta("half")), END], "half", "truncated", "incomplete"),
        (
            [head(), event(delta("half")), event({"error": {"code": 502, "message": "x"}}), END],
            "half",
            "server",
            "error",
        ),
        (response(200, b""), "", "empty", "empty"),
        (response(200, b"<html>Please log in", "text/html"), "", "not_sse", "error"),
        (response(200, {"error": {"code": 402, "message": "no money"}}), "", "credits", "error"),
        ([head(), END], "", "empty", "empty"),
        (["reset"], "", "disconnect", "error"),
    ],
)
def test_what_was_said_is_kept(script: Any, said: str, error: str, status: str) -> None:
    """Text that arrived is there, whatever happened then, and what happened has its class."""
    with WireServer(script) as server:
        chunks, fault = ask(server)
    assert fault is not None
    assert (text(chunks), fault.error, fault.status) == (said, error, status)


def test_a_bill_in_a_torn_stream_is_kept() -> None:
    """Usage that arrived whole counts, though the connection tore right behind it."""
    with WireServer([head(), event(delta("a")), chunk(sse(usage("0.5"))[:-1]), "reset"]) as server:
        chunks, fault = ask(server)
    assert fault is not None
    assert fault.error == "disconnect"
    assert [c.cost for c in chunks if c.cost] == [Decimal("0.5")]


def test_closing_the_stream_closes_the_socket() -> None:
    """Whoever stops listening is off the line at once, and stops paying."""

    async def main() -> None:
        http = Http()
        stream = ChatProvider(custom_service("mine", server.url), http).stream(ASK)
        assert (await anext(stream)).generation_id
        assert (await anext(stream)).text == "a"
        await stream.aclose()  # type: ignore[attr-defined]
        assert await asyncio.to_thread(server.left.wait, 5)
        await http.aclose()

    with WireServer([head(), event(delta("a")), "hold"]) as server:
        asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "error", "retryable"),
    [
        (400, "bad_request", False), (401, "auth", False), (402, "credits", False), (403, "forbidden", False),
        (404, "model", False), (408, "timeout", True), (409, "conflict", True), (410, "model", False),
        (413, "too_large", False), (418, "bad_request", False), (422, "bad_request", False), (429, "rate_limit", True),
        (500, "server", True), (502, "server", True), (503, "server", True), (504, "timeout", True),
        (524, "timeout", True), (529, "overloaded", True), (302, "redirect", False), (307, "redirect", False),
    ],
)  # fmt: skip
def test_statuses(status: int, error: str, retryable: bool) -> None:
    """Each status has its class, and is worth another try or not."""
    with WireServer(response(status, {"error": {"message": "because"}}, location="https://x.example/")) as server:
        chunks, fault = ask(server)
        assert len(server.requests) == 1
    assert fault is not None
    assert (chunks, fault.error, fault.retryable, fault.max_retries if retryable else 2) == ([], error, retryable, 2)


@pytest.mark.parametrize(
    ("status", "said", "error", "retryable"),
    [
        (400, {"error": {"code": "context_length_exceeded"}}, "too_large", False),
        (400, {"error": {"code": 400, "metadata": {"error_type": "context_length_exceeded"}}}, "too_large", False),
        (429, {"error": {"code": "insufficient_quota", "type": "insufficient_quota"}}, "credits", False),
        (413, {"error": {"code": "rate_limit_exceeded"}}, "too_large", False),
        (400, {"error": {"type": "invalid_request_error", "code": "invalid_api_key"}}, "auth", False),
        (503, {"error": {"code": 503}, "availability": {"retryable": False}}, "server", False),
        (503, {"error": {"code": 503, "availability": {"retryable": False, "fallback_models": ["a/b"]}}}, "server", False),
        (404, {"error": {"code": 404, "availability": {"code": "no_endpoints", "retryable": True}}}, "model", True),
        (403, {"error": {"code": 403, "metadata": {"reasons": ["violence"], "flagged_input": "<b>x</b>"}}}, "forbidden", False),
        (400, [{"error": {"code": 400, "status": "INVALID_ARGUMENT"}}], "bad_request", False),
        (429, [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}], "rate_limit", True),
        (529, {"type": "error", "error": {"type": "overloaded_error"}}, "overloaded", True),
        (400, {"object": "error", "message": "bad", "code": 400}, "bad_request", False),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, "bad_request", False),
    ],
)  # fmt: skip
def test_error_bodies(status: int, said: Any, error: str, retryable: bool) -> None:
    """What the body says more exactly than the status counts."""
    with WireServer(response(status, __import__("json").dumps(said).encode())) as server:
        _, fault = ask(server)
    assert fault is not None
    assert (fault.error, fault.retryable) == (error, retryable)


def test_error_texts_are_harmless() -> None:
    """What a service says of its failure is shown short, on one line, without tags, control characters or keys."""
    ugly = f"<script>alert(1)</script><b>bad</b>\x1b[31m key {KEY} and AIza{'x1' * 20}\n\u202eevil\x00" + "long " * 5000
    for body in (
        {"error": {"message": ugly, "metadata": {"raw": ugly, "reasons": [ugly]}}},
        f"<html><title>Oops</title>{ugly}".encode(),
        ugly.encode(),
    ):
        with WireServer(response(400, body)) as server:
            _, fault = ask(server, key=True)
        shown = str(fault)
        assert "bad" in shown
        assert len(shown) <= 2000
        for bad in (KEY, KEY[9:40], "AIza", "<", "\x1b", "\n", "\u202e", "\x00", "alert"):
            assert bad not in shown


def test_the_remedy_names_the_variable_not_the_key() -> None:
    """A refused key is told by the name of its variable."""
    with WireServer(
        lambda request: response(401, {"error": {"message": f"bad: {request.headers.get('authorization')}"}})
    ) as server:
        _, fault = ask(server, key=True)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "MY_KEY" in str(fault)
    assert KEY not in str(fault)


def test_an_error_body_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A status is told at once, however slowly the reason dribbles in."""
    monkeypatch.setattr(chat, "_ERROR_SECONDS", 0.1)
    with WireServer([head(429, retry_after="3"), chunk(b'{"error": {"mess'), "hold"]) as server:
        _, fault = ask(server)
    assert fault is not None
    assert (fault.error, fault.retry_after) == ("rate_limit", 3.0)


NOW = 1_750_000_000.0


def http_date(offset: float) -> str:
    return format_datetime(datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=offset), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "error", "seconds"),
    [
        ({}, None, None),
        ({"retry-after": "7"}, None, 7),
        ({"retry-after": "1.5"}, None, 1.5),
        ({"retry-after": "0"}, None, 0),
        ({"retry-after-ms": "250", "retry-after": "1"}, None, 0.25),
        ({"retry-after": http_date(30)}, None, 30),
        ({"retry-after": http_date(-30)}, None, 0),
        ({"retry-after": http_date(5030), "date": http_date(5000)}, None, 30),
        ({"x-ratelimit-reset": str(int(NOW + 9) * 1000)}, None, 9),
        ({"x-ratelimit-reset": str(int(NOW + 9))}, None, 9),
        ({"x-ratelimit-reset": "9"}, None, 9),
        ({}, {"availability": {"retry_after": 11}}, 11),
        ({}, {"availability": {"retry_after": "soon"}}, None),
        ({}, {"metadata": {"headers": {"X-RateLimit-Reset": str(int(NOW + 4) * 1000)}}}, 4),
        ({"retry-after": "3600"}, None, 3600),
        *(({"retry-after": junk}, None, None) for junk in ("-5", "NaN", "inf", "1e400", "abc", "", "99999999999999 GMT", "Wed, 99 Foo")),
        ({"retry-after": "abc", "x-ratelimit-reset": "9"}, None, 9),
    ],
)  # fmt: skip
def test_waits(headers: dict[str, str], error: Any, seconds: float | None) -> None:
    """Every way to ask for a wait is understood, against the server's own clock; nonsense is no wait."""
    assert retry_after(headers, error, now=NOW) == seconds


@pytest.mark.parametrize(("headers", "error", "message", "seconds"), [
    ({}, {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}]}, "", 37),
    ({}, {"details": [{"reason": "x"}, {"retryDelay": {"seconds": 3}}]}, "", 3),
    ({}, {"retry_after": "1m30s"}, "", 90),
    ({}, {"retryAfterMs": 1500}, "", 1.5),
    ({}, None, "Limit 30, Used 30. Please try again in 9.05s. Visit the page.", 9.05),
    ({}, None, "Please retry in 1m2.5s", 62.5),
    ({}, None, "Rate limited, retry after 20 seconds", 20),
    ({}, None, "Please wait for 500ms and try it", 0.5),
    ({}, None, "available again in about 2 minutes", 120),
    ({"retry-after": "2s"}, None, "", 2),
    ({"x-retry-after": "3"}, None, "", 3),
    ({"ratelimit": '"default";r=0;t=30'}, None, "", 30),
    ({"ratelimit": '"default";r=50;t=30'}, None, "", None),
    ({}, {"parameters": {"retry_after": 8}}, "", 8),
    ({}, {"metadata": {"retry_after_seconds": 8}}, "", 8),
    ({}, {"message": "Model m is loading", "estimated_time": 20.5}, "", 20.5),
    ({}, None, "Rate limit exceeded, please wait for 5 more seconds", 5),
    ({}, None, "请求过于频繁，请在 3 秒后重试", 3),
    ({}, None, "每 60 秒最多 5 次", None),
    ({"x-ms-retry-after-ms": "700"}, None, "", 0.7),
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2.5s"}, None, "", 2.5),
    ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "2.5s"}, None, "", None),
    ({"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2025-06-15T15:07:00Z"}, None, "", 1_750_000_020 - NOW),
    ({"retry-after": "4"}, {"retry_after": 9}, "try again in 7s", 4),
    ({}, None, "You made 5 tries in 3 minutes", None),
    ({}, None, "try again later", None),
    ({}, None, "I waited in line 3", None),
    ({}, {"details": [{"retryDelay": "soon"}]}, "", None),
])  # fmt: skip
def test_waits_wherever_they_are_named(
    headers: dict[str, str], error: Any, message: str, seconds: float | None
) -> None:
    """A wait counts in whichever header, field or sentence the service names it; other figures are no wait."""
    assert retry_after(headers, error, now=NOW, message=message) == seconds


@pytest.mark.parametrize(("status", "body", "error", "words"), [
    (400, [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}], "auth", "MY_KEY"),
    (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."}}, "credits", "top it up"),
    (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}}, "too_large", "shorten"),
    (400, [{"error": {"code": 400, "message": "The input token count (1200000) exceeds the maximum number of tokens allowed", "status": "INVALID_ARGUMENT"}}], "too_large", "shorten"),
    (400, {"error": {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error"}}, "too_large", "shorten"),
    (400, {"error": {"message": "litellm.ContextWindowExceededError: ...", "code": "400"}}, "too_large", "shorten"),
    (400, {"error": {"message": "Invalid model name passed in model=gpt-9", "code": "400"}}, "model", "%fuse_models"),
    (400, {"error": {"message": "Server is pinned to tiny, got m"}}, "model", "%fuse_models"),
    (400, {"error": {"message": "No connected db.", "code": "400"}}, "auth", "MY_KEY"),
    (402, {"error": {"message": "This request requires more credits, or fewer max_tokens. You can only afford 2100."}}, "credits", "--max-tokens"),
    (404, {"detail": "Not Found"}, "model", "/v1"),
    (404, b"404 page not found", "model", "/v1"),
    (404, {"error": {"message": "The model 'm' does not exist"}}, "model", "does not have m"),
    (400, {"error": {"message": "The model ignores the key of this map"}}, "bad_request", "refused the request"),
    (400, {"error": {"message": "messages: at least one message is required"}}, "bad_request", "refused the request"),
])  # fmt: skip
def test_what_a_service_says_in_words_counts(status: int, body: Any, error: str, words: str) -> None:
    """Where status and code say little, the service's sentence tells the class, and the remedy fits it."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with WireServer(response(status, data)) as server:
        _, fault = ask(server, key=True)
    assert fault is not None
    assert (fault.error, words in str(fault)) == (error, True), str(fault)


def test_a_server_that_wants_a_key() -> None:
    """Where no key was sent, the sentence says to set one, and not that one is wrong."""
    refusal = response(401, {"error": {"message": "Missing bearer authentication"}})
    with WireServer(refusal) as server:
        _, fault = ask(server)
        assert "name that one as key_env" in str(fault)
        target = Target("llamacpp", "m", "LLAMA_API_KEY", has_key=False)
        assert "set LLAMA_API_KEY to it" in str(of_response(401, {}, b"no", target))
        assert "does not accept the key in MY_KEY" in str(ask(server, key=True)[1])
    assert fault is not None
    assert fault.error == "auth"


def test_a_wait_too_long_is_told_and_not_waited() -> None:
    """Whoever asks for an hour is not asked again, and the time is named."""
    with WireServer(response(429, {"error": {"message": "slow down"}}, retry_after="3600")) as server:
        _, fault = ask(server)
    assert fault is not None
    assert (fault.retryable, fault.retry_after) == (False, 3600.0)
    assert "60 min" in str(fault)
    assert "UTC" in str(fault)
    with WireServer(
        response(
            503, {"error": {}}, retry_after=format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
        )
    ) as server:
        _, fault = ask(server)
    assert fault is not None
    assert fault.retryable
    assert 50 < (fault.retry_after or 0) <= 61


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (OPENROUTER, {"max_completion_tokens": 9, "seed": 5, "reasoning": {"effort": "high"},
                      "plugins": ({"id": "context-compression", "enabled": False},)}),
        (SERVICES["openai"], {"max_completion_tokens": 9, "seed": 5, "reasoning_effort": "high", "stream_options": {"include_usage": True},
                              "response_format": {"type": "json_schema", "json_schema": {"name": "verdict", "schema": {"type": "object"}}}}),
        (SERVICES["mistral"], {"max_tokens": 9, "random_seed": 5, "reasoning_effort": "high",
                               "response_format": {"type": "json_schema", "json_schema": {"name": "verdict", "schema": {"type": "object"}}}}),
        (SERVICES["gemini"], {"max_tokens": 9, "reasoning_effort": "high", "stream_options": {"include_usage": True}}),
        (SERVICES["anthropic"], {"max_tokens": 9, "stream_options": {"include_usage": True}}),
    ],
)  # fmt: skip
def test_each_service_is_asked_in_its_own_words(service: Service, expected: dict[str, Any]) -> None:
    """Options go out under the names a service knows, and not at all where it would refuse them."""
    request = Request(Ref(service.name, "m"), (Message("user", "x"),), 9, 0.5, 5, "high", {"type": "object"})
    body, warnings = request_body(request, service)
    common = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True, "temperature": 0.5}
    assert body == {**common, **expected}
    assert warnings == {
        "gemini": ("seed_ignored",),
        "anthropic": ("seed_ignored", "reasoning_ignored"),
    }.get(service.name, ())


def test_options_of_a_member_come_last() -> None:
    """A member's own fields win, and its seed goes by the service's name for it."""
    ref = Ref("mistral", "m", options=(("seed", 7), ("body", '{"temperature": 1.0, "top_p": 0.9}')))
    body, _ = request_body(Request(ref, (), 9, 0.5, 5), SERVICES["mistral"])
    assert (body["random_seed"], body["temperature"], body["top_p"]) == (7, 1.0, 0.9)
    assert "seed" not in body
    assert request_body(Request(Ref("openrouter", "m"), (), 9, reasoning="2000"), OPENROUTER)[0]["reasoning"] == {
        "max_tokens": 2000
    }
    assert (
        request_body(Request(Ref("openai", "m"), (), 9, reasoning="5000"), SERVICES["openai"])[0]["reasoning_effort"]
        == "medium"
    )


def test_ignored_options_are_said() -> None:
    """What a service cannot be asked for is a warning on the reply, not a silence."""
    with WireServer(reply("a")) as server:
        request = Request(Ref("gemini", "m"), (Message("user", "x"),), 9, seed=5)
        chunks, _ = ask(server, request, name="gemini")
    assert Chunk(warning="seed_ignored") in chunks


def test_openrouter_is_told_who_asks() -> None:
    """OpenRouter gets the title of the app."""
    with WireServer(reply("a")) as server:
        ask(server, Request(Ref("openrouter", "m"), (Message("user", "x"),), 9), name="openrouter")
        assert server.requests[0].headers["x-openrouter-title"] == "fusion_nb"
        assert server.requests[0].json["plugins"] == [{"id": "context-compression", "enabled": False}]


def test_many_at_once() -> None:
    """Two hundred calls are under way at the same time; none waits for another's connection."""

    async def main() -> list[str]:
        http = Http()
        provider = ChatProvider(custom_service("mine", server.url), http)

        async def one() -> str:
            return text([c async for c in provider.stream(ASK)])

        async def release() -> None:
            while len(server.requests) < 200:  # noqa: ASYNC110  an event of another thread
                await asyncio.sleep(0.01)
            gate.set()

        async with asyncio.timeout(60):
            *texts, _ = await asyncio.gather(*(one() for _ in range(200)), release())
        await http.aclose()
        return texts  # type: ignore[return-value]

    gate = threading.Event()
    with WireServer([head(), gate, event(delta("a")), event(finish()), event("[DONE]"), END]) as server:
        began = time.monotonic()
        assert asyncio.run(main()) == ["a"] * 200
        assert time.monotonic() - began < 60


def test_no_tasks_or_sockets_are_left() -> None:
    """After a run nothing lingers: no task, no warning of an open transport."""

    async def main() -> set[str]:
        http = Http()
        for _ in range(5):
            async for _said in ChatProvider(custom_service("mine", server.url), http).stream(ASK):
                pass
        await http.aclose()
        await asyncio.sleep(0)
        return {t.get_name() for t in asyncio.all_tasks()} - {asyncio.current_task().get_name()}  # type: ignore[union-attr]

    with WireServer(reply("a")) as server:
        assert asyncio.run(main()) == set()
        assert server.connections == 1
