"""Formulas of models in JupyterLab: what is allowed is MathML, and nothing of it reaches the reader's own MathJax."""

from __future__ import annotations

import re
from collections.abc import Iterator

import nbformat
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from fusion_nb.views import bundle, tex
from fusion_nb.views.dataframes import frame
from fusion_nb.views.frame_html import TableFormatter
from fusion_nb.views.markdown_escape import embed_markdown
from fusion_nb.views.markdown_to_html import render_markdown
from fusion_nb.views.run_html import style_element
from tests import states

pytestmark = pytest.mark.browser

ONE = f"{tex._ACCENTS} {tex._FONTS} sqrt boxed mathbin mathclose mathinner mathop mathopen mathord mathpunct mathrel substack".split()
TWO = "overset underset stackrel frac cfrac dfrac tfrac binom dbinom tbinom".split()
FORMS = {
    **{name: rf"\{name}{{a}}" for name in ONE},
    **{name: rf"\{name}{{a}}{{b}}" for name in TWO},
    **{name: rf"{{a \{name} b}}" for name in ("over", "atop", "choose", "brace", "brack")},
    **{name: rf"\left( a \{name}| b \right)" for name in ("middle", "left", "right")},
    **{name: rf"\sum\{name}_a^b" for name in ("limits", "nolimits")},
    **{name: rf"\{name}( a" for name in tex.COMMANDS if re.fullmatch("[bB]igg?[lmr]?", name)},
    "left": r"\left( a \right)",
    "right": r"\left( a \right)",
    "hline": r"\begin{array}{c|c} a & b \\ \hline c & d \end{array}",
    "not": r"a \not= b",
}
ALLOWED = [f"${FORMS.get(name, f'a {chr(92)}{name} b')}$" for name in sorted(tex.COMMANDS)]
ALLOWED += [
    f"$$\\begin{{{name}}} a {'' if name.startswith(('gather', 'multline')) else '&'} b \\\\[2pt] c \\end{{{name}}}$$"
    for name in sorted(tex.ENVIRONMENTS - {"array", "equation*"})
]
ALLOWED += [
    r"$$\begin{equation} E = mc^2 \tag{1} \label{eq:1} \end{equation}$$",
    r"$a\,b\;c\:d\!e\ f \{g\} \| \% \& \_$",
]
LACKING = [r"$a \arg b$", r"$a \nleqq b$", r"$a \shortparallel b$"]
CONTROL = [
    r"$\pi r^2$", r"$\sum_{i=1}^n \frac{a}{b}$", r"$\alpha \in \mathbb{R}, \ell, \sqrt{x}$", r"$$\int_0^\infty e^{-x^2}\,dx$$",
    r"$$\begin{equation} a = b \label{eq:1} \end{equation}$$", r"$\text{ok} \left( \hat x \right)$",
    r"$\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}$", r"$\operatorname{lim} \times \cdot \leq \to \not= \,$",
]  # fmt: skip
REACHING = [
    rf"${attack}$"
    for attack in (
        r"\def\pi{4}", r"\DeclarePairedDelimiter{\pi}{4}{}", r"\DeclarePairedDelimiterX{\sum}[1]{4}{}{#1}", r"\DeclarePairedDelimiterXPP\frac[2]{4}{}{}{}{}",
        r"\DeclareMathOperator{\alpha}{beta}", r"\let\pi=\alpha", r"\gdef\ell{4}", r"\newcommand{\sqrt}[1]{4}", r"\renewcommand\in{4}", r"\NewDocumentCommand{\times}{}{4}",
        r"\label{eq:1}x", r"\newtagform{a}{<}{>}\usetagform{a}", r"\newenvironment{pmatrix}{4}{5}", r"\require{physics}", r"\mathtoolsset{centercolon}",
        r"\setOptions[ams]{multlineWidth=99em}", r"\global\let\leq\geq", r"\mathchardef\to=1", r"\DeclareBoldMathCommand{\to}{4}", r"\refstepcounter{equation}",
        r"\begingroup\def\pi{4}", r"\text{$\def\pi{4}$}", r"\begin{array}{>{\def\pi{4}}c}a\end{array}", r"^^5cdef\pi{4}", "a\\%\n\\def\\pi{4}", r"\ref{eq:1}",
        r"\newcolumntype{c}{r}", r"\shoveleft[99em]{x}", r"\xdef\pi{4}", r"\edef\pi{4}", r"\futurelet\pi\x\x", r"\definecolor{red}{rgb}{0,0,0}", r"\Newextarrow{\to}{9,9}{8594}",
    )
]  # fmt: skip
HUGE = [
    r"${a \above 999em b}$", r"$\genfrac{(}{)}{999em}{0}{a}{b}$", r"$$a \\[999em] b$$", r"$$a \\*[ 999em ] b$$", r"$$a\\ [9999pt]b$$", r"$\rule{9999em}{9999em}$",
    r"$\begin{array}{p{9999em}}a\end{array}$", r"$\begin{array}{*{9999}{c}}a\end{array}$", r"$\vcenter{\kern999em}$", r"$\hphantom{a}\vphantom{a}\kern999em$",
    r"$x\hspace{9999em}y$", r"$\Rule{999em}{999em}{0em}$", r"$\begin{alignat}{999} a\end{alignat}$", r"$\raise999em{x}$", r"$\bbox[999em]{x}$", r"$\begin{CD}A @>99em>> B\end{CD}$",
    "$$" + r"a\\" * 1500 + "$$", "$" + r"\!" * 1500 + "here$", "$" + r"{\frac{1}" * 300 + "}" * 300 + "$", "$" + r"\sqrt{" * 500 + "}" * 500 + "$", r"$\mspace{999em}x\lower99em{y}$",
    r"$\cramped{\mathchoice{a}{a}{a}{a}}\prescript{a}{b}{c}$", r"$\xmathstrut[99]{99}$", r"$\fcolorbox{red}{red}{x}\enclose{circle}[mathbackground=red]{x}$", r"$\begin{array}[999em]{c}a\end{array}$",
]  # fmt: skip


def notebook(lab, name: str, above: dict[str, str], below: list[str]) -> str:
    """The address of a saved notebook: an output, then the reader's own formulas."""
    output = nbformat.v4.new_output("display_data", above)
    book = nbformat.v4.new_notebook(
        cells=[
            # A label may be given once.
            nbformat.v4.new_markdown_cell("\n\n".join(below).replace(r"\label{eq:1}", "")),
            nbformat.v4.new_code_cell("1", outputs=[output], execution_count=1),
            nbformat.v4.new_markdown_cell("\n\n".join(below)),
        ]
    )
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, lab.folder / name)
    return f"http://127.0.0.1:{lab.port}/lab/tree/{name}?token=loopback-test-token&reset"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    yield context.new_page()
    context.close()


def own_formulas(page: Page, url: str) -> list[str]:
    """The reader's formulas as they look, those above and those below the output, drawn once more after it."""
    page.goto(url)
    cells = page.locator(".jp-MarkdownCell")
    for cell in (cells.first, cells.last):
        expect(cell.locator("mjx-container")).to_have_count(len(CONTROL), timeout=60_000)
    expect(page.locator(".jp-OutputArea .jp-OutputArea-output").first).to_be_attached()
    assert page.locator(".jp-OutputArea .fnb-math mjx-container").count() == 0
    for cell in (cells.first, cells.last):
        cell.dblclick()
        page.keyboard.press("Control+Enter")
        expect(cell.locator("mjx-container")).to_have_count(len(CONTROL), timeout=60_000)
    found = page.locator(".jp-MarkdownCell mjx-container").evaluate_all(
        "all => all.map(one => one.innerText + one.innerHTML)"
    )
    return [re.sub(r' (?:ctxtmenu_counter|id|data-[\w-]+|href)="[^"]*"', "", one) for one in found]


def everything() -> dict[str, str]:
    """All that is shown of a run whose every text reaches out of itself."""
    text = "\n\n".join([*REACHING, *ALLOWED])
    shown = bundle(states.hostile(text))
    tables = [frame(states.hostile(attack)) for attack in REACHING if len(attack) < 50]
    with pd.option_context("display.max_colwidth", 50):
        formatted = "".join(str(TableFormatter(None)(table)) for table in tables)
    return {"text/html": shown["text/html"] + formatted}


def test_the_readers_own_formulas_stay_what_they_are(page: Page, lab) -> None:
    """Above and below a result that is full of definitions, in views and in tables, drawn before and after it."""
    expected = own_formulas(page, notebook(lab, "quiet.ipynb", {"text/html": "<p>nothing</p>"}, CONTROL))
    assert own_formulas(page, notebook(lab, "reaching.ipynb", everything(), CONTROL)) == expected


def test_the_readers_own_formulas_survive_markdown(page: Page, lab) -> None:
    """The same where a front end shows the Markdown form, which JupyterLab searches for formulas by rules of its own."""
    expected = own_formulas(page, notebook(lab, "quiet.ipynb", {"text/html": "<p>nothing</p>"}, CONTROL))
    texts = [
        *REACHING,
        *(f"It costs $5, {attack[1:-1]} or $6" for attack in REACHING),
        *(attack[1:-1] for attack in REACHING),
    ]
    shown = [bundle(states.hostile(REACHING[0]))["text/markdown"], *map(embed_markdown, texts)]
    markdown = {"text/markdown": "\n\n".join(shown)}
    assert own_formulas(page, notebook(lab, "markdown.ipynb", markdown, CONTROL)) == expected


def test_every_allowed_command_is_set(page: Page) -> None:
    """Every formula with an allowed command is drawn as MathML, or (three that the library lacks) stays readable TeX."""
    view = f'<div class="fusion-nb mathjax_ignore">{render_markdown((chr(10) * 2).join(ALLOWED))}</div>'
    page.set_content(view + style_element(view))
    shown = page.locator(".fnb-math")
    set_ones = [one for one in ALLOWED if one not in LACKING]
    expect(shown).to_have_count(len(set_ones))
    for lacking in LACKING:
        expect(page.locator(".fusion-nb")).to_contain_text(lacking)
    drawn = shown.locator("math").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
    assert len(drawn) == len(ALLOWED) - len(LACKING)
    assert [source for source, width in zip(set_ones, drawn, strict=True) if width < 4] == []
    assert shown.locator(".fnb-tex:visible").count() == 0


def test_no_formula_is_larger_than_its_text(page: Page, lab) -> None:
    """Formulas that ask for a thousand lines or a thousand em stay text, or are small."""
    html = "".join(f'<div class="attack">{render_markdown(attack)}</div>' for attack in HUGE)
    page.goto(notebook(lab, "huge.ipynb", {"text/html": f'<div class="mathjax_ignore">{html}</div>'}, ["$x$"]))
    expect(page.locator(".attack")).to_have_count(len(HUGE), timeout=60_000)
    expect(page.locator(".jp-MarkdownCell mjx-container").last).to_be_attached()
    assert page.locator(".jp-OutputArea .fnb-math mjx-container").count() == 0
    heights = page.locator(".attack").evaluate_all("all => all.map(one => one.scrollHeight)")
    assert [attack[:60] for attack, height in zip(HUGE, heights, strict=True) if height > 1500] == []
