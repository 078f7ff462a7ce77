"""The live panel of `%%fuse` in a real JupyterLab: what is seen while a cell is busy, and what is left when it ends."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SETUP = "import os; os.environ['FUSION_NB_DEMO_SPEED'] = '1'\n%load_ext fusion_nb\nimport fusion_nb"
MERGE = "%%fuse df << --pool demo,gated --judge demo:judge --mode merge\nWhat should I check before trusting a p-value?"
SLOW = """
import time
from typing import Any

def slow(prompt):
    for i in range(4000):
        yield f"word {i} of many, "
        time.sleep(0.05)
"""
BUSY = re.compile(r"\[\*\]")
RECORD = """() => {
  const root = [...document.querySelectorAll('*')].find(e => e.shadowRoot?.querySelector('.fnb-live')).shadowRoot;
  window.drafts = [];
  const look = () => window.drafts.push(root.querySelector('.fnb-draft .fnb-md')?.textContent ?? '');
  new MutationObserver(look).observe(root, { subtree: true, childList: true, characterData: true });
}"""
"""Keeps every state of the answer under way, however short it is on the screen."""


def test_tokens_arrive_while_the_cell_is_busy_and_html_stays(open_notebook, gate) -> None:
    """A lane per member fills while the cell runs; then the static view stands in the same place, and no widget."""
    notebook = open_notebook("panel-live.ipynb", SETUP + gate.cell, MERGE, "len(df), df.attrs['status']")
    notebook.run(0)
    notebook.start(1)
    lanes = notebook.output(1).locator(".fnb-live .fnb-lane")
    expect(lanes).to_have_count(5, timeout=60_000)
    expect(lanes.nth(0)).to_contain_text(re.compile("writing|done"), timeout=60_000)
    expect(lanes.nth(2).locator(".fnb-words")).to_contain_text(re.compile(r"\w+ \w+ \w+"), timeout=60_000)
    expect(notebook.cells.nth(1).locator(".jp-InputArea-prompt")).to_have_text(BUSY)
    notebook.screenshot("panel-live")
    notebook.page.evaluate(RECORD)
    gate.open()
    notebook.finished(1)
    grown = {text for text in notebook.page.evaluate("drafts") if re.search(r"\w+ \w+", text)}
    assert grown, "the answer was seen while it was written"
    expect(notebook.output(1).locator(".fnb-live")).to_have_count(0)
    expect(notebook.output(1).locator(".fusion-nb")).to_have_count(1)
    expect(notebook.output(1)).to_contain_text(re.compile(r'fusion_nb\.load\("\d{8}T\d{6}-\w+"\)\.panel\(\)'))
    notebook.screenshot("panel-done")
    notebook.run(2)
    assert "(5, 'ok')" in notebook.output(2).inner_text()


def test_stop_works_while_the_cell_blocks(open_notebook) -> None:
    """Stop in the view ends a blocking cell at once; what was received is kept, and the next cell runs."""
    cell = "%%fuse df << --pool slow,demo:swift --judge demo:judge\nHello?"
    notebook = open_notebook("panel-stop.ipynb", SETUP + SLOW, cell, "print(df.attrs['status'], len(df.text[0]) > 20)")
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1).locator(".fnb-lane").first).to_contain_text("word 3", timeout=60_000)
    notebook.output(1).get_by_role("button", name="Stop", exact=True).click()
    # The member alone would take minutes.
    notebook.finished(1, timeout=60)
    expect(notebook.output(1)).to_contain_text(re.compile("stopped|cancelled", re.IGNORECASE))
    notebook.run(2)
    assert "cancelled True" in notebook.output(2).inner_text()
    notebook.screenshot("panel-stopped")


PANEL = "panel = fusion_nb.Panel('What should I check before trusting a p-value?', pool='demo')\npanel"


def test_the_workbench_runs_compares_and_gives_the_frame(open_notebook) -> None:
    """Run, tabs by mouse and keyboard, compare, another choice, DataFrame: all from the panel, all in Python after."""
    asked = "panel.result.status, panel.frame.shape, panel.result.verdict.chosen, panel.pool"
    notebook = open_notebook("workbench.ipynb", SETUP, PANEL, asked, height=1900)
    notebook.run(0)
    notebook.run(1)
    panel = notebook.output(1).locator(".fnb-live")
    expect(panel.locator(".fnb-chip").first).to_contain_text("demo", timeout=60_000)
    expect(panel.locator(".fnb-forecast")).to_contain_text("3 models and a judge")
    notebook.screenshot("workbench-empty")
    panel.get_by_role("button", name="Run").click()
    expect(panel.locator(".fnb-lane")).to_have_count(4)
    notebook.screenshot("workbench-running")
    tabs = panel.get_by_role("tab")
    expect(tabs).to_have_count(3, timeout=60_000)
    notebook.screenshot("workbench-done")
    tabs.nth(0).click()
    expect(tabs.nth(0)).to_have_attribute("aria-selected", "true")
    notebook.page.keyboard.press("ArrowRight")
    expect(tabs.nth(1)).to_have_attribute("aria-selected", "true")
    expect(tabs.nth(1)).to_be_focused()
    notebook.page.keyboard.press("End")
    expect(tabs.nth(2)).to_have_attribute("aria-selected", "true")
    before = notebook.cells.count()
    for key in ("x", "d", "d", "a", "b", "ArrowDown"):
        notebook.page.keyboard.press(key)
    assert notebook.cells.count() == before
    panel.get_by_text("Compare", exact=False).first.click()
    expect(panel.locator(".fnb-difftext").first).to_be_visible()
    notebook.screenshot("workbench-compare")
    panel.get_by_role("button", name="Use this one instead").click()
    expect(panel).to_contain_text("Chosen by hand")
    panel.get_by_role("button", name="To DataFrame").click()
    expect(panel).to_contain_text("4 rows")
    notebook.run(2)
    assert "('ok', (4, 32), (3,), ['demo'])" in notebook.output(2).inner_text()
    panel.locator(".fnb-fields select").select_option("best-of")
    panel.get_by_role("button", name="Judge again").click()
    expect(panel).to_contain_text("Kept from run", timeout=60_000)
    expect(panel.locator(".fnb-outcome .fnb-head")).to_contain_text("best-of")
    notebook.screenshot("workbench-rejudged")
