"""A key is found where people keep keys, and seen nowhere."""

import base64
import copy
import html
import json
import pickle
import random
import string
import sys
import time
import traceback
import types
from pathlib import Path
from urllib.parse import quote

import pytest

from fusion_nb.errors import KeyMissing
from fusion_nb.providers import key_sources, keys
from fusion_nb.providers.custom_services import custom_service
from fusion_nb.providers.keys import KeyAuth, bind, has_key, looks_like_key, scrub
from fusion_nb.providers.services import OPENROUTER, SERVICES

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
def _no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for row in SERVICES.values():
        for variable in row.keys:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    monkeypatch.chdir(tmp_path)
    keys.forget_stored()


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
    keys.forget_stored()
    assert not has_key("OPENAI_API_KEY")


def test_a_keyring_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked keyring may ask the person each time: its answer stands for minutes, but not for a key that was missed."""
    asked: list[str] = []
    kept: dict[str, str] = {}
    ring = types.ModuleType("keyring")
    ring.get_password = lambda service, user: asked.append(user) or kept.get(user)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", ring)
    for _ in range(5):
        assert not has_key("OPENAI_API_KEY")
    assert asked == ["OPENAI_API_KEY"]
    with pytest.raises(KeyMissing):
        bind(SERVICES["openai"])
    kept["OPENAI_API_KEY"] = KEY
    assert bind(SERVICES["openai"]) is not None
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    assert has_key("GROQ_API_KEY")
    assert "GROQ_API_KEY" not in asked
    for n in range(200):
        has_key(f"OTHER_{n}")
    assert len(key_sources._stored) <= 64
    monkeypatch.setattr(key_sources, "STORED_FOR", 0.0)
    assert has_key("OPENAI_API_KEY")
    assert asked[-1] == "OPENAI_API_KEY"


@pytest.mark.parametrize("marks", ['"{0}"', "'{0}'"])
def test_a_quoted_key_is_sent_without_its_marks(marks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`docker --env-file` keeps quotation marks: they are no part of the key, nor of what is hidden."""
    monkeypatch.setenv("OPENROUTER_API_KEY", marks.format(KEY))
    auth = bind(OPENROUTER)
    assert auth is not None
    headers: dict[str, str] = {}
    auth.attach(headers, "https://openrouter.ai:443")
    assert headers == {"Authorization": f"Bearer {KEY}"}
    assert auth.hide(f"no such key: {KEY}") == "no such key: ***"
    monkeypatch.setenv("OPENROUTER_API_KEY", marks.format(""))
    assert not has_key("OPENROUTER_API_KEY")


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ('"{0}', "a quotation mark"),
        ("{0}'", "a quotation mark"),
        ("'\"{0}\"'", "a quotation mark"),
        ("Bearer {0}", "the word Bearer"),
        ("OPENROUTER_API_KEY={0}", "its own name"),
    ],
)
def test_a_key_with_something_around_it_is_refused_in_words(
    written: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be taken off safely is named, without the key."""
    monkeypatch.setenv("OPENROUTER_API_KEY", written.format(KEY))
    with pytest.raises(KeyMissing, match=fault) as refused:
        bind(OPENROUTER)
    assert KEY[:30] not in str(refused.value)


@pytest.mark.parametrize("placeholder", ["sk-or-v1-xxxxxxxxxxxxxxxxxxxxxxxx", "<your-key>", "YOUR_API_KEY", "xxxxxxxx"])
def test_a_placeholder_is_named_before_anything_is_sent(placeholder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copied line of documentation is told from a refused key; a server of one's own may want any word."""
    monkeypatch.setenv("OPENROUTER_API_KEY", placeholder)
    with pytest.raises(KeyMissing, match="placeholder"):
        bind(OPENROUTER)
    monkeypatch.setenv("VLLM_API_KEY", placeholder)
    assert bind(SERVICES["vllm"]) is not None


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
    assert 'pool="demo"' in str(missing.value)
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


@pytest.mark.parametrize("key", ["Zq7+/w=Lp0&3xT!", "plain-Word9", "correct.horse<battery>staple", "tr0ub4dor"])
def test_a_key_of_no_known_shape_is_hidden_however_it_is_quoted(key: str) -> None:
    """Bare, in quotation marks, behind a prefix, in a URL, in JSON or in HTML."""
    auth = KeyAuth(key, "K", "o")
    for before in ("", ":", "me:", "Bearer "):
        encoded = base64.b64encode(f"{before}{key}".encode()).decode()
        assert encoded not in (hidden := auth.hide(f"Basic {encoded} is unknown"))
        assert "***" in hidden
    escaped = "".join(each if each.isalnum() else f"%{ord(each):02X}" for each in key)
    assert escaped not in auth.hide(f"?key={escaped}")
    for form in (
        key,
        f'"{key}"',
        f"Bearer {key}",
        f"token={quote(key, safe='')}",
        json.dumps({"key": key}),
        html.escape(key),
    ):
        assert key not in (hidden := auth.hide(f"Unknown key {form}.")), form
        assert "***" in hidden


def test_hiding_is_linear_in_what_a_service_quotes() -> None:
    """Megabytes of the key's beginning, or of its end, take a moment and not a minute."""
    auth = KeyAuth(KEY, "K", "o")
    seconds = []
    for size in (20_000, 80_000):
        for part in (KEY[:24], KEY[-24:]):
            text = (part + " ") * size
            began = time.process_time()
            assert auth.hide(text) == "*** " * size
            seconds.append(time.process_time() - began)
    assert max(seconds[2:]) < 16 * max(*seconds[:2], 0.01)


def test_parts_of_a_key_are_sealed_too() -> None:
    """Whatever cuts a key holds something that does not show itself: a traceback may print any variable."""
    auth = KeyAuth(KEY, "K", "o")
    cells = [cell.cell_contents for f in (auth._attach, auth._hide, auth._begins) for cell in f.__closure__ or ()]
    parts = [part for cell in cells for part in (cell if isinstance(cell, tuple) else (cell,))]
    assert all(repr(part) == "***" for part in parts)
    assert all(repr(part[:24]) == repr(part[-1]) == f"{part[3:]}" == "***" for part in parts)


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


@pytest.mark.parametrize("text", [
    "sk-proj-xxxxxxxxxxxxxxxxxxxxxxxx", "sk-or-v1-xxxxxxxxxxxxxxxxxxxx", "AKIAIOSFODNN7EXAMPLE", "sk-or-v1-YOUR_KEY_GOES_RIGHT_HERE", "gsk_XXXXXXXXXXXXXXXXXXXXXXXXXX",
    "sk-SK_translation_of_2024_documents", "sk-ant-api03-replace-me-with-your-own-key", "sk-proj-abc123xxxxxxxxxxxxxxxxxxxx", "AIzaSyXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    "hf_YOUR_TOKEN_HERE_xxxxxxxxxx", "sk-00000000000000000000000000000000", "ghp_EXAMPLEEXAMPLEEXAMPLEEXAMPLE", "AKIAXXXXXXXXXXXXXXXX", "glpat-YOUR_ACCESS_TOKEN_GOES_HERE",
    "sk-lesson-4-of-the-2023-autumn-course", "xai-YOURAPIKEYHEREPLEASECHANGE", "sk-proj-YourApiKeyGoesHere123456789012", "gsk_yoursecretgroqkeygoeshere",
    "hf_PasteYourHuggingFaceTokenHere", "AKIAI44QH8DHBEXAMPLE", "sk-123456789012345678901234",
])  # fmt: skip
def test_placeholders_are_no_keys(text: str) -> None:
    """What documentation prints in the place of a key can be asked about."""
    assert not looks_like_key(f"Where do I put {text}, and why?")


def test_random_keys_are_keys() -> None:
    """A real key is random, whatever its service: none passes for a placeholder, not even beside words like `test`."""
    rng = random.Random(7)

    def draw(count: int, letters: str = string.ascii_letters + string.digits) -> str:
        return "".join(rng.choices(letters, k=count))

    url_safe = string.ascii_letters + string.digits + "-_"
    for _ in range(500):
        for key in (
            "sk-or-v1-" + draw(64, "0123456789abcdef"),
            "sk-" + draw(32, "0123456789abcdef"),
            "sk-proj-" + draw(80, url_safe),
            "sk-proj-test-" + draw(40),
            "sk-ant-api03-" + draw(93, url_safe),
            "AKIA" + draw(16, string.ascii_uppercase + "234567"),
            "AIzaSy" + draw(33, url_safe),
            "gsk_" + draw(52),
            "hf_" + draw(34, string.ascii_letters),
            "ghp_" + draw(36),
        ):
            assert looks_like_key(f"the key is {key}."), key


def test_bearer_tokens_are_scrubbed() -> None:
    """Whatever stands behind `Bearer` in an error is a secret."""
    assert scrub("Authorization: Bearer abcdefghijklmnop1234") == "Authorization: Bearer ***"
    assert keys.scrub is scrub
