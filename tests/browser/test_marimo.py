"""The panel in a real marimo, as a notebook and as an app, on the demo pool."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import SCREENSHOTS, Served, free_port, watched

pytestmark = pytest.mark.browser

NOTEBOOK = """
import marimo

app = marimo.App()

@app.cell
def _():
    import marimo as mo
    import fusion_nb
    ended, set_ended = mo.state(None)
    return ended, fusion_nb, mo, set_ended

@app.cell
def _(fusion_nb, mo, set_ended):
    panel = mo.ui.anywidget(fusion_nb.Panel("What should I check before trusting a p-value?", pool="demo"))
    panel.observe(lambda change: set_ended(change.new), "result")
    panel
    return (panel,)

@app.cell
def _(ended, mo, panel):
    mo.md(f"Read: {ended().status} {panel.frame.shape}" if ended() else "Read: nothing yet")
    return

@app.cell
def _(ended):
    ended()
    return
"""


class Marimo(Served):
    """marimo on loopback with one notebook; `edit` shows its cells, `run` shows it as an app."""

    def __init__(self, folder: Path, how: str, theme: str) -> None:
        (folder / "panel.py").write_text(NOTEBOOK)
        (folder / ".marimo.toml").write_text(f'[display]\ntheme = "{theme}"\n[runtime]\nauto_instantiate = true\n')
        port = free_port()
        command = ["marimo", "--yes", how, "panel.py", "--headless", "--no-token", "--host=127.0.0.1", f"--port={port}"]
        offline = {"MARIMO_SKIP_UPDATE_CHECK": "1", "XDG_CONFIG_HOME": str(folder), "FUSION_NB_DEMO_SPEED": "1"}
        super().__init__(folder, port, "health", command, offline)


@pytest.fixture
def marimo(tmp_path: Path) -> Iterator:
    servers: list[Marimo] = []

    def served(how: str, theme: str) -> Marimo:
        servers.append(Marimo(tmp_path, how, theme))
        return servers[-1]

    yield served
    for server in servers:
        server.stop()


@pytest.mark.parametrize(("how", "theme"), [("edit", "light"), ("run", "dark")])
def test_the_panel_runs(browser: Browser, marimo, how: str, theme: str) -> None:
    """Run from the page, lanes and answer in its theme; another cell sees the end of itself; nothing leaves."""
    server = marimo(how, theme)
    context = browser.new_context(viewport={"width": 1280, "height": 1900})
    page = context.new_page()
    seen = watched(page)
    page.goto(f"http://127.0.0.1:{server.port}/")
    panel = page.locator(".fnb-live")
    expect(panel.locator(".fnb-forecast")).to_contain_text("3 models and a judge", timeout=60_000)
    expect(page.get_by_text("Read: nothing yet", exact=True)).to_be_visible()
    panel.get_by_role("button", name="Run").click()
    expect(panel.locator(".fnb-lane")).to_have_count(4, timeout=60_000)
    expect(panel.get_by_role("tab")).to_have_count(3, timeout=60_000)
    expect(panel.locator(".fnb-answer")).to_contain_text("Before you trust a p-value")
    assert panel.evaluate("e => getComputedStyle(e).colorScheme") == theme
    assert panel.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    expect(page.get_by_text("Read: ok (4, 32)", exact=True)).to_be_visible(timeout=60_000)
    # The result itself, in marimo's own output.
    static = page.locator(".fusion-nb:not(.fnb-live)")
    expect(static).to_contain_text("Before you trust a p-value")
    assert static.evaluate("e => getComputedStyle(e).colorScheme") == theme
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"marimo-{how}-{theme}.png")
    context.close()
    assert not seen
