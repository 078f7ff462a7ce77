"""Threats 1 to 6 in notebooks: 100 of them run through all fault rows with random keys, and all that is left is searched."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.booklets import NOTEBOOKS, PLAYED
from tests.faults.harness import ROOT, Faults, black_hole, fault_server
from tests.faults.scanner import leaks

KERNELS = 4


@dataclass(frozen=True)
class Left:
    """What the notebooks and their kernels left behind, in one folder."""

    folder: Path
    keys: list[list[str]]
    """Two for each notebook."""

    @property
    def each(self) -> list[str]:
        return [key for pair in self.keys for key in pair]

    def read(self, pattern: str) -> bytes:
        return b"\n".join(path.read_bytes() for path in sorted(self.folder.glob(pattern)))


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    folder = tmp_path_factory.mktemp("notebooks")
    keys = [[f"sk-or-v1-{secrets.token_hex(32)}" for _ in ("KEY", "WELL")] for _ in range(NOTEBOOKS)]
    named = {f"{name}_{n}": key for n, pair in enumerate(keys) for name, key in zip(("KEY", "WELL"), pair, strict=True)}
    env = {**os.environ, **named, "FUSION_NB_HOME": str(folder / "home")}
    with fault_server() as ports, black_hole() as full:
        server = Faults(ports, full)
        urls = json.dumps({"fault": server.url(), "dns": server.url("dns"), "refused": server.url("refused")})
        commands = [
            [sys.executable, "-m", "tests.faults.booklets", folder, str(n), str(KERNELS)] for n in range(KERNELS)
        ]
        given: dict[str, Any] = {
            "stdin": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "cwd": ROOT,
            "env": env,
        }
        workers = [subprocess.Popen(command, **given) for command in commands]
        with ThreadPoolExecutor(KERNELS) as pool:
            errors = list(pool.map(lambda worker: worker.communicate(urls)[1], workers))
    assert [worker.returncode for worker in workers] == [0] * KERNELS, errors
    (folder / "stderr").write_text("\n".join(errors))
    return Left(folder, keys)


def test_the_notebooks_are_worth_a_search(left: Left) -> None:
    """Every notebook is there, the keys did go out, and what echoed them was shown, masked; each kind of output is there."""
    assert len(list(left.folder.glob("*.ipynb"))) == NOTEBOOKS
    saved = left.read("*.ipynb") + left.read("*.messages")
    for sign in ("It is ***, yes.", "ZeroDivisionError", "RuntimeError", "widget-state", "comm_msg", "dataframe"):
        assert sign.encode() in saved, sign


@pytest.mark.parametrize("kind", ["ipynb", "messages"])
def test_no_notebook_and_no_message_holds_a_key(kind: str, left: Left) -> None:
    """Cells, outputs, tracebacks in four modes, widget state, and all that went to the front end: no key, no part of one."""
    for number, keys in enumerate(left.keys):
        found = (left.folder / f"{number}.{kind}").read_bytes()
        assert len(found) > 5_000
        assert leaks(found, keys) == [], PLAYED[number::NOTEBOOKS]


def test_no_key_goes_from_one_notebook_into_another(left: Left) -> None:
    """A kernel that holds two hundred keys shows none of them in a notebook of another's."""
    saved = left.read("*.ipynb")
    assert [key for key in left.each if key.encode() in saved or key[9:41].encode() in saved] == []


FILES = {
    "runs": "home/runs/*",
    "index": "home/index.sqlite*",
    "logs": "kernel*/log",
    "history": "kernel*/ipython/profile_default/history.sqlite*",
}


@pytest.mark.parametrize("kind", FILES)
def test_no_file_holds_a_key(kind: str, left: Left) -> None:
    """Journal, index, a log of everything at DEBUG, IPython's history: no key, no part of one, in no encoding."""
    found = left.read(FILES[kind])
    assert len(found) > 10_000, "there was nothing to search"
    assert leaks(found + (left.folder / "stderr").read_bytes(), left.each) == []


def test_the_history_was_kept(left: Left) -> None:
    """IPython wrote the cells down: a history that holds no key is not an empty one."""
    for path in left.folder.glob(FILES["history"]):
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT count(*) FROM history WHERE source LIKE '%%fuse%'").fetchone()[0] > 10
