"""Text made to blow up a reader of Markdown: the work grows with the text, and no depth is too deep."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from fusion_nb.views import bundle
from fusion_nb.views.embed_markdown import embed_markdown
from fusion_nb.views.markdown_to_html import TAGS, render_inline, render_markdown
from tests import states
from tests.page import Page
from tests.test_markdown import strangers

SHAPES: dict[str, Callable[[int], str]] = {
    "[": lambda n: "[" * n,
    "]": lambda n: "[a](" * n + "]" * n,
    "*": lambda n: "*" * n,
    "* a": lambda n: "*a " * n,
    "**a _b": lambda n: "**a _b " * n,
    "closed emphasis": lambda n: "*a" * n + "*" * n,
    ">": lambda n: ">" * n,
    "> a": lambda n: "> " * n + "a",
    "nested lists": lambda n: "".join(f"{'  ' * (k % 50)}- a\n" for k in range(n)),
    "list in a line": lambda n: "- " * n + "a",
    "numbers in a line": lambda n: "1. " * n + "a",
    "`": lambda n: "`" * n,
    "` of all lengths": lambda n: "".join("a" + "`" * (k % 120) for k in range(n // 60)),
    "``` a": lambda n: "``` a\n" * n,
    "![[": lambda n: "![[" * n,
    "![](": lambda n: "![](" * n,
    "[](": lambda n: "[](" * n,
    "<": lambda n: "<" * n,
    "<a": lambda n: "<a " * n,
    "<!--": lambda n: "<!--" * n,
    "&": lambda n: "&#x" * n,
    "~~": lambda n: "~~a " * n,
    "table": lambda n: "|a|b|\n|-|-|\n" + "|c|d|\n" * n,
    "tables": lambda n: "|a|b|\n|-|-|\n|c|d|\n\n" * n,
    "wide table": lambda n: "|" + "a|" * n + "\n|" + "-|" * n + "\n" + "|c" * n,
    "references": lambda n: "".join(f"[{k}]: u\n" for k in range(n)) + "[0] " * n,
    "one reference": lambda n: "[a]: u\n" * n,
    "headings": lambda n: "# a\n" * n,
    "underlines": lambda n: "a\n=\n" * n,
    "$": lambda n: "$a " * n,
    "$$": lambda n: "$$\na\n" * n,
    "\\(": lambda n: "\\(a" * n,
    "\\[": lambda n: "\\[\n" * n,
    "\\": lambda n: "\\" * n,
    "blanks": lambda n: " " * n + "a" + " \n" * n,
    "tabs": lambda n: "\t" * n + "a",
    "addresses": lambda n: "http://a.b/" * n,
    "hidden": lambda n: "\u202e\u200da" * n,
    "joiners": lambda n: "\u200d" * n,
    "one long line": lambda n: "word " * n,
}
TARGETS: dict[str, Callable[[str], Any]] = {
    "HTML": render_markdown,
    "sentence": render_inline,
    "document": embed_markdown,
}


def work(do: Callable[[str], Any], text: str) -> int:
    """Calls of Python functions and of C: what a clock would say, without the noise."""
    count = 0

    def one(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(one)
    try:
        do(text)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_text_is_twice_the_work(shape: str, target: str) -> None:
    """From 400 to 800 repetitions calls double, give or take: those of a quadratic reader would quadruple."""
    do = TARGETS[target]
    small, large = (work(do, SHAPES[shape](n)) for n in (400, 800))
    assert large <= 2.7 * small + 2000


@pytest.mark.parametrize("shape", SHAPES)
def test_the_largest_of_each_is_shown(shape: str) -> None:
    """10,000 repetitions, and a megabyte: shown in every form, safe, long before a person gives up."""
    for text in (SHAPES[shape](10_000), (SHAPES[shape](10_000) * 200)[:1_000_000]):
        began = time.process_time()
        html = render_markdown(text)
        embed_markdown(text)
        assert time.process_time() - began < 10
        assert set(re.findall(r"<(\w+)", html)) <= TAGS
        assert len(html) < 12_000_000


@pytest.mark.parametrize("shape", ["> a", "nested lists", "![[", "closed emphasis", "wide table", "` of all lengths"])
def test_a_whole_view_of_it_is_shown(shape: str) -> None:
    """As prompt, name, error, rationale, answer and all the rest: HTML, Markdown and text are made."""
    text = SHAPES[shape](2000)
    for state in (states.hostile(text), states.hostile_running(text)):
        began = time.process_time()
        assert all(bundle(state).values())
        assert time.process_time() - began < 10


def test_a_reader_that_gives_up_is_no_end() -> None:
    """Near the bottom of Python's stack, where Markdown's reader cannot go, the text itself is shown, escaped."""
    deep = "> " * 15 + "*a **b* `c` <script>alert(1)</script>"

    def dig(levels: int) -> list[str]:
        if levels:
            return dig(levels - 1)
        return [render_markdown(deep), render_inline(deep), embed_markdown(deep)]

    begun, frame = 0, sys._getframe()
    while frame is not None:
        begun, frame = begun + 1, frame.f_back  # type: ignore[assignment]
    limit = sys.getrecursionlimit()
    seen = set()
    for left in range(40, 200, 10):
        try:
            said = dig(limit - begun - left)
        except RecursionError:
            continue
        for text in said[:2]:
            assert not list(strangers(text))
            assert "alert(1)" in text
        seen.add("cannot be set as Markdown" in said[0])
    assert seen == {True, False}


@pytest.mark.parametrize("text", ["> " * 40 + "seen", "- " * 40 + "seen", "> 1. " * 12 + "seen"])
def test_what_is_nested_too_deeply_is_shown(text: str) -> None:
    """Nothing can be hidden from a person by burying it: too deep for Markdown, it stands there as it is."""
    page = Page(render_markdown(text))
    assert "seen" in page.text
    assert "nested too deeply to be set as Markdown" in page.text
    assert "seen" in Page(render_markdown("> " * 18 + "seen")).text
