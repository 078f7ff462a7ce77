"""The panel in the states people meet: many members, failures, dark, narrow and wide, hostile text, a new kernel."""

import json
import re
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import TOKEN, watched

pytestmark = pytest.mark.browser

SETUP = "import os; os.environ['FUSION_NB_DEMO_SPEED'] = '1'\n%load_ext fusion_nb\nimport fusion_nb"
VECTORS = Path(__file__).parents[2] / "../shared/vectors/xss-payloadbox.txt"
PROMPT = "What should I check before trusting a p-value?"


def fits(panel) -> bool:
    """Nothing is wider than the panel."""
    return panel.evaluate("e => e.scrollWidth <= e.clientWidth + 1")


def restart_kernels(lab) -> None:
    base = f"http://127.0.0.1:{lab.port}/api/kernels"
    headers = {"Authorization": f"token {TOKEN}"}
    for kernel in json.load(urllib.request.urlopen(urllib.request.Request(base, headers=headers))):
        asked = urllib.request.Request(f"{base}/{kernel['id']}/restart", b"{}", headers, method="POST")
        urllib.request.urlopen(asked).close()


def save(notebook) -> None:
    notebook.page.locator('[data-command="docmanager:save"]').first.click()
    expect(notebook.page.locator(".jp-Toolbar [data-command='docmanager:save']").first).to_be_visible()
    expect(notebook.page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)


FAILING = """
def broken(prompt):
    raise RuntimeError("the pipe is cracked")

def steady(prompt):
    return "**Sample size**, effect size, and how many tests were run."
"""


def test_eight_members_one_failing_dark(open_notebook, lab, gate) -> None:
    """Eight lanes keep their places, the one that failed says why in place, and the others' answer stands."""
    lab.dark(True)
    pool = "broken,steady,gated,demo:swift*2,demo:steady*2,demo:careful"
    cell = f"%%fuse df << --pool {pool} --judge demo:judge\n{PROMPT}"
    notebook = open_notebook("eight.ipynb", SETUP + FAILING + gate.cell, cell, "fusion_nb.last().panel()", height=1900)
    notebook.run(0)
    notebook.start(1)
    lanes = notebook.output(1).locator(".fnb-live .fnb-lane")
    expect(lanes).to_have_count(9, timeout=60_000)
    expect(lanes.nth(0)).to_contain_text("the pipe is cracked")
    expect(lanes.nth(2)).to_contain_text("word 3", timeout=60_000)
    expect(lanes.nth(7)).to_contain_text(re.compile("writing|done"), timeout=60_000)
    notebook.screenshot("panel-eight-dark")
    gate.open()
    notebook.finished(1)
    expect(notebook.output(1)).to_contain_text("the pipe is cracked")
    notebook.run(2)
    panel = notebook.output(2).locator(".fnb-live")
    expect(panel.get_by_role("tab")).to_have_count(8)
    panel.get_by_role("tab").nth(0).click()
    expect(panel.get_by_role("tabpanel")).to_contain_text("the pipe is cracked")
    panel.get_by_role("tab").nth(7).scroll_into_view_if_needed()
    notebook.screenshot("workbench-eight-dark")
    assert fits(panel)
    lab.dark(False)


def test_all_members_failing(open_notebook) -> None:
    """Where nobody answered, the panel says so in a sentence and keeps a tab for each."""
    down = "services={'down': {'base_url': 'http://127.0.0.1:9/v1'}}"
    panel = f"panel = fusion_nb.Panel({PROMPT!r}, 'down:a,down:b', judge='demo:judge', timeout=2, {down})\npanel"
    notebook = open_notebook("all-failing.ipynb", SETUP, panel, "panel.result.status", height=1300)
    notebook.run(0)
    notebook.run(1)
    view = notebook.output(1).locator(".fnb-live")
    view.get_by_role("button", name="Run").click()
    expect(view).to_contain_text("None of the 2 members answered", timeout=60_000)
    expect(view.get_by_role("tab")).to_have_count(2)
    notebook.screenshot("workbench-all-failing")
    notebook.run(2)
    assert "error" in notebook.output(2).inner_text()


@pytest.mark.parametrize("width", [400, 1920])
def test_narrow_and_wide(open_notebook, width: int) -> None:
    """From a phone's width to a wall's, nothing overflows; picking by keyboard works in both."""
    cell = f"panel = fusion_nb.Panel({PROMPT!r}, 'demo', 'debate')\npanel"
    notebook = open_notebook(f"width-{width}.ipynb", SETUP, cell, width=width, height=1500)
    notebook.run(0)
    notebook.run(1)
    view = notebook.output(1).locator(".fnb-live")
    picker = view.get_by_role("combobox", name="Add a model")
    picker.fill("opus")
    expect(view.get_by_role("option").first).to_contain_text("opus", timeout=60_000)
    notebook.screenshot(f"workbench-pick-{width}")
    picker.fill("")
    notebook.page.keyboard.press("Escape")
    view.get_by_role("button", name="Run").click()
    expect(view.get_by_role("tab")).to_have_count(3, timeout=60_000)
    assert fits(view)
    view.get_by_role("tab").first.scroll_into_view_if_needed()
    notebook.screenshot(f"workbench-{width}")


WITHOUT_FORMULAS = """answer => {
  const copy = answer.cloneNode(true);
  copy.querySelectorAll('.fnb-math').forEach(formula => formula.remove());
  return copy.textContent;
}"""


def test_two_views_and_a_new_kernel(open_notebook, lab, gate) -> None:
    """A second view of a panel shows the same; when the kernel goes, both leave their result as static HTML."""
    cell = f"panel = fusion_nb.Panel({PROMPT!r}, ['demo', gated], judge='demo:judge')\npanel"
    notebook = open_notebook("views.ipynb", SETUP + gate.cell, cell, "panel")
    notebook.run(0)
    notebook.run(1)
    first = notebook.output(1).locator(".fnb-live")
    first.get_by_role("button", name="Run").click()
    expect(first.locator(".fnb-lane")).to_have_count(5, timeout=60_000)
    notebook.run(2)
    second = notebook.output(2).locator(".fnb-live")
    expect(second.locator(".fnb-lane")).to_have_count(5)
    gate.open()
    for view in (first, second):
        expect(view.get_by_role("tab")).to_have_count(4, timeout=60_000)
        expect(view.locator(".fnb-answer")).to_have_count(1, timeout=60_000)
    # Without formulas: they are set where they are seen, and only one of the views is.
    shown = [view.locator(".fnb-answer").evaluate(WITHOUT_FORMULAS) for view in (first, second)]
    assert shown[0] == shown[1]
    assert "cannot merge what it does not read" in shown[0]
    second.get_by_role("textbox", name="Prompt").fill("Something else")
    expect(first.get_by_role("textbox", name="Prompt")).to_have_value("Something else")
    restart_kernels(lab)
    expect(notebook.page.locator(".fnb-live")).to_have_count(0, timeout=60_000)
    save(notebook)
    notebook.page.reload()
    expect(notebook.output(2)).to_contain_text("cannot merge what it does not read", timeout=60_000)
    expect(notebook.page.get_by_text("Error displaying widget")).to_have_count(0)
    notebook.screenshot("workbench-reopened")


HOSTILE = """
import pathlib
lines = pathlib.Path({path!r}).read_text().splitlines()

def hostile(prompt):
    for line in lines:
        yield line + "\\n\\n"

def hostile_judge(prompt):
    return "\\n".join(lines)
"""


def test_hostile_text_does_nothing(open_notebook) -> None:
    """Two and a half thousand attacks as a model's text, live and in the workbench: no dialog opens, no request leaves."""
    if not VECTORS.exists():
        pytest.skip("the list of attacks is not here")
    cell = f"%%fuse --pool hostile,demo:swift --judge demo:judge;\n{PROMPT}"
    setup = SETUP + HOSTILE.format(path=str(VECTORS.resolve()))
    notebook = open_notebook("hostile.ipynb", setup, cell, "fusion_nb.last().panel()")
    seen = watched(notebook.page)
    notebook.run(0)
    notebook.run(1)
    notebook.run(2)
    panel = notebook.output(2).locator(".fnb-live")
    panel.get_by_role("tab").first.click()
    expect(panel.get_by_role("tabpanel")).to_contain_text("alert", timeout=60_000)
    assert panel.get_by_role("tabpanel").locator("script, img, svg, iframe, form, object, embed").count() == 0
    panel.get_by_text("Compare", exact=False).first.click()
    # The TeX behind a formula is there to be read where MathML is not: it is not to be seen.
    for element in panel.get_by_role("tabpanel").locator("[class]:visible").all()[:20]:
        element.hover(force=True, timeout=2000)
    notebook.screenshot("workbench-hostile")
    assert not seen
