"""`%%fuse` in a real JupyterLab in a real Chromium, on the demo pool at its own pace."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SETUP = "import os; os.environ['FUSION_NB_DEMO_SPEED'] = '1'\n%load_ext fusion_nb"
MERGE = "%%fuse df << --pool demo,gated --judge demo:judge --mode merge\nWhat should I check before trusting a p-value?"
DEBATE = "%%fuse --pool demo --mode debate --then best-of;\nCan you see the Great Wall of China from the Moon with the naked eye?"


def test_a_merge_streams_and_ends_as_a_static_view(open_notebook, gate) -> None:
    """Text is on the screen while the cell is busy; then the answer comes first, candidates are tabs, `df` is bound."""
    notebook = open_notebook("merge.ipynb", SETUP + gate.cell, MERGE, "len(df), df.attrs['status']")
    notebook.run(0)
    notebook.start(1)
    view = notebook.output(1).locator(".fusion-nb")
    expect(view).to_contain_text("demo:careful", timeout=60_000)
    expect(view).to_contain_text(re.compile("p-value|effect|sample", re.IGNORECASE), timeout=60_000)
    assert "[*]" in notebook.cells.nth(1).locator(".jp-InputArea-prompt").inner_text()
    notebook.screenshot("lab-streaming")
    gate.open()
    notebook.finished(1)
    expect(view).to_have_count(1)
    expect(view).to_contain_text("scripted")
    assert view.locator("script, img, iframe, form").count() == 0
    # Which tab is open at first is the judge's decision, and the order of its page is random.
    candidate = view.locator(".fnb-tabs > details:not([open])").first
    name = candidate.locator("summary b").first.inner_text()
    candidate.locator("summary").first.click()
    expect(view.locator(".fnb-tabs > details[open]").filter(has_text=name)).to_have_count(1)
    notebook.screenshot("lab-merge")
    notebook.run(2)
    assert "(5, 'ok')" in notebook.output(2).inner_text()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("light", 480)])
def test_a_debate_looks_right(open_notebook, lab, theme: str, width: int) -> None:
    """Light, dark and narrow: nothing overflows its column, rounds and who changed their mind are told."""
    lab.dark(theme == "dark")
    notebook = open_notebook(f"debate-{theme}-{width}.ipynb", SETUP, DEBATE, width=width)
    notebook.run(0)
    notebook.run(1)
    view = notebook.output(1).locator(".fusion-nb")
    expect(view).to_contain_text("demo:swift")
    expect(view).to_contain_text(re.compile("changed", re.IGNORECASE))
    assert view.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    notebook.screenshot(f"lab-debate-{theme}-{width}")
    lab.dark(False)


def test_the_interrupt_button_keeps_what_was_received(open_notebook, gate) -> None:
    """Interrupting ends the run at once; what was received is shown and returned, and the next cell works."""
    cell = "%%fuse df << --pool demo,gated --judge demo:judge\nWhat should I check before trusting a p-value?"
    notebook = open_notebook(
        "stop.ipynb", SETUP + gate.cell, cell, "print(df.attrs['status'], sorted(set(df['status'])))"
    )
    notebook.run(0)
    notebook.run(2)
    notebook.start(1)
    view = notebook.output(1).locator(".fusion-nb")
    expect(view).to_contain_text(re.compile("p-value|effect|sample", re.IGNORECASE), timeout=60_000)
    notebook.page.locator('[data-command="notebook:interrupt-kernel"], jp-button[title*="Interrupt"]').first.click()
    notebook.finished(1)
    notebook.screenshot("lab-stopped")
    expect(view).to_contain_text(re.compile("stopped|cancelled", re.IGNORECASE))
    notebook.run(2)
    assert "cancelled" in notebook.output(2).inner_text()


def test_a_bad_line_is_one_sentence(open_notebook) -> None:
    """An unknown name is one red line with the nearest match, not a traceback."""
    notebook = open_notebook("bad.ipynb", SETUP, "%%fuse --pool cluade\nHello?")
    notebook.run(0)
    notebook.run(1)
    said = notebook.output(1).inner_text()
    assert "claude" in said
    assert "Traceback" not in said
    notebook.screenshot("lab-bad")


def test_a_page_reloaded_while_a_run_goes_on_says_where_the_result_is(open_notebook, gate) -> None:
    """Saved and reloaded in the middle: no "Error displaying widget"; the sentence in its place is true."""
    notebook = open_notebook("reloaded.ipynb", "%load_ext fusion_nb", gate.cell, MERGE, "fusion_nb.last().panel()")
    notebook.run(0)
    notebook.run(1)
    notebook.start(2)
    expect(notebook.output(2).locator(".fnb-live")).to_contain_text("word 3 of many")
    expect(notebook.output(2).get_by_text("If this page was reloaded")).to_be_hidden()
    notebook.page.keyboard.press("Control+s")
    expect(notebook.page.locator(".jp-mod-dirty")).to_have_count(0)
    notebook.page.reload()
    expect(notebook.page.get_by_text("If this page was reloaded")).to_be_visible(timeout=60_000)
    expect(notebook.page.get_by_text("Error displaying widget")).to_be_hidden()
    notebook.screenshot("lab-reloaded")
    gate.open()
    idle = notebook.page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    expect(idle).to_be_attached(timeout=60_000)
    cell = notebook.cells.nth(3)
    cell.locator(".cm-content").click()
    notebook.page.keyboard.press("Control+a")
    notebook.page.keyboard.type("import fusion_nb; fusion_nb.last().panel()")
    notebook.run(3)
    expect(notebook.output(3).locator(".fnb-live")).to_contain_text("Fused answer", ignore_case=True)
