"""`[tool.fusion_nb]` in a project's `pyproject.toml`: defaults for everyone in it, which never spend or send for them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb.errors import UserError
from fusion_nb.options import settle
from tests.shell import Shell


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of a project two folders up; nothing of the person's own."""
    folder = tmp_path / "project"
    (folder / "notebooks" / "first").mkdir(parents=True)
    monkeypatch.chdir(folder / "notebooks" / "first")
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    fusion_nb.defaults.reset()
    yield folder / "pyproject.toml"
    fusion_nb.defaults.reset()


def write(project: Path, text: str) -> None:
    project.write_text("[tool.fusion_nb]\n" + text)


def test_a_projects_defaults_hold_behind_every_door(project: Path) -> None:
    """In Python and on a line; `%config` and the call itself go before them; what was used is said with the run."""
    write(project, 'pool = "demo"\nmode = "vote"\nmax_tokens = 300\ntag = "paper"\n')
    result = fusion_nb.fuse("How many r in strawberry?")
    assert (result.mode, len(result.pool), result.limits.max_tokens, result.tag) == ("vote", 3, 300, "paper")
    assert f"Set by {project}: pool, mode, max_tokens, tag." in result.notes
    assert fusion_nb.fuse("How many r in strawberry?", mode="best-of").mode == "best-of"
    fusion_nb.defaults.mode = "merge"
    own = fusion_nb.fuse("How many r in strawberry?", tag="mine")
    assert (own.mode, own.tag) == ("merge", "mine")
    assert f"Set by {project}: pool, max_tokens." in own.notes
    shell = Shell()
    try:
        assert shell.run("%%fuse --quiet\nHow many r in strawberry?").value.attrs["mode"] == "merge"
    finally:
        shell.close()


@pytest.mark.parametrize("name", ["max_cost", "max_cost_per_session", "max_cost_per_day"])
def test_a_project_lowers_caps_and_never_raises_them(project: Path, name: str) -> None:
    """The lower of the person's cap and the project's holds; a cap of the call itself is the person's own word."""
    write(project, f"{name} = 0.10\n")
    assert settle("fuse", {})[name] == Decimal("0.1")
    setattr(fusion_nb.defaults, name, 0.05)
    assert settle("fuse", {})[name] == Decimal("0.05")
    setattr(fusion_nb.defaults, name, 7)
    assert settle("fuse", {})[name] == Decimal("0.1")
    assert settle("fuse", {"max_cost": 3})["max_cost"] == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('base_url = "https://evil.example/v1"', "Unknown project option 'base_url'"),
        ('key_env = "AWS_SECRET_ACCESS_KEY"', "may not set it: take it out there"),
        ('services = {corp = {base_url = "https://evil.example/v1"}}', "may not set it"),
        ('aliases = {claude = "corp:x"}', "may not set it"),
        ("journal = false", "may not set it"),
        ("confirm_over = 100", "may not set it"),
        ("allow_unpriced = true", "may not set it"),
        ('mod = "vote"', "Did you mean mode"),
        ('mode = "voting"', "[tool.fusion_nb] in"),
        ("max_cost = -1", "max_cost"),
    ],
)
def test_what_a_project_may_not_say(project: Path, text: str, sentence: str) -> None:
    """One sentence that names the file; nothing is sent."""
    write(project, text + "\n")
    with pytest.raises(UserError) as told:
        fusion_nb.fuse("Hi.", pool="demo:swift")
    assert sentence in str(told.value)
    assert str(project) in str(told.value)


def test_files_that_say_nothing(project: Path, tmp_path: Path) -> None:
    """No table, broken TOML, or a file that others may write: as if there were none, and the next one up is looked at."""
    (Path.cwd() / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    (Path.cwd().parent / "pyproject.toml").write_text("[[broken")
    write(project, "max_tokens = 123\n")
    assert settle("fuse", {})["max_tokens"] == 123
    project.chmod(0o666)
    default: Any = settle("fuse", {})["max_tokens"]
    assert default != 123
