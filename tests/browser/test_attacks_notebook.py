"""Attacks in a saved notebook: opened in JupyterLab trusted and not, and as nbconvert's page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import nbclient
import nbformat
import pytest
from nbconvert import HTMLExporter
from nbformat.sign import NotebookNotary
from playwright.sync_api import Browser, Page, expect

from fusion_nb.views import bundle
from fusion_nb.views.dataframes import frame
from fusion_nb.views.frame_html import TableFormatter
from tests import states
from tests.attacks import VECTORS, WRITTEN, needs_vectors, payloads
from tests.browser.audit import Watch
from tests.browser.conftest import SCREENSHOTS

pytestmark = pytest.mark.browser

MEMBERS = r"""
import itertools, json
attacks = itertools.cycle(json.load(open("attacks.json")))
def evil(prompt): return "\n\n".join(next(attacks) for _ in range(20))
def worse(prompt): raise ValueError(next(attacks))
def judge(prompt): return next(attacks)
evil.__name__, worse.__name__ = next(attacks), next(attacks)
%load_ext fusion_nb
"""
CELLS = (
    MEMBERS,
    "%%fuse df << --pool evil,evil,worse --judge judge\n<img src=x onerror=alert(1)>",
    "%%fuse --pool evil --quiet\n$\\href{javascript:alert(1)}{x}$",
)


def view(text: str) -> dict[str, str]:
    script = states.Script(pool=(states.CLAUDE,))
    script.reply(states.CLAUDE, text)
    script.judged(text, {"K7": 1}, rationale=text)
    return bundle(script.close())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """A notebook that a real kernel ran on hostile members, with many more hostile results beside."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "attacks.json").write_text(json.dumps(WRITTEN), encoding="utf-8")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    nbclient.NotebookClient(
        book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    # JupyterLab puts no more on the page than what is in sight: all the rest stands in one output.
    texts = [*WRITTEN]
    if VECTORS.is_dir():
        texts += ["\n\n".join(payloads()[start : start + 500]) for start in range(0, len(payloads()), 500)]
    shown = [*(bundle(states.hostile(attack)) for attack in WRITTEN), *map(view, texts)]
    joined = {kind: "\n\n".join(one[kind] for one in shown) for kind in shown[0]}
    output = nbformat.v4.new_output("display_data", joined, metadata={"views": len(shown)})
    tables = [frame(states.hostile(attack)) for attack in WRITTEN if len(attack) < 50]
    said = {
        "text/html": "".join(str(TableFormatter(None)(df)) for df in tables),
        "text/plain": "\n".join(map(repr, tables)),
    }
    markdown = {"text/markdown": "\n\n".join(one["text/markdown"] for one in shown[: len(WRITTEN)])}
    outputs = [output, *(nbformat.v4.new_output("display_data", data) for data in (said, markdown))]
    book.cells.insert(0, nbformat.v4.new_code_cell("fusion_nb.last()", outputs=outputs, execution_count=1))
    return book


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    yield context.new_page()
    context.close()


def outside(book: nbformat.NotebookNode) -> str:
    return HTMLExporter().from_notebook_node(book)[0]


def hosts(page: Page, path: Path) -> tuple[Watch, set[str]]:
    """The page opened, and whom it asks for something."""
    watch = Watch(page, mine=lambda url: url == path.as_uri())
    page.goto(path.as_uri(), wait_until="load")
    page.wait_for_load_state("networkidle")
    return watch, {urlsplit(url).hostname or "" for url in watch.asked}


@needs_vectors
def test_nbconverts_page_is_as_quiet_as_without_us(saved: nbformat.NotebookNode, page: Page, tmp_path: Path) -> None:
    """nbconvert asks for its own MathJax and require.js; our outputs add no request, script, dialog or attribute."""
    (tmp_path / "bare.html").write_text(
        outside(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])), encoding="utf-8"
    )
    (tmp_path / "hostile.html").write_text(outside(saved), encoding="utf-8")
    _, expected = hosts(page, tmp_path / "bare.html")
    other = page.context.new_page()
    watch, asked = hosts(other, tmp_path / "hostile.html")
    assert "evil.example" not in asked
    assert asked == expected
    assert other.locator(".fusion-nb").count() == saved.cells[0].outputs[0].metadata["views"] + 1
    assert watch.strangers(whole=False) == []
    assert other.locator("h2", has_text="Fused answer").count() >= len(WRITTEN)
    assert [event for event in watch.events if not event.startswith("request")] == []


@pytest.mark.parametrize("trusted", [False, True], ids=["untrusted", "trusted"])
def test_jupyterlab_shows_it_and_nothing_acts(saved: nbformat.NotebookNode, page: Page, lab, trusted: bool) -> None:
    """Opened from disk, with JupyterLab's sanitiser and without: the answer is there, and nothing but words."""
    name = f"hostile-{'trusted' if trusted else 'untrusted'}.ipynb"
    nbformat.write(saved, lab.folder / name)
    if trusted:
        NotebookNotary(data_dir=str(lab.folder / "data")).sign(nbformat.read(lab.folder / name, 4))
    watch = Watch(
        page,
        mine=lambda url: url.startswith(
            (f"http://127.0.0.1:{lab.port}/", f"ws://127.0.0.1:{lab.port}/", "blob:", "data:")
        ),
    )
    page.goto(f"http://127.0.0.1:{lab.port}/lab/tree/{name}?token=loopback-test-token&reset")
    shown = page.locator(".jp-CodeCell").first.locator(".jp-OutputArea .fusion-nb")
    expect(shown).to_have_count(saved.cells[0].outputs[0].metadata["views"], timeout=60_000)
    expect(shown.last).to_contain_text("Fused answer")
    assert (page.locator(".jp-OutputArea-output style").count() > 0) == trusted
    expect(page.locator(".jp-OutputArea .jp-RenderedMarkdown h2", has_text="Fused answer").first).to_be_attached()
    # Formulas are MathML where the notebook is trusted and TeX where it is not; MathJax has no part in either.
    assert page.locator(".jp-OutputArea .fusion-nb mjx-container").count() == 0
    assert (page.locator(".jp-OutputArea .fusion-nb math").count() > 0) == trusted
    if not trusted:
        visible = page.locator(".jp-OutputArea .fusion-nb .fnb-mathml:visible")
        assert visible.evaluate_all("all => all.map(one => one.parentElement.outerHTML)") == []
    assert page.locator(".jp-OutputArea .dataframe").count() > 0
    expect(page.locator(".jp-OutputArea .dataframe mjx-container")).to_have_count(0)
    assert watch.strangers(whole=False) == []
    executed = page.locator(".jp-CodeCell").nth(2)
    executed.scroll_into_view_if_needed()
    expect(executed.locator(".fusion-nb")).to_contain_text("python:<a data-commandlinker-command")
    page.screenshot(path=SCREENSHOTS / f"lab-{name.removesuffix('.ipynb')}.png")
    assert watch.strangers(whole=False) == []
    assert watch.events == []
