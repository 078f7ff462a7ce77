"""Mathematics in model text: found by delimiters, kept from Markdown, left as text for the front end's MathJax.

Everything else of a view is marked to be left alone by MathJax: prose is full of dollars that mean money.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

CLASSES = ("fnb-math", "mathjax_process", "tex2jax_process")
# Pandoc's rule for `$`: no blank inside the delimiters, no letter or digit outside them. No pattern runs past the next
# opening delimiter, so that a thousand unclosed ones cost what one does.
_INLINE = re.compile(
    r"\$\$(?P<a>(?:\\.|[^$\\])+)\$\$"
    r"|\$(?![\s$])(?P<b>(?:\\.|[^$\\])+)(?<!\s)\$(?![\w$])"
    r"|\\\((?P<c>(?:(?!\\[()]).)+)\\\)"
    r"|\\\[(?P<d>(?:(?!\\[\[\]]).)+)\\\]",
    re.DOTALL,
)
_CLOSING = {"$$": "$$", r"\[": r"\]"}
_LARGEST = 4_000
_SAYS_SOMETHING = re.compile(r"[^\W_]")
# What reaches out of a formula: links, the page's styles and classes, definitions that stay or explode.
_REACHING = re.compile(
    r"\\(?:href|url|class|css|style|html|data|require|include|input|def|[gex]def|let|global|newcommand|renewcommand"
    r"|providecommand|newenvironment|renewenvironment|DeclareMathOperator|unicode|mmlToken|toggle|tip|texttip|mathtip"
    r"|char|bbox|rule|Rule|kern|mkern|hskip|hspace|mskip|mspace|moveleft|moveright|raise|lower|raisebox)"
)


def install_tex(md: MarkdownIt) -> None:
    """Teach `md` mathematics: the tokens `math_inline` and `math_block`, delimiters included in their content."""
    md.inline.ruler.before("escape", "math_inline", _inline)
    md.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def harmless(math: str) -> bool:
    """Whether MathJax may have it: typesetting only, of a sane size."""
    return len(math) <= _LARGEST and not _REACHING.search(math)


def _inline(state: StateInline, silent: bool) -> bool:
    src, pos = state.src, state.pos
    if src[pos] not in "$\\" or (src[pos] == "$" and pos and (src[pos - 1].isalnum() or src[pos - 1] == "$")):
        return False
    match = _INLINE.match(src, pos, state.posMax)
    if match is None or not _SAYS_SOMETHING.search(match[0]):
        return False
    if not silent:
        state.push("math_inline", "", 0).content = match[0]
    state.pos = match.end()
    return True


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    opening = _line(state, start)[:2]
    closing = _CLOSING.get(opening)
    if closing is None or state.is_code_block(start):
        return False
    last = _last_line(state, start, end, opening, closing)
    if last is None:
        return False
    if not silent:
        token = state.push("math_block", "", 0)
        token.content = state.getLines(start, last + 1, state.blkIndent, False).strip()
        token.map = [start, last + 1]
    state.line = last + 1
    return True


def _last_line(state: StateBlock, start: int, end: int, opening: str, closing: str) -> int | None:
    """The line that ends with `closing`; `None` where a blank line, the block's end or another opening comes first."""
    for number in range(start, end):
        line = _line(state, number)
        own = line[2:] if number == start else line
        if not line or state.sCount[number] < state.blkIndent:
            return None
        if own.endswith(closing) and closing not in own[:-2]:
            return number
        if opening in own or closing in own:
            return None
    return None


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].strip()
