"""Mathematics in model text: found by delimiters, kept from Markdown.

A view is marked to be left alone by MathJax: prose is full of dollars that mean money.

What is set (and what exported Markdown hands to MathJax or TeX) is on a list: letters, relations, fractions, matrices,
accents, fonts, `\\text`. Commands that define, number, link, load, style, move or size are not on it, whatever
extension brings them: their definitions and numbers would outlive the formula, in the reader's own cells. A formula
with anything else in it stays text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline


# Pandoc's rule for `$`: no blank inside the delimiters, no letter or digit outside them. No pattern runs past the next
# opening delimiter, so that a thousand unclosed ones cost what one does.
INLINE = re.compile(
    r"\$\$(?P<a>(?:\\.|[^$\\])+)\$\$"
    r"|\$(?![\s$])(?P<b>(?:\\.|[^$\\])+)(?<!\s)\$(?![\w$])"
    r"|\\\((?P<c>(?:(?!\\[()]).)+)\\\)"
    r"|\\\[(?P<d>(?:(?!\\[\[\]]).)+)\\\]",
    re.DOTALL,
)
_CLOSING = {"$$": "$$", r"\[": r"\]"}
_SAYS_SOMETHING = re.compile(r"[^\W_]")

_ACCENTS = """
acute bar breve check ddddot dddot ddot dot grave hat mathring overbrace overleftarrow overleftrightarrow overline
overrightarrow overset stackrel tilde underbrace underleftarrow underleftrightarrow underline underrightarrow underset
vec widehat widetilde xleftarrow xrightarrow
"""
_ARROWS = """
Downarrow Leftarrow Leftrightarrow Lleftarrow Longleftarrow Longleftrightarrow Longrightarrow Lsh Rightarrow
Rrightarrow Rsh Uparrow Updownarrow circlearrowleft circlearrowright curvearrowleft curvearrowright downarrow
downharpoonleft downharpoonright gets hookleftarrow hookrightarrow iff impliedby implies leadsto leftarrow
leftarrowtail leftharpoondown leftharpoonup leftleftarrows leftrightarrow leftrightarrows leftrightharpoons
longleftarrow longleftrightarrow longmapsto longrightarrow looparrowleft looparrowright mapsto multimap nLeftarrow
nLeftrightarrow nRightarrow nearrow nleftarrow nleftrightarrow nrightarrow nwarrow rightarrow rightarrowtail
rightharpoondown rightharpoonup rightleftarrows rightleftharpoons rightrightarrows rightsquigarrow searrow swarrow to
twoheadleftarrow twoheadrightarrow uparrow updownarrow upharpoonleft upharpoonright upuparrows
"""
_DELIMITERS = """
Big Bigg Biggl Biggm Biggr Bigl Bigm Bigr Vert backslash big bigg biggl biggm biggr bigl bigm bigr lVert langle lbrace
lbrack lceil left lfloor lgroup lmoustache lvert middle rVert rangle rbrace rbrack rceil rfloor rgroup right
rmoustache rvert vert
"""
_FONTS = """
bf boldsymbol it mathbb mathbf mathcal mathfrak mathit mathnormal mathrm mathscr mathsf mathtt mbox operatorname pmb rm
sf text textbf textit textnormal textrm textsf texttt tt
"""
_FRACTIONS = "atop binom brace brack cfrac choose dbinom dfrac frac over sqrt substack tbinom tfrac"
_FUNCTIONS = """
Pr arccos arcsin arctan arg bmod cos cosh cot coth csc deg det dim exp gcd hom inf injlim ker lg lim liminf limsup ln
log max min mod pmod pod projlim sec sin sinh sup tan tanh varinjlim varliminf varlimsup varprojlim
"""
_LAYOUT = """
boxed displaystyle enspace hline large Large limits mathbin mathclose mathinner mathop mathopen mathord mathpunct
mathrel nolimits normalsize not qquad quad scriptscriptstyle scriptstyle small textstyle thinspace
"""
_LETTERS = """
Bbbk Delta Finv Game Gamma Im Lambda Omega Phi Pi Psi Re Sigma Theta Upsilon Xi aleph alpha beta beth chi daleth delta
digamma ell epsilon eta eth gamma gimel hbar hslash imath infty iota jmath kappa lambda mho mu nabla nu omega partial
phi pi psi rho sigma tau theta upsilon varDelta varGamma varLambda varOmega varPhi varPi varPsi varSigma varTheta
varUpsilon varXi varepsilon varkappa varnothing varphi varpi varrho varsigma vartheta wp xi zeta
"""
_OPERATORS = """
Cap Cup amalg ast barwedge bigcap bigcirc bigcup bigodot bigoplus bigotimes bigsqcup bigstar bigtriangledown
bigtriangleup biguplus bigvee bigwedge boxdot boxminus boxplus boxtimes bullet cap cdot centerdot circ circledast
circledcirc circleddash coprod cup curlyvee curlywedge dagger ddagger diamond div divideontimes dotplus doublebarwedge
idotsint iiiint iiint iint int intercal land leftthreetimes lor ltimes mp odot oint ominus oplus oslash otimes pm prod
rightthreetimes rtimes setminus smallsetminus sqcap sqcup star sum times triangleleft triangleright uplus vee veebar
wedge wr
"""
_RELATIONS = """
Bumpeq Doteq Subset Supset Vdash Vvdash approx approxeq asymp backepsilon backsim backsimeq because between bowtie
bumpeq circeq cong curlyeqprec curlyeqsucc dashv doteq doteqdot eqcirc eqsim eqslantgtr eqslantless equiv
fallingdotseq frown ge geq geqq geqslant gg ggg gnapprox gneq gneqq gnsim gtrapprox gtrdot gtreqless gtreqqless
gtrless gtrsim in le leq leqq leqslant lessapprox lessdot lesseqgtr lesseqqgtr lessgtr lesssim ll lll lnapprox lneq
lneqq lnsim lt mid models ncong ne neq ngeq ngeqq ngeqslant ngtr ni nleq nleqq nleqslant nless nmid notin nparallel
nprec npreceq nsim nsubseteq nsubseteqq nsucc nsucceq nsupseteq ntriangleleft ntrianglelefteq ntriangleright
ntrianglerighteq nvDash nvdash owns parallel perp pitchfork prec precapprox preccurlyeq preceq precnapprox precneqq
precnsim precsim propto risingdotseq shortmid shortparallel sim simeq smallfrown smallsmile smile sqsubset sqsubseteq
sqsupset sqsupseteq subset subseteq subseteqq subsetneq subsetneqq succ succapprox succcurlyeq succeq succnapprox
succneqq succnsim succsim supset supseteq supseteqq supsetneq supsetneqq therefore thickapprox thicksim
trianglelefteq triangleq trianglerighteq vDash varpropto vartriangleleft vartriangleright vdash
"""
_SIGNS = """
angle backprime bigstar blacklozenge blacksquare blacktriangle blacktriangledown bot cdotp cdots checkmark circledR
circledS clubsuit colon complement ddots diamondsuit dots dotsb dotsc dotsi dotsm dotso emptyset exists flat forall
heartsuit ldotp ldots lnot lozenge maltese measuredangle natural neg nexists prime sharp spadesuit sphericalangle
square surd top triangle triangledown vartriangle vdots yen
"""
COMMANDS = frozenset(
    " ".join(
        (
            _ACCENTS,
            _ARROWS,
            _DELIMITERS,
            _FONTS,
            _FRACTIONS,
            _FUNCTIONS,
            _LAYOUT,
            _LETTERS,
            _OPERATORS,
            _RELATIONS,
            _SIGNS,
        )
    ).split()
)
"""Commands that set something in type and do nothing else, in MathJax 2 to 4 and in LaTeX with amsmath and amssymb."""
ENVIRONMENTS = frozenset(
    """
    Bmatrix Vmatrix align* aligned array bmatrix cases equation* gather* gathered matrix multline* pmatrix smallmatrix
    split vmatrix
    """.split()
)
"""Environments without numbers: a number taken by a model's formula would be missing among the reader's own."""
SIGNS = frozenset(" \n\t,:;!>|{}$%&#_\\")
"""What a command of one sign may be."""

_LARGEST = 4_000
_DEEPEST = 20
_MOST = {r"\\": 100, r"\!": 12, "&": 400}
"""Rows, steps back (they would lay text over text), cells."""
# Lengths that a row may be set off by: up to 20 points or 2 em.
_GAP = r"\[\s*(?:(?:1?\d|20)(?:\.\d\d?)?\s*(?:pt|px|mu)|[0-2]?(?:\.\d\d?)?\s*(?:em|ex))\s*\]"
_TOKEN = re.compile(
    rf"(?P<gap>\\\\\*?\s*(?={_GAP}))"
    r"|(?P<columns>\\begin\{array\}\{[lcr|\s]{1,30}\})"
    r"|\\(?P<edge>begin|end)\{(?P<environment>[A-Za-z]+\*?)\}"
    r"|\\(?P<word>[A-Za-z]+)"
    r"|(?P<refused>\\\\\*?\s*\[|\^\^|[%#$`])"
    r"|\\(?P<sign>.?)"
    r"|(?P<brace>[{}])"
    r"|(?P<cell>&)",
    re.DOTALL,
)
_OPENS, _CLOSES = {"{": "{", "left": "left"}, {"}": "{", "right": "left"}
# Numbers and names of equations are the reader's; a tag is shown where it stands.
_UNNUMBERED = re.compile(r"\\(begin|end)\{(align|equation|gather|multline)\}")
_TAG = re.compile(r"\\tag\*?\{([\w.*' -]{1,20})\}")
_NAMED = re.compile(r"\\(?:label\{[\w:.-]{1,60}\}|(?:notag|nonumber)(?![A-Za-z]))")


def install_tex(md: MarkdownIt) -> None:
    """Teach `md` mathematics: the tokens `math_inline` and `math_block`, delimiters included in their content."""
    md.inline.ruler.before("escape", "math_inline", _inline)
    md.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def safe_formula(source: str) -> str | None:
    """The formula as MathJax and TeX may have it, in its delimiters; `None` where it holds anything off the lists.

    Equations lose their numbers and labels, which belong to the reader's own document; a `\\tag` is set as text.
    """
    width = 1 if source[0] == "$" != source[1] else 2
    body = _UNNUMBERED.sub(r"\\\1{\2*}", source[width:-width])
    body = _NAMED.sub("", _TAG.sub(r"\\qquad\\text{(\1)}", body))
    return f"{source[:width]}{body}{source[-width:]}" if len(source) <= _LARGEST and _is_on_the_lists(body) else None


def _is_on_the_lists(body: str) -> bool:
    """Whether all of `body` is allowed, closed, not too deep and not too large."""
    opened: list[str] = []
    counts = dict.fromkeys(_MOST, 0)
    for token in _TOKEN.finditer(body):
        if not _is_allowed(token):
            return False
        counted = r"\\" if token["gap"] else f"\\{token['sign']}" if token["sign"] else token[0]
        if counted in counts:
            counts[counted] += 1
        opens, closes = _edges(token)
        if closes and (not opened or opened.pop() != closes):
            return False
        opened += [opens] if opens else []
        if len(opened) > _DEEPEST:
            return False
    return not opened and all(counts[kind] <= most for kind, most in _MOST.items())


def _edges(token: re.Match[str]) -> tuple[str, str]:
    """What `token` opens, and what it closes."""
    name = token["environment"] or ("array" if token["columns"] else "")
    if name:
        return ("", name) if token["edge"] == "end" else (name, "")
    edge = token["brace"] or token["word"] or ""
    return _OPENS.get(edge, ""), _CLOSES.get(edge, "")


def _is_allowed(token: re.Match[str]) -> bool:
    if token["word"]:
        # In some engines a name goes on with letters of other scripts.
        following = token.string[token.end() : token.end() + 1]
        return token["word"] in COMMANDS and not (following.isalpha() and not following.isascii())
    if token["environment"]:
        # The columns of an array are read with its beginning.
        return token["environment"] in ENVIRONMENTS and token[0] != r"\begin{array}"
    if token["sign"] is not None:
        return token["sign"] in SIGNS and bool(token["sign"])
    return token["refused"] is None


def _inline(state: StateInline, silent: bool) -> bool:
    src, pos = state.src, state.pos
    if src[pos] not in "$\\" or (src[pos] == "$" and pos and (src[pos - 1].isalnum() or src[pos - 1] == "$")):
        return False
    match = INLINE.match(src, pos, state.posMax)
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
