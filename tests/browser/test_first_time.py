"""JupyterLab as somebody meets it who has just loaded the extension: the forecast's question, Tab, help, a killed kernel,
a cap that two kernels share, runs gone on with."""

import os
import re
import signal

import pytest
from playwright.sync_api import expect

from tests.replay import Replay

pytestmark = pytest.mark.browser

SETUP = (
    "import os; os.environ['FUSION_NB_DEMO_SPEED'] = '20'; os.environ['FUSION_NB_HOME'] = {home!r}\n%load_ext fusion_nb"
)
PROMPT = "What should I check before trusting a p-value?"


@pytest.fixture
def setup(tmp_path) -> str:
    return SETUP.format(home=str(tmp_path / "home"))


def answer(notebook, cell: int, text: str) -> None:
    """Type into the field that a busy cell asks with."""
    field = notebook.cells.nth(cell).locator(".jp-Stdin-input")
    expect(field).to_be_visible(timeout=60_000)
    field.fill(text)
    field.press("Enter")
    notebook.finished(cell)


def test_the_question_before_spending(open_notebook, setup: str) -> None:
    """`--confirm-over` shows the forecast and asks in the notebook's own field: y runs, anything else sends nothing."""
    asks = f"%%fuse --pool demo --confirm-over 0.000001;\n{PROMPT}"
    notebook = open_notebook("question.ipynb", setup, asks, asks, "%fuse_runs", "%fuse ?")
    notebook.run(0)
    notebook.start(1)
    answer(notebook, 1, "n")
    said = notebook.output(1).inner_text()
    assert re.search(r"Forecast: 3 models and a judge, \$0\.\d+–0\.\d+", said)
    assert "Nothing was sent (3 models and a judge" in said
    notebook.screenshot("first-question")
    notebook.start(2)
    answer(notebook, 2, "y")
    expect(notebook.output(2)).to_contain_text("Before you trust a p-value")
    notebook.run(3)
    expect(notebook.output(3).locator("tbody tr")).to_have_count(1)
    notebook.run(4)
    expect(notebook.output(4)).to_contain_text("--pool POOL")
    notebook.screenshot("first-answers")


def test_tab_completes_the_line(open_notebook, setup: str) -> None:
    """Tab knows the options, and the members after the last comma; what is chosen stands in the cell."""
    notebook = open_notebook("tab.ipynb", setup, "%%fuse --po", "%%fuse --pool demo,cl", "df = %fuse --mode me")
    notebook.run(0)
    for cell, (offered, then) in enumerate(
        [("--pool", "%%fuse --pool"), ("claude", "%%fuse --pool demo,claude"), ("merge", "df = %fuse --mode merge")], 1
    ):
        line = notebook.cells.nth(cell).locator(".cm-content")
        line.click()
        notebook.page.keyboard.press("End")
        notebook.page.keyboard.press("Tab")
        offer = notebook.page.locator(".jp-Completer:visible .jp-Completer-match", has_text=offered).first
        expect(offer).to_be_visible(timeout=60_000)
        notebook.screenshot(f"first-tab-{offered.strip('-')}")
        notebook.page.keyboard.press("Enter")
        expect(line).to_have_text(then)


FLAKY = """
tries = []
def flaky(prompt):
    tries.append(1)
    if len(tries) == 1:
        raise RuntimeError("the pipe is cracked")
    return "**Sample size**, effect size, and how many tests were run."
"""


def test_a_run_is_gone_on_with(open_notebook, setup: str) -> None:
    """`--retry`, `--add` and `--rejudge` ask nobody twice: those who are kept say so; `df.fusion.plot()` draws."""
    cell = f"%%fuse --pool flaky,demo:swift --judge demo:judge;\n{PROMPT}"
    more = ["%fuse --retry;", "%fuse --add demo:steady;", "%fuse -o df --rejudge last --mode best-of;"]
    notebook = open_notebook("again.ipynb", setup + FLAKY, cell, *more, "df.fusion.plot();", height=2400)
    for number in range(6):
        notebook.run(number)
    expect(notebook.output(1)).to_contain_text("the pipe is cracked")
    for number, kept in (
        (2, ["demo:swift"]),
        (3, ["flaky", "demo:swift"]),
        (4, ["flaky", "demo:swift", "demo:steady"]),
    ):
        view = notebook.output(number)
        expect(view).to_contain_text(f"not asked and not paid again: {', '.join(kept)}.")
        tabs = view.locator(".fnb-tabs summary")
        for name in kept:
            expect(tabs.filter(has_text=name)).to_contain_text("kept")
        assert view.locator(".fnb-facts", has_text="kept").count() == len(kept)
    expect(notebook.output(5).locator("img")).to_have_count(1)
    notebook.screenshot("first-again")


SLOW = """
import os, time
print(os.getpid())
def slow(prompt):
    for i in range(8000 if {wait} else 3):
        yield f"word {i} of many, "
        time.sleep(0.05)
"""


def test_a_killed_kernel_is_spoken_of(open_notebook, setup: str) -> None:
    """After a kernel died in a run, `%load_ext` says so in one line, and what it says to do finishes the run."""
    cell = f"%%fuse --pool slow,demo:swift --judge demo:judge;\n{PROMPT}"
    first = open_notebook("killed.ipynb", setup + SLOW.replace("{wait}", "True"), cell)
    first.run(0)
    first.start(1)
    lane = first.output(1).locator(".fnb-lane")
    expect(lane.nth(1)).to_contain_text("done", timeout=60_000)
    expect(lane.nth(0)).to_contain_text("word 3")
    os.kill(int(first.output(0).inner_text()), signal.SIGKILL)
    first.page.close()
    second = open_notebook(
        "after.ipynb", setup, SLOW.replace("{wait}", "False"), "%fuse --resume last", "%fuse_runs", height=1800
    )
    second.run(0)
    told = second.output(0).inner_text()
    assert told.startswith("A run did not end because the kernel stopped; what had arrived is kept.")
    advice = re.search(r"%fuse --resume \S+", told)
    assert advice
    second.run(1)
    second.cells.nth(2).locator(".cm-content").fill(advice[0])
    second.run(2)
    expect(second.output(2)).to_contain_text("not asked and not paid again: demo:swift.")
    expect(second.output(2)).to_contain_text("word 2 of many")
    second.screenshot("first-killed")
    second.run(3)
    # The run that died and the one that finished it.
    expect(second.output(3)).to_contain_text("cancelled")


def test_a_days_cap_holds_over_kernels(open_notebook, setup: str, replay: Replay) -> None:
    """What one kernel spent is missing in another: the call is not sent, and one sentence says which cap, and what is left."""
    caps = f"""
%config Fuse.services = {{"corp": {{"base_url": "{replay.url}"}}}}
%config Fuse.max_cost_per_day = 0.0015"""
    cell = "%%fuse --pool corp:burst/400 --max-tokens 500;\nCount."
    # The forecast asks the service for its prices, without which no cap could hold.
    one = open_notebook("cap-one.ipynb", setup + caps, cell.replace("500;", "500 --dry-run"), cell)
    for number in range(3):
        one.run(number)
    expect(one.output(1)).to_contain_text("1 model, $0.0")
    expect(one.output(2)).to_contain_text("$0.0008")
    one.page.close()
    other = open_notebook("cap-other.ipynb", setup + caps, cell)
    other.run(0)
    before = replay.stats()["requests"]
    other.run(1)
    said = r"Not asked: it could cost up to \$0\.0010\d* and \$0\.000700 of max_cost_per_day \$0\.0015 was left"
    expect(other.output(1)).to_contain_text(re.compile(said))
    other.screenshot("first-cap")
    assert replay.stats()["requests"] == before
