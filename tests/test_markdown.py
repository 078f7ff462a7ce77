"""Model text as HTML: what it may say, and what it may not do."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from fusion_nb.views import markdown_placeholders, markdown_to_html, mathml
from fusion_nb.views.highlight import highlight
from fusion_nb.views.markdown_links import display_link
from fusion_nb.views.markdown_to_html import ATTRIBUTES, CLASSES, TAGS, render_markdown
from tests.page import Page

VECTORS = Path(__file__).parents[1] / "../shared/vectors"
REL = "noopener noreferrer nofollow"
needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason="the shared vectors are not beside this checkout")


def payloads() -> list[str]:
    lines = (VECTORS / "xss-payloadbox.txt").read_text(encoding="utf-8", errors="replace").split("\n")
    naughty = json.loads((VECTORS / "blns.json").read_text(encoding="utf-8"))
    return [*filter(None, lines), *naughty]


def strangers(html: str) -> Iterator[str]:
    """Everything in `html` that is not on the list of what may be."""
    for tag, attributes in Page(html).tags:
        if tag not in TAGS | mathml.TAGS:
            yield f"<{tag}>"
        for name, value in attributes:
            if name == "class" and set((value or "").split()) <= CLASSES.get(tag, set()):
                continue
            if tag == "a" and (name, value) in {("rel", REL), ("target", "_blank"), ("referrerpolicy", "no-referrer")}:
                continue
            if name not in ATTRIBUTES.get(tag, set()):
                yield f"<{tag} {name}={value!r}>"
            if name == "href" and display_link(value or "") is None:
                yield f"href={value!r}"


def commonmark() -> list[tuple[int, str, str]]:
    spec = (VECTORS / "commonmark-spec.txt").read_text(encoding="utf-8").replace("→", "\t")
    found = re.findall(r"^`{32} example\n(.*?)^\.\n(.*?)^`{32}$", spec, re.DOTALL | re.MULTILINE)
    return [(number, source, html) for number, (source, html) in enumerate(found, 1)]


def is_plain(source: str) -> bool:
    """Whether an example has neither raw HTML nor images nor links, all of which are shown our own way."""
    tokens = MarkdownIt("commonmark").parse(source)
    kinds = {t.type for t in (*tokens, *(child for t in tokens for child in t.children or ()))}
    return not kinds & {"html_block", "html_inline", "image", "link_open"}


@needs_vectors
def test_markdown_is_read_as_commonmark_says() -> None:
    """All 449 examples of the specification without raw HTML, images or links come out as it says, formulas on.

    But for three that show a bare address as text: here it is a link, as on GitHub.
    """
    examples = commonmark()
    assert len(examples) == 652
    plain = [(number, source, html) for number, source, html in examples if is_plain(source)]
    wrong = [number for number, source, html in plain if Page(render_markdown(source)).normal != Page(html).normal]
    assert (len(plain), wrong) == (449, [602, 608, 611])


@needs_vectors
def test_every_commonmark_example_is_safe() -> None:
    """Also the examples with raw HTML, images and links put nothing on the page but what may be there."""
    assert not {stranger for _, source, _ in commonmark() for stranger in strangers(render_markdown(source))}


@needs_vectors
def test_no_attack_on_the_lists_gets_through() -> None:
    """7,000 attacks and naughty strings, each alone, as code, in a link, in an image and in a table: none gets through."""
    forms = ("{}", "```{}\n{}\n```", "[x]({})", "![x]({})", "| {} | b |\n|-|-|\n| {} | d |", "$${}$$", "[a]: {}\n[a]")
    found: dict[str, str] = {}
    for payload in payloads():
        for form in forms:
            found.update((stranger, payload) for stranger in strangers(render_markdown(form.replace("{}", payload))))
    assert not found


@given(st.text(alphabet=st.sampled_from(list("<>&\"'`*_[]()!|\\$~:/# \n\tajx=\u202e\ud800\U000f0000⸨⸩")), max_size=60))
def test_no_text_gets_through(text: str) -> None:
    """Whatever is made of Markdown's own characters comes out safe, and does come out."""
    assert not list(strangers(render_markdown(text)))
    assert not list(strangers(markdown_to_html.render_inline(text)))


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "&#106;avascript:alert(1)", "vbscript:x",
        "data:text/html,x", "file:///etc/passwd", "blob:https://example.org/1", "//example.org", "\\\\\\\\example.org",
        "https:example.org", "https:/example.org", "https:\\\\\\\\example.org", "https://user@example.org/",
        "https://openrouter.ai:x@example.org", "https://good.example%5C@example.org", "ftp://example.org", "/tree", "#x",
        "command:x", "vscode://x", "https://", "https://.", "mailto:", "mailto:a@b?cc=c@d&attach=/etc/passwd",
    ],
)  # fmt: skip
def test_links_lead_to_the_web_or_to_mail_alone(target: str) -> None:
    """A link to anything but a plain web or mail address is text, and says where it would have led."""
    html = render_markdown(f"[click here]({target})")
    assert "<a" not in html
    assert "click here" in html


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("[docs](https://example.org/a)", "docs (example.org)"),
        ("<https://example.org/a>", "https://example.org/a"),
        ("[example.org](https://example.org/a)", "example.org"),
        ("[example.org](https://example.org.evil.net/a)", "example.org (example.org.evil.net)"),
        ("[https://openrouter.ai](https://evil.net/openrouter.ai)", "https://openrouter.ai (evil.net)"),
        ("[openrouter.ai evil.net](https://evil.net)", "openrouter.ai evil.net (evil.net)"),
        ("[x](HTTPS://EVIL.net:8080?q)", "x (evil.net:8080)"),
        ("<https://аpple.com>", "https://аpple.com (xn--pple-43d.com)"),
        ("[write](mailto:a@example.org)", "write (a@example.org)"),
        ("[![logo](https://a.net/x.png)](https://b.net)", "[image: a.net — logo] (b.net)"),
    ],
)
def test_links_say_where_they_lead(source: str, text: str) -> None:
    """Behind every link stands its host, unless its own text begins with it."""
    html = render_markdown(source)
    assert Page(html).text.strip() == text
    assert {'target="_blank"', f'rel="{REL}"', 'referrerpolicy="no-referrer"'} <= set(
        re.findall(r'[a-z]+="[^"]*"', html)
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("![chart](https://evil.example/?q=secret)", "[image: evil.example — chart]"),
        ("![chart][1]\n\n[1]: https://evil.example/?q=secret", "[image: evil.example — chart]"),
        ("![](//evil.example/p.gif)", "[image: evil.example]"),
        ("![](data:image/png;base64,AAAA)", "[image: data]"),
        ("![plot](attachment:plot.png)", "[image: attachment — plot]"),
        ("![plot](out/plot.png)", "[image: out/plot.png — plot]"),
    ],
)
def test_images_are_named_and_never_loaded(source: str, text: str) -> None:
    """An image is a few words of text: nothing is fetched, and its address (which may carry secrets) is not shown."""
    html = render_markdown(source)
    assert Page(html).text.strip() == text
    assert "<img" not in html
    assert "secret" not in html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a[U+202E]b"),
        ("pay\u200bpal", "pay[U+200B]pal"),
        ("a\x1b[31mb\x9b", "a[U+001B][31mb[U+009B]"),
        ("a\ud800b", "a\ufffdb"),
        ("hi\U000e0041", "hi[U+E0041]"),
        ("x" + "\U000e0041" * 40, "x[U+E0041 and 39 more hidden characters]"),
        ("👩\u200d💻 and می\u200cخواهم", "👩\u200d💻 and می\u200cخواهم"),
        ("a\u200db 👩\u200d\u200d\u200c", "a[U+200D]b 👩[U+200D][U+200D][U+200C]"),
        ("`c\u2066d`", "c[U+2066]d"),
    ],
)
def test_what_hides_is_shown(text: str, shown: str) -> None:
    """Characters that reverse text, hide in it or smuggle words are shown by number; emoji and scripts keep theirs."""
    assert Page(render_markdown(text)).text.strip() == shown


@pytest.mark.parametrize("text", ["It costs $5 and $6.", "US$5 or US$6$", "$HOME/$USER", "from $5-$10", "a $ b $ c"])
def test_dollars_in_prose_are_money(text: str) -> None:
    """A price is not a formula."""
    assert "fnb-math" not in render_markdown(text)


@pytest.mark.parametrize(
    "math",
    ["$a_1 * b_1 * c$", "$$x^2$$", r"\(a_1 + b_1\)", r"\[ x_1 < y_1 \]", "$$\na\n- b_1 = c_1\n$$", "\\[\n- x\n\\]"],
)
def test_formulas_are_mathml_beside_their_tex(math: str) -> None:
    """A formula is MathML; its TeX, with delimiters, underscores and stars, stands beside it."""
    html = render_markdown(f"so {math} ok" if "\n" not in math else math)
    assert "<math display=" in html
    assert math in Page(html).text
    assert "<em>" not in html
    assert "<li>" not in html


@pytest.mark.parametrize(
    "math",
    [r"$\href{javascript:alert(1)}{x}$", r"$$\def\a{\a\a}\a$$", r"\[\class{fnb-bad}{x}\]", r"$\rule{9999em}{9999em}$",
     r"$\require{html}\style{position:fixed}{x}$", "$" + "x" * 5000 + "$", r"$\DeclarePairedDelimiterX{\pi}{4}{}$", r"$\qty{x}$",
     r"${a \above 9em b}$", r"$$a \\[99em] b$$", r"$^^5cdef\pi4$", r"$\text{$x}$", r"$a}{b$", r"$\left( a$", r"$\begin{array}{p{9em}}a\end{array}$",
     r"$\begin{align}a\end{aligned}$", r"$\piё$", r"$\color{white}x$", r"$\phantom{x}$", "$a % b$", "$" + "{" * 40 + "x" + "}" * 40 + "$"],
)  # fmt: skip
def test_formulas_that_reach_out_stay_text(math: str) -> None:
    """TeX that links, styles, defines or covers the page is shown as it is written."""
    html = render_markdown(math)
    assert "<math" not in html
    assert math in Page(html).text


@pytest.mark.parametrize(
    ("math", "shown"),
    [
        (r"$$\begin{align} a &= b \tag{1} \label{eq:1} \\ c &= d \nonumber \end{align}$$",
         r"$$\begin{align*} a &= b \qquad\text{(1)}  \\ c &= d  \end{align*}$$"),
        (r"\[\begin{equation} x \end{equation}\]", r"\[\begin{equation*} x \end{equation*}\]"),
        (r"$a_1 \tag{*}$", r"$a_1 \qquad\text{(*)}$"),
    ],
)  # fmt: skip
def test_formulas_take_no_numbers_and_no_names(math: str, shown: str) -> None:
    """Equations are set without the numbers and labels that belong to the reader's own; a tag stands where it stood."""
    assert shown in Page(render_markdown(math)).text


COMMON = (
    r"$x = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}$", r"$$\hat{\theta} = \operatorname*{arg\,max}_{\theta} \sum_{i=1}^{n} \log p(x_i \mid \theta)$$",
    r"$\mathbb{E}[X] = \int_{-\infty}^{\infty} x f(x)\, dx$", r"$$f(x) = \begin{cases} 1 & \text{if } x > 0 \\[4pt] 0 & \text{otherwise} \end{cases}$$",
    r"$\boxed{42}$", r"$\lVert \mathbf{v} \rVert_2 \le \left\lfloor \tfrac{n}{2} \right\rfloor$", r"$A \xrightarrow[\Delta]{\text{heat}} B \rightleftharpoons C$",
    r"$$\begin{bmatrix} a & b \\ c & d \end{bmatrix}^{-1} = \frac{1}{ad-bc} \begin{bmatrix} d & -b \\ -c & a \end{bmatrix}$$", r"$\nabla \cdot \vec{E} = \rho / \varepsilon_0$",
    r"\(\forall x \in \mathbb{R},\; \exists\, y : x < y\)", r"\[\underbrace{1 + 1}_{2} \implies \overline{AB} \perp \overline{CD}\]", r"$50\% \text{ of } \$100$",
)  # fmt: skip


@pytest.mark.parametrize("math", COMMON)
def test_formulas_of_ordinary_answers_are_set(math: str) -> None:
    """What models write every day is on the lists, and nothing of its TeX is left in the MathML."""
    html = render_markdown(math)
    assert 'class="fnb-math' in html
    made = re.search("<math.*?</math>", html, re.DOTALL)
    assert made
    assert "\\" not in made[0]


@pytest.mark.parametrize(
    ("math", "inside"),
    [
        (r"$a \not= b$", "<mo>≠</mo>"),
        (r"$$\begin{gather*} a \\[4pt] b \end{gather*}$$", "<mtr><mtd><mi>b</mi></mtd></mtr>"),
        (r"$$a \\ b$$", "<mtr><mtd><mi>b</mi></mtd></mtr>"),
        (r"$$x^2$$", '<math display="block">'),
        (r"\(x^2\)", '<math display="inline">'),
        (r"$\mathbb{R}$", "<mi>ℝ</mi>"),
        (r"$\operatorname*{arg\,max} x$", "<mo>arg&nbsp;max</mo>"),
    ],
)
def test_what_browsers_do_not_know_is_said_otherwise(math: str, inside: str) -> None:
    """Rows are rows, negations signs: MathML of browsers has neither line breaks nor overlays."""
    assert inside in render_markdown(math)


@pytest.mark.parametrize(
    "math",
    [
        r"$\text{<p></p>}$",
        r"$\text{a {<b>x</b>}}$",
        r"$\mbox{</math><h1>}$",
        r"$\textbf{<mi>}$",
    ],
)
def test_text_in_a_formula_is_no_markup(math: str) -> None:
    """The library does not escape what stands in `\\text`: such a formula stays TeX."""
    html = render_markdown(f"see {math}")
    assert [tag for tag, _ in Page(html).tags] == ["p"]
    assert math in Page(html).text


def test_formulas_without_end_stay_tex() -> None:
    """A text may have 30,000 characters of formulas set; what follows is readable TeX, and the page stays small."""
    html = render_markdown("$a$ " * 40_000)
    assert html.count("<math") == mathml.MAX_TEX // 3
    assert "$a$ $a$" in html
    assert len(html) < 3_000_000


def test_lists_of_tasks_and_footnotes() -> None:
    """Boxes are signs that nobody can click; a note has a number and no `id`."""
    html = render_markdown("- [ ] open\n- [x] done\n\nClaim[^1] and [^more].\n\n[^1]: Source\n[^more]: Other")
    page = Page(html)
    assert "☐ open" in page.text
    assert "☑ done" in page.text
    assert "Claim[1] and [2]." in page.text
    assert html.index("<ol>") > html.index("Claim")
    assert not list(strangers(html))
    assert "#fn" not in html


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("See https://example.org/a_b?c=(d). Then", ["https://example.org/a_b?c=(d)"]),
        ("(https://example.org/x)", ["https://example.org/x"]),
        ("**https://example.org**", ["https://example.org"]),
        ("`https://example.org` [a https://b.example](https://c.example)", ["https://c.example"]),
        ("javascript://example.org/%0aalert(1) file:///etc ahttp://x.example https://user@evil.example/", []),
    ],
)
def test_bare_addresses_are_links(text: str, links: list[str]) -> None:
    """An address in a sentence is a link that ends where the sentence goes on; only the web's are."""
    hrefs = [value for tag, given in Page(render_markdown(text)).tags for name, value in given if name == "href"]
    assert hrefs == links


def test_code_is_coloured_and_complete() -> None:
    """Colours never change code: the text of the block is the text of the fence."""
    code = '@cached\ndef f(x: "int") -> str:\n    return f"{x}" + \'\\n\'  # <b>&amp;\n'
    html = render_markdown(f"```python title=x\n{code}```")
    assert Page(html).text.strip("\n") == code.strip("\n")
    assert '<span class="fnb-tk">def</span> <span class="fnb-tf">f</span>' in html


@given(st.text(alphabet=st.sampled_from(list("\"'`/*-#\\<>!= \n\tra0({@+é")), max_size=80), st.sampled_from(
    ["python", "js", "rust", "sql", "html", "diff", "brainfuck"]))  # fmt: skip
def test_no_code_is_lost_to_colours(code: str, language: str) -> None:
    """Any text at all is whole after colouring, also what is opened and never closed."""
    assert Page(highlight(code, language)).text == code


PATHOLOGICAL = {
    "nested emphasis": "*a **a " * 10_000 + "b" + " a** a*" * 10_000,
    "open links": "[a" * 40_000,
    "open images": "![[]()" * 10_000,
    "open code": "".join("e" + "`" * n for n in range(1, 400)),
    "nested quotes": "> " * 40_000 + "a",
    "nested lists": "".join("  " * n + "* a\n" for n in range(400)),
    "quotes in lists": "> - " * 20_000,
    "wide table": f"|{'a|' * 1000}\n|{'-|' * 1000}\n" + "|a\n" * 400,
    "open formulas": "\\(" * 40_000,
    "open blocks": "\\[\n" * 20_000,
    "open dollars": "$a " * 30_000,
    "backslashes": "\\" * 90_000,
    "references": "".join(f"[{n}]: u\n" for n in range(5000)) + "[0] " * 5000,
    "open strings in code": "```js\n" + "`\\" * 50_000 + "\n```",
    "too much markup": "*" * 200_000,
}


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_hostile_nesting_ends(name: str) -> None:
    """Text made to blow up a parser is done in the time its length asks for (a quadratic one would take minutes)."""
    html = render_markdown(PATHOLOGICAL[name])
    assert not list(strangers(html))
    assert len(html) < 40 * len(PATHOLOGICAL[name])


def test_a_huge_text_is_shown_as_it_is() -> None:
    """Over a million characters, the beginning is shown as plain text, and the view says so."""
    html = render_markdown("<b>*x*</b> " * 120_000)
    page = Page(html)
    assert "1,320,000 characters" in page.text
    assert [tag for tag, _ in page.tags] == ["p", "pre"]
    assert len(html) < 1_000_000


def placed(text: str, *ends: int) -> str:
    return markdown_placeholders.PATTERN.sub(
        lambda found: f"^{markdown_placeholders.index(found)}^", render_markdown(text, ends)
    )


def test_marks_stand_where_they_belong() -> None:
    """A place in the Markdown is the same place in the HTML, in emphasis, quotes, lists, headings and tables."""
    text = "**Note.** One.\n\n> quoted\n> *text.*\n\n# head #\n\n- item\n  more\n\n|a|b|\n|-|-|\n|c|d|\n"
    ends = [
        text.index(word) + len(word) for word in ("**Note.**", "One.", "quoted", "*text.*", "head", "more", "|c", "|d|")
    ]
    html = placed(text, *ends)
    for piece in (
        "<strong>Note.</strong>^0^ One.^1^", "quoted^2^", "<em>text.</em>^3^", "head^4^</h1>", "more^5^", "<td>c^6^</td>",
        "<td>d^7^</td>",
    ):  # fmt: skip
        assert piece in html


@pytest.mark.parametrize("block", ["```py\nx = 1\n```", "    x = 1", "$$\nx = 1\n$$", "---"])
def test_marks_do_not_break_blocks(block: str) -> None:
    """A citation behind code, a formula or a rule stands behind it, and the block is still one."""
    text = f"Before.\n\n{block}\n\nAfter."
    html = placed(text, text.index(block) + len(block))
    assert html.replace('<p class="fnb-tail">^0^</p>\n', "") == render_markdown(text)


@given(
    st.text(alphabet=st.sampled_from(list("ab *_`#>-|\n\r.[]()$~1")), max_size=60),
    st.lists(st.integers(0, 60), max_size=4),
)
def test_marks_are_never_lost_in_prose(text: str, ends: list[int]) -> None:
    """Every mark comes out at most once, and what comes out is safe wherever it is put."""
    html = render_markdown(text, ends)
    found = [markdown_placeholders.index(m) for m in markdown_placeholders.PATTERN.finditer(html)]
    assert len(found) == len(set(found))
    assert not list(strangers(html))


@pytest.mark.parametrize(
    ("source", "pieces"),
    [
        ("עברית C++ עדיף!", ['<p dir="rtl">']),
        (
            "- אחת `x = 1` $a$\n- שתיים",
            ['<ul dir="rtl">', "<li>", '<code dir="ltr">', '<span class="fnb-math" dir="ltr">'],
        ),
        ("1) 12 عربي\n\n   > اقتباس\n\n   ```py\n   x\n   ```", ['<ol dir="rtl">', "<blockquote>", '<pre dir="ltr">']),
        (
            "# כותרת\n\n|א|b|\n|-|-:|\n|ג|d|",
            ['<h1 class="jp-toc-ignore" dir="rtl">', '<table dir="rtl">', '<td class="fnb-right" dir="ltr">'],
        ),
        ("> English\n>\n> עברית", ["<blockquote>", "<p>", '<p dir="rtl">']),
        ("English עברית, 12 `שלום`\n\n- 1\n\n---\n\n```\nקוד\n```", ["<p>English", "<ul>", "<pre><code>"]),
    ],
)
def test_a_block_begins_at_the_side_of_its_first_letter(source: str, pieces: list[str]) -> None:
    """Right-to-left text stands right, its bullets too, and code in it left; other text has no attribute for it."""
    html = render_markdown(source)
    for piece in pieces:
        assert piece in html
    assert not list(strangers(html))


def test_both_walls_let_the_same_mathml_through() -> None:
    """What Python's allow-list knows of MathML, the panel's knows, and no more."""
    source = (Path(__file__).parents[1] / "js/src/sanitize.ts").read_text("utf-8")
    lists = {name: set(words.split()) for name, words in re.findall(r'const (MATH_\w+) =\s*"([^"]+)"', source)}
    assert lists["MATH_TAGS"] == mathml.TAGS
    assert lists["MATH_ATTRIBUTES"] == set().union(*mathml.ATTRIBUTES.values())
