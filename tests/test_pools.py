"""A person's own pools: kept in a real file, usable wherever a pool is named, and never in the way of a model."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb import UserError
from fusion_nb.api import complete_members
from fusion_nb.core.member_settings import Member
from fusion_nb.errors import KeyMissing, UnknownName
from fusion_nb.resolve import pools
from tests.shell import Shell

QUESTION = "How many times does the letter r occur in the word strawberry?"
MINE = ["demo:swift", "demo:steady*2"]


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where they are kept; the folder is not there yet."""
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "pools.json"


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell()
    shell.run("%config Fuse.quiet = True")
    yield shell
    shell.close()


def labels(shell: Shell, line: str) -> list[str]:
    ran = shell.run(f"%%fuse {line} --judge demo:judge --mode best-of\n{QUESTION}")
    assert ran.error is None, ran.text
    return [label for label, role in zip(ran.value["label"], ran.value["role"], strict=True) if role == "candidate"]


def test_a_saved_pool_is_asked_by_its_name(shell: Shell) -> None:
    """`--pool mine`, in company, and `mine*2`; Tab offers it; a wrong letter is answered with it."""
    pools.save_pool("mine", MINE)
    assert labels(shell, "--pool mine") == ["demo:swift", "demo:steady #1", "demo:steady #2"]
    assert labels(shell, "--pool mine,demo:careful")[-1] == "demo:careful"
    assert len(labels(shell, "--pool mine*2")) == 6
    assert "mine" in complete_members("mi", None, None)
    assert "mine" in shell.run(f"%%fuse --pool mien\n{QUESTION}").text
    assert fusion_nb.fuse(QUESTION, "mine", "best-of").answer
    assert fusion_nb.estimate(QUESTION, "mine").lines


def test_presets_are_pools_by_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--pool budget` asks what the panel's preset of that name asks."""
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-" + "0f1e2d3c4b5a6978" * 4)
    lines = fusion_nb.estimate(QUESTION, "budget").lines
    assert [line.ref.name for line in lines if line.role == "candidate"] == ["gpt-mini", "deepseek-flash", "flash"]


def test_a_pool_may_hold_functions_of_the_notebook(shell: Shell) -> None:
    """A name in it that is a function here is that function; elsewhere it is an unknown name."""
    pools.save_pool("mine", ["shout*2", "demo:swift"])
    shell.run("def shout(prompt): return prompt.upper()")
    assert labels(shell, "--pool mine") == ["shout", "shout #2", "demo:swift"]
    with pytest.raises(UnknownName, match="shout"):
        fusion_nb.fuse(QUESTION, "mine")


def test_a_name_never_hides_what_it_meant(shell: Shell) -> None:
    """Models, presets, own aliases and functions keep their names; at a service of one's own so do its models."""
    for name in ("claude", "demo", "quality"):
        with pytest.raises(UserError, match="meaning already"):
            pools.save_pool(name, MINE, taken={"claude", "demo"})
    pools.save_pool("mine", MINE)
    shell.run("def mine(prompt): return prompt")
    assert labels(shell, "--pool mine,demo:swift") == ["mine", "demo:swift"]
    shell.run("del mine")
    shell.run("%config Fuse.aliases = {'mine': 'demo:careful'}")
    assert labels(shell, "--pool mine,demo:swift") == ["mine", "demo:swift"]
    shell.run("%config Fuse.aliases = {}")
    plain = shell.run(f"%%fuse --dry-run --pool mine --base-url http://127.0.0.1:9/v1\n{QUESTION}").value
    assert [line.ref.model for line in plain.lines] == ["mine"]


def test_pools_of_pools_are_flattened_when_saved() -> None:
    """What is saved are members: a pool in a pool cannot lead to itself."""
    pools.save_pool("mine", MINE)
    pools.save_pool("ours", ["mine*2", "budget"])
    assert pools.saved_pools()["ours"] == ("demo:swift*2", "demo:steady*4", "gpt-mini", "deepseek-flash", "flash")


def test_members_with_settings_are_kept_and_asked(shell: Shell, file: Path) -> None:
    """As they were written; what is written around the pool's name is given to each, and wins."""
    pools.save_pool(
        "mine", ["demo:swift{temperature=0, system='A, b.\\nC'}", Member("demo:steady", seed=7), "demo:careful*2"]
    )
    assert pools.saved_pools()["mine"] == (
        "demo:swift{temperature=0, system='A, b.\\nC'}", "demo:steady{seed=7}", "demo:careful*2",
    )  # fmt: skip
    assert json.loads(file.read_text())["v"] == 2
    assert pools.expand_pools(["mine{temperature=1}", Member("mine", seed=3), "mine{seed=1}*2"]) == [
        "demo:swift{temperature=1, system='A, b.\\nC'}", "demo:steady{temperature=1, seed=7}", "demo:careful*2{temperature=1}",
        "demo:swift{temperature=0, system='A, b.\\nC', seed=3}", "demo:steady{seed=3}", "demo:careful*2{seed=3}",
        "demo:swift*2{temperature=0, system='A, b.\\nC', seed=1}", "demo:steady*2{seed=1}", "demo:careful*4{seed=1}",
    ]  # fmt: skip
    result = fusion_nb.fuse(QUESTION, "mine", "best-of", judge="demo:judge")
    assert [ref.label for ref in result.pool] == [
        "demo:swift{temperature=0, system='A, b.\\nC'}", "demo:steady{seed=7}", "demo:careful #1", "demo:careful #2",
    ]  # fmt: skip
    assert [ref.setting("seed") for ref in result.pool] == [None, 7, 1, 2]


def test_a_pool_keeps_its_judge(file: Path) -> None:
    """With its settings, one or several; the file says it in words, and is read again."""
    pools.save_pool("mine", MINE, judge="opus{reasoning=low, seed=7}")
    pools.save_pool("jury", MINE, judge=[Member("opus", reasoning="low"), "gpt"])
    pools.save_pool("plain", MINE)
    assert json.loads(file.read_text()) == {
        "form": "fusion_nb pools",
        "v": 2,
        "pools": {
            "mine": {"members": MINE, "judge": "opus{reasoning=low, seed=7}"},
            "jury": {"members": MINE, "judge": "opus{reasoning=low}, gpt"},
            "plain": MINE,
        },
    }
    assert [pools.judge_of(name) for name in ("mine", "jury", "plain", "other", "demo")] == [
        "opus{reasoning=low, seed=7}", "opus{reasoning=low}, gpt", "", "", "",
    ]  # fmt: skip
    assert pools.saved_pools() == dict.fromkeys(("mine", "jury", "plain"), tuple(MINE))
    pools.save_pool("mine", MINE)
    assert pools.judge_of("mine") == ""


def test_earlier_releases_read_what_they_can(file: Path) -> None:
    """The form they know is written as long as it holds everything, and is read for ever."""
    pools.save_pool("mine", ["demo:swift{seed=1}", "demo:steady*2"])
    assert json.loads(file.read_text()) == {
        "form": "fusion_nb pools", "v": 1, "pools": {"mine": ["demo:swift{seed=1}", "demo:steady*2"]},
    }  # fmt: skip
    pools.save_pool("long", [f"demo:swift{{system='{'x' * 1900}'}}"])
    assert json.loads(file.read_text())["v"] == 2
    pools.forget_pool("long")
    assert json.loads(file.read_text())["v"] == 1


def test_a_function_of_the_notebook_takes_a_system_prompt(shell: Shell) -> None:
    """By its name in a pool, saved or not; a setting that it cannot obey is refused."""
    pools.save_pool("mine", ["shout{system='Be loud.'}", "demo:swift"])
    shell.run("def shout(prompt): return prompt.upper()")
    ran = shell.run(f"%%fuse --pool mine --judge demo:judge --mode best-of\n{QUESTION}")
    assert ran.error is None, ran.text
    assert "BE LOUD." in ran.value["text"].iloc[0]
    refused = shell.run(f'%%fuse --pool "shout{{temperature=0}}"\n{QUESTION}')
    assert "shout is a Python function" in refused.text
    named: dict[str, Any] = {}
    assert pools.entry_name(Member(fusion_nb.fuse, system="x"), named, None) == "fuse{system=x}"
    assert pools.members_named(["fuse{system=x}", "mine"], named, None)[0] == Member(fusion_nb.fuse, system="x")
    assert pools.member_named("fuse{system=x}", named, None) == Member(fusion_nb.fuse, system="x")


def test_the_file_is_private_and_whole(file: Path) -> None:
    """0600, nothing left beside it, the same after being read; forgotten means gone."""
    pools.save_pool("mine", MINE)
    pools.save_pool("ours", ["demo:swift"])
    pools.save_pool("mine", ["demo:careful"])
    assert pools.saved_pools() == {"mine": ("demo:careful",), "ours": ("demo:swift",)}
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(file.parent.glob("*.part"))
    pools.forget_pool("mine")
    assert "careful" not in file.read_text()
    with pytest.raises(UnknownName, match="Did you mean ours"):
        pools.forget_pool("our")


BROKEN = {
    "half": b'{"form": "fusion_nb pools", "v": 1, "pools": {"mine": ["demo:sw',
    "bytes": b"\xff\xfe\x00",
    "empty": b"",
    "other": b'{"mine": ["demo:swift"]}',
    "list": b"[]",
    "kinds": b'{"form": "fusion_nb pools", "v": 1, "pools": {"mine": "demo:swift"}}',
    "member": b'{"form": "fusion_nb pools", "v": 1, "pools": {"mine": [{"a": 1}]}}',
    "name": b'{"form": "fusion_nb pools", "v": 1, "pools": {"a,b": ["demo:swift"]}}',
    "deep": b"[" * 100_000,
    "newer": b'{"form": "fusion_nb pools", "v": 3, "pools": {"mine": {"of": "a newer form"}}}',
    "judge": b'{"form": "fusion_nb pools", "v": 2, "pools": {"mine": {"members": ["demo:swift"], "judge": 3}}}',
    "braces": b'{"form": "fusion_nb pools", "v": 2, "pools": {"mine": ["demo:swift{seed=1"]}}',
    "several": b'{"form": "fusion_nb pools", "v": 2, "pools": {"mine": ["demo:swift, demo:steady"]}}',
    "code": b"__import__('os').system('true')",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_said_and_left_as_it_is(name: str, file: Path, shell: Shell) -> None:
    """One sentence that names it, wherever a saved name may be meant; nothing is written over it; the rest works."""
    file.parent.mkdir()
    file.write_bytes(BROKEN[name])
    ran = shell.run(f"%%fuse --pool mine\n{QUESTION}")
    assert isinstance(ran.error, UserError)
    assert str(file) in ran.text
    assert len(ran.text.strip().splitlines()) == 1
    for change in (lambda: pools.save_pool("mine", MINE), lambda: pools.forget_pool("mine")):
        with pytest.raises(UserError, match="pools"):
            change()
    assert file.read_bytes() == BROKEN[name]
    assert labels(shell, "--pool demo")


def test_what_cannot_be_kept_is_one_sentence(file: Path) -> None:
    """Names and members that could not be named on a magic's line, and too many of either."""
    bad: list[tuple[Any, Any]] = [
        ("", MINE), ("a b", MINE), ("-x", MINE), ("a,b", MINE), ("a:b", MINE), ("x" * 41, MINE), (7, MINE),
        ("mine", []), ("mine", [""]), ("mine", ["a,b"]), ("mine", ["a\nb"]), ("mine", [3]), ("mine", ["x" * 2001]),
        ("mine", ["demo:swift"] * 65), ("mine", ["demo:swift*0"]), ("mine", ["demo:swift{seed=1"]), ("mine", ["demo:swift{sed=1}"]),
        ("mine", [f"demo:swift{{system='{'x' * 2001}'}}"]), ("mine", ["demo:swift{seed=1}, demo:steady"]), ("mine", [fusion_nb.fuse]),
        ("mine", [Member(fusion_nb.fuse, system="x")]),
    ]  # fmt: skip
    for name, pool in bad:
        with pytest.raises(UserError):
            pools.save_pool(name, pool)
    for judge in ("opus{reasoning=hihg}", "opus,,gpt", fusion_nb.fuse, 3):
        with pytest.raises(UserError):
            pools.save_pool("mine", MINE, judge=judge)
    assert not file.exists()


def test_kernels_that_save_at_once_lose_nothing(file: Path) -> None:
    """Four processes save twenty pools each, at the same time: all eighty are there."""
    script = (
        "import sys\nfrom fusion_nb.resolve import pools\n"
        "for n in range(20): pools.save_pool(f'{sys.argv[1]}{n}', ['demo'])"
    )
    running = [subprocess.Popen([sys.executable, "-c", script, letter]) for letter in "abcd"]
    assert [process.wait(60) for process in running] == [0] * 4
    assert len(pools.saved_pools()) == 80
    assert json.loads(file.read_text())["v"] == 1


def test_a_folder_that_cannot_be_made(file: Path) -> None:
    """Where a file stands in the folder's place it is one sentence."""
    file.parent.write_text("")
    with pytest.raises(UserError, match="cannot be"):
        pools.save_pool("mine", MINE)


def test_a_link_is_not_followed(file: Path, tmp_path: Path) -> None:
    """A link in the file's place is no way to have another file read or written."""
    other = tmp_path / "other.json"
    other.write_text("{}")
    file.parent.mkdir()
    file.symlink_to(other)
    with pytest.raises(UserError, match="cannot be read"):
        pools.save_pool("mine", MINE)
    assert other.read_text() == "{}"


panel = pytest.importorskip("fusion_nb.views.widget", reason="the panel is not built", exc_type=ImportError)


class Front:
    """A panel and what it answers to messages, as its front end hears it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.panel = fusion_nb.Panel(*args, **options)
        self.heard: list[dict[str, Any]] = []
        self.panel.send_message = self.heard.append  # type: ignore[method-assign]

    def ask(self, kind: str, **more: Any) -> dict[str, Any]:
        self.panel._dispatch(self.panel, {"kind": kind, "id": len(self.heard), **more}, [])
        return self.heard[-1]


def test_the_panel_saves_offers_and_forgets() -> None:
    """Messages of the front end: answered, refused with a sentence, and `offers` follows."""
    front = Front(QUESTION, MINE)
    assert front.panel.offers["pools"] == []
    assert front.ask("save_pool", name="mine", pool=MINE) == {"kind": "reply", "id": 0}
    assert front.panel.offers["pools"] == [{"name": "mine", "pool": MINE, "judge": ""}]
    assert fusion_nb.Panel().offers["pools"] == [{"name": "mine", "pool": MINE, "judge": ""}]
    assert "meaning already" in front.ask("save_pool", name="claude", pool=MINE)["error"]
    assert "no pool" in front.ask("save_pool", name="x", pool="demo")["error"]
    assert "error" in front.ask("forget_pool", name="other")
    assert "error" not in front.ask("forget_pool", name="mine")
    assert front.panel.offers["pools"] == []
    with pytest.raises(KeyMissing):
        front.panel.save_pool("mine", ["sk-or-v1-" + "0123456789abcdef" * 4])


def test_the_panel_asks_a_saved_pool_by_name() -> None:
    """A name in the panel's pool is opened where it is asked; a broken file is said beside the form, not raised."""
    pools.save_pool("mine", MINE)
    opened = fusion_nb.Panel(QUESTION, "mine")
    assert opened.advice["pool"] == ["demo:swift", "demo:steady #1", "demo:steady #2"]
    assert "3 models" in opened._on_estimate({})["text"]


def test_a_broken_file_does_not_close_the_panel(file: Path) -> None:
    """The panel opens, works, and says what is wrong with the file."""
    file.parent.mkdir()
    file.write_text("{")
    front = Front(QUESTION, "demo")
    assert str(file) in " ".join(front.panel.advice["notes"])
    assert front.panel.offers["pools"] == []
    assert str(file) in front.ask("save_pool", name="mine", pool=MINE)["error"]
    front.panel.pool = ["mine"]
    assert str(file) in front.panel.advice["error"]
