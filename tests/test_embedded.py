"""The Markdown a person takes away: model text in it is read by every front end, and acts in none."""

from __future__ import annotations

import html
import json
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nbconvert import LatexExporter
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from fusion_nb.views import bundle, markdown_export, tex
from fusion_nb.views.markdown_escape import ACTING_TAGS, embed_line, embed_markdown
from tests import states
from tests.attacks import PANDOC, WRITTEN, needs_vectors, payloads
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
        strange = tag not in ELEMENTS and (bool(held) or tag in ACTING_TAGS or tag in ("!--", "!", "?", "img"))
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
        text = markdown_export.to_markdown(state)
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
            assert acting(markdown2html_mistune(markdown_export.to_markdown(states.hostile(attack)))) == [], attack


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


needs_pandoc = pytest.mark.skipif(not shutil.which("pandoc"), reason="no pandoc: install Debian's `pandoc` package")
# As pandoc reads by itself, as nbconvert has it read, as people ask for GitHub's Markdown with everything switched on.
READERS = (
    "markdown",
    "markdown+tex_math_double_backslash",
    "markdown+lists_without_preceding_blankline",
    "commonmark_x",
)


def pandoc(text: str, reader: str, writer: str) -> str:
    command = ["pandoc", "-f", reader, "-t", writer]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=True).stdout


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node of a document of pandoc's that has a type."""
    if isinstance(tree, dict):
        if "t" in tree:
            yield tree
        for part in tree.values():
            yield from nodes(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from nodes(part)


def passed_through(text: str, reader: str) -> list[str]:
    """What pandoc hands to TeX or to a browser as it is: raw text, formulas off the lists, attributes, metadata."""
    document = json.loads(pandoc(f"x\n\n{text}", reader, "json"))
    found = [str(document["meta"])] if document["meta"] else []
    for node in nodes(document["blocks"]):
        kind, content = node["t"], node.get("c")
        if kind in ("RawInline", "RawBlock") and not (
            content[0] == "html" and "=" not in re.sub("(?s)<pre>.*</pre>", "", content[1])
        ):
            found.append(f"{kind} {content}")
        elif kind == "Math" and tex.safe_formula(f"${content[1]}$") is None:
            found.append(f"{kind} {content[1]}")
        elif kind in ("Code", "CodeBlock", "Span", "Div", "Link", "Image", "Header"):
            name, classes, values = content[1 if kind == "Header" else 0]
            plain = re.compile(
                r"citation|uri|email|[\w+#-]+" if kind == "CodeBlock" else "citation|uri|email|footnote.*"
            )
            named = name and kind not in ("Header", "Span")
            if (
                kind == "Div"
                or named
                or any(not plain.fullmatch(one) for one in classes)
                or [v for v in values if v[0] != "cites"]
            ):
                found.append(f"{kind} {content}")
    return found


def wrong(texts: dict[str, str], reader: str) -> dict[str, list[str]]:
    """What passes through of many texts, by what they were made of: one pandoc for all, one for each where it finds any."""
    if not passed_through("\n\n".join(texts.values()), reader):
        return {}
    each = {attack: passed_through(text, reader) for attack, text in texts.items()}
    return {attack: found for attack, found in each.items() if found} or {"one behind the other": []}


def quoted(text: str) -> str:
    return f"> {text}".replace("\n", "\n> ")


@needs_pandoc
@pytest.mark.parametrize("reader", READERS)
def test_pandoc_passes_nothing_through(reader: str) -> None:
    """No command of TeX, no attribute, no raw block and no metadata reaches what pandoc writes, as text and as a name."""
    for form in (
        embed_markdown,
        lambda text: quoted(embed_markdown(text)),
        embed_line,
        lambda text: f"## {embed_line(text)}",
    ):
        assert wrong({attack: form(attack) for attack in (*PANDOC, *WRITTEN)}, reader) == {}


@needs_pandoc
@pytest.mark.parametrize("seed", range(4))
def test_pandoc_passes_no_mixture_through(seed: int) -> None:
    """The same for 150 mixtures of what means something to Markdown, to TeX and to pandoc, one behind the other."""
    pieces = (
        *PIECES, *PANDOC, "{=latex}", "{#i .c onclick=a}", "````", "\n", "    ", "1. ", "10) ", "\t", "# ", ":::", "---", "...", "title: x", ": cap ", "\\[", "\\]", "\\)", "<div>",
        "</pre>", "[a]: u", "^[", "@x ", "5", "{", "}", "&#36;", "&bsol;", "%", "^^5c", "Table: t ", "+---+", "(@) ", "\\\n", "=====", "\u00a0",
    )  # fmt: skip
    chance = random.Random(seed)
    attacks = ["".join(chance.choices(pieces, k=chance.randint(2, 12))) for _ in range(150)]
    form = quoted if seed % 2 else str
    assert wrong({attack: form(embed_markdown(attack)) for attack in attacks}, READERS[seed]) == {}


@needs_pandoc
def test_nbconvert_writes_no_tex_of_a_model() -> None:
    """A notebook of hostile results as LaTeX: outside of code no command stands but those that nbconvert itself writes."""

    def latex(texts: tuple[str, ...]) -> str:
        outputs = [nbformat.v4.new_output("display_data", bundle(states.hostile(text))) for text in texts]
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=outputs, execution_count=1)])
        whole = LatexExporter().from_notebook_node(book)[0].partition("\\begin{document}")[2]
        return re.sub(r"(?s)\\begin\{(verbatim|Verbatim|Highlighting)\}.*?\\end\{\1\}", "", whole)

    acting = re.compile(
        r"\\(input|include|write|immediate|newwrite|open(?:in|out)|catcode|newcommand|verb|href\{java|begin\{(?:lst|file)|def\\pi|x\b)|\^\^5c"
    )
    text = latex(PANDOC)
    assert [text[max(0, at.start() - 60) : at.end() + 20] for at in acting.finditer(text)] == []
    assert r"\textbackslash" in text
    # The control: the same words from a Markdown cell do come through.
    cell = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("\n\n".join(PANDOC[:4]))])
    assert acting.search(LatexExporter().from_notebook_node(cell)[0].partition("\\begin{document}")[2])


ORDINARY = (
    r"It costs $5, not $6; see C:\Users\ann\notes.txt, \\server\share and the regex `\d+\.\w`.",
    r"Use {braces}, #hash, [brackets] and a_b * c. Set `{\"a\": 1}` or f(x){y}.",
    "Run:\n```bash\necho \"$HOME\" | sed 's/\\n/ /g'\n```\nthen\n\n1. edit\n   ```tex\n   \\documentclass{article}\n   \\input{x}\n   ```\n2. done",
    r"The command `\input{x}` reads a file; \alpha is a letter, \begin{align} begins.",
    "Title\n---\n\ntext\n\n---\n\nmore: 10:::20 and std::vector",
)


@pytest.mark.parametrize("text", ORDINARY)
def test_what_is_made_harmless_still_reads_the_same(text: str) -> None:
    """Prices, paths, braces, commands and code: every reader shows the words that the model wrote."""
    shown = embed_markdown(text)
    pages = [
        MarkdownIt("commonmark", {"html": False}).render(text),
        MarkdownIt("commonmark", {"html": True}).render(shown),
    ]
    if shutil.which("pandoc"):
        pages.append(pandoc(shown, "markdown-smart", "html"))
    assert len({"".join(Page(page).text.split()) for page in pages}) == 1


@needs_pandoc
def test_formulas_are_formulas_to_pandoc() -> None:
    """Every delimiter that models use becomes one that all readers know; a formula off the lists is code, to the letter."""
    latex = pandoc(
        embed_markdown("so \\(a_1 < b\\) and\n\n\\[\\frac{a}{b}\\]\n\n$$\n\\begin{align}x &= 1\\end{align}\n$$"),
        "markdown",
        "latex",
    )
    assert r"\(a_1 < b\)" in latex
    assert r"\[\frac{a}{b}\]" in latex
    assert r"\begin{align*}x &= 1\end{align*}" in latex
    assert (
        Page(MarkdownIt("commonmark", {"html": True}).render(embed_markdown(r"bad $\def\x{y}$ here"))).text.strip()
        == r"bad $\def\x{y}$ here"
    )


@pytest.mark.parametrize(("info", "language"), [("python", "python"), ("c++", "c++"), ("{.python .x}", "python"), ("{r, echo=FALSE}", "r"), ("{=latex}", "latex"), ("mermaid", "text"),
    ("math", "text"), ("", ""), ("!!", ""), ("js title=x", "js")])  # fmt: skip
def test_the_language_of_code_is_one_plain_word(info: str, language: str) -> None:
    """What stands behind a fence is a word and no instruction; what some readers would draw is shown as text."""
    assert embed_markdown(f"~~~ {info}\nx\n~~~") == f"```{language}\nx\n```"
