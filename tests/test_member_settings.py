"""Settings of one member or judge alone: what is written in braces is asked of that model, or is one sentence."""

import contextlib
import copy
import json
import pickle
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from fusion_nb.core import Ref
from fusion_nb.core import option_checks as check
from fusion_nb.core.braced_fields import MAX_DEPTH
from fusion_nb.core.entry_syntax import checked_name, split_entries
from fusion_nb.core.member_settings import Entry, Member, label_of, parse_entry, written_entry
from fusion_nb.errors import UnknownName, UserError
from fusion_nb.providers.custom_services import custom_service
from fusion_nb.providers.function_provider import FunctionMember
from fusion_nb.providers.model_names import resolve

CORP = custom_service("corp", "http://127.0.0.1:9/v1")
ROUTING = '{"only":["anthropic","bedrock"],"quantization":">=fp8","zdr":true}'


def oracle(prompt: str) -> str:
    return "42"


def refs(*pool: Any, **options: Any) -> list[Ref]:
    found = resolve(
        list(pool), **{"has_key": lambda name: name == "OPENROUTER_API_KEY", "services": {"corp": CORP}, **options}
    )
    return [member.ref if isinstance(member, FunctionMember) else member for member in found]


@pytest.mark.parametrize(("entry", "meant"), [
    ("claude", ("claude", None, {})),
    (" claude { } ", ("claude", None, {})),
    ("claude{reasoning=high}", ("claude", None, {"reasoning": "high"})),
    ("gpt4o{temperature=0, system='Answer in one word.'}", ("gpt4o", None, {"temperature": 0.0, "system": "Answer in one word."})),
    ('gpt4o{ "system" : "a, b } \\"c\\"" , }', ("gpt4o", None, {"system": 'a, b } "c"'})),
    ("gpt4o{system=Be brief.}", ("gpt4o", None, {"system": "Be brief."})),
    ("gpt4o{system=42}", ("gpt4o", None, {"system": "42"})),
    ("gpt4o{system=''}", ("gpt4o", None, {"system": ""})),
    (r"gpt4o{system='a\nb\\c\u00e9\ud83d\ude00'}", ("gpt4o", None, {"system": "a\nb\\cé😀"})),
    ("claude{reasoning=2048, max_tokens='500', seed=7}*3", ("claude", 3, {"reasoning": "2048", "max_tokens": 500, "seed": 7})),
    ("claude * 3 {seed=7}", ("claude", 3, {"seed": 7})),
    ("corp:a/b:c{temperature=2}", ("corp:a/b:c", None, {"temperature": 2.0})),
    ("x{provider={only=[anthropic, bedrock], quantization >= fp8, zdr}}", ("x", None, {"provider": ROUTING})),
    (f"x{{provider={ROUTING}}}", ("x", None, {"provider": ROUTING})),
    (f"x{{provider='{ROUTING}'}}", ("x", None, {"provider": ROUTING})),
    ("x{provider={order=groq}}", ("x", None, {"provider": '{"order":["groq"]}'})),
    ("x{body={top_k=40, 'b': [1.5, true, null, 'true', {c}], a=word two}}", ("x", None, {"body": '{"a":"word two","b":[1.5,true,null,"true",{"c":true}],"top_k":40}'})),
])  # fmt: skip
def test_what_is_written_is_meant(entry: str, meant: tuple[str, int | None, dict[str, Any]]) -> None:
    """Words, numbers, quoted texts, JSON and the short form of it; a number on either side of the braces."""
    assert parse_entry(entry) == (meant[0], tuple(meant[2].items()), meant[1])


def test_commas_in_braces_separate_nothing() -> None:
    """Neither between settings, nor in their texts and lists; quotation marks outside of braces are text."""
    text = "claude{reasoning=high, seed=1}, gpt4o{system='a, {b'},x{body={a=[1, 2]}} ,it's, b"
    assert split_entries(text) == [
        "claude{reasoning=high, seed=1}", "gpt4o{system='a, {b'}", "x{body={a=[1, 2]}}", "it's", "b",
    ]  # fmt: skip
    assert split_entries("") == [""]
    assert check.pool("claude{temperature=0, seed=7}, ,gpt") == ("claude{temperature=0, seed=7}", "gpt")
    assert check.judge("opus{reasoning=low, seed=7}") == "opus{reasoning=low, seed=7}"
    assert check.judge("opus{reasoning=low, seed=7}, gpt") == ("opus{reasoning=low, seed=7}", "gpt")


@pytest.mark.parametrize(("entry", "words"), [
    ("claude{temperature=0", "not closed"), ("claude{system='a}", "not closed"), ("claude{system=don't}", "not closed"), ("claude{a=[1}", "not closed"),
    ("claude{=0}", "no name"), ("claude{,}", "no name"), ("claude{temperature=}", "has no value"), ("claude{reasoning high}", "no = behind"),
    ("claude{temperature=0 seed=1}", "comma is missing"), ("claude{temperature==0}", "no value"), ("claude{system='a' b}", "comma is missing"),
    ("claude{temperature=0, temperature=1}", "stands twice"), ("claude{provider={zdr, zdr}}", "stands twice"),
    ("claude{tempreature=0}", "Did you mean temperature"), ("claude{max-tokens=5}", "Did you mean max_tokens"), ("claude{high}", "There are 'reasoning'"),
    ("claude{temperature=2.1}", "from 0 to 2"), ("claude{temperature=nan}", "from 0 to 2"), ("claude{temperature}", "from 0 to 2"), ("claude{max_tokens=0}", "from 1 to"),
    ("claude{max_tokens=1e3}", "whole number"), ("claude{seed=-1}", "from 0 to"), (f"claude{{seed={'9' * 5000}}}", "whole number"), ("claude{reasoning=hihg}", "Did you mean high"),
    ("claude{system=[a]}", "must be text"), ("{temperature=0}", "names no model"), ("claude{seed=1} x", "cannot stand behind"), ("claude{seed=1}{seed=2}", "cannot stand behind"),
    ("claude*2{seed=1}*2", "cannot stand behind"), ("claude{seed=1}*", "cannot stand behind"), ("claude{seed=1}*65", "1 to 64"), ("claude*0{seed=1}", "1 to 64"),
    (r"claude{system='\frac'}", "write two of them"), (r"claude{system='\u12'}", "write two of them"),
    ("claude{provider=groq}", "provider takes fields"), ("claude{provider={}}", "provider takes fields"), ("claude{provider={onyl=[a]}}", "Did you mean only"),
    ("claude{provider={quantization>=fp9}}", "Did you mean fp8"), ("claude{provider={quantization>=[fp8]}}", "takes a word"), ("claude{provider={quantization=fp8, quantizations=[fp8]}}", "give one"),
    ("claude{provider={zdr=yes}}", "True or False"), ("claude{provider={data_collection=never}}", "There are allow, deny"), ("claude{provider={only=[]}}", "names of providers"),
    ("claude{provider={max_price=3}}", "max_price={"), ("claude{provider={sort=speed}}", "throughput"),
    ("claude{body=5}", "body takes fields"), ("claude{body={a=1e999}}", "too large a number"), (f"claude{{body={{a={'[' * 40}1{']' * 40}}}}}", "in one another"),
    ("claude{temperature=0, body={temperature=1}}", "give it once"), ("claude{provider={zdr}, body={provider={order=[a]}}}", "give it once"),
])  # fmt: skip
def test_bad_input_is_one_sentence(entry: str, words: str) -> None:
    """Each slip is told in one line, with what to write instead."""
    with pytest.raises(UserError) as refused:
        parse_entry(entry)
    assert words in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "field",
    ["model", "models", "messages", "stream", "stream_options", "max_tokens", "maxTokens", "max-completion-tokens", "max_output_tokens", "n", "best_of", "plugins", "tools",
     "web_search_options", "service_tier", "extra_body"],
)  # fmt: skip
def test_a_body_cannot_change_what_is_asked_or_its_bounds(field: str) -> None:
    """Who is asked, what, whether it streams, and whatever would be billed beside the tokens that a cap counts with."""
    for give in (lambda: parse_entry(f"x{{body={{top_k=40, {field}=3}}}}"), lambda: Member("x", body={field: 3})):
        with pytest.raises(UserError, match="body cannot hold"):
            give()


def test_members_in_python() -> None:
    """`Member` is a value: equal, hashable, copied and pickled, shown as it would be written."""
    member = Member("claude", reasoning="high", provider={"only": ["groq"], "quantization": ">=fp8", "zdr": True})
    assert repr(member) == "claude{reasoning=high, provider={only=[groq], quantization>=fp8, zdr}}"
    assert member == Member("claude{reasoning=high}", provider="{zdr, only=groq, quantization>=fp8}")
    assert len({member, copy.deepcopy(member), pickle.loads(pickle.dumps(member))}) == 1
    assert repr(Member("claude*3{seed=7}", seed=9, temperature=0.1)) == "claude*3{temperature=0.1, seed=9}"
    assert check.pool([member, "gpt4o", oracle]) == (member, "gpt4o", oracle)
    assert check.pool(member) == (member,)
    assert check.judge(member) == member
    assert check.judge([member, "gpt"]) == (member, "gpt")
    with pytest.raises(AttributeError):
        member.model = "gpt"  # type: ignore[misc]
    with pytest.raises(UnknownName, match="Did you mean temperature"):
        Member("claude", tempreature=0)
    for wrong in ("", " ", 3, None, member, ["claude"]):
        with pytest.raises(UserError, match="name or a Python function"):
            Member(wrong)  # type: ignore[arg-type]
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    for body in ({"a": object()}, {"a": float("nan")}, {1: 2}, cycle, {"a": "x" * 60_000}, [1]):
        with pytest.raises(UserError, match="body"):
            Member("claude", body=body)  # type: ignore[arg-type]


def test_a_function_takes_what_it_can_obey() -> None:
    """It is given messages, so a system prompt acts; sampling and routing cannot, and are refused."""
    member = Member(oracle, system="Be brief.")
    assert repr(member) == "oracle{system='Be brief.'}"
    found = resolve([member, oracle])
    assert [(m.ref.label, m.ref.options, m.fn) for m in found if isinstance(m, FunctionMember)] == [
        ("oracle", (("system", "Be brief."),), oracle), ("oracle #2", (), oracle),
    ]  # fmt: skip
    for given in ({"temperature": 0}, {"seed": 1, "system": "x"}, {"max_tokens": 5}, {"body": {"a": 1}}):
        with pytest.raises(UserError, match="oracle is a Python function"):
            Member(oracle, **given)  # type: ignore[arg-type]


def test_settings_reach_the_ref() -> None:
    """In `Ref.options`, in one order however they were written; `*3` adds seeds, from the member's own on."""
    assert [r.options for r in refs("claude{seed=7, reasoning=high}", Member("claude", reasoning="high", seed=7))] == [
        (("reasoning", "high"), ("seed", 7)),
    ] * 2  # fmt: skip
    assert [(r.label, dict(r.options)) for r in refs("claude{temperature=0}*2", "gpt{seed=7}*2", "gpt4o*2")] == [
        ("claude{temperature=0} #1", {"temperature": 0.0, "seed": 1}), ("claude{temperature=0} #2", {"temperature": 0.0, "seed": 2}),
        ("gpt #1", {"seed": 7}), ("gpt #2", {"seed": 8}), ("gpt4o #1", {"seed": 1}), ("gpt4o #2", {"seed": 2}),
    ]  # fmt: skip
    with pytest.raises(UserError, match="seed must be"):
        refs(f"claude{{seed={2**63 - 1}}}*2")
    assert hash(refs("claude{provider={zdr}, body={top_k=40}}")[0])
    assert json.loads(refs("x{body={top_k=40}}", default="corp")[0].setting("body")) == {"top_k": 40}


def test_aliases_and_settings() -> None:
    """An alias may have settings of its own; what is written around it wins, and numbers multiply."""
    own = {"careful": "claude{reasoning=high, temperature=0}", "twice": "careful*2", "all": "demo{temperature=0.5}"}
    demo = [Ref("demo", "a", "a"), Ref("demo", "b", "b")]
    assert [(r.label, dict(r.options)) for r in refs("careful", "careful{temperature=1}", aliases=own)] == [
        ("careful", {"reasoning": "high", "temperature": 0.0}), ("careful{temperature=1}", {"reasoning": "high", "temperature": 1.0}),
    ]  # fmt: skip
    assert [r.label for r in refs("twice*2", aliases=own)] == ["twice #1", "twice #2", "twice #3", "twice #4"]
    assert [r.setting("seed") for r in refs("twice*2", aliases=own)] == [1, 2, 3, 4]
    assert [(r.label, dict(r.options)) for r in refs("all{seed=1}", aliases=own, demo=demo)] == [
        ("a{seed=1}", {"temperature": 0.5, "seed": 1}), ("b{seed=1}", {"temperature": 0.5, "seed": 1}),
    ]  # fmt: skip
    with pytest.raises(UserError, match="64"):
        refs("twice*33", aliases=own)
    with pytest.raises(UserError, match="leads to itself"):
        refs("x{seed=1}", aliases={"x": "y{temperature=0}", "y": "x"})
    with pytest.raises(UserError, match="stands twice"):
        refs("bad", aliases={"bad": "claude{seed=1, seed=2}"})


def test_labels_tell_members_apart() -> None:
    """A label has the settings, shortened; what they do not tell, a number does."""
    pool = ["claude", "claude{reasoning=high}", "claude{reasoning=high}", "claude{system='You are a pirate who likes tea.'}",
            "claude{provider={only=[groq]}}", "claude{provider={only=[groq, together, fireworks, deepinfra]}}",
            "claude{reasoning=high, temperature=0.25, max_tokens=5000, seed=12345678, system=x}"]  # fmt: skip
    labels = [r.label for r in refs(*pool)]
    assert labels == [
        "claude", "claude{reasoning=high}", "claude{reasoning=high} #2", "claude{system='You are a pirate who l…}",
        "claude{provider={only=[groq]}}", "claude{provider={only=[groq, together, …}",
        "claude{reasoning=high, temperature=0.25, max_tokens=5000, …}",
    ]  # fmt: skip
    hidden = label_of("x" * 80, parse_entry("x{system='a\u202e\\n\u200bb'}").settings)
    assert hidden == "x" * 80 + r"{system='a\u202e\n\u200bb'}"


def test_the_entry_of_a_ref_asks_the_same_again() -> None:
    """What a panel writes for a member of a past run: settings whole, the number and its seed left out."""
    pool = ["claude", "claude{reasoning=high, system='You are a pirate who likes tea.'}", "gpt{seed=7}", "gpt4o*2", "corp:a{temperature=0}*2"]  # fmt: skip
    written = [written_entry(ref) for ref in refs(*pool, "gpt{seed=7}")]
    assert written == [
        "claude", "claude{reasoning=high, system='You are a pirate who likes tea.'}", "gpt{seed=7}", "gpt4o", "gpt4o",
        "corp:a{temperature=0}", "corp:a{temperature=0}", "gpt{seed=7}",
    ]  # fmt: skip
    long = refs("claude{reasoning=high, temperature=0.25, max_tokens=5000, system=xxxxxxxxx, seed=12345678}")[0]
    assert refs(written_entry(long)) == [long]


@pytest.mark.parametrize(("name", "words"), [
    ("corp:a*-1", "write it as claude*3"), ("corp:a*1.5", "write it as claude*3"), ("corp:a*", "write it as claude*3"), ("corp:a**2", "write it as claude*3"), ("corp:*3", "names no model: write it as service:model"),
    ("corp:a*two", "write it as claude*3"), ("corp:a b", "a space in it"), ("corp: a", "a space in it"), ("corp:a\tb", "a space in it"), ("corp:a\u00a0b", "a space in it"), ("corp:a\nb", "a space in it"),
    ("corp:a\0", "cannot be seen"), ("corp:a\u200bb", "cannot be seen"), ("corp:a\x1b[2J", "cannot be seen"), ("corp:a\u202eb", "cannot be seen"), ("corp:a\ud800", "cannot be seen"),
    ("corp:a,b", "comma in it"), ("corp:a}", "no name"), ("corp:'a'", "no name"), ('corp:"a"', "no name"),
])  # fmt: skip
def test_slips_in_names_are_refused(name: str, words: str) -> None:
    """They were sent as literal names of models, and the service's answer told nobody what was wrong."""
    for options in ({}, {"default": "own"}):
        with pytest.raises(UserError) as refused:
            refs(name, **options)
        assert words in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("model", [
    "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", "qwen2.5-coder:7b-instruct-q8_0", "gemma-3-12b@q4_k_m", "@cf/meta/llama-3.1-8b-instruct", "ft:gpt-4o-mini-2024-07-18:acme::AbC123",
    "~anthropic/claude-sonnet-latest", "accounts/fireworks/models/qwen3-235b", "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0", "C:\\models\\llama(1).gguf",
    "/models/7B/ggml-model.gguf", "sonnet[1m]", "c4ai-command-r+", "model#2", "modèle-français", "模型-7b", "openai/gpt-4o?x=1", "a.b-c_d", "deepseek/deepseek-r1:free", "s3://bucket/model",
])  # fmt: skip
def test_real_names_of_models_are_taken(model: str) -> None:
    """As OpenRouter, Ollama, Hugging Face, LM Studio, llama.cpp, Cloudflare, Bedrock and OpenAI write them."""
    assert checked_name(model) == model
    assert refs(f"corp:{model}")[0] == Ref("corp", model, f"corp:{model}")
    assert refs(f"corp:{model}{{seed=1}}*2")[1].model == model


def test_names_that_nobody_knows_have_neighbours() -> None:
    """Where nothing would be sent anyway, the nearest names help more than a rule; a number gone wrong is no name."""
    for name, near in (("gpt 4o", "gpt4o"), ("cluade{temperature=0}", "claude"), ("'claude'", "claude")):
        with pytest.raises(UnknownName, match=near):
            refs(name)
    for name, words in (("gpt4o*-1", "write it as claude"), ("claude,gpt4o", "comma in it")):
        with pytest.raises(UserError, match=words):
            refs(name)


def test_own_aliases_keep_their_names() -> None:
    """Somebody's alias may be called what no model is called."""
    assert refs("my model", "a*", aliases={"my model": "corp:x", "a*": "corp:y"}) == [
        Ref("corp", "x", "my model"), Ref("corp", "y", "a*"),
    ]  # fmt: skip


def test_a_data_policy_that_nobody_would_keep_is_refused() -> None:
    """`zdr` goes to OpenRouter, and means nothing on this machine; elsewhere the prompt would be sent without it."""
    policy, routing = "{provider={zdr}}", "{provider={only=[a]}}"
    assert [ref.service for ref in refs(f"claude{policy}", f"ollama:x{policy}")] == ["openrouter", "ollama"]
    assert refs(f"claude{routing}", has_key=lambda name: name == "ANTHROPIC_API_KEY")[0].service == "anthropic"
    for pool in (f"claude{policy}", "claude{provider={data_collection=deny}}", f"groq:x{policy}"):
        with pytest.raises(UserError, match="data policy"):
            refs(pool, has_key=lambda name: name == "ANTHROPIC_API_KEY")
    with pytest.raises(UserError, match="data policy"):
        refs(f"corp:x{policy}")


def test_refs_stand_for_themselves() -> None:
    """Models that were found, not named, need no name that can be written."""
    found = Ref("llamacpp", "/models/My Model.gguf", "My Model")
    assert resolve([found]) == (found,)


WORDS = st.text(st.sampled_from("claude{}[]'\"\\=:,*> 0123.-nu\n\u200b\ud800é"), max_size=60) | st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
SETTINGS = st.fixed_dictionaries({}, optional={
    "reasoning": st.sampled_from(check.EFFORTS) | st.integers(0, 10_000),
    "temperature": st.floats(0, 2), "max_tokens": st.integers(1, 10_000_000), "seed": st.integers(0, 2**63 - 4), "system": st.text(),
    "provider": st.fixed_dictionaries({"only": st.lists(st.text("abc-/é '", min_size=1).filter(str.strip), min_size=1)}, optional={
        "quantization": st.sampled_from([">=fp8", "bf16"]), "zdr": st.booleans(), "max_price": st.just({"prompt": 1.5})}),
    "body": st.dictionaries(st.text(max_size=6).map(lambda key: f"x_{key}"), JSON, min_size=1, max_size=4),
})  # fmt: skip


@hypothesis.given(WORDS)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but `UserError` comes of a text, in whatever place it stands."""
    for entry in (
        text,
        f"claude{{{text}}}",
        f"claude{{system={text}}}",
        f"x{{provider={{{text}}}}}",
        f"x{{body={{a={text}}}}}",
    ):
        with contextlib.suppress(UserError):
            for each in split_entries(entry):
                refs(each)


@hypothesis.given(st.sampled_from(["claude", "openrouter:a/b:c*3"]), SETTINGS)
def test_what_is_shown_can_be_written(model: str, given: dict[str, Any]) -> None:
    """The `repr` of a member is an entry that means the same, in a pool of several too; its label is one clean line."""
    member = Member(model, **given)
    assert split_entries(f"{member!r}, gpt") == [repr(member), "gpt"]
    assert parse_entry(repr(member)) == parse_entry(member)
    assert Member(repr(member)) == member
    assert refs(member) == refs(repr(member))
    assert all(ref.label.isprintable() for ref in refs(member))
    assert parse_entry(member).within(Entry("", ())) == parse_entry(member)


@pytest.mark.parametrize("text", ["{" * 100_000, "a{" + "[" * 100_000 + "]" * 100_000 + "}", "a{" + "b=1," * 50_000 + "}", "a{x='" + "\\\\" * 100_000, "a" + " *" * 50_000, "," * 100_000 + "{"])  # fmt: skip
def test_hostile_texts_are_refused_at_once(text: str) -> None:
    """However deep and long: no recursion without end, and time in proportion to the text."""
    with pytest.raises(UserError):
        refs(*split_entries(text))


def test_depth_is_the_same_for_text_and_python() -> None:
    """What `Member` takes can be written, and what is too deep is refused by both."""

    def nested(levels: int) -> Any:
        return {"a": nested(levels - 1)} if levels else 1

    assert parse_entry(repr(Member("x", body=nested(MAX_DEPTH)))) == parse_entry(Member("x", body=nested(MAX_DEPTH)))
    with pytest.raises(UserError, match="too large"):
        Member("x", body=nested(MAX_DEPTH + 1))
