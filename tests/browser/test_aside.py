"""What goes on beside the cells, and what is left when the kernel is gone: in a real JupyterLab."""

import json
import os
import re
import signal
import urllib.request

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import TOKEN
from tests.browser.test_panel_states import save

pytestmark = pytest.mark.browser

SETUP = "import os; os.environ['FUSION_NB_DEMO_SPEED'] = '0.4'\n%load_ext fusion_nb\nimport fusion_nb, time"
PROMPT = "What should I check before trusting a p-value?"
BACKGROUND = f"%%fuse run << --background --pool demo,gated --judge demo:judge\n{PROMPT}"


def test_a_background_run_is_watched_while_other_cells_run(open_notebook, gate) -> None:
    """The cell ends at once; its lanes fill while another cell blocks; static HTML stands in its place at the end."""
    notebook = open_notebook("background.ipynb", SETUP + gate.cell, BACKGROUND, "wait(); 6 * 7", "run", height=1500)
    notebook.run(0)
    notebook.run(1)
    view = notebook.output(1).locator(".fnb-live")
    expect(view.locator(".fnb-lane")).to_have_count(5, timeout=60_000)
    expect(notebook.output(1)).to_contain_text("in the background")
    notebook.start(2)
    expect(notebook.cells.nth(2).locator(".jp-InputArea-prompt")).to_have_text("[*]:")
    words = view.locator(".fnb-lane").nth(2).locator(".fnb-words")
    expect(words).to_contain_text(re.compile(r"\w+ \w+ \w+"), timeout=60_000)
    assert "[*]" in notebook.cells.nth(2).locator(".jp-InputArea-prompt").inner_text()
    notebook.screenshot("background-live")
    gate.open()
    notebook.finished(2)
    expect(view).to_have_count(0, timeout=60_000)
    expect(notebook.output(1)).to_contain_text("Fused answer")
    expect(notebook.output(1).locator(".fusion-nb")).to_have_count(1)
    notebook.screenshot("background-done")
    notebook.run(3)
    assert "done" in notebook.output(3).inner_text() or "$" in notebook.output(3).inner_text()


def test_stop_in_the_view_of_a_background_run(open_notebook, gate) -> None:
    """Stop in the view ends it while no cell runs, and while one does; the cell is not touched."""
    notebook = open_notebook(
        "background-stop.ipynb", SETUP + gate.cell, BACKGROUND, "wait(); print('waited')", BACKGROUND
    )
    notebook.run(0)
    for cell, busy in ((1, False), (3, True)):
        notebook.run(cell)
        view = notebook.output(cell).locator(".fnb-live")
        expect(view.locator(".fnb-lane")).to_have_count(5, timeout=60_000)
        if busy:
            notebook.start(2)
        view.get_by_role("button", name="Stop", exact=True).click()
        expect(notebook.output(cell)).to_contain_text(re.compile("stopped|cancelled", re.IGNORECASE))
        if busy:
            assert "[*]" in notebook.cells.nth(2).locator(".jp-InputArea-prompt").inner_text()
            gate.open()
            notebook.finished(2)
            assert "waited" in notebook.output(2).inner_text()
    notebook.screenshot("background-stopped")


def kill_kernels(lab) -> None:
    """SIGKILL to the lab's kernels, as the system does where memory runs out; their sessions are forgotten."""
    base, headers = f"http://127.0.0.1:{lab.port}/api/sessions", {"Authorization": f"token {TOKEN}"}
    for pid in lab.kernels():
        os.kill(pid, signal.SIGKILL)
    for session in json.load(urllib.request.urlopen(urllib.request.Request(base, headers=headers))):
        asked = urllib.request.Request(f"{base}/{session['id']}", headers=headers, method="DELETE")
        urllib.request.urlopen(asked).close()


@pytest.mark.parametrize("ran", [False, True])
def test_a_workbench_whose_kernel_was_killed(open_notebook, lab, ran: bool) -> None:
    """Reopened, it shows its last result, or says that it is closed: never "Error displaying widget"."""
    panel = f"panel = fusion_nb.Panel({PROMPT!r}, 'demo')\npanel"
    notebook = open_notebook(f"killed-{ran}.ipynb", SETUP.replace("0.4", "20"), panel, "'after'", height=1500)
    notebook.run(0)
    notebook.run(1)
    view = notebook.output(1).locator(".fnb-live")
    left = notebook.output(1).locator(".fnb-behind")
    expect(view.get_by_role("button", name="Run")).to_be_visible(timeout=60_000)
    if ran:
        view.get_by_role("button", name="Run").click()
        expect(view.get_by_role("tab")).to_have_count(3, timeout=60_000)
        expect(left).to_contain_text("Before you trust a p-value")
    expect(left).to_be_hidden()
    notebook.screenshot(f"killed-before-{ran}")
    save(notebook)
    url = notebook.page.url
    notebook.page.goto("about:blank")
    kill_kernels(lab)
    notebook.page.goto(url)
    expect(left).to_be_visible(timeout=60_000)
    expect(left).to_contain_text("Before you trust a p-value" if ran else "is there while its kernel runs")
    notebook.page.wait_for_function(
        "document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'"
    )
    expect(notebook.page.get_by_text(re.compile("Error displaying widget|Loading widget"))).to_be_hidden()
    notebook.screenshot(f"killed-after-{ran}")
