r"""Formulas of model text as MathML, made here: no front end's MathJax is needed. The door to latex2mathml.

What reaches the library has passed `tex.safe_formula`: commands of the lists alone, closed, bounded in length, depth,
rows and cells. What it gives is data again: nh3 lets the elements and attributes below through and nothing else.

The formula's TeX stands beside it, for readers from whom the MathML is kept. JupyterLab's sanitizer (an untrusted
notebook) strips MathML to its bare letters and our style sheet with it; it leaves `hidden` alone, where that has a
value. So the MathML is `hidden` until the style sheet shows it, and hides the TeX.
"""

from __future__ import annotations

import re
from functools import lru_cache

from fusion_nb.views import escape, tex

MAX_TEX = 30_000
"""Characters of TeX that one text may have set: MathML is some twenty times as long. What follows stays TeX."""

TAGS = frozenset(
    """
    math menclose mfrac mi mn mo mover mpadded mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr
    munder munderover
    """.split()
)
_SIZES = {"width", "height", "depth", "lspace", "rspace", "voffset"}
ATTRIBUTES: dict[str, set[str]] = {
    "math": {"display"},
    "menclose": {"notation"},
    "mfrac": {"linethickness"},
    "mi": {"mathvariant"},
    "mo": {
        "accent", "fence", "form", "lspace", "maxsize", "minsize", "movablelimits", "rspace", "separator", "stretchy",
    },
    "mover": {"accent"},
    "mpadded": _SIZES,
    "mspace": {"width", "height", "depth"},
    "mstyle": {"displaystyle", "mathsize", "scriptlevel"},
    "mtable": {"columnlines", "columnspacing", "displaystyle", "rowlines", "rowspacing"},
    "mtd": {"columnalign"},
    "mtext": {"mathvariant"},
}  # fmt: skip

# The library writes a row's gap as text, and breaks lines in a way that browsers do not know.
_GAP = re.compile(r"\\\\\*?(?:\s*\[[^\]]*\])?")
_ROWS = re.compile(r"\\(begin|end)\{(?:gathered|(?:gather|multline)\*)\}")
_ALIGNED = re.compile(r"\\(begin|end)\{aligned\}")
_OPERATOR = re.compile(r"\\operatorname\*?\s*\{([^{}]*)\}")
# Of a class the library keeps nothing, its argument neither.
_CLASS = re.compile(r"\\math(?:bin|close|inner|op|open|ord|punct|rel)(?![A-Za-z])")
_THIN = re.compile(r"\\[,;: ]")
# Also what stood for an angle bracket in `\text`, whose content the library does not escape.
_UNKNOWN = re.compile(r"\\[A-Za-z]")
_BRACKETS = str.maketrans({"<": r"\lt ", ">": r"\gt "})
_ATTRIBUTE = re.compile(r' xmlns="[^"]*"')
_NEGATED = re.compile(r"\\not(?![A-Za-z])\s*(=|<|>|\\in(?![A-Za-z])|\\equiv(?![A-Za-z]))")
_NEGATIONS = {"=": r"\neq ", "<": r"\nless ", ">": r"\ngtr ", r"\in": r"\notin ", r"\equiv": "≢"}


def render_formula(source: str, kind: str, attributes: str = "") -> str | None:
    """A formula in its delimiters as HTML in an element `kind`; `None` where it is not to be set.

    Display style is what its delimiters ask for, wherever it stands.
    """
    formula = tex.safe_formula(source)
    if formula is None:
        return None
    width = 1 if formula[0] == "$" != formula[1] else 2
    inline = width == 1 or formula.startswith("\\(")
    made = _convert(formula[width:-width].strip(), "inline" if inline else "block")
    if made is None:
        return None
    return (
        f'<{kind} class="fnb-math"{attributes}><span class="fnb-mathml" hidden="hidden">{made}</span>'
        f'<span class="fnb-tex">{escape.markup(formula)}</span></{kind}>'
    )


@lru_cache(maxsize=1024)
def _convert(body: str, display: str) -> str | None:
    """MathML of `body`; `None` where the library does not know all of it. A streamed text asks again and again."""
    from latex2mathml.converter import convert  # noqa: PLC0415  30 ms, for texts with formulas alone

    body = _said_otherwise(body)
    for attempt in (body, f"\\begin{{matrix}}{body}\\end{{matrix}}"):
        try:
            made = convert(attempt, display=display)
        except Exception:  # noqa: BLE001  a formula it cannot read must not cost the answer
            return None
        if _UNKNOWN.search(made):
            return None
        if "linebreak" not in made:
            return _ATTRIBUTE.sub("", made)
    return None


def _said_otherwise(body: str) -> str:
    """`body` in the words the library knows, of the same look."""
    body = _ALIGNED.sub(r"\\\1{align*}", _ROWS.sub(r"\\\1{matrix}", _GAP.sub(r"\\\\ ", body)))
    body = _OPERATOR.sub(lambda match: f"\\operatorname{{{_THIN.sub(chr(0xA0), match[1])}}}", body)
    body = _CLASS.sub("", body)
    return _NEGATED.sub(lambda match: _NEGATIONS[match[1]], body).translate(_BRACKETS)
