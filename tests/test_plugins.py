"""Plug-in points: the example package of the docs, built and installed beside the product, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import fusion_nb

EXAMPLE = Path(__file__).parents[1] / "docs" / "plugin-example"
BROKEN = {
    "broken-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n",
    "broken-1.0.dist-info/entry_points.txt": (
        "[fusion_nb.members]\nlost = broken_module:lost\nclaude = fusion_nb_example:shouting\n"
        "number = fusion_nb_example:CORP\n[fusion_nb.services]\nopenai = fusion_nb_example:CORP\n"
        "gone = broken_module:gone\n"
    ),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the example package as its wheel installs it, and a package that keeps no promise."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=EXAMPLE, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    for name, text in BROKEN.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run(site: Path, home: Path, code: str) -> dict:
    """What the code puts into `told`, in a fresh process."""
    program = f"import json, warnings, fusion_nb\ntold = {{}}\n{code}\nprint(json.dumps(told))"
    env = {**os.environ, "PYTHONPATH": str(site), "FUSION_NB_HOME": str(home), "FUSION_NB_DEMO_SPEED": "200"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]), stderr=done.stderr)


def test_names_of_a_package_are_known(site: Path, tmp_path: Path) -> None:
    """Member, judge and check by their names, in Python; what is kept in the record; judged again in another process."""
    told = run(
        site,
        tmp_path,
        "r = fusion_nb.fuse('hello there', pool='demo:swift,shouting', judge='longest', mode='best-of', check='short')\n"
        "told['names'] = [c.ref.name for c in r.candidates]\ntold['text'] = r.candidates['shouting'].text\n"
        "told['checks'] = r.candidates[0].checks[0].name\ntold['chosen'] = r.verdict.chosen\n"
        "told['sizes'] = [len(c.text) for c in r.candidates]",
    )
    assert told["names"] == ["demo:swift", "shouting"]
    assert told["text"] == "HELLO THERE"
    assert told["checks"] == "short"
    assert told["chosen"] == [1 + told["sizes"].index(max(told["sizes"]))]
    again = run(site, tmp_path, "r = fusion_nb.rejudge('last')\ntold['state'] = r.verdict.state")
    assert again["state"] == "judged"


def test_the_line_of_a_magic_knows_them(site: Path, tmp_path: Path) -> None:
    """`--pool`, `--judge`, `--check` and Tab; a function of the notebook of that name comes first."""
    told = run(
        site,
        tmp_path,
        "from IPython.core.interactiveshell import InteractiveShell\nip = InteractiveShell.instance()\n"
        "ip.run_line_magic('load_ext', 'fusion_nb')\n"
        "df = ip.run_line_magic('fuse', '-q --pool demo:swift,shouting --judge longest --mode best-of --check short hi')\n"
        "told['labels'] = list(df.label)\n"
        "ip.user_ns['shouting'] = lambda prompt: 'mine'\n"
        "df = ip.run_line_magic('fuse', '-q --pool shouting hi')\ntold['own'] = df.text[0]\n"
        "told['tab'] = list(fusion_nb.api.complete_members('sh', None, None))\n"
        "told['service'] = list(fusion_nb.api.complete_members('cor', None, None))",
    )
    assert told["labels"] == ["demo:swift", "shouting", "longest (judge)"]
    assert told["own"] == "mine"
    assert told["tab"] == ["shouting"]
    assert told["service"] == ["corp:"]


def test_a_service_of_a_package_is_confirmed_like_any_other(site: Path, tmp_path: Path) -> None:
    """Its address is asked on this machine without a word, since it has no key; nobody serves there, and it is said."""
    told = run(
        site,
        tmp_path,
        "try:\n fusion_nb.fuse('hi', pool='corp:m')\nexcept fusion_nb.FusionError as e:\n told['error'] = str(e)",
    )
    assert "127.0.0.1:9876" in told["error"] or "connect" in told["error"].lower()


def test_a_package_takes_nothing_over_and_breaks_nothing(site: Path, tmp_path: Path) -> None:
    """Aliases and services of the product stay; a package that cannot be loaded is named when it is meant."""
    told = run(
        site,
        tmp_path,
        "warnings.simplefilter('always')\n"
        "told['claude'] = str(fusion_nb.estimate('hi', pool='claude'))\n"
        "told['openai'] = str(fusion_nb.estimate('hi', pool='openai:gpt-4o'))\n"
        "told['ok'] = fusion_nb.fuse('hi', pool='demo:swift').status\n"
        "for name in ('lost', 'number', 'shoutin'):\n"
        " try:\n  fusion_nb.fuse('hi', pool=name)\n except fusion_nb.FusionError as e:\n  told[name] = str(e)",
    )
    assert told["ok"] == "ok"
    assert "OPENROUTER_API_KEY" in told["claude"] or "$" in told["claude"]
    assert "9876" not in told["openai"]
    assert "of the package broken, which cannot be loaded" in told["lost"]
    assert "no function" in told["number"]
    assert "Unknown model 'shoutin'" in told["shoutin"]
    assert "service gone is left out" in told["stderr"]


def longest(prompt: str, candidates: dict[str, str]) -> str:
    assert prompt == "hi"
    return max(candidates, key=lambda label: len(candidates[label]))


def by_size(prompt: str, candidates: dict[str, str]) -> dict[str, int]:
    return {label: len(text) for label, text in candidates.items()}


def in_order(prompt: str, candidates: dict[str, str]) -> list[str]:
    return sorted(candidates, key=lambda label: -len(candidates[label]))


def mistaken(prompt: str, candidates: dict[str, str]) -> dict[str, int]:
    return {"nobody": 1}


@pytest.mark.parametrize("judge", [longest, by_size, in_order])
def test_a_judge_that_takes_candidates(judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """`judge(prompt, candidates)` gives the best label, labels in order or numbers; the ranking is by them."""
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "200")
    result = fusion_nb.fuse("hi", pool="demo", judge=judge, mode="best-of", orders=2)
    sizes = [len(reply.text) for reply in result.candidates]
    assert result.verdict.chosen == (1 + sizes.index(max(sizes)),)
    assert result.verdict.agreed is True


def test_a_judge_that_names_no_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A label that nobody has is a failed verdict with the labels there are, not a winner."""
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "200")
    result = fusion_nb.fuse("hi", pool="demo", judge=mistaken, mode="best-of")
    assert result.status == "unjudged"
    assert "the candidates are" in result.verdict.note
