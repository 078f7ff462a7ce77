"""The notebooks a person opens first: executed as they are, on the demo pool, by a real kernel."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from fusion_nb.views.widget import has_front_end

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def executed() -> dict[str, nbformat.NotebookNode]:
    """Each notebook run once."""
    books = {}
    for path in NOTEBOOKS:
        book = nbformat.read(path, as_version=4)
        # Through asyncio.run: nbclient's own sync form leaves its loop unclosed.
        asyncio.run(NotebookClient(book, timeout=120, kernel_name="python3").async_execute())
        books[path.stem] = book
    return books


@pytest.mark.parametrize("name", [p.stem for p in NOTEBOOKS])
def test_a_notebook_runs_from_top_to_bottom(executed: dict[str, nbformat.NotebookNode], name: str) -> None:
    """Every cell runs without an error, and each `%%fuse` cell shows an answer that says it is scripted."""
    cells = [c for c in executed[name].cells if c.cell_type == "code"]
    assert not [o for c in cells for o in c.outputs if o.output_type == "error"]
    asked = [c for c in cells if c.source.startswith("%%fuse")]
    assert asked
    for cell in (c for c in asked if "--evaluate" in c.source):
        (shown,) = [o.data for o in cell.outputs if o.output_type == "execute_result"]
        assert all("scripted" in shown[mime].lower() for mime in ("text/html", "text/plain"))
    for cell in (c for c in asked if "--each" in c.source):
        told = "".join(o.get("text", "") + str(o.get("data", "")) for o in cell.outputs)
        assert "scripted" in told.lower()
    fused = [c for c in asked if "--evaluate" not in c.source and "--each" not in c.source]
    for cell in fused:
        views = [o.data for o in cell.outputs if o.output_type == "display_data"]
        assert len(views) == 1, "one view a cell, however often it was updated"
        assert {"text/html", "text/markdown", "text/plain"} <= set(views[0])
        assert all("scripted" in views[0][mime].lower() for mime in ("text/html", "text/markdown", "text/plain"))


@pytest.mark.parametrize("name", [p.stem for p in NOTEBOOKS])
def test_a_saved_notebook_reads_well_without_a_kernel(executed: dict[str, nbformat.NotebookNode], name: str) -> None:
    """nbconvert's HTML holds the answers and the candidates, and no script or remote resource of ours."""
    html, _ = HTMLExporter().from_notebook_node(executed[name])
    views = html.split('class="fusion-nb')[1:]
    # A table's answers are its rows; every other notebook shows views.
    assert views or 'class="dataframe"' in html
    for cell in (c for c in executed[name].cells if c.cell_type == "code"):
        for output in cell.outputs:
            shown = output.get("data", {}).get("text/html", "")
            if "fusion-nb" in shown:
                assert "<script" not in shown
                assert "src=" not in shown
                assert "url(" not in shown


def test_no_saved_notebook_holds_a_widget(executed: dict[str, nbformat.NotebookNode]) -> None:
    """Reopened without its kernel a widget is "Error displaying widget": bars are text."""
    for book in executed.values():
        assert "widget-view" not in str([cell.get("outputs", []) for cell in book.cells])


def test_sources_are_clean() -> None:
    """The notebooks in the repository hold no outputs and no counters: they diff well."""
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            assert cell.cell_type == "markdown" or (not cell.outputs and cell.execution_count is None)


PAPERMILL = (
    "question = 'nothing'",
    "%load_ext fusion_nb\nimport asyncio, fusion_nb",
    "%%fuse df << --pool demo\n{question}",
    "panel = fusion_nb.Panel(question, 'demo')\npanel.run()\nwhile panel.busy:\n    await asyncio.sleep(0.05)\npanel",
    "%fuse_panel --pool demo {question}",
)


def test_papermill_keeps_no_widget(tmp_path: Path) -> None:
    """Under papermill, also one started from a notebook, cells and panels leave HTML: no widget is in the file."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in PAPERMILL])
    book.cells[0].metadata["tags"] = ["parameters"]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, tmp_path / "in.ipynb")
    question = "What should I check before trusting a p-value?"
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "-p", "question", question]
    here = {name: value for name, value in os.environ.items() if not name.startswith(("VSCODE_", "COLAB_"))}
    env = {**here, "JPY_SESSION_NAME": "outer.ipynb"}
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    text = (tmp_path / "out.ipynb").read_text()
    cells = nbformat.reads(text, as_version=4).cells
    shown = [[o.data.get("text/html", "") for o in cell.outputs if o.output_type == "display_data"] for cell in cells]
    assert [("Before you trust a p-value" in "".join(views)) for views in shown[-3:]] == [True, True, False]
    assert "Run the cell again to open it" in shown[-1][0]
    assert "widget" not in text


@pytest.mark.parametrize(
    ("variable", "value", "shows"),
    [("SERVER_SOFTWARE", "voila/0.5.8", True), ("SERVER_SOFTWARE", "gunicorn/23", False), ("VSCODE_PID", "1", True)],
)
def test_which_kernels_a_page_shows(variable: str, value: str, shows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Voilà and VS Code say so in the environment; a web server of another kind shows no widget."""
    for name in [name for name in os.environ if name.startswith(("VSCODE_", "COLAB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setenv(variable, value)
    assert has_front_end() is shows
