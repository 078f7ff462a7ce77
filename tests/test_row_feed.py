"""The live rows of a table of prompts in a notebook: newest, failed, gone at the end; nothing acts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fusion_nb.views.row_feed import RowFeed
from tests.kernel import kernel
from tests.page import Page

CELLS = """
import pandas as pd
%load_ext fusion_nb
import time
def answer(prompt):
    time.sleep(0.2)
    if "7" in prompt: raise RuntimeError("the pipe is cracked")
    return "<img src=x onerror=alert(1)> " + prompt
table = pd.DataFrame({"n": [f"row {n}" for n in range(12)]})
"""
EACH = "%%fuse --each table --out done --pool answer --mode vote --concurrency 2\nSay {n}"


def test_rows_are_seen_as_they_come_and_only_failures_stay(tmp_path: Path) -> None:
    """One output, changed in place, shows the newest rows; at the end those that failed, with why."""
    with kernel(FUSION_NB_HOME=str(tmp_path)) as held:
        held.run(CELLS)
        messages = held.ended(held.start(EACH))
    first = [m for m in messages if m["msg_type"] == "display_data"]
    later = [m for m in messages if m["msg_type"] == "update_display_data"]
    assert len(first) == 1
    assert any("Newest rows" in m["content"]["data"]["text/html"] for m in later)
    last = later[-1]["content"]["data"]["text/html"]
    assert "1 row without an answer" in last
    assert "Newest" not in last
    assert "the pipe is cracked" in last
    ids = {m["content"]["transient"]["display_id"] for m in [*first, *later]}
    assert len(ids) == 1
    assert all("<img" not in m["content"]["data"]["text/html"] for m in [*first, *later])


def test_what_a_model_or_a_row_says_is_text() -> None:
    """Tags, control characters and long texts of models and labels are shown, cut and harmless."""
    feed = RowFeed(shown=False)
    feed.add("<b>7</b>", {"status": "ok", "answer": "<script>x</script>\x1b[2J" + "long " * 400, "cost_usd": None})
    feed.add(8, {"status": "error", "error": "$x$ & <i>", "answer": None, "cost_usd": None, "seconds": 1.25})
    page = Page(feed.html())
    assert {tag for tag, _ in page.tags} <= {
        "div", "table", "caption", "thead", "tbody", "tr", "td", "th", "style",
    }  # fmt: skip
    assert "<script>x</script>" in page.text
    assert "\x1b" not in page.text
    assert "mathjax_ignore" in feed.html()
    assert max(map(len, page.words)) < 2_000


@pytest.mark.parametrize("failures", [0, 3, 40])
def test_few_rows_are_kept(failures: int) -> None:
    """However many there are, five of each kind are shown, and how many failed is said."""
    feed = RowFeed(shown=False)
    for n in range(100):
        feed.add(
            n, {"status": "error" if n < failures else "ok", "answer": "a", "cost_usd": Decimal("0.25"), "seconds": 1.0}
        )
    page = Page(feed.html())
    assert page.words.count("ok") == (5 if failures < 96 else 0)
    assert page.words.count("error") == min(5, failures)
    assert (f"{failures} rows without an answer" in page.text) == bool(failures)
