"""Keys from files and by `%fuse_key`: found where people keep them, said where from, never shown, never on a line."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb.providers import key_sources, keys
from fusion_nb.providers.services import SERVICES
from tests.chat_service import chat_service
from tests.shell import Shell

KEY = "sk-or-v1-" + "0123456789abcdef" * 4
OTHER = "sk-or-v1-" + "fedcba9876543210" * 4


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No key anywhere, an own home and working folder."""
    for row in SERVICES.values():
        for variable in row.keys:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)
    for name in ("HOME", "FUSION_NB_HOME", "LLM_USER_PATH"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
        (tmp_path / name.lower()).mkdir(mode=0o700)
    folder = tmp_path / "home" / "project" / "notebooks"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    keys.forget_stored()
    key_sources._told.clear()
    yield
    key_sources._here.clear()
    keys.forget_stored()


def env_file(text: str, folder: Path | None = None) -> Path:
    path = (folder or Path.cwd()) / ".env"
    path.write_text(text)
    return path


def test_a_file_env_walking_up() -> None:
    """The nearest that gives the variable counts, up to the home; what the environment says goes before it."""
    path = env_file(f"# mine\nexport OPENROUTER_API_KEY='{KEY}'\n", Path.cwd().parent)
    assert keys.has_key("OPENROUTER_API_KEY")
    assert key_sources.source_of("OPENROUTER_API_KEY") == str(path)
    env_file(f"OPENAI_API_KEY={OTHER}\n")
    assert key_sources.source_of("OPENROUTER_API_KEY") == str(path)
    env_file(f"OPENROUTER_API_KEY={OTHER}\n")
    assert key_sources.source_of("OPENROUTER_API_KEY") == str(Path.cwd() / ".env")
    os.environ["OPENROUTER_API_KEY"] = KEY
    try:
        assert key_sources.source_of("OPENROUTER_API_KEY") == "the environment"
    finally:
        del os.environ["OPENROUTER_API_KEY"]


def test_a_file_env_gives_keys_of_the_table_and_nothing_else(tmp_path: Path) -> None:
    """Neither a key of a service of one's own, nor an address, a home or a cap; nothing gets into the environment."""
    env_file(f"FUSION_NB_HOME=/elsewhere\nCORP_KEY={KEY}\nOPENROUTER_API_KEY={KEY}\nHTTPS_PROXY=http://evil.example\n")
    assert not keys.has_key("CORP_KEY")
    assert keys.has_key("OPENROUTER_API_KEY")
    assert os.environ["FUSION_NB_HOME"] == str(tmp_path / "fusion_nb_home")
    assert not {"CORP_KEY", "OPENROUTER_API_KEY"} & set(os.environ)
    assert KEY not in repr(key_sources._env_read)


def test_a_file_env_above_the_home_is_not_read(tmp_path: Path) -> None:
    env_file(f"OPENROUTER_API_KEY={KEY}\n", tmp_path)
    assert not keys.has_key("OPENROUTER_API_KEY")


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_file_env_that_others_may_write_or_that_is_none_is_not_read(tmp_path: Path) -> None:
    """World-writable, a link, a pipe, huge: as good as none, and nobody waits."""
    path = env_file(f"OPENROUTER_API_KEY={KEY}\n")
    path.chmod(0o666)
    assert not keys.has_key("OPENROUTER_API_KEY")
    path.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").chmod(0o600)
    path.symlink_to(tmp_path / "elsewhere")
    assert not keys.has_key("OPENROUTER_API_KEY")
    path.unlink()
    os.mkfifo(path)
    assert not keys.has_key("OPENROUTER_API_KEY")
    path.unlink()
    env_file("#" * 300_000 + f"\nOPENROUTER_API_KEY={KEY}\n")
    assert not keys.has_key("OPENROUTER_API_KEY")


def test_other_variables_are_not_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """`$NAME` in a value stays as it stands: a key is made of no other variable."""
    monkeypatch.setenv("SECRET", "hunter2")
    env_file("OPENROUTER_API_KEY=sk-or-${SECRET}-$SECRET\n")
    assert key_sources.find_key("OPENROUTER_API_KEY") == "sk-or-${SECRET}-$SECRET"


def test_the_key_file_of_the_llm_tool(tmp_path: Path) -> None:
    """Keys that `llm keys set openrouter` wrote are found by their vendor."""
    (tmp_path / "llm_user_path" / "keys.json").write_text(
        json.dumps(
            {"// Note": "This file stores secret API credentials. Do not share!", "openrouter": KEY, "openai": 3}
        )
    )
    assert key_sources.source_of("OPENROUTER_API_KEY") == "the llm tool's key file"
    assert not keys.has_key("OPENAI_API_KEY")
    (tmp_path / "llm_user_path" / "keys.json").write_text("[nonsense")
    keys.forget_stored()
    assert not keys.has_key("OPENROUTER_API_KEY")


def test_kaggles_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a Kaggle notebook its secrets are asked; one that is not attached is no key."""
    module: Any = types.ModuleType("kaggle_secrets")

    class UserSecretsClient:
        def get_secret(self, label: str) -> str:
            if label != "OPENROUTER_API_KEY":
                raise RuntimeError("No user secrets exist for kernel id 1 and label")
            return KEY

    module.UserSecretsClient = UserSecretsClient
    monkeypatch.setitem(sys.modules, "kaggle_secrets", module)
    assert not keys.has_key("OPENROUTER_API_KEY")
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    keys.forget_stored()
    assert key_sources.source_of("OPENROUTER_API_KEY") == "Kaggle's secrets"
    assert not keys.has_key("OPENAI_API_KEY")


def test_which_file_a_key_is_from_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that uses it says so; the next does not say it again."""
    with chat_service() as service:
        row = SERVICES["groq"]
        monkeypatch.setitem(SERVICES, "groq", type(row)(**{**{f: getattr(row, f) for f in row.__slots__},
                                                           "base_url": service.url, "local": True}))  # fmt: skip
        path = env_file(f"GROQ_API_KEY={KEY}\n")
        first = fusion_nb.fuse("Hi.", pool="groq:fast")
        again = fusion_nb.fuse("Ho.", pool="groq:fast")
        assert f"The key in GROQ_API_KEY is from {path}." in first.notes
        assert not any("GROQ" in note for note in again.notes)
        assert set(service.keys) == {KEY}


# ---- %fuse_key


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: KEY)
    opened = Shell()
    yield opened
    opened.close()


def test_a_key_for_this_kernel_alone(shell: Shell) -> None:
    """Asked for unseen; in no output, no history, no variable and no child's environment; forgotten on demand."""
    asked = shell.run("%fuse_key openrouter")
    assert "OPENROUTER_API_KEY is kept for this kernel alone." in asked.text
    assert keys.has_key("OPENROUTER_API_KEY")
    listed = shell.run("%fuse_key")
    assert "OPENROUTER_API_KEY: from this kernel." in listed.text
    everything = asked.text + listed.text + repr(shell.ip.user_ns) + repr(list(shell.ip.history_manager.get_range()))
    assert KEY[:20] not in everything
    child = subprocess.run(
        [sys.executable, "-c", "import os; print(os.environ)"], capture_output=True, text=True, check=True
    )
    assert KEY not in child.stdout
    assert "is forgotten." in shell.run("%fuse_key openrouter --forget").text
    assert not keys.has_key("OPENROUTER_API_KEY")


def test_a_key_in_the_keyring(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--keyring` keeps it there, `--forget` takes it out; without the package that is said and nothing is kept."""
    assert "pip install" in shell.run("%fuse_key openrouter --keyring").text
    assert not keys.has_key("OPENROUTER_API_KEY")
    ring: Any = types.ModuleType("keyring")
    kept: dict[tuple[str, str], str] = {}
    ring.get_password = lambda service, name: kept.get((service, name))
    ring.set_password = lambda service, name, value: kept.__setitem__((service, name), value)
    ring.delete_password = lambda service, name: kept.pop((service, name))
    monkeypatch.setitem(sys.modules, "keyring", ring)
    assert "in the keyring of this machine" in shell.run("%fuse_key --keyring openrouter").text
    assert kept == {("fusion_nb", "OPENROUTER_API_KEY"): KEY}
    key_sources._here.clear()
    assert key_sources.source_of("OPENROUTER_API_KEY") == "the keyring"
    shell.run("%fuse_key openrouter --forget")
    assert kept == {}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (f"%fuse_key {KEY}", "A key does not belong on a line"),
        (f"%fuse_key openrouter {KEY}", "A key does not belong on a line"),
        ("%fuse_key openruter", "Did you mean openrouter"),
        ("%fuse_key ollama", "needs no key"),
        ("%fuse_key a b c", "%fuse_key takes a service"),
        ("%fuse_key openrouter --keep", "%fuse_key takes a service"),
    ],
)
def test_what_is_refused(shell: Shell, line: str, sentence: str) -> None:
    """One sentence, with the remedy; nothing is asked and nothing kept."""
    told = shell.run(line).text
    assert sentence in told
    assert not key_sources._here
    assert told.count(KEY[9:30]) == 0


def test_nobody_to_ask(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a front end cannot ask, as in papermill, the remedy is one that works there."""

    def nobody(prompt: str) -> str:
        raise RuntimeError("raw_input was called, but this frontend does not support input requests.")

    monkeypatch.setattr(getpass, "getpass", nobody)
    assert "set OPENROUTER_API_KEY in the environment" in shell.run("%fuse_key openrouter").text
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "  ")
    assert "Nothing was entered" in shell.run("%fuse_key openrouter").text


@pytest.mark.parametrize("line", ["%fuse_key openrouter", "%fuse_key openrouter --keyring"])
@pytest.mark.parametrize(
    "entered", ["hunter2", "sk-or-v1-" + "x" * 40, "a key with blanks in it all", f"{KEY}\u200b", "<your key>"]
)
def test_what_is_no_key_is_not_kept(shell: Shell, monkeypatch: pytest.MonkeyPatch, entered: str, line: str) -> None:
    """It is refused where it is entered, without being shown; the key that was there stays."""
    shell.run("%fuse_key openrouter")
    monkeypatch.setattr(getpass, "getpass", lambda prompt: entered)
    told = shell.run(line).text
    assert "What was entered is no key" in told
    assert entered not in told
    assert key_sources.find_key("OPENROUTER_API_KEY") == KEY
