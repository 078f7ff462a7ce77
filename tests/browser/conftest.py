"""A real JupyterLab (or Notebook 7) in a real Chromium."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Waits are for events. A machine that does other work at the same time may take long for each.
expect.set_options(timeout=30_000)
SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
TOKEN = "loopback-test-token"
HERE = re.compile(r"(http|ws)://127\.0\.0\.1|data:|blob:")


# For this folder, not for the session: Playwright's loop runs on this thread, and nobody else's could.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium: install Debian's `chromium` package to run the browser tests")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Served:
    """A notebook server on loopback, with a folder of its own."""

    def __init__(self, folder: Path, port: int, health: str, command: list[str], env: dict[str, str]) -> None:
        self.folder = folder
        self.port = port
        self._log = (folder / "server.log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
        )
        self._wait(f"http://127.0.0.1:{port}/{health}")

    def _wait(self, url: str) -> None:
        for _ in range(240):
            try:
                urllib.request.urlopen(url, timeout=2).close()
            except OSError:
                assert self._process.poll() is None, (self.folder / "server.log").read_text()
                time.sleep(0.25)
            else:
                return
        raise TimeoutError("the notebook server did not start within a minute")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


class Lab(Served):
    """JupyterLab or, as `app="notebook"`, Notebook 7."""

    def __init__(self, folder: Path, app: str = "lab") -> None:
        self.folder = folder
        self._path = {"lab": "lab/tree", "notebook": "notebooks"}[app]
        news = {"fetchNews": "false", "checkForUpdates": False}
        (self._settings("apputils-extension") / "notification.jupyterlab-settings").write_text(json.dumps(news))
        port = free_port()
        settings = ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}"]
        quiet = ["--no-browser", "--ServerApp.open_browser=False", "--ServerApp.port_retries=0"]
        if app == "lab":
            quiet += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None"]
        command = [{"lab": "jupyterlab"}.get(app, app), "--allow-root", *settings, *quiet]
        env = {"JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTER_DATA_DIR": str(folder / "data")}
        super().__init__(folder, port, f"api?token={TOKEN}", command, env)

    def kernels(self) -> list[int]:
        """The processes of its kernels."""
        asked = ["ps", "-o", "pid=,args=", "--ppid", str(self._process.pid)]
        listed = subprocess.run(asked, capture_output=True, text=True, check=False)
        rows = [line.split(None, 1) for line in listed.stdout.splitlines()]
        return [int(pid) for pid, command in rows if "ipykernel" in command]

    def notebook(self, name: str, *cells: str) -> str:
        """Write a notebook and return the address that opens it alone."""
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(book, self.folder / name)
        return f"http://127.0.0.1:{self.port}/{self._path}/{name}?token={TOKEN}&reset"

    def _settings(self, extension: str) -> Path:
        settings = self.folder / "config" / "lab" / "user-settings" / "@jupyterlab" / extension
        settings.mkdir(parents=True, exist_ok=True)
        return settings

    def dark(self, on: bool) -> None:
        """Choose JupyterLab's theme for the pages opened after this."""
        settings = self._settings("apputils-extension")
        theme = "JupyterLab Dark" if on else "JupyterLab Light"
        (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": theme}))


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.stop()


class Notebook:
    """A notebook open in a page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(url)
        self.cells = page.locator(".jp-Notebook .jp-CodeCell")
        # The circle in the toolbar says idle before there is a kernel, and a cell run then would ask for one in a dialog.
        expect(page.locator(".jp-Toolbar-kernelName")).to_contain_text("Python 3", timeout=60_000)
        idle = page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
        expect(idle).to_be_attached(timeout=60_000)
        if "/lab/" in url:
            # The file browser takes a third of a narrow window.
            page.keyboard.press("Control+b")

    def start(self, cell: int) -> None:
        """Run one cell without waiting for it."""
        prompt = self.cells.nth(cell).locator(".jp-InputArea-prompt")
        before = prompt.text_content()
        for _ in range(20):
            self.cells.nth(cell).locator(".cm-content").click()
            self.page.keyboard.press("Control+Enter")
            # JupyterLab drops the key while it is still attaching a freshly opened notebook.
            try:
                expect(prompt).not_to_have_text(before or "", timeout=5000)
            except AssertionError:
                continue
            return
        raise AssertionError(f"cell {cell} did not start")

    def run(self, cell: int, timeout: float = 120.0) -> None:
        """Run one cell and wait for its end."""
        self.start(cell)
        self.finished(cell, timeout)

    def finished(self, cell: int, timeout: float = 120.0) -> None:
        """Wait for the end of a cell that was started."""
        prompt = self.cells.nth(cell).locator(".jp-InputArea-prompt")
        expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=timeout * 1000)

    def output(self, cell: int):
        return self.cells.nth(cell).locator(".jp-OutputArea")

    def screenshot(self, name: str) -> Path:
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path


@pytest.fixture
def open_notebook(browser: Browser, lab: Lab) -> Iterator:
    yield from opening(browser, lab)


def opening(browser: Browser, lab: Lab) -> Iterator:
    """A function that opens a notebook of these cells; what it opened closes with the test."""
    contexts = []

    def opened(name: str, *cells: str, width: int = 1280, height: int = 1400) -> Notebook:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        return Notebook(context.new_page(), lab.notebook(name, *cells))

    yield opened
    for context in contexts:
        context.close()


class Gate:
    """Keeps a run under way until the test has seen what it wants to see: no clock decides what comes first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def cell(self) -> str:
        """Defines `wait()`, and `gated`, a member that writes until the gate opens."""
        return f"""
import pathlib, time
gate = pathlib.Path({str(self._path)!r})

def wait():
    while not gate.exists():
        time.sleep(0.02)

def gated(prompt):
    count = 0
    while not gate.exists():
        yield f"word {{count}} of many, "
        count += 1
        time.sleep(0.05)
    yield "and that is all."
"""

    def open(self) -> None:
        self._path.touch()

    def shut(self) -> None:
        self._path.unlink(missing_ok=True)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    # A kernel that still waits comes to its end.
    gate.open()


def watched(page: Page) -> list[str]:
    """What a page must not do: dialogs, and requests to anywhere but this machine. The list fills while it lives."""
    seen: list[str] = []
    page.on("dialog", lambda dialog: (seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda asked: None if HERE.match(asked.url) else seen.append(asked.url))
    return seen
