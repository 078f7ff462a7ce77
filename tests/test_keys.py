"""A key is found where people keep keys, and seen nowhere."""

import copy
import pickle
import sys
import traceback
import types

import pytest

from fusion_nb.errors import KeyMissing
from fusion_nb.providers import keys
from fusion_nb.providers.keys import KeyAuth, bind, has_key, looks_like_key, scrub
from fusion_nb.providers.services import OPENROUTER, SERVICES, custom_service

KEY = "sk-or-v1-" + "0123456789abcdef" * 4
SHAPES = [
    KEY,
    "sk-proj-" + "Ab1_" * 30,
    "sk-ant-api03-" + "Ab1-" * 24,
    "sk-" + "a1B2" * 12,
    "sk-svcacct-" + "Ab1_" * 30,
    "AIza" + "Sy1_-" * 7,
    "gsk_" + "aB3d" * 13,
    "xai-" + "aB3d" * 20,
    "hf_" + "aBcD" * 8,
    "r8_" + "aB3d" * 9,
    "ghp_" + "aB3d" * 9,
    "github_pat_" + "aB3d" * 15,
    "pplx-" + "aB3d" * 12,
]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for row in SERVICES.values():
        for variable in row.keys:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the environment is found; an empty variable is none."""
    assert not has_key("OPENROUTER_API_KEY")
    monkeypatch.setenv("OPENROUTER_API_KEY", "")
    assert not has_key("OPENROUTER_API_KEY")
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    assert has_key("OPENROUTER_API_KEY")
    auth = bind(OPENROUTER)
    assert auth is not None
    headers: dict[str, str] = {}
    auth.attach(headers, "https://openrouter.ai:443")
    assert headers == {"Authorization": f"Bearer {KEY}"}


def test_the_second_name_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gemini's key is found under both names people use."""
    monkeypatch.setenv("GOOGLE_API_KEY", SHAPES[5])
    auth = bind(SERVICES["gemini"])
    assert auth is not None
    assert auth.variable == "GOOGLE_API_KEY"


def test_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `keyring` is installed it is asked, and its failures are no key."""
    ring = types.ModuleType("keyring")
    kept = {("fusion_nb", "OPENAI_API_KEY"): KEY}
    ring.get_password = lambda service, user: kept.get((service, user))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", ring)
    assert has_key("OPENAI_API_KEY")
    assert not has_key("GROQ_API_KEY")
    ring.get_password = lambda service, user: 1 / 0  # type: ignore[attr-defined]
    assert not has_key("OPENAI_API_KEY")


def test_colab(monkeypatch: pytest.MonkeyPatch) -> None:
    """In Colab its secrets are asked, and a secret that may not be read is no key."""
    userdata = types.ModuleType("google.colab.userdata")
    kept = {"OPENAI_API_KEY": KEY}
    userdata.get = kept.__getitem__  # type: ignore[attr-defined]
    for name, module in (("google", types.ModuleType("google")), ("google.colab", types.ModuleType("google.colab"))):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "google.colab.userdata", userdata)
    assert has_key("OPENAI_API_KEY")
    assert not has_key("GROQ_API_KEY")


def test_no_key() -> None:
    """A missing key is one sentence: what to set, how, and what works without."""
    with pytest.raises(KeyMissing) as missing:
        bind(OPENROUTER)
    assert "OPENROUTER_API_KEY" in str(missing.value)
    assert "--pool demo" in str(missing.value)
    assert bind(SERVICES["ollama"]) is None
    assert bind(SERVICES["vllm"]) is None
    assert bind(custom_service("mine", "http://127.0.0.1:9/v1")) is None


@pytest.mark.parametrize("bad", ["{0}\n", "{0}\r\nX-Evil: 1", "{0} ", "{0}é", "“{0}”", "{0}\x01", "\t{0}"])
def test_malformed_keys(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that cannot stand in a header is told without being shown, not even in the variables of the traceback."""
    monkeypatch.setenv("OPENROUTER_API_KEY", bad.format(KEY))
    with pytest.raises(KeyMissing) as refused:
        bind(OPENROUTER)
    assert "OPENROUTER_API_KEY" in str(refused.value)
    assert KEY[:30] not in str(refused.value)
    ours = [
        frame
        for frame in traceback.StackSummary.extract(traceback.walk_tb(refused.value.__traceback__), capture_locals=True)
        if "fusion_nb/" in frame.filename
    ]
    assert ours
    assert not any(KEY[:30] in value for frame in ours for value in (frame.locals or {}).values())


def test_a_key_does_not_show_itself() -> None:
    """Printing, pickling, copying or taking the object apart does not give the key away."""
    auth = KeyAuth(KEY, "K", "https://openrouter.ai:443")
    assert repr(auth) == str(auth) == f"{auth}" == "***"
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            take(auth)
    assert not hasattr(auth, "__dict__")
    shown = [repr(getattr(auth, name)) for name in dir(auth)]
    held = [repr(cell.cell_contents) for f in (auth._attach, auth._hide) for cell in f.__closure__ or ()]
    assert not any(KEY in text for text in (*shown, *held))
    assert len(auth.fingerprint) == 8


def test_a_key_stays_at_its_origin() -> None:
    """Another host, port or scheme gets nothing."""
    auth = KeyAuth(KEY, "K", "https://openrouter.ai:443")
    for origin in (
        "http://openrouter.ai:443",
        "https://openrouter.ai:8443",
        "https://openrouter.ai.evil.example:443",
        "https://evil.example:443",
        "",
    ):
        headers: dict[str, str] = {}
        auth.attach(headers, origin)
        assert headers == {}


def test_a_key_is_hidden_in_texts() -> None:
    """A text that quotes the key loses it; a placeholder that is a word does not eat words."""
    assert KeyAuth(KEY, "K", "o").hide(f"no such key: {KEY}.") == "no such key: ***."
    assert KeyAuth("EMPTY", "K", "o").hide("EMPTY set") == "EMPTY set"


@pytest.mark.parametrize("key", SHAPES, ids=lambda k: k[:8])
def test_shapes_of_keys(key: str) -> None:
    """Keys of the usual services are known by their shape, anywhere in a line, and taken out."""
    for line in (key, f"%%fuse --key {key}", f'key="{key}",', f"OPENAI_API_KEY={key}", f"(see {key})"):
        assert looks_like_key(line)
        assert key not in scrub(line)
        assert key[12:] not in scrub(line)


@pytest.mark.parametrize("text", [
    "", "Why is the sky blue?", "sk-learn", "use scikit-learn and sk-learn-contrib-imbalanced-learn-extra", "task-based-parallelism-in-python-3-and-more",
    "risk-management-for-small-and-medium-enterprises", "sk-or-v1", "openai/gpt-4o-2024-05-13", "~anthropic/claude-sonnet-latest", "gsk_ is Groq's prefix",
    "hf_hub_download and hf_transfer", "0123456789abcdef0123456789abcdef0123456789abcdef", "550e8400-e29b-41d4-a716-446655440000",
    "AIza", "xai-org/grok-1", "the mask-rcnn-resnet50-fpn-coco-2017 model", "https://desk-booking-2024-conference-center.example/a1",
    "sk-SK-bratislava-kosice-presov-zilina",
])  # fmt: skip
def test_words_are_no_keys(text: str) -> None:
    """Prompts, model names and package names are not taken for keys."""
    assert not looks_like_key(text)
    assert scrub(text) == text


def test_bearer_tokens_are_scrubbed() -> None:
    """Whatever stands behind `Bearer` in an error is a secret."""
    assert scrub("Authorization: Bearer abcdefghijklmnop1234") == "Authorization: Bearer ***"
    assert keys.scrub is scrub
