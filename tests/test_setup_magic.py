"""`%fuse_setup` in real IPython processes: a profile that has it needs no `%load_ext`, and is as before without it."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fusion_nb
from tests.shell import Shell

OWN = "# mine\nc = get_config()\nc.InteractiveShell.show_rewritten_input = False\n"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    fusion_nb.defaults.reset()
    opened = Shell()
    opened.ip.profile_dir.location = str(tmp_path / "ipython" / "profile_default")
    Path(opened.ip.profile_dir.location).mkdir(parents=True, exist_ok=True)
    yield opened
    opened.close()
    fusion_nb.defaults.reset()


def profile(shell: Shell) -> Path:
    return Path(shell.ip.profile_dir.location) / "ipython_config.py"


def fresh(*cells: str) -> str:
    """What a new IPython process with that profile says to these lines."""
    ran = subprocess.run(
        [sys.executable, "-m", "IPython", "--colors=NoColor", "--simple-prompt", "-c", "\n".join(cells)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "FUSION_NB_DEMO_SPEED": "50"},
    )
    return ran.stdout + ran.stderr


def test_a_profile_that_has_it_needs_no_load_ext(shell: Shell) -> None:
    """The magics are there on first use, with the defaults that were set; the person's own lines stay."""
    profile(shell).write_text(OWN)
    shell.run("%config Fuse.pool = 'demo:swift'")
    shell.run("%config Fuse.max_cost = 0.5")
    shell.run('%config Fuse.tag = "it\'s mine"')
    told = shell.run("%fuse_setup --yes").text
    assert "c.Fuse.pool = ['demo:swift']" in told
    assert profile(shell).read_text().startswith(OWN.strip())
    said = fresh(
        "get_ipython().run_line_magic('fuse', '-q How many r in strawberry?')",
        "import fusion_nb",
        "print(fusion_nb.last().pool[0], fusion_nb.defaults.max_cost, fusion_nb.last().tag)",
    )
    assert "demo:swift 0.5 it's mine" in said, said
    # Once more changes nothing but the values, and --remove all of it.
    shell.run("%config Fuse.tag = 'other'")
    shell.run("%fuse_setup --yes")
    assert profile(shell).read_text().count("lazy_magics") == 1
    assert "'other'" in profile(shell).read_text()
    assert "Taken out of" in shell.run("%fuse_setup --remove").text
    assert profile(shell).read_text() == OWN
    assert "There is nothing of fusion_nb" in shell.run("%fuse_setup --remove").text


def test_it_asks_before_it_writes(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything but yes writes nothing; where nobody can be asked the way is named."""
    monkeypatch.setattr(builtins, "input", lambda prompt: "")
    assert "Nothing was written." in shell.run("%fuse_setup").text
    assert not profile(shell).exists()

    def nobody(prompt: str) -> str:
        raise RuntimeError("raw_input was called, but this frontend does not support input requests.")

    monkeypatch.setattr(builtins, "input", nobody)
    assert "%fuse_setup --yes writes it" in shell.run("%fuse_setup").text
    monkeypatch.setattr(builtins, "input", lambda prompt: "y")
    assert "Written." in shell.run("%fuse_setup").text
    assert profile(shell).exists()
    assert "takes nothing, --yes or --remove" in shell.run("%fuse_setup --force").text


def test_a_profile_that_is_broken_stays_as_it_is(shell: Shell) -> None:
    """Nothing is written into a file that cannot be read as Python."""
    profile(shell).write_text("c = get_config(\n")
    assert "mend it first" in shell.run("%fuse_setup --yes").text
    assert profile(shell).read_text() == "c = get_config(\n"


def test_a_profile_behind_a_link_stays_behind_it(shell: Shell, tmp_path: Path) -> None:
    """Whoever keeps such files elsewhere keeps them there."""
    kept = tmp_path / "dotfiles.py"
    kept.write_text(OWN)
    profile(shell).symlink_to(kept)
    shell.run("%fuse_setup --yes")
    assert profile(shell).is_symlink()
    assert "lazy_magics" in kept.read_text()


def test_values_that_are_no_plain_data_are_left_out(shell: Shell) -> None:
    """A function cannot stand in a profile, and that is said."""
    fusion_nb.defaults.check = len
    told = shell.run("%fuse_setup --yes").text
    assert "# Fuse.check is no plain value" in told
