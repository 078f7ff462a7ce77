"""What comes with an installation, and what it does unasked: nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST = 20


def project() -> dict:
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("needs the source tree")
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\s<>=!~;\[]", each, maxsplit=1)[0].lower() for each in requirements}


def test_few_dependencies_each_with_its_reason() -> None:
    """At most twenty packages at run time, each named in SECURITY.md with why it is there, and no other."""
    needed = names(project()["project"]["dependencies"])
    rows = re.findall(r"^\| ([a-z0-9-]+) \| (.{8,}) \|$", (ROOT / "SECURITY.md").read_text(encoding="utf-8"), re.M)
    assert len(needed) <= MOST
    assert {name for name, _ in rows} == needed
    assert len(rows) == len(needed)


def test_nothing_else_is_imported() -> None:
    """Every foreign package the product imports is a declared dependency, or one a person installs for an extra."""
    import ast

    said = project()["project"]
    optional = {"keyring", "rich", "google", "matplotlib", "openpyxl", "xlsxwriter", "pyarrow"}
    allowed = {name.replace("-", "_") for name in names(said["dependencies"])} | optional | {"fusion_nb"}
    allowed = {
        "IPython" if name == "ipython" else "markdown_it" if name == "markdown_it_py" else name for name in allowed
    }
    foreign = {}
    for path in (ROOT / "fusion_nb").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            tops = {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names)
            foreign |= dict.fromkeys(tops - allowed, path.name)
    assert not foreign


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from this tree."""
    project()
    pytest.importorskip("hatchling", reason="needs hatchling to build a wheel")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """Every file of the package, the built panel, the licence; no tests, no `.pth`, nothing that runs by itself."""
    held = set(wheel.namelist())
    meta = {name for name in held if ".dist-info/" in name}
    package = held - meta
    tracked = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "fusion_nb").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert package == tracked
    assert {Path(name).suffix for name in package} == {".py", ".css", ".js", ".toml", ".typed"}
    licenses = {"licenses/LICENSE", "licenses/THIRD-PARTY-LICENSES.txt"}
    assert {name.partition("/")[2] for name in meta} == {"METADATA", "RECORD", "WHEEL", *licenses}
    assert wheel.getinfo("fusion_nb/static/panel.js").file_size > 20_000
    assert wheel.getinfo("fusion_nb/static/panel.css").file_size > 1_000
    assert not [name for name in held if name.endswith((".pth", ".so", ".exe", ".sh"))]


def test_the_wheel_carries_the_licences_of_what_it_bundles(wheel: zipfile.ZipFile) -> None:
    """Each package the panel is built with is named in its locked version, with its copyright and its licence's text."""
    (notices,) = (name for name in wheel.namelist() if name.endswith("licenses/THIRD-PARTY-LICENSES.txt"))
    parts = wheel.read(notices).decode().split(f"\n{'=' * 80}\n")[1:]
    lock = json.loads((ROOT / "js/package-lock.json").read_text(encoding="utf-8"))["packages"]
    bundled = json.loads((ROOT / "js/package.json").read_text(encoding="utf-8"))["dependencies"]
    expected = [f"{name} {lock[f'node_modules/{name}']['version']}: " for name in sorted(bundled)]
    assert [part.strip().startswith(title) for part, title in zip(parts, expected, strict=True)] == [True] * len(
        expected
    )
    for part in parts:
        assert re.search(r"Copyright \(c\)|\(c\) \w+", part)
        assert re.search("Permission is hereby granted|TERMS AND CONDITIONS FOR USE", part)
    (metadata,) = (wheel.read(name).decode() for name in wheel.namelist() if name.endswith("/METADATA"))
    assert "License-File: THIRD-PARTY-LICENSES.txt" in metadata
    assert "License-Expression: BSD-3-Clause AND MIT AND (MPL-2.0 OR Apache-2.0)" in metadata


def test_the_panel_fetches_nothing(wheel: zipfile.ZipFile) -> None:
    """The built panel imports nothing and names no address but those of XML's namespaces."""
    code = wheel.read("fusion_nb/static/panel.js").decode()
    hosts = set(re.findall(r"https?://([\w.-]+)", code))
    assert hosts <= {"www.w3.org"}
    assert not re.search(r"\bimport\s*\(|\bimport\s+[\w{*]|\bfetch\s*\(|XMLHttpRequest|WebSocket|\beval\s*\(", code)


WATCHED = """
import json, sys
made = []

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind"):
        made.append([event, repr(arguments[1:])])
    if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "webbrowser.open"):
        made.append([event, repr(arguments)[:200]])

sys.addaudithook(watch)
import fusion_nb
from fusion_nb import api, history, magic; from fusion_nb.panel import panel  # all there is
from tests import states
from fusion_nb.run.result import FusionResult
from fusion_nb.views import candidates, dataframes, run_html, markdown_export, markdown_to_html, panel_messages, spreadsheet_files, run_text
shown = 0
for build in states.EXAMPLES.values():
    state = build()
    for view in (run_html.render_html, run_text.render_text, markdown_export.to_markdown, panel_messages.html_fragments, dataframes.frame):
        view(state)
        shown += 1
    panel_messages.snapshot(state, 0.0)
    table = dataframes.frame(state)
    table.fusion.cost(), table.fusion.by_member()
    shown += 2
print(json.dumps({"made": made, "shown": shown}))
"""


def test_import_and_rendering_connect_to_nowhere(tmp_path: Path) -> None:
    """Importing every room and rendering every view of every kind of run opens no socket and starts no program."""
    env = {**os.environ, "FUSION_NB_HOME": str(tmp_path), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], cwd=ROOT, capture_output=True, text=True, timeout=120, env=env, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert seen["shown"] > 50
    assert seen["made"] == []


def test_the_watch_sees_a_connection() -> None:
    """The control: the same watch does see a connection that is made."""
    tried = WATCHED.partition("import fusion_nb")[0] + (
        "import socket\nsocket.socket().connect_ex(('127.0.0.1', 9))\nprint(json.dumps(made))"
    )
    done = subprocess.run([sys.executable, "-c", tried], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)[0][0] == "socket.connect"
