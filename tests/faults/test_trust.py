"""Threat 16: an address of somebody's configuration gets neither prompt nor key before the person has said yes, once."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import fusion_nb
from fusion_nb.providers import custom_services
from fusion_nb.providers.custom_services import custom_service
from fusion_nb.providers.services import SERVICES
from tests.faults.harness import ROOT
from tests.faults.test_origins import KEY

NEW = "https://no-such-host.invalid/v1"
ORIGIN = "https://no-such-host.invalid:443"
OPTIONS = {"services": {"mine": {"base_url": NEW, "key_env": "MY_KEY"}}, "journal": False}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.delenv("FUSION_NB_TRUST", raising=False)
    return tmp_path / "home"


def answer(monkeypatch: pytest.MonkeyPatch, said: str) -> list[str]:
    """The person's answer to every question, and the questions."""
    asked: list[str] = []

    def reply(question: str) -> str:
        asked.append(question)
        return said

    monkeypatch.setattr("builtins.input", reply)
    return asked


@pytest.mark.parametrize(
    "use",
    [
        lambda: fusion_nb.fuse("Hi?", ["mine:m"], **OPTIONS),
        lambda: fusion_nb.fuse("Hi?", ["demo:swift", "demo:steady"], judge="mine:m", **OPTIONS),
        lambda: fusion_nb.fuse("Hi?", ["m"], base_url=NEW, key_env="MY_KEY", journal=False),
        lambda: fusion_nb.stream("Hi?", ["mine:m"], **OPTIONS),
        lambda: fusion_nb.estimate("Hi?", ["mine:m"], services=OPTIONS["services"]),
    ],
    ids=["pool", "judge", "base_url", "stream", "estimate"],
)
def test_a_new_address_is_refused_where_nobody_can_be_asked(use, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence: which address, what would go there, how to allow it. No name is even looked up."""
    looked: list[object] = []
    sys.addaudithook(lambda event, args: looked.append(args) if event == "socket.getaddrinfo" else None)
    with pytest.raises(
        fusion_nb.UserError, match=r"new on this machine, and nothing was sent.*MY_KEY.*FUSION_NB_TRUST"
    ):
        use()
    assert not [args for args in looked if "no-such-host" in str(args)]


def test_it_is_asked_once(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Yes is remembered beside the journal, for this user alone; the next run asks nothing."""
    asked = answer(monkeypatch, "y")
    for _ in range(2):
        with pytest.raises(fusion_nb.RunFailed) as failed:
            fusion_nb.fuse("Hi?", ["mine:m"], **OPTIONS)
        assert failed.value.result.replies[0].error == "dns"
    assert len(asked) == 1
    assert f"{ORIGIN} is new on this machine: your prompts and the key in MY_KEY would be sent there." in asked[0]
    kept = own_home / "origins.json"
    assert json.loads(kept.read_text()) == [f"{ORIGIN} MY_KEY"]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with fusion_nb.stream("Hi?", ["mine:m"], **OPTIONS) as run:
        list(run)


@pytest.mark.parametrize("said", ["", "n", "no", "never"])
def test_no_is_no(said: str, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything but yes refuses, and is not remembered: it is asked again."""
    asked = answer(monkeypatch, said)
    for _ in range(2):
        with pytest.raises(fusion_nb.UserError, match="nothing was sent"):
            fusion_nb.fuse("Hi?", ["mine:m"], **OPTIONS)
    assert len(asked) == 2
    assert not (own_home / "origins.json").exists()


def test_the_environment_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """`FUSION_NB_TRUST` names origins for programs that nobody watches; another port or scheme is another origin."""
    for named, trusted in (
        (f"{NEW} MY_KEY", True),
        (f"https://else.invalid, {NEW} OTHER_KEY MY_KEY,", True),
        ("https://no-such-host.invalid:444 MY_KEY", False),
        (NEW, False),
        (f"{NEW} OTHER_KEY", False),
        ("nonsense, https://no-such-host.invalid:* MY_KEY", False),
    ):
        monkeypatch.setenv("FUSION_NB_TRUST", named)
        assert (custom_services.unconfirmed_destination(custom_service("mine", NEW, "MY_KEY")) is None) is trusted


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/v1", "https://localhost/v1", *(row.base_url for row in SERVICES.values())]
)
def test_known_addresses_need_no_word(url: str) -> None:
    """This machine and the services of the table are asked without a question."""
    assert custom_services.unconfirmed_destination(custom_service("mine", url)) is None


CONFIGURED = {
    "another variable for an address that was confirmed": (NEW, "AWS_SECRET_ACCESS_KEY", ORIGIN),
    "a variable outside the table for a service of the table": (
        "https://openrouter.ai/api/v1",
        "AWS_SECRET_ACCESS_KEY",
        "https://openrouter.ai:443",
    ),
    "any variable for a port of this machine": ("http://127.0.0.1:9/v1", "AWS_SECRET_ACCESS_KEY", "http://127.0.0.1:9"),
    "a local server's variable for another port": ("http://127.0.0.1:9/v1", "VLLM_API_KEY", "http://127.0.0.1:9"),
}


@pytest.mark.parametrize("case", CONFIGURED)
def test_consent_is_to_an_address_and_a_key_together(
    case: str, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever said yes to one key at an address has said nothing about another one, wherever that would go."""
    url, variable, origin = CONFIGURED[case]
    custom_services.require_consent(custom_service("mine", NEW, "MY_KEY"), lambda _: True)
    monkeypatch.setenv(variable, KEY)
    options = {"services": {"mine": {"base_url": url, "key_env": variable}}, "journal": False}
    with pytest.raises(fusion_nb.UserError, match=rf"{variable} is new for {origin} .*nothing was sent") as refused:
        fusion_nb.fuse("Hi?", ["mine:m"], **options)
    assert f'FUSION_NB_TRUST="{origin} {variable}"' in str(refused.value)
    monkeypatch.setenv("FUSION_NB_TRUST", f"{origin} {variable}")
    with pytest.raises(fusion_nb.RunFailed):
        fusion_nb.fuse("Hi?", ["mine:m"], **options)
    monkeypatch.delenv("FUSION_NB_TRUST")
    asked = answer(monkeypatch, "y")
    for _ in range(2):
        with pytest.raises(fusion_nb.RunFailed):
            fusion_nb.fuse("Hi?", ["mine:m"], **options)
    assert len(asked) == 1
    assert json.loads((own_home / "origins.json").read_text()) == sorted([f"{ORIGIN} MY_KEY", f"{origin} {variable}"])


def test_a_key_of_its_own_needs_no_word() -> None:
    """The opposite: a service of the table with the variable of its own is never asked about."""
    for row in SERVICES.values():
        for variable in row.keys:
            assert custom_services.unconfirmed_destination(custom_service(row.name, row.base_url, variable)) is None
            assert custom_services.unconfirmed_destination(custom_service("mine", row.base_url, variable)) is None


def test_prompts_alone_may_go_where_a_key_may(own_home: Path) -> None:
    """Yes to a key is yes to the prompts it pays for; yes to prompts alone, as older releases kept it, is none to a key."""
    custom_services.require_consent(custom_service("mine", NEW, "MY_KEY"), lambda _: True)
    assert custom_services.unconfirmed_destination(custom_service("mine", NEW)) is None
    (own_home / "origins.json").write_text(json.dumps([ORIGIN]))
    assert custom_services.unconfirmed_destination(custom_service("mine", NEW)) is None
    assert custom_services.unconfirmed_destination(custom_service("mine", NEW, "MY_KEY")) == (ORIGIN, "MY_KEY")


def test_the_environment_trusts_any_port_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gets another port each time can be trusted with its key; the star stands for no other host."""
    monkeypatch.setenv("FUSION_NB_TRUST", "http://127.0.0.1:* MY_KEY")
    assert custom_services.unconfirmed_destination(custom_service("mine", "http://127.0.0.1:4711/v1", "MY_KEY")) is None
    for url, variable in (("http://127.0.0.1:4711/v1", "OTHER"), ("http://localhost:1/v1", "MY_KEY"), (NEW, "MY_KEY")):
        assert custom_services.unconfirmed_destination(custom_service("mine", url, variable)) is not None


def test_what_others_can_write_confirms_nothing(own_home: Path, tmp_path: Path) -> None:
    """A list that others may write, a link, or something that is no list: as if nothing had been confirmed."""
    service = custom_service("mine", NEW)
    own_home.mkdir()
    kept = own_home / "origins.json"
    kept.write_text(json.dumps([ORIGIN]))
    kept.chmod(0o600)
    assert custom_services.unconfirmed_destination(service) is None
    kept.chmod(0o666)
    assert custom_services.unconfirmed_destination(service) == (ORIGIN, "")
    (tmp_path / "other.json").write_text(json.dumps([ORIGIN]))
    kept.unlink()
    kept.symlink_to(tmp_path / "other.json")
    assert custom_services.unconfirmed_destination(service) == (ORIGIN, "")
    kept.unlink()
    for junk in ("{}", '"x"', "[[]]", "[" * 100_000, "\x00"):
        kept.write_text(junk)
        assert custom_services.unconfirmed_destination(service) == (ORIGIN, "")


def test_a_folder_of_the_project_confirms_nothing(tmp_path: Path) -> None:
    """A repository cannot bring its own confirmations along: what lies where Python runs is not looked at."""
    (tmp_path / "origins.json").write_text(json.dumps([ORIGIN]))
    code = "import sys; from fusion_nb.providers.custom_services import unconfirmed_destination; from fusion_nb.providers.custom_services import custom_service; print(unconfirmed_destination(custom_service('mine', sys.argv[1])).origin)"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "FUSION_NB_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", code, NEW], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ORIGIN


def test_the_model_list_leaves_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """`%fuse_models` lists what may be asked: an address nobody confirmed is not asked for its models."""
    looked: list[object] = []
    sys.addaudithook(lambda event, args: looked.append(args) if event == "socket.getaddrinfo" else None)
    fusion_nb.models(services=OPTIONS["services"])
    assert not [args for args in looked if "no-such-host" in str(args)]
