"""Who really served a call, and by which prices it was reckoned: told by the service, kept on the run's record."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb.core.values import PricesUsed
from fusion_nb.providers.openrouter_api import fetch_generation, parse_generation
from fusion_nb.providers.provider_errors import Target
from tests.site import Site, asking
from tests.test_wire import Decoded, stream
from tests.wire_server import END, Received, Step, WireServer, delta, event, finish, head, reply, response, usage

KEY = "sk-or-v1-" + "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "none-of-yours")


def served_by(decoded: Decoded) -> tuple[str | None, str | None]:
    return decoded.last("provider"), decoded.last("quantization")


# ---- on the wire


def test_a_router_names_the_upstream() -> None:
    """It stands in every chunk and is told once; text that came together stays together."""
    said = {"provider": "DeepInfra", "quantization": "fp8"}
    decoded = Decoded(stream(delta("a", **said), delta("b", **said), finish(**said), "[DONE]"))
    assert served_by(decoded) == ("DeepInfra", "fp8")
    assert [chunk.text for chunk in decoded.chunks if chunk.text] == ["ab"]
    assert sum(chunk.provider is not None for chunk in decoded.chunks) == 1
    late = Decoded(stream(delta("a"), finish(provider="Together"), "[DONE]"))
    assert served_by(late) == ("Together", None)


def test_a_reply_in_one_piece_names_it_too() -> None:
    """Where a gateway answers without a stream, the field stands beside the choices."""
    message = {"message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}
    body = b'{"id": "gen-1", "provider": "Groq", "choices": [%s]}' % str(message).replace("'", '"').encode()
    assert Decoded(body, kind="application/json").last("provider") == "Groq"


@pytest.mark.parametrize(
    ("service", "generation", "named"),
    [("openrouter", "chatcmpl-1", True), ("demo", "x", True), ("mine", "chatcmpl-1", False), ("mine", "gen-9", True)],
)
def test_the_field_counts_only_where_it_means_an_upstream(service: str, generation: str, named: bool) -> None:
    """Elsewhere `provider` may say anything; OpenRouter behind somebody's gateway is known by its ids."""
    said = ({**part, "id": generation} for part in (delta("a", provider="Azure"), finish()))
    decoded = Decoded(stream(*said, "[DONE]"), target=Target(service, "m"))
    assert decoded.last("provider") == ("Azure" if named else None)


@pytest.mark.parametrize(
    "said",
    [None, "", " ", 7, True, [], ["Groq"], {"name": "Groq"}, "x" * 101, "unknown", "Unknown", "\x1b[2J", "\u202e"],
)
def test_what_is_no_name_names_nobody(said: Any) -> None:
    """Other kinds of values, long texts, blanks and the word `unknown` are no upstream, in a stream or afterwards."""
    decoded = Decoded(stream(delta("a", provider=said, quantization=said), finish(), "[DONE]"))
    assert (served_by(decoded), decoded.text(), decoded.error) == ((None, None), "a", None)
    found = parse_generation({"data": {"provider_name": said, "quantization": said}})
    assert found is not None
    assert (found.provider, found.quantization) == (None, None)


def test_a_name_is_cleaned() -> None:
    """One line without tags, controls or the key that was sent."""
    target = Target("openrouter", "m", hide=lambda text: text.replace("sesame-123", "***"))
    said = "Deep\u202eInfra\n<script>alert(1)</script> sesame-123"
    decoded = Decoded(stream(delta("a", provider=said), finish(), "[DONE]"), target=target)
    assert decoded.last("provider") == "DeepInfra ***"


def test_a_generation_names_its_upstream() -> None:
    """What the stream did not say, the service tells by the call's id."""
    site = Site()
    try:
        site.answers["/v1/generation?id=gen-1"] = {"data": {"provider_name": "Infermatic", "quantization": "bf16"}}
        found = asking(lambda http: fetch_generation(http, site.service, None, "gen-1"))
    finally:
        site.stop()
    assert found is not None
    assert (found.provider, found.quantization) == ("Infermatic", "bf16")


# ---- on a run's record


def asked(server: WireServer, pool: Any = "openrouter:acme/one", **options: Any) -> fusion_nb.FusionResult:
    name = str(pool).partition(":")[0]
    return fusion_nb.fuse("Why?", pool, services={name: {"base_url": server.url}}, **options)


def served(said: dict[str, Any], cost: Any = "0.001") -> list[Step]:
    return [head(), *map(event, (delta("Blue.", **said), finish(**said), usage(cost))), event("[DONE]") + END]


def test_a_run_keeps_who_served_it() -> None:
    """On the reply, on disk, and in a run that takes the reply over."""
    with WireServer(served({"provider": "DeepInfra", "quantization": "fp8"})) as server:
        result = asked(server)
    [reply] = result.replies
    assert (reply.provider, reply.quantization, reply.status) == ("DeepInfra", "fp8", "ok")
    assert (reply.cost_source, reply.rates) == ("reported", None)
    assert fusion_nb.load(result.run).replies == result.replies
    [kept] = fusion_nb.rejudge(result.run).replies
    assert kept.kept_from
    assert (kept.provider, kept.quantization) == ("DeepInfra", "fp8")


def test_a_bill_that_comes_late_says_who_served_it() -> None:
    """A stream that told neither its cost nor its upstream: both come by the call's id."""

    def script(request: Received) -> list[Step]:
        if "/generation" in request.path:
            told = {"provider_name": "Infermatic", "quantization": "int4", "total_cost": 0.5, "tokens_prompt": 3}
            return response(200, {"data": told})
        return [head(), event(delta("Blue.")), event(finish()), event("[DONE]") + END]

    with WireServer(script) as server:
        [reply] = asked(server).replies
    assert (reply.provider, reply.quantization, reply.cost) == ("Infermatic", "int4", Decimal("0.5"))


def test_a_further_attempt_is_served_by_its_own_upstream() -> None:
    """The one that failed is not said to have served the reply."""
    attempts = []

    def script(request: Received) -> list[Step]:
        attempts.append(request)
        if len(attempts) == 1:
            broken = {"error": {"code": 502, "message": "bad upstream"}, "choices": []}
            return [head(), event({"id": "gen-1", "provider": "Broken", **broken}), END]
        return reply("Blue.")

    with WireServer(script) as server:
        [answered] = asked(server).replies
    assert (answered.status, answered.attempts, answered.provider) == ("ok", 2, None)


UNBILLED: list[Step] = [
    head(),
    *map(event, (delta("Blue."), finish(), usage(prompt=1000, completion=100))),
    event("[DONE]") + END,
]


def test_a_computed_cost_keeps_the_prices_of_its_day() -> None:
    """The table's prices by the million, with its version; the record shows them whatever the table says later."""
    with WireServer(UNBILLED) as server:
        result = asked(server, "openai:gpt-4o")
    [reply] = fusion_nb.load(result.run).replies
    assert (reply.cost, reply.cost_source) == (Decimal("0.0035"), "computed")
    assert reply.rates is not None
    assert (reply.rates.prompt, reply.rates.completion, reply.rates.cached) == (
        Decimal("2.5"),
        Decimal(10),
        Decimal("1.25"),
    )
    assert reply.rates.source.startswith("genai-prices ")
    assert result.replies[0].rates == reply.rates


def test_prices_that_change_leave_old_runs_as_they_were() -> None:
    """A service lists new prices: the run of today has them, the run before has those of its own day."""
    prices = ["0.000002", "0.00003"]

    def script(request: Received) -> list[Step]:
        if request.path.endswith("/models"):
            rows = [{"id": "m", "pricing": {"prompt": prices[0], "completion": prices[1], "request": "0.01"}}]
            return response(200, {"data": rows})
        if "/generation" in request.path:
            return response(404, {})
        return UNBILLED

    with WireServer(script) as server:
        services = {"own": {"base_url": server.url}}
        runs = []
        for prices[0] in ("0.000002", "0.0000044"):
            fusion_nb.models(services=services)
            runs.append(asked(server, "own:m"))
    before, after = (fusion_nb.load(run.run).replies[0].rates for run in runs)
    assert before is not None
    assert after is not None
    assert "127.0.0.1" in before.source
    assert before == PricesUsed(Decimal(2), Decimal(30), request=Decimal("0.01"), source=before.source)
    assert after.prompt == Decimal("4.4")
    assert [run.cost for run in runs] == [Decimal("0.015"), Decimal("0.0174")]


def test_prices_on_record_come_to_the_cost() -> None:
    """Whoever reckons with what is on record gets the cost on record."""
    with WireServer(UNBILLED) as server:
        [reply] = asked(server, "openai:gpt-4o", journal=False).replies
    assert reply.rates is not None
    prompt, completion = reply.usage.prompt or 0, reply.usage.completion or 0
    assert (prompt * reply.rates.prompt + completion * reply.rates.completion) / 1_000_000 == reply.cost


def test_what_nobody_could_price_has_no_prices() -> None:
    """Unknown prices, and a server on this machine, leave nothing to record."""
    with WireServer(UNBILLED) as server:
        assert [reply.rates for reply in asked(server, "openai:no-such-model").replies] == [None]
        assert [reply.rates for reply in asked(server, "ollama:llama3.2").replies] == [None]
