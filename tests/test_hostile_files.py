"""Configuration, journals and folders that mean harm: nothing in them runs, no key in them is used, no link is followed."""

from __future__ import annotations

import ast
import json
import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from traitlets.config import Config

import fusion_nb
from fusion_nb.journal import run_index
from fusion_nb.journal.run_reader import load
from tests.journalled import new_run, tiny, written
from tests.shell import Shell

ROOT = Path(__file__).parents[1]
KEY = "sk-or-v1-" + "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / "home"


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell()
    yield shell
    shell.close()


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self._mark}",)


def bombs(mark: Path) -> dict[str, bytes]:
    """Files that run a command where somebody reads them the wrong way."""
    call = f"__import__('os').system('touch {mark}')"
    return {
        "pickle": pickle.dumps(Bomb(mark)),
        "yaml": f"!!python/object/apply:os.system ['touch {mark}']\n".encode(),
        "jsonpickle": json.dumps({"py/reduce": [{"py/function": "os.system"}, {"py/tuple": [f"touch {mark}"]}]}).encode(),
        "json": json.dumps({"event": "RunStarted", "__class__": "os.system", "__reduce__": call, "v": 1, "run": call}).encode(),
        "python": f"{call}\n".encode(),
        "template": f"{{{{ {call} }}}} {{{call}}} ${{{call}}} %({call})s".encode(),
        "toml": f'[fuse]\npool = ["{call}"]\n'.encode(),
    }  # fmt: skip


READER = """
import json, os, sys
seen = []

def watch(event, arguments):
    if event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "pickle.find_class", "marshal.loads"):
        # Python itself reads its own compiled modules with marshal.
        compiled = event == "marshal.loads" and "importlib" in repr(sys._getframe(1).f_code.co_filename)
        # trio, where it is installed, asks for the C library's name.
        if not compiled and "ldconfig" not in repr(arguments[:1]):
            seen.append([event, repr(arguments)[:200]])
    if event == "open" and isinstance(arguments[0], str) and os.path.basename(arguments[0]) in PLANTED:
        seen.append([event, arguments[0]])

import fusion_nb, fusion_nb.history, fusion_nb.api, fusion_nb.magic, fusion_nb.views.dataframes
from fusion_nb.errors import FusionError
PLANTED = set(sys.argv[1].split(","))
sys.addaudithook(watch)
read = 0
for run in sys.argv[2:]:
    try:
        fusion_nb.load(run).to_html()
    except FusionError:
        pass
    read += 1
fusion_nb.runs()
fusion_nb.history.crash_notice()
fusion_nb.models("demo")
fusion_nb.fuse("Hi?", "demo:swift", replay=True)
print(json.dumps({"seen": seen, "read": read}))
"""


def test_nothing_in_a_file_runs(tmp_path: Path, own_home: Path) -> None:
    """Pickles, YAML tags, code and templates as journals, confirmed addresses, catalogues and project files: all data."""
    mark = tmp_path / "mark"
    project = tmp_path / "project"
    project.mkdir()
    written(tiny(new_run()))  # makes the folders
    found = []
    for kind, bomb in bombs(mark).items():
        run = new_run()
        (own_home / "runs" / f"{run}.jsonl").write_bytes(bomb + b"\n")
        found.append(run)
        for name in (f"fusion_nb.{kind}", f"Fuse.{kind}", f".fusion_nb.{kind}", f"fuse_config.{kind}"):
            (project / name).write_bytes(bomb)
    for name in ("origins.json", "models.json", "openrouter.json", "index.sqlite", "day.json"):
        (own_home / name).write_bytes(bombs(mark)["pickle"])
    planted = ",".join(path.name for path in project.iterdir())
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", READER, planted, *found], cwd=project, env=env, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"seen": [], "read": len(found)}
    assert not mark.exists()


def test_the_bombs_go_off(tmp_path: Path) -> None:
    """The control: unpickled, the planted file does run its command."""
    mark = tmp_path / "mark"
    pickle.loads(bombs(mark)["pickle"])
    assert mark.exists()


def test_no_way_to_run_a_text_is_imported() -> None:
    """Nowhere in the product: pickle and its kin, YAML, eval, exec, compile, or a shell."""
    never = {
        "pickle",
        "cPickle",
        "dill",
        "cloudpickle",
        "shelve",
        "marshal",
        "joblib",
        "yaml",
        "jsonpickle",
        "subprocess",
    }
    found = []
    for path in (ROOT / "fusion_nb").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found += [(path.name, m) for m in modules if m.split(".")[0] in never]
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id in ("eval", "exec", "compile", "__import__"):
                found.append((path.name, called.id))
            if isinstance(called, ast.Attribute) and ast.unparse(called) in ("os.system", "os.popen", "pd.read_pickle"):
                found.append((path.name, ast.unparse(called)))
    assert not found


def test_a_configured_text_stays_a_text(shell: Shell, tmp_path: Path) -> None:
    """A traitlets configuration, as a JSON profile gives it: code in its strings is text, of the wrong type an error."""
    mark = tmp_path / "mark"
    call = f"__import__('os').system('touch {mark}')"
    defaults = fusion_nb.defaults
    assert defaults in shell.ip.configurables
    criteria = f"{{{call}}}"[:60]
    defaults.update_config(
        Config({"Fuse": {"system": call, "pool": [call], "aliases": {"a": call}, "criteria": criteria}})
    )
    assert (defaults.system, defaults.pool) == (call, [call])
    defaults.update_config(Config({"Fuse": {"system": f"{{{call}}}", "pool": ["demo:swift"]}}))
    ran = shell.run("%%fuse --quiet\nHi {1+1} {x.__class__}?")
    assert ran.error is None
    assert not mark.exists()
    result = fusion_nb.last()
    assert result is not None
    assert result.params.system == f"{{{call}}}"
    with pytest.raises(Exception, match="pool"):
        defaults.update_config(Config({"Fuse": {"pool": {"__reduce__": call}}}))


PLACES: dict[str, Callable[[Shell], object]] = {
    "the cell": lambda s: s.run(f"%%fuse --pool demo\nIs {KEY} a good key?"),
    "the line": lambda s: s.run(f"%fuse --pool demo Is {KEY} a good key?"),
    "an option": lambda s: s.run(f"%%fuse --pool demo --system {KEY}\nHi?"),
    "a pool": lambda s: s.run(f"%%fuse --pool {KEY}\nHi?"),
    "a variable": lambda s: s.run(f"value = '{KEY[:20]}' + '{KEY[20:]}'\nget_ipython().run_cell_magic('fuse', '--pool demo', 'Is {{value}} good?')"),
    "%config system": lambda s: (s.run(f"%config Fuse.system = '{KEY}'"), s.run("%%fuse --pool demo\nHi?"))[1],
    "%config aliases": lambda s: (s.run(f"%config Fuse.aliases = {{'mine': '{KEY}'}}"), s.run("%%fuse --pool demo\nHi?"))[1],
    "%config services": lambda s: (
        s.run(f"%config Fuse.services = {{'mine': {{'base_url': 'http://127.0.0.1/v1', 'key': '{KEY}'}}}}"),
        s.run("%%fuse --pool demo\nHi?"),
    )[1],
    "%config key_env": lambda s: (
        s.run(f"%config Fuse.services = {{'mine': {{'base_url': 'http://127.0.0.1/v1', 'key_env': '{KEY}'}}}}"),
        s.run("%%fuse --pool demo\nHi?"),
    )[1],
    "a panel": lambda s: s.run(f"%fuse_panel --pool demo Judge {KEY}"),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_key_is_refused_wherever_it_stands(place: str, shell: Shell, own_home: Path) -> None:
    """In a cell, on a line, in a variable or in the configuration: refused in one sentence that does not repeat it."""
    ran = PLACES[place](shell)
    assert "looks like an API key" in ran.text or "looks like a key" in ran.text, ran.text
    assert KEY not in ran.text
    assert KEY not in str(ran.error)
    assert not [path for path in own_home.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert len(run_index.runs()) == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda: fusion_nb.fuse(f"Is {KEY} good?", "demo"),
        lambda: fusion_nb.stream(f"Is {KEY} good?", "demo"),
        lambda: fusion_nb.estimate(f"Is {KEY} good?", "demo"),
        lambda: fusion_nb.fuse("Hi?", ["demo:swift", KEY]),
        lambda: fusion_nb.fuse("Hi?", "demo", judge=KEY),
        lambda: fusion_nb.fuse("Hi?", "demo", system=f"Use {KEY}."),
        lambda: fusion_nb.fuse("Hi?", "demo", criteria=KEY[:50]),
        lambda: fusion_nb.Panel(f"Is {KEY} good?", "demo"),
    ],
    ids=["fuse", "stream", "estimate", "pool", "judge", "system", "criteria", "Panel"],
)
def test_from_python_too(ask: Callable[[], object]) -> None:
    """`fuse()` and its kin refuse a key as the magics do."""
    with pytest.raises(fusion_nb.UserError, match="looks like an API key") as refused:
        ask()
    assert KEY[:50] not in str(refused.value)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_folder_that_everybody_can_write(own_home: Path, tmp_path: Path) -> None:
    """It is not used: the run goes elsewhere and says so; what is in it is refused in a sentence, with the remedy."""
    own_home.mkdir()
    own_home.chmod(0o777)
    result = fusion_nb.fuse("Hi?", "demo:swift")
    said = " ".join(result.notes)
    assert "can be written by everybody: take that away (chmod o-w)" in said
    assert str(tmp_path / "fusion_nb") in said
    assert not list(own_home.rglob("*.jsonl"))
    (own_home / "runs").mkdir()
    with pytest.raises(fusion_nb.UserError, match="chmod o-w"):
        run_index.runs()
    own_home.chmod(0o755)
    assert len(run_index.runs()) == 1
    assert fusion_nb.fuse("Hi?", "demo:swift").notes == ()
    assert stat.S_IMODE((own_home / "runs").stat().st_mode) == 0o700


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else(own_home: Path) -> None:
    """It is neither written nor read: a sentence says whose it is and what to do."""
    run, _ = written(tiny(new_run()))
    os.chown(own_home / "runs", 12345, 12345)
    result = fusion_nb.fuse("Hi?", "demo:swift")
    assert "belongs to another user: set FUSION_NB_HOME to a folder of your own" in " ".join(result.notes)
    with pytest.raises(fusion_nb.UserError, match="belongs to another user"):
        load(run, fusion_nb.FusionResult())
