"""The drawing of the building, tested: imports go down only, and each foreign world has one door."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fusion_nb"
FLOORS = [
    {"_version", "errors"},
    {"core", "storage", "option_defaults"},
    {"options", "accounts"},
    {"providers", "judging", "journal", "views", "option_signatures"},
    {"run", "resolve"},
    {"api", "history"},
    {"panel", "dataset"},
    {"evaluation"},
    {"magic", "__init__"},
]
DOORS = {
    "h11": "providers/demo/server.py",
    "httptools": "providers/http_wire.py",
    "httpx2": "providers/http_proxied.py",
    "pandas": ("views/dataframes.py", "views/spreadsheet_files.py", "views/dataframe_accessor.py", "dataset/"),
    "matplotlib": "views/cost_plot.py",
    "numpy": ("views/agreement_statistics.py", "evaluation/"),
    "IPython": ("magic/", "panel/panel.py"),
    "anywidget": "views/widget.py",
    "genai_prices": "accounts/prices.py",
    "latex2mathml": "views/mathml.py",
    "mdit_py_plugins": "views/markdown_to_html.py",
    "nest_asyncio2": "run/run_waiting.py",
    "nh3": "views/markdown_to_html.py",
    "platformdirs": ("storage/files.py", "providers/key_sources.py"),
    "rich": "views/rich_markdown.py",
    "scipy": "evaluation/statistics.py",
    "sqlite3": "journal/",
    "statsmodels": "evaluation/statistics.py",
}
STANDARD_LIBRARY_ONLY = ("core/*.py", "errors.py")
FILES = sorted(PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    """The room of a dotted module of ours: `fusion_nb.run.loop` is in `run`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def floor(name: str) -> int:
    return next(i for i, rooms in enumerate(FLOORS) if name in rooms)


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(module, only for type checkers) of every import in a file, however deep it stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checked = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    typing_only = {id(inner) for block in checked for inner in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in typing_only) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            names = [f"{node.module}.{a.name}" for a in node.names] if node.module == "fusion_nb" else [node.module]
            yield from ((str(name), id(node) in typing_only) for name in names)


def home(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    """A file imports from lower floors and its own room alone: never upwards, never sideways."""
    here = home(path)
    for module, typing_only in imports(path):
        if module.split(".")[0] != "fusion_nb" or (typing_only and here == "__init__"):
            continue
        there = room(module)
        assert there == here or floor(there) < floor(here), f"{path.name} ({here}) climbs to {module}"


@pytest.mark.parametrize("world", DOORS)
def test_one_door_to_each_foreign_world(world: str) -> None:
    """A foreign package is imported in its one place, so that it can be replaced or measured there."""
    users = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        for module, typing_only in imports(path)
        if module.split(".")[0] == world and not typing_only
    }
    strays = {user for user in users if not user.startswith(DOORS[world])}
    assert not strays, f"{world} belongs in {DOORS[world]}"


def test_values_know_nothing() -> None:
    """The values of a run import the standard library and one another alone."""
    foreign = {
        module
        for pattern in STANDARD_LIBRARY_ONLY
        for path in PACKAGE.glob(pattern)
        for module, _ in imports(path)
        if module.split(".")[0] not in __import__("sys").stdlib_module_names
        and not module.startswith(("fusion_nb.core", "fusion_nb.errors"))
    }
    assert not foreign


def test_rooms_are_small() -> None:
    """No file of the product is larger than a head can hold."""
    large = {str(p.relative_to(PACKAGE)): n for p in FILES if (n := len(p.read_text().splitlines())) > 300}
    assert not large


def test_no_two_files_import_each_other() -> None:
    """There is no circle, also inside a folder and also by imports that stand in a function."""
    modules = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in FILES
    }
    graph = {
        name: {
            each for module, typing_only in imports(path) if not typing_only for each in targets(module, path, modules)
        }
        - {name}
        for name, path in modules.items()
    }
    graphlib.TopologicalSorter(graph).prepare()


def targets(module: str, path: Path, modules: dict[str, Path]) -> set[str]:
    """The files that an import of `module` reads: the module, or those of its names that are modules."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {
        f"{module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == module
        for alias in node.names
    }
    return {each for each in named if each in modules} or ({module} if module in modules else set())
