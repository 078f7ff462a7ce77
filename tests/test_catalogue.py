"""What a person writes as a pool becomes the members they meant, or a sentence that says what is near."""

import asyncio
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

import fusion_nb
from fusion_nb.accounts import prices
from fusion_nb.core import Ref
from fusion_nb.errors import UnknownName, UserError
from fusion_nb.options import settle
from fusion_nb.panel.model_picker import known_models, matches_search, picker_row
from fusion_nb.providers import model_names
from fusion_nb.providers.custom_services import custom_service
from fusion_nb.providers.function_provider import FunctionMember
from fusion_nb.providers.http import Http
from fusion_nb.providers.model_families import STRONG, default_judge, family_relation, model_family
from fusion_nb.providers.model_list import ModelInfo, context_of, offline_models, parse_models
from fusion_nb.providers.model_names import ALIASES, completions, resolve
from fusion_nb.providers.services import OPENROUTER, SERVICES
from fusion_nb.resolve.model_resolver import Resolver
from tests.wire_server import WireServer, response

MINE = custom_service("mine", "http://127.0.0.1:9/v1")


def keys(*held: str) -> Callable[[str], bool]:
    return lambda variable: variable in held


ALL = keys("OPENROUTER_API_KEY")


def named(*pool: Any, **options: Any) -> list[str]:
    """The refs a pool comes to, as `label=service:model`."""
    found = resolve(list(pool), **{"has_key": ALL, **options})
    return [f"{r.label}={r}" for r in (m.ref if isinstance(m, FunctionMember) else m for m in found)]


def test_aliases_exist() -> None:
    """Every alias leads to a model OpenRouter has, and, for people without its key, to one its vendor has."""
    assert {
        "claude",
        "opus",
        "sonnet",
        "haiku",
        "gemini",
        "flash",
        "gpt",
        "gpt4o",
        "gpt-mini",
        "deepseek",
        "grok",
        "llama",
        "mistral",
        "qwen",
        "kimi",
        "glm",
    } <= set(ALIASES)
    for name, alias in ALIASES.items():
        assert alias.slug in model_names.slugs(), name
        if alias.service:
            there = {row.id for row in prices.listed_models(SERVICES[alias.service].prices_id or "")}
            assert alias.model in there, name
        assert model_family(Ref("openrouter", alias.slug)) == model_family(
            Ref(alias.service or "openrouter", alias.model or alias.slug)
        ), name
    for vendor in ("anthropic", "gemini", "openai"):
        assert any(alias.service == vendor for alias in ALIASES.values())


def test_names_of_every_kind() -> None:
    """An alias, a slug, a service's model, with spaces and commas as people write them."""
    assert [str(r) for r in resolve(" claude, openai/gpt-4o ,~google/gemini-pro-latest,groq:llama-3.3-70b-versatile, ollama:llama3.2:1b ", has_key=ALL)] == [
        "openrouter:~anthropic/claude-sonnet-latest", "openrouter:openai/gpt-4o", "openrouter:~google/gemini-pro-latest",
        "groq:llama-3.3-70b-versatile", "ollama:llama3.2:1b",
    ]  # fmt: skip
    assert named("claude", "openai/gpt-4o", "ollama:x") == [
        "claude=openrouter:~anthropic/claude-sonnet-latest", "openai/gpt-4o=openrouter:openai/gpt-4o", "ollama:x=ollama:x",
    ]  # fmt: skip
    assert named("openrouter:new/model-9", "deepseek/deepseek-r1:free") == [
        "openrouter:new/model-9=openrouter:new/model-9", "deepseek/deepseek-r1:free=openrouter:deepseek/deepseek-r1:free",
    ]  # fmt: skip
    assert named("GPT4o") == ["GPT4o=openrouter:openai/gpt-4o"]
    assert named("mine:a/b:c", services={"mine": MINE}) == ["mine:a/b:c=mine:a/b:c"]


def test_vendors_stand_in_for_openrouter() -> None:
    """Without an OpenRouter key an alias is the same model at its vendor, where there is that vendor's key."""
    assert named("claude", "gemini", "gpt4o", has_key=keys("ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY")) == [
        "claude=anthropic:claude-sonnet-5-5", "gemini=gemini:gemini-3.1-pro-preview", "gpt4o=openai:gpt-4o",
    ]  # fmt: skip
    assert named("claude", has_key=keys("ANTHROPIC_API_KEY", "OPENROUTER_API_KEY"))[0].startswith("claude=openrouter:")
    assert named("claude", has_key=keys())[0].startswith("claude=openrouter:")
    assert named("llama", has_key=keys("OPENAI_API_KEY"))[0].startswith("llama=openrouter:")


def test_three_times_the_same() -> None:
    """`name*3` is three members with labels and seeds of their own."""
    members = resolve("gpt4o*3, claude * 2", has_key=ALL)
    assert [(m.label, m.options) for m in members if isinstance(m, Ref)] == [
        ("gpt4o #1", (("seed", 1),)), ("gpt4o #2", (("seed", 2),)), ("gpt4o #3", (("seed", 3),)),
        ("claude #1", (("seed", 1),)), ("claude #2", (("seed", 2),)),
    ]  # fmt: skip
    assert named("gpt4o*1") == ["gpt4o=openrouter:openai/gpt-4o"]
    for wrong in ("gpt4o*0", "gpt4o*65", "gpt4o*999999"):
        with pytest.raises(UserError, match="1 to 64"):
            resolve(wrong, has_key=ALL)


def test_labels_are_unique() -> None:
    """The same member twice is two members under two names, whatever else they are called."""
    assert [n.partition("=")[0] for n in named("gpt4o", "gpt4o", "gpt4o*2", "gpt4o", "openai/gpt-4o")] == [
        "gpt4o", "gpt4o #2", "gpt4o #1", "gpt4o #2 #2", "gpt4o #3", "openai/gpt-4o",
    ]  # fmt: skip


def test_functions() -> None:
    """Python functions are members under their own names."""

    def oracle(prompt: str) -> str:
        return "42"

    members = resolve([oracle, "gpt4o", oracle, lambda p: p], has_key=ALL)
    assert [(m.ref.label, m.fn) if isinstance(m, FunctionMember) else m.label for m in members][:3] == [
        ("oracle", oracle),
        "gpt4o",
        ("oracle #2", oracle),
    ]
    assert str(members[3].ref) == "python:function"  # type: ignore[union-attr]
    assert resolve(oracle)[0] == FunctionMember(Ref("python", "oracle", "oracle"), oracle)


def test_own_aliases() -> None:
    """A user's own names come first, may lead to anything, and may not lead to themselves."""
    own = {"fast": "groq:llama", "claude": "fast", "mix": "demo", "x": "y", "y": "x"}
    assert named("fast", "claude", aliases=own) == ["fast=groq:llama", "claude=groq:llama"]
    assert named("mix", aliases=own, demo=[Ref("demo", "a", "a"), Ref("demo", "b", "b")]) == ["a=demo:a", "b=demo:b"]
    with pytest.raises(UserError, match="leads to itself"):
        resolve("x", aliases=own)


def test_demo_and_local() -> None:
    """`demo` and `local` stand for what they were given; nothing on this machine is a sentence."""
    demo, local = [Ref("demo", "ada", "ada")], [Ref("ollama", "m", "m"), Ref("vllm", "m", "m")]
    assert named("demo", "local", demo=demo, local=lambda: local) == ["ada=demo:ada", "m=ollama:m", "m #2=vllm:m"]
    with pytest.raises(UserError, match="Ollama"):
        resolve("local", has_key=ALL)


def test_a_default_service() -> None:
    """With a service of one's own as default, plain names are its models; everything named in full stays."""
    assert named("gpt4o", "a/b", "llama3:8b", "ollama:x", default="mine", services={"mine": MINE}) == [
        "gpt4o=mine:gpt4o", "a/b=mine:a/b", "llama3:8b=mine:llama3:8b", "ollama:x=ollama:x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "near"),
    [("cluade", "claude"), ("gtp4o", "gpt4o"), ("openai/gpt-4p", "openai/gpt-4"), ("opnai/gpt-4o", "openai/gpt-4o"), ("openruter:x", "openrouter"),
     ("qwen/qwen3-codr", "qwen/qwen3-coder")],
)  # fmt: skip
def test_unknown_names_have_neighbours(name: str, near: str) -> None:
    """A misspelt name is answered with the nearest that exist."""
    with pytest.raises(UnknownName) as unknown:
        resolve(name, has_key=ALL)
    assert near in str(unknown.value)


def test_a_model_newer_than_the_list() -> None:
    """Who knows better than the list can say so, and is told how."""
    with pytest.raises(UnknownName, match="openrouter:openai/gpt-99"):
        resolve("openai/gpt-99", has_key=ALL)
    assert named("openrouter:openai/gpt-99") == ["openrouter:openai/gpt-99=openrouter:openai/gpt-99"]


@pytest.mark.parametrize("pool", ["", "  ", [], ","])
def test_empty_pools(pool: Any) -> None:
    """An empty pool is one sentence."""
    with pytest.raises(UserError, match="pool"):
        resolve(pool)
    with pytest.raises(UserError, match="no model"):
        resolve("ollama:")


def test_pools_have_an_end() -> None:
    """Sixty-four members are a pool, one more is not."""
    assert len(resolve("gpt4o*64", has_key=ALL)) == 64
    with pytest.raises(UserError, match="64"):
        resolve("gpt4o*64,claude", has_key=ALL)


def test_completions() -> None:
    """What begins like what was typed, vendors' models only once a vendor or a service was typed."""
    assert list(completions("cl")) == ["claude"]
    assert "groq:" in list(completions("gro"))
    assert list(completions("m", {"my-fast": "x"}, {"mine": MINE})) == [
        "minimax",
        "mistral",
        "my-fast",
        "mine:",
        "mistral:",
    ]
    assert {"demo", "local", "claude", "openrouter:"} <= set(completions(""))
    assert "openai/gpt-4o" in list(completions("openai/gpt-4"))
    assert "anthropic:claude-opus-5-5" in list(completions("anthropic:claude-op"))
    assert list(completions("nosuch")) == []


@pytest.mark.parametrize(
    ("ref", "kin"),
    [
        ("openrouter:~anthropic/claude-opus-latest", "anthropic"), ("anthropic:claude-opus-5-5", "anthropic"), ("openrouter:openai/gpt-oss-120b", "openai"),
        ("ollama:gpt-oss:20b", "openai"), ("openai:o3-mini", "openai"), ("gemini:gemma-4-31b-it", "google"), ("openrouter:meta-llama/llama-4-scout", "meta"),
        ("groq:llama-3.3-70b-versatile", "meta"), ("together:meta-llama/Llama-3.3-70B", "meta"), ("ollama:mistral-nemo", "mistral"), ("openrouter:mistralai/mixtral-8x7b", "mistral"),
        ("ollama:deepseek-r1:8b", "deepseek"), ("groq:deepseek-r1-distill-llama-70b", "deepseek"), ("openrouter:x-ai/grok-4.7", "xai"), ("xai:grok-4.7", "xai"),
        ("fireworks:accounts/fireworks/models/qwen3-235b", "qwen"), ("lmstudio:phi-4", "microsoft"), ("ollama:my-model", "my-model"), ("openrouter:acme/llama-tune", "acme"),
        ("openrouter:z-ai/glm-5", "glm"), ("openrouter:moonshotai/kimi-k3", "kimi"),
    ],
)  # fmt: skip
def test_families(ref: str, kin: str) -> None:
    """A model's family is known by its vendor or its name, whoever serves it."""
    service, _, model = ref.partition(":")
    assert model_family(Ref(service, model)) == kin


def refs(*names: str, **options: Any) -> list[Ref]:
    return [m for m in resolve(list(names), **{"has_key": ALL, **options}) if isinstance(m, Ref)]


def test_kinship() -> None:
    """A judge that is a member, or of a member's family, is known as such."""
    pool = refs("claude", "gpt4o")
    assert family_relation(Ref("openrouter", "openai/gpt-4o", "judge"), pool) == "member"
    assert family_relation(Ref("openai", "o3"), pool) == "family"
    assert family_relation(Ref("openrouter", "x-ai/grok-4.7"), pool) is None


def test_the_default_judge() -> None:
    """A strong model that is no relation of anybody in the pool, as far as the keys reach."""

    def judge(*pool: str, have: Callable[[str], bool] = ALL, **options: Any) -> str:
        return str(default_judge(refs(*pool, has_key=have, **options), have))

    assert judge("gpt4o", "gemini") == "openrouter:~anthropic/claude-opus-latest"
    assert judge("claude", "llama") == "openrouter:~openai/gpt-latest"
    assert (
        family_relation(default_judge(refs("claude", "gemini", "gpt4o"), ALL), refs("claude", "gemini", "gpt4o"))
        is None
    )
    assert judge("claude", "gpt4o", have=keys("ANTHROPIC_API_KEY", "OPENAI_API_KEY")) == "anthropic:claude-opus-5-5"
    assert judge("claude", have=keys("ANTHROPIC_API_KEY", "OPENAI_API_KEY")) == "openai:gpt-5.5"
    assert judge("opus", have=keys("ANTHROPIC_API_KEY")) == "anthropic:claude-opus-5-5"
    assert judge("groq:llama", have=keys("GROQ_API_KEY")) == "groq:llama"
    everyone = refs(*STRONG)
    assert str(default_judge(everyone, ALL)).startswith("openrouter:")


def test_judges_of_private_pools() -> None:
    """A pool on this machine is judged there and sent nowhere else; scripted members have their scripted judge."""
    local = [Ref("ollama", "qwen3:8b", "qwen3"), Ref("ollama", "llama3", "llama3")]
    assert default_judge([local[1]], ALL, local=local) == local[0]
    assert str(default_judge([Ref("mine", "m", "m #1")], ALL, services={"mine": MINE})) == "mine:m"
    demo = Ref("demo", "judge", "judge")
    assert default_judge([Ref("demo", "ada"), Ref("demo", "bob")], ALL, demo=demo) == demo
    assert default_judge([Ref("demo", "ada"), Ref("openrouter", "openai/gpt-4o")], ALL, demo=demo) != demo
    with pytest.raises(UserError, match="judge="):
        default_judge([Ref("python", "f")], keys(), demo=demo)


def test_a_function_beside_a_scripted_member_is_judged_by_the_script() -> None:
    """Without a key the demo's judge is there; it judges nothing that a real model can judge."""
    demo, mixed = Ref("demo", "judge", "judge"), [Ref("python", "f"), Ref("demo", "swift")]
    assert default_judge(mixed, keys(), demo=demo) == demo
    assert default_judge(mixed, keys("OPENAI_API_KEY"), demo=demo).service == "openai"
    assert default_judge([*mixed, Ref("ollama", "m")], keys(), demo=demo).service == "ollama"
    result = fusion_nb.fuse("Why?", [lambda prompt: "So.", "demo:swift"], journal=False)
    assert result.judge == Ref("demo", "judge", "demo:judge")


@pytest.mark.parametrize(
    "name", ["gpt-oss:20b", "qwen3:4b-instruct-q8_0", "llama3.2:latest", "phi4:mini", "mixtral:8x7b", "gemma3n:e4b"]
)
def test_a_model_as_ollama_writes_it_is_recognised(name: str) -> None:
    """`ollama run gpt-oss:20b` is what people have in their fingers; the remedy is one that is taken."""
    with pytest.raises(UserError, match=f"Did you mean ollama:{name}"):
        resolve(name, has_key=ALL)
    assert named(f"ollama:{name}") == [f"ollama:{name}=ollama:{name}"]


@pytest.mark.parametrize("name", ["opneai:gpt-4o", "antropic:claude-opus-5-5", "nowhere:some-model"])
def test_a_misspelt_service_is_no_model_of_ollamas(name: str) -> None:
    """The opposite: what only looks like a service with a model gets the nearest services."""
    with pytest.raises(UnknownName, match="Unknown service") as unknown:
        resolve(name, has_key=ALL)
    assert "ollama:" not in str(unknown.value)


def listed(body: Any, service: Any = OPENROUTER) -> list[ModelInfo]:
    async def main(url: str) -> list[ModelInfo]:
        http, there = Http(), custom_service(service.name, url)
        try:
            return parse_models(await http.get_json(f"{there.base_url}/models"), there)
        finally:
            await http.aclose()

    with WireServer(response(200, json.dumps(body).encode())) as server:
        return asyncio.run(main(server.url))


def test_the_models_of_a_service() -> None:
    """Names, context, modalities and exact prices per million tokens, as the service lists them."""
    rows = [
        {"id": "a/b", "name": "B", "created": 1_750_000_000, "context_length": 128000, "architecture": {"input_modalities": ["text", "image"]},
         "pricing": {"prompt": "0.0000025", "completion": "0.00001"}},
        {"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}},
        {"id": "models/gemini-x", "display_name": "X\x1b[31m"},
        {"id": "evil\x1b[31m"}, {"id": 5}, None, [], {"id": "junk", "context_length": "many", "pricing": [], "architecture": {"input_modalities": 3}, "created": "x"},
    ]  # fmt: skip
    found = listed({"data": rows})
    assert [str(m.ref) for m in found] == [
        "openrouter:a/b",
        "openrouter:openrouter/auto",
        "openrouter:gemini-x",
        "openrouter:junk",
    ]
    first = found[0]
    assert (first.name, first.context, first.modalities, first.created) == (
        "B",
        128000,
        ("text", "image"),
        "2025-06-15",
    )
    assert (first.prompt_usd_per_mtok, first.completion_usd_per_mtok) == (Decimal("2.5"), Decimal(10))
    assert (found[1].prompt_usd_per_mtok, found[1].context) == (None, None)
    assert found[2].name == "X"
    assert found[0].source.startswith("127.0.0.1:")
    assert [str(m.ref) for m in listed([{"id": "t"}], SERVICES["together"])] == ["together:t"]
    assert listed({"oops": 1}) == []


def test_models_without_a_network() -> None:
    """The price table lists a service's models offline, dated by its version."""
    found = {m.ref.model: m for m in offline_models(SERVICES["openai"])}
    assert (found["gpt-4o"].prompt_usd_per_mtok, found["gpt-4o"].completion_usd_per_mtok) == (
        Decimal("2.5"),
        Decimal(10),
    )
    assert found["gpt-4o"].source.startswith("genai-prices ")
    assert len(offline_models(OPENROUTER)) > 500
    assert offline_models(SERVICES["ollama"]) == []
    for row in SERVICES.values():
        assert row.prices_id is None or offline_models(row), row.name


LISTED = [
    {"id": "~anthropic/claude-sonnet-latest", "name": "Sonnet Latest", "context_length": 200_000,
     "alias_target": {"slug": "anthropic/claude-sonnet-5.5", "name": "Claude Sonnet 5.5"},
     "architecture": {"input_modalities": ["text", "image"]}, "pricing": {"prompt": "0.000003", "completion": "0.000015"}},
    {"id": "acme/cheap", "name": "Cheap", "context_length": 32_000, "pricing": {"prompt": "0.0000001", "completion": "0.0000002"}},
    {"id": "acme/unknown", "name": "Unknown"},
]  # fmt: skip


@pytest.fixture
def listing() -> Iterator[Callable[..., Any]]:
    """`models()` with OpenRouter at a server of this test."""
    with WireServer(response(200, json.dumps({"data": LISTED}).encode())) as server:
        yield lambda words="", **names: fusion_nb.models(
            words, services={"openrouter": {"base_url": server.url}}, **names
        )


def test_whatever_is_listed_can_be_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ref and alias of `models()`, each entry of the picker, and each name that completion offers leads to the
    very model of its row."""
    monkeypatch.setenv("OPENROUTER_API_KEY", "k" * 20)
    resolver = Resolver(settle("fuse", {}))
    table = [info for service in SERVICES.values() for info in offline_models(service)]
    assert len(table) > 1000
    picked = {str(info.ref): (str(info.ref), picker_row(info)["entry"]) for info in table}
    for row in fusion_nb.models().to_dict("records"):
        picked[row["ref"]] = (row["ref"], *picked.get(row["ref"], ()))
        if isinstance(row["alias"], str):
            picked[row["ref"]] += (row["alias"],)
    for ref, names in picked.items():
        assert {str(each) for each in resolver.resolve(names)} == {ref}
    for info in known_models():
        assert resolver.resolve([info["entry"]])
    for typed in ("openrouter:", "anthropic/", "google/", "gemini:"):
        offered = list(completions(typed))
        assert [str(ref).removeprefix("openrouter:") for name in offered for ref in resolver.resolve([name])] == [
            name.removeprefix("openrouter:") for name in offered
        ]


def test_aliases_come_first_with_what_they_stand_for(listing: Callable[..., Any]) -> None:
    """The user's own, then the built-in ones, then the models: what `claude` is now can be seen, and found by its name."""
    df = listing(aliases={"house": "openrouter:acme/cheap", "broken": "no-such-model", "all": "demo"})
    assert df.alias.tolist()[:5] == ["house", "all", "all", "all", "claude"]
    assert df.alias.isna().tolist() == sorted(df.alias.isna().tolist())
    assert df.columns.tolist()[-1] == "alias"
    claude = df[df.alias == "claude"].iloc[0]
    assert (claude.ref, claude["name"]) == (
        "openrouter:~anthropic/claude-sonnet-latest",
        "Sonnet Latest (now Claude Sonnet 5.5)",
    )
    assert claude.prompt_usd_per_mtok == 3
    house = listing("house", aliases={"house": "openrouter:acme/cheap"})
    assert (house.ref.tolist(), house.alias.tolist()) == (["openrouter:acme/cheap"], ["house"])


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("acme <1", ["openrouter:acme/cheap"]),
        ("acme <$1", ["openrouter:acme/cheap"]),
        ("acme >30k", ["openrouter:acme/cheap"]),
        ("acme >32k", []),
        ("acme <0.05", []),
        ("SONNET image >0.1m", ["openrouter:~anthropic/claude-sonnet-latest"]),
        ("sonnet-latest audio", []),
    ],
)
def test_models_are_searched_as_in_the_picker(words: str, found: list[str], listing: Callable[..., Any]) -> None:
    """Price, context and modality are words of the search; what nobody said of a model fits no such word."""
    df = listing(words)
    assert sorted({*df.ref}) == found
    rows = [picker_row(info) for info in parse_models({"data": LISTED}, OPENROUTER)]
    picked = [row["entry"] for row in rows if all(matches_search(row, word) for word in words.split())]
    assert [entry.removeprefix("openrouter:") for entry in picked] == [ref.removeprefix("openrouter:") for ref in found]


@pytest.mark.parametrize("words", ["gemini <x", "<", ">", ">100q", "<2>"])
def test_a_limit_without_a_number_is_no_search(words: str, listing: Callable[..., Any]) -> None:
    """An empty table would say that there is no such model."""
    with pytest.raises(UserError, match=r"'[<>]\S*': [<>] takes a number of (USD|tokens).*like (<2|>100k)"):
        listing(words)


def test_what_models_take_is_asked_where_nobody_tells(listing: Callable[..., Any]) -> None:
    """The price table knows no modalities: what has the word in its name is listed, and the sentence says why."""
    assert "only what has image in its name" in fusion_nb.models("image <2").attrs["note"]
    assert fusion_nb.models("gemini").attrs["note"] == listing("image").attrs["note"] == ""


@pytest.mark.parametrize(
    ("row", "context"),
    [
        ({"meta": {"n_ctx": 4096, "n_ctx_train": 131072}}, 4096),
        ({"meta": {"n_ctx_train": 131072}}, None),
        ({"max_model_len": 32768}, 32768),
        ({"max_input_tokens": 200000, "max_output_tokens": 8192}, 200000),
        ({"context_window": 131072}, 131072),
        ({"loaded_context_length": 8192, "max_context_length": 131072}, 8192),
        ({"context_length": 128000, "top_provider": {"context_length": 64000}}, 128000),
        ({"top_provider": {"context_length": 64000}}, 64000),
        (
            {
                "context_length": True,
                "max_model_len": -1,
                "meta": 5,
                "context_window": "big",
                "max_input_tokens": 2**50,
            },
            None,
        ),
    ],
)
def test_contexts_under_the_names_that_services_use(row: dict[str, Any], context: int | None) -> None:
    """What a server was started with counts before what its model was trained for; nonsense is unknown."""
    assert context_of(row) == context
    [info] = parse_models({"data": [{"id": "m", **row}]}, OPENROUTER)
    assert info.context == context
