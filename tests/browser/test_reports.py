"""Reports of `evaluate()` and `calibrate()` in a real JupyterLab: drawn, in its theme, and still there when reopened."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELL = """import random
import pandas as pd
from fusion_nb import calibrate, evaluate
rng = random.Random(5)
right = {"a<b>": 0.7, "b": 0.75, "a model whose name is far too long for any column of a table": 0.72, "strong": 0.95}
answers = pd.DataFrame(
    {"prompt": f"{n} + 1?", "model": model, "text": str(n + 1 if rng.random() < share else n), "cost": place / 1000}
    for n in range(90) for place, (model, share) in enumerate(right.items(), 1)
)
evaluate(answers, {f"{n} + 1?": n + 1 for n in range(90)}, escalate="strong", agree="2/3")"""
JUDGES = """both = [(n, order) for n in range(40) for order in ("ab", "ba")]
calibrate(
    pairs=[(f"q{n}", "x", "y", rng.choice("ab")) for n in range(40)],
    verdicts=[{"judge": j, "pair": n, "order": o, "pick": rng.choice(["first", "second"]), "cost": 0.01}
              for j in ("opus", "haiku") for n, o in both],
)"""


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 620)])
def test_reports_are_drawn_in_the_notebooks_theme(open_notebook, lab, theme: str, width: int) -> None:
    """Paragraph, both pictures and the table, without sideways scrolling of the page; a hostile name is text."""
    lab.dark(theme == "dark")
    notebook = open_notebook(f"reports-{theme}.ipynb", CELL, JUDGES, width=width, height=2600)
    notebook.run(0)
    report = notebook.output(0).locator(".fusion-nb")
    expect(report.locator("svg")).to_have_count(2, timeout=60_000)
    expect(report).to_contain_text("a<b>")
    assert report.locator("b").count() == 0
    notebook.run(1)
    expect(notebook.output(1).locator(".fusion-nb svg")).to_have_count(1)
    box, inner = report.bounding_box(), report.evaluate("e => e.scrollWidth")
    assert box is not None
    assert inner <= box["width"] + 1
    fill = report.locator(".fnb-lab").first.evaluate("e => getComputedStyle(e).fill")
    brightness = sum(int(part) for part in re.findall(r"\d+", fill)[:3])
    assert (brightness > 380) is (theme == "dark"), fill
    notebook.screenshot(f"reports-{theme}")
    lab.dark(False)
