"""`%%fuse` and the panel in a real Notebook 7, on the demo pool: the same as in JupyterLab."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Lab, opening, watched

pytestmark = pytest.mark.browser

SETUP = "import os; os.environ['FUSION_NB_DEMO_SPEED'] = '1'\n%load_ext fusion_nb"
PROMPT = "What should I check before trusting a p-value?"


@pytest.fixture(scope="module")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    seven = Lab(tmp_path_factory.mktemp("notebook7"), app="notebook")
    yield seven
    seven.stop()


@pytest.fixture
def open_in_seven(browser: Browser, seven: Lab) -> Iterator:
    yield from opening(browser, seven)


def test_a_cell_and_the_panel_run(open_in_seven, seven: Lab, gate) -> None:
    """A cell is a live panel, then static HTML; `%fuse_panel` runs; its result is there in Python; nothing leaves."""
    seven.dark(True)
    asked = "panel.result.status, panel.frame.shape"
    cells = (
        SETUP + gate.cell,
        f"%%fuse df << --pool demo,gated --judge demo:judge\n{PROMPT}",
        f"panel = %fuse_panel --pool demo {PROMPT}\npanel",
        asked,
    )
    notebook = open_in_seven("seven.ipynb", *cells, height=1900)
    seen = watched(notebook.page)
    notebook.run(0)
    notebook.start(1)
    lanes = notebook.output(1).locator(".fnb-live .fnb-lane")
    expect(lanes).to_have_count(5, timeout=60_000)
    expect(lanes.nth(0)).to_contain_text("done", timeout=60_000)
    gate.open()
    notebook.finished(1)
    expect(notebook.output(1).locator(".fnb-live")).to_have_count(0)
    expect(notebook.output(1).locator(".fusion-nb")).to_contain_text("cannot merge what it does not read")
    notebook.run(2)
    panel = notebook.output(2).locator(".fnb-live")
    panel.get_by_role("button", name="Run").click()
    expect(panel.get_by_role("tab")).to_have_count(3, timeout=60_000)
    expect(panel.locator(".fnb-answer")).to_contain_text("Before you trust a p-value")
    assert panel.evaluate("e => getComputedStyle(e).colorScheme") == "dark"
    panel.scroll_into_view_if_needed()
    notebook.screenshot("notebook7-dark")
    notebook.run(3)
    assert "('ok', (4, 32))" in notebook.output(3).inner_text()
    assert not seen
