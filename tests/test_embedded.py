"""The Markdown a person takes away: model text in it is read by every front end, and acts in none."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from fusion_nb.views import to_markdown
from fusion_nb.views.to_markdown import _NAMED, embed_markdown
from tests import states
from tests.attacks import WRITTEN, needs_vectors, payloads
from tests.page import Page

ELEMENTS = {
    "h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "strong", "em", "s", "del", "code", "pre", "blockquote",
    "ul", "ol", "li", "a", "span", "div", "table", "thead", "tbody", "tr", "th", "td", "sup", "section",
}  # fmt: skip
CODE = (
    "Use `List<int>` and `<div class='a'>` and `![x](y)` here.",
    "1. Write this:\n   ```html\n   <a href='x'>y</a>\n\n   <p onclick=\"z\">hi `$1` [a](b)</p>\n   ```\n2. Then that.",
    "> ```\n> <script>alert(1)</script>\n> ```\n> after",
    "```cpp\n#include <stdio.h>\nstd::map<int, std::vector<int>> x; if (a<b && c>d) y = a<b ? \"<b c='d'>\" : 0;\n```\ntext",
    "Indented:\n\n    <img src=x onerror=a>\n    b *c*\n\nand after",
    "- a\n\n      <x y='z'>\n\n- ~~~\n  <q r=\"s\">\n  ~~~",
    "```\n<!-- only -->\n```",
)


def worst(text: str) -> list[str]:
    """What would act if a reader took all of it for HTML and Markdown, whatever stands in code."""
    tags = [
        t
        for t in Page(text).tags
        if any(value for _, value in t[1])
        or t[0] in ("script", "style", "iframe", "svg", "math", "!--", "!", "?", "img")
    ]
    bare = re.sub(r"[\s\\]", "", html.unescape(html.unescape(text)))
    return [
        *map(str, tags),
        *re.findall(r"!\[", text),
        *re.findall(r"(?i)\]\(<?(?:javascript|vbscript|data|file):", bare if "<pre>" not in text else ""),
    ]


def acting(shown: str) -> list[str]:
    """Tags of a rendered page that are more than text set in type."""
    found = []
    for tag, attributes in Page(shown).tags:
        held = {name: value or "" for name, value in attributes}
        scheme = re.match(r"\s*([a-z][a-z0-9+.-]*):(?!\d)", held.get("href", ""), re.I)
        # A strange element without attributes is text in other clothes, unless its name alone does something.
        strange = tag not in ELEMENTS and (bool(held) or tag in _NAMED or tag in ("!--", "!", "?", "img"))
        odd = strange or any(
            name.startswith("on") or name in ("src", "srcset", "data-commandlinker-command") for name in held
        )
        if odd or (scheme and scheme[1].lower() not in ("http", "https", "mailto")):
            found.append(f"{tag} {held}")
    return found


@pytest.mark.parametrize("attack", WRITTEN)
def test_no_reader_finds_anything_that_acts(attack: str) -> None:
    """In the worst reading, in CommonMark's with HTML on, and in nbconvert's: nothing runs, loads or leads astray."""
    for state in (states.hostile(attack), states.hostile_running(attack)):
        text = to_markdown.to_markdown(state)
        assert worst(text) == []
        assert acting(markdown2html_mistune(text)) == []
        assert acting(MarkdownIt("commonmark", {"html": True}).enable("table").render(text)) == []


@needs_vectors
def test_no_attack_on_the_lists_acts_in_markdown() -> None:
    """7,128 attacks in the worst reading, every tenth of them in nbconvert's."""
    for place, attack in enumerate(payloads()):
        text = embed_markdown(attack)
        assert worst(text) == [], attack
        if place % 10 == 0:
            assert acting(markdown2html_mistune(to_markdown.to_markdown(states.hostile(attack)))) == [], attack


PIECES = ("<img src=x onerror=y>", "<b>", "</code>", "</pre>", "`", "``", "```", "~~~", "\n", "\n\n", "$", "$$", "\\", "http://a.b/", "www.a.b", "![x](https://c)",
    "[x](javascript:y)", "> ", "- ", "    ", "<!--", "-->", "|", "|-|\n", "\\(", "\\begin{a}", "*", "&lt;", "<script>", "[^1]: ", "é")  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_no_mixture_acts(text: str) -> None:
    """Whatever code, formulas, addresses, fences and tags are mixed into: no reader finds a tag that acts."""
    said = f"{embed_markdown(text)}\n\n{embed_markdown(text)}"
    assert worst(said) == []
    assert acting(markdown2html_mistune(said)) == []


@pytest.mark.parametrize("text", CODE)
def test_code_is_shown_to_the_letter(text: str) -> None:
    """Code with tags, images and formulas in it reads as the model wrote it, in lists and quotations too."""
    reader = MarkdownIt("commonmark", {"html": True})
    plain = MarkdownIt("commonmark", {"html": False})
    assert Page(reader.render(embed_markdown(text))).text.split() == Page(plain.render(text)).text.split()


@pytest.mark.parametrize(
    "target",
    ["htps://x", "command:x", "vscode://x", "ms-word:ofe", "java&#x0a;script:x", "<java\tscript:x>", "java\\script:x"],
)
def test_markdown_links_lead_to_the_web_alone(target: str) -> None:
    """A text with a link to anything that is not an address of the web or of mail is shown to the letter instead."""
    assert embed_markdown(f"see [this]({target})").startswith("<pre><code>")
    assert not acting(
        MarkdownIt("commonmark").render(embed_markdown(f"see [this]\n\n[this]: {target.replace(' ', '')}"))
    )
    assert embed_markdown("see [this](https://x) [that](mailto:a@b.c) [file](a/b.md) [n](#n)").startswith(
        "see [this](https://x)"
    )


def test_harmless_text_is_not_touched() -> None:
    """Ordinary answers, with generics, comparisons, plain tags and mail, come out as they went in."""
    for text in (
        states.SKY,
        states.GEMINI_SKY,
        states.GPT_SKY,
        "`def f[T](x: T)` [a](localhost:8080) `Map<String, List<int>>` and `<p>`\n\n```c\n#include <stdio.h>\nif (a<b && c>d) x++;\n```",
    ):
        assert embed_markdown(text) == text.strip("\n")
