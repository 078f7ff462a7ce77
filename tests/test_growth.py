"""Text made to blow up a reader of Markdown: the work grows with the text, and no depth is too deep."""

from __future__ import annotations

import gc
import re
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from fusion_nb.core import RunState
from fusion_nb.views import (
    bundle,
    dataframes,
    escape,
    markdown_export,
    mathml,
    panel_messages,
    run_html,
    spreadsheet_files,
)
from fusion_nb.views import run_text as plain
from fusion_nb.views.markdown_escape import embed_line, embed_markdown
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
FENCE = "```"
CODE: dict[str, Callable[[int], str]] = {
    "strings": lambda n: '"\\' * n,
    "triple quotes": lambda n: '"""\'' * n,
    "comments": lambda n: "/*" * n,
    "tags": lambda n: '<!--<a ="' * n,
    "brackets": lambda n: "{[(a(" * n,
    "TeX": lambda n: "\\def\\x{" * n,
    "attributes": lambda n: "{ " * n + "{a " * n,
    "lines": lambda n: "a\n" * n,
}
MORE: dict[str, Callable[[int], str]] = {
    "slashes and words": lambda n: "\\def " * n,
    "paths": lambda n: "C:\\a\\b" * n,
    "open brackets of TeX": lambda n: "$\\left(\\begin{" * n,
    "closed formulas": lambda n: "$a_{b}$ " * n,
    "a long formula": lambda n: "$" + "{a}" * n + "$",
    "rows": lambda n: "$$" + "a\\\\[9em]" * n + "$$",
    "rules": lambda n: "a\n---\n\n---\n" * n,
    "rules behind a long line": lambda n: "a" * n + "\n---\n" * n,
    "colons": lambda n: "::: " * n,
    "braces": lambda n: "[a]{b " * n,
    "entities": lambda n: "&#92;&bsol;" * n,
    "dollars and backticks": lambda n: "$`" * n,
    "cuts": lambda n: ",=;@|+(" * n,
    "bars": lambda n: "|+a" * n,
    "blanks and signs": lambda n: (" " * 30 + "=") * n,
    "separators": lambda n: ",      " * n + "+" + "a" * n,
    "right to left": lambda n: "- א 1\n" * n,
    "numbers": lambda n: "1 2 3 " * n,
    "selectors": lambda n: "❤\ufe0f\u200d" * n + "a\u034f" * n,
}


def fenced(make: Callable[[int], str], language: str) -> Callable[[int], str]:
    return lambda n: f"{FENCE}{language}\n{make(n)}\n{FENCE}"


for language in ("python", "js", "html", "sql", "diff"):
    MORE |= {f"{language}: {name}": fenced(make, language) for name, make in CODE.items()}


def cited(text: str) -> str:
    """The text with a mark at every twentieth place, as an answer full of citations has it."""
    return render_markdown(text, range(0, len(text), 20))


def a_run_of(text: str) -> RunState:
    script = states.Script(pool=(states.CLAUDE,))
    script.reply(states.CLAUDE, text)
    script.judged(text, {"K7": 1}, rationale=text)
    return script.close()


EVERYWHERE: dict[str, Callable[[str], Any]] = {
    **TARGETS,
    "cited": cited,
    "name": embed_line,
    "cell of CSV": spreadsheet_files.csv_text,
    "text": escape.safe_text,
    "HTML text": escape.markup,
    "view": lambda text: run_html.render_html(a_run_of(text)),
    "plain view": lambda text: plain.render_text(a_run_of(text)),
    "Markdown view": lambda text: markdown_export.to_markdown(a_run_of(text)),
    "table": lambda text: dataframes.frame(a_run_of(text)).fusion.to_csv(),
    "message": lambda text: panel_messages.snapshot(a_run_of(text), 0.0),
}


def seconds(do: Callable[[str], Any], text: str) -> float:
    """CPU time: what others do on this machine is not in it, nor is what Python collects of other tests."""
    gc.disable()
    began = time.thread_time()
    try:
        do(text)
        return time.thread_time() - began
    finally:
        gc.enable()


def is_square(do: Callable[[str], Any], small: str, large: str) -> bool:
    """Whether four times the text takes far more than four times the time, at the best of up to four tries."""
    return all(seconds(do, large) > 9 * seconds(do, small) + 0.03 for _ in range(4))


@pytest.mark.parametrize("target", EVERYWHERE)
def test_no_text_takes_the_square_of_its_length(target: str) -> None:
    """Every way a text of a model takes through the views: four times the text takes about four times the time, not 16."""
    slow = []
    for shape, make in {**SHAPES, **MORE}.items():
        unit = len(make(240)) / 240
        small, large = (make(max(8, round(size / unit))) for size in (6_000, 24_000))
        if is_square(EVERYWHERE[target], small, large):
            slow.append(shape)
    assert slow == []


def test_a_row_of_thousands_of_citations_is_one_pass() -> None:
    """Marks in one wide row, in one long line and in many lines of a paragraph: four times as many take four times as long."""
    for make in (
        lambda n: ("|" + "h|" * n + "\n|" + "-|" * n + "\n|" + "c|" * n + "\n", 2 * n),
        lambda n: ("x y. " * n, n),
        lambda n: ("x y.\n" * n, n),
        lambda n: ("- x y.\n" * n, n),
    ):
        texts = [make(size) for size in (1_000, 4_000)]
        counts = dict(texts)

        def place(text: str, counts: dict[str, int] = counts) -> str:
            half = len(text) // 2
            return render_markdown(text, range(half, len(text), max(1, half // counts[text])))

        assert not is_square(place, *(text for text, _ in texts))


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
        assert set(re.findall(r"<(\w+)", html)) <= TAGS | mathml.TAGS
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
