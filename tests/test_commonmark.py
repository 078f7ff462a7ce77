"""Markdown as its specifications read it, where that is safe: links and raw HTML our own way, and GitHub's tables."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from fusion_nb.views.markdown_links import display_link
from fusion_nb.views.markdown_to_html import render_markdown
from tests.attacks import needs_vectors
from tests.page import Page
from tests.test_markdown import commonmark

_HTML = {"html_block", "html_inline"}
_OURS = re.compile(r'<span class="fnb-(?:host|hidden)">[^<]*</span>')


def kinds(source: str) -> set[str]:
    tokens = MarkdownIt("commonmark").parse(source)
    return {t.type for t in (*tokens, *(child for t in tokens for child in t.children or ()))}


def read(html: str) -> list[tuple[str, ...]]:
    """Tags and text; of links only those that lead to the web or to mail, without what we write behind them."""
    out: list[tuple[str, ...]] = []
    open_links: list[bool] = []
    for item in Page(_OURS.sub("", html)).normal:
        href = next((part.removeprefix("href=") for part in item[1:] if part.startswith("href=")), "")
        if item[0] == "a":
            open_links.append(display_link(href) is not None)
            out += [("a", href)] if open_links[-1] else []
        elif item[0] == "/a":
            out += [("/a",)] if open_links.pop() else []
        elif item[0] == "#" and out and out[-1][0] == "#":
            out[-1] = ("#", out[-1][1] + item[1])
        else:
            out.append(item)
    return [("#", re.sub(r"\s+", "", item[1])) if item[0] == "#" else item for item in out]


@needs_vectors
def test_links_are_read_as_commonmark_says() -> None:
    """All 109 examples of the specification with links: the same links and text, relative ones as text."""
    examples = [(n, source, html) for n, source, html in commonmark() if "link_open" in kinds(source)]
    plain = [(n, source, html) for n, source, html in examples if not kinds(source) & {*_HTML, "image"}]
    wrong = [n for n, source, html in plain if read(render_markdown(source)) != read(html)]
    assert (len(plain), wrong) == (109, [])


@needs_vectors
def test_raw_html_is_the_text_it_is() -> None:
    """The examples with raw HTML show their tags as text: what Markdown makes of them where HTML is not known."""
    reader = MarkdownIt("commonmark", {"html": False})
    found = [(n, source) for n, source, _ in commonmark() if kinds(source) & _HTML and "image" not in kinds(source)]
    wrong = [n for n, source in found if read(render_markdown(source)) != read(reader.render(source))]
    assert len(found) > 60
    assert wrong == []


TABLES = {
    "| foo | bar |\n| --- | --- |\n| baz | bim |": [["foo", "bar"], ["baz", "bim"]],
    "| abc | defghi |\n:-: | -----------:\nbar | baz": [["abc", "defghi"], ["bar", "baz"]],
    "| f\\|oo  |\n| ------ |\n| b `\\|` az |\n| b **\\|** im |": [["f|oo"], ["b | az"], ["b | im"]],
    "| abc | def |\n| --- | --- |\n| bar | baz |\n> bar": [["abc", "def"], ["bar", "baz"]],
    "| abc | def |\n| --- | --- |\n| bar | baz |\nbar\n\nbar": [["abc", "def"], ["bar", "baz"], ["bar", ""]],
    "| abc | def |\n| --- |\n| bar |": [],
    "| abc | def |\n| --- | --- |\n| bar |\n| bar | baz | boo |": [["abc", "def"], ["bar", ""], ["bar", "baz"]],
    "| abc | def |\n| --- | --- |": [["abc", "def"]],
}


@pytest.mark.parametrize("source", TABLES)
def test_tables_are_read_as_github_does(source: str) -> None:
    """The eight examples of GitHub's specification: rows, cells, escaped bars, what ends a table and what is none."""
    html = render_markdown(source)
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    cells = [[Page(cell).text for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]
    assert cells == TABLES[source]


def test_tables_keep_their_sides_and_words_their_strokes() -> None:
    """Columns are set left, right or centred by class, never by style; `~~x~~` is struck through."""
    html = render_markdown("|a|b|c|\n|:-|-:|:-:|\n|1|2|~~3~~|")
    assert re.findall(r'<td class="(\S+)">', html) == ["fnb-left", "fnb-right", "fnb-center"]
    assert "<s>3</s>" in html
    assert "style" not in html
