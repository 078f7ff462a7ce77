"""VS Code's notebooks: its own widget package and its rules of display, over a real kernel.

Not VS Code itself: its content security policy, its scrolling and its own renderer of HTML are not there. The page is
`vscode/host.ts`; the theme's variables are those of VS Code's default themes, and the rules beside them those that the
Jupyter extension gives every output.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import SCREENSHOTS, TOKEN, Gate, Lab
from tests.browser.stage import AXE

HOST = Path(__file__).parent / "vscode"
ANYWIDGET = Path(sys.prefix, "share/jupyter/nbextensions/anywidget/index.js")
# Of the themes "Dark Modern" and "Light Modern".
COLOURS = {
    "dark": ("#1f1f1f", "#cccccc", "#9d9d9d", "#4daafc", "#2b2b2b"),
    "light": ("#ffffff", "#3b3b3b", "#3b3b3b", "#005fb8", "#e5e5e5"),
}
PAGE = """<!doctype html><html lang="en" style="--vscode-editor-background:{0};--vscode-editor-foreground:{1};
--vscode-descriptionForeground:{2};--vscode-textLink-foreground:{3};--vscode-panel-border:{4};
--vscode-font-family:system-ui,sans-serif;--vscode-font-size:13px;--vscode-editor-font-family:monospace;
--jp-content-font-family:var(--vscode-editor-font-family)"><meta charset="utf-8"><title>notebook</title>
<style>body{{margin:0;padding:0 16px;background:{0};color:{1};font:13px system-ui}}
.cell-output-ipywidget-background{{background:white!important}} .output_container{{margin:6px 0}}</style>
<body class="vscode-{theme}" data-vscode-theme-kind="vscode-{theme}"><main></main></body></html>"""
VIOLATIONS = """async () => (await axe.run('main', { resultTypes: ['violations'] })).violations
  .map(v => `${v.id}: ${v.nodes.map(n => n.target.flat().join(' ') + ' ' + n.failureSummary).join(' | ')}`)"""


@pytest.fixture(scope="module")
def host() -> str:
    """The page's script, with VS Code's package in it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm: VS Code's widget package comes from its registry")
    if not (HOST / "node_modules").is_dir():
        subprocess.run([npm, "ci", "--silent"], cwd=HOST, check=True, timeout=300)
    subprocess.run([npm, "run", "build", "--silent"], cwd=HOST, check=True, timeout=120)
    return (HOST / "dist/host.js").read_text(encoding="utf-8")


class Notebook:
    """A page as VS Code's webview draws it."""

    def __init__(self, page: Page, lab: Lab, host: str, theme: str) -> None:
        self.page = page
        base = f"http://127.0.0.1:{lab.port}/"
        html = PAGE.format(*COLOURS[theme], theme=theme)
        # A page of the server's, for its origin; then ours in its place.
        page.goto(f"{base}login")
        page.set_content(html)
        page.add_script_tag(path=HOST / "node_modules/requirejs/require.js")
        page.add_script_tag(content=host, type="module")
        page.wait_for_function("() => !!window.start")
        given = [base, TOKEN, ANYWIDGET.read_text(encoding="utf-8")]
        page.evaluate("given => void start(...given)", given)
        page.wait_for_function("() => !!window.notebook", timeout=90_000)

    def start(self, code: str) -> Locator:
        """A cell that is run, without waiting for its end."""
        self.page.evaluate("code => void notebook.run(code)", code)
        return self.page.locator("main > .cell").last

    def run(self, code: str) -> Locator:
        cell = self.start(code)
        expect(cell).to_have_attribute("data-status", "ok", timeout=60_000)
        return cell

    def violations(self) -> list[str]:
        self.page.add_script_tag(path=AXE)
        return list(self.page.evaluate(VIOLATIONS))

    def screenshot(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"vscode-{name}.png", full_page=True)


@pytest.fixture(params=["dark", "light"])
def notebook(request: pytest.FixtureRequest, browser: Browser, lab: Lab, host: str) -> Iterator[Notebook]:
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    opened = Notebook(context.new_page(), lab, host, request.param)
    # As VS Code does for its kernels.
    opened.run("import os; os.environ['VSCODE_PID'] = '1'; os.environ.pop('JPY_SESSION_NAME', None)")
    opened.run("%load_ext fusion_nb")
    yield opened
    opened.page.evaluate("() => notebook.shutdown()")
    context.close()


def face(view: Locator) -> dict[str, str]:
    """What makes two views look alike."""
    return dict(
        view.evaluate(
            "e => { const s = getComputedStyle(e); return { ground: s.backgroundColor, ink: s.color, font: s.fontFamily,"
            " size: s.fontSize, scheme: s.colorScheme }; }"
        )
    )


def test_a_cell_lives_and_ends_in_the_windows_colours(notebook: Notebook, gate: Gate, request) -> None:
    """The live view and what is left of it have VS Code's colours and font, the same, readable by axe's measure."""
    theme = request.node.callspec.params["notebook"]
    notebook.run(gate.cell)
    cell = notebook.start("%%fuse df << --pool gated,demo\nHow many times does the letter r occur in strawberry?")
    live = cell.locator(".fnb-live")
    expect(live).to_contain_text("word 3 of many")
    expect(cell.locator(".fnb-behind")).to_be_hidden()
    while_it_runs = face(live)
    expect(cell.locator(".cell-output-ipywidget-background")).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    assert notebook.violations() == []
    notebook.screenshot(f"{theme}-live")
    gate.open()
    finished = cell.locator(".output > .fusion-nb")
    expect(finished.locator(".fnb-head")).to_contain_text("merge")
    expect(cell.locator(".fnb-live")).to_have_count(0)
    expect(cell.locator(".fnb-behind")).to_have_count(0)
    assert face(finished) == while_it_runs
    assert while_it_runs["ground"] == {"dark": "rgb(31, 31, 31)", "light": "rgb(255, 255, 255)"}[theme]
    assert while_it_runs["font"].startswith("system-ui")
    assert notebook.violations() == []
    notebook.screenshot(f"{theme}-finished")


def test_stop_ends_the_run_while_the_cell_is_busy(notebook: Notebook, gate: Gate) -> None:
    """Stop is passed on while the cell runs, and what was received stays."""
    notebook.run(gate.cell)
    cell = notebook.start("%%fuse --pool gated,demo\nHow many times does the letter r occur in strawberry?")
    expect(cell.locator(".fnb-live")).to_contain_text("word 3 of many")
    cell.get_by_role("button", name="Stop", exact=True).click()
    expect(cell.locator(".output > .fusion-nb")).to_contain_text("stopped")
    expect(cell).to_have_attribute("data-status", "ok")


def test_the_interrupt_ends_a_run_whose_stop_cannot_be_passed_on(notebook: Notebook, gate: Gate) -> None:
    """Where comms come on the shell of the busy cell, the view says so, and the interrupt ends the run."""
    notebook.page.evaluate("notebook.commsOnTheMainShell()")
    notebook.run(gate.cell)
    cell = notebook.start("%%fuse --pool gated,demo\nHow many times does the letter r occur in strawberry?")
    expect(cell.locator(".fnb-live")).to_contain_text("word 3 of many")
    cell.get_by_role("button", name="Stop", exact=True).click()
    expect(cell.locator(".fnb-hint")).to_contain_text("interrupt")
    notebook.page.evaluate("notebook.interrupt()")
    expect(cell.locator(".output > .fusion-nb")).to_contain_text("stopped")


def test_the_workbench(notebook: Notebook, request) -> None:
    """Opened, run and finished through VS Code's widget manager; its fallback is not seen; readable by axe's measure."""
    theme = request.node.callspec.params["notebook"]
    cell = notebook.run("import fusion_nb; fusion_nb.Panel('How many r are in strawberry?', pool='demo')")
    bench = cell.locator(".fnb-live")
    expect(bench.get_by_role("button", name="Run", exact=True)).to_be_visible()
    expect(cell.locator(".fnb-behind")).to_be_hidden()
    assert notebook.violations() == []
    bench.get_by_role("button", name="Run", exact=True).click()
    expect(bench.get_by_role("tab").first).to_be_visible()
    expect(bench.get_by_role("button", name="Judge again")).to_be_visible()
    assert notebook.violations() == []
    notebook.screenshot(f"{theme}-workbench")
