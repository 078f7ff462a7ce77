"""Code in colours: comments, strings, numbers, keywords, calls.

Made by one pass of one pattern that accepts every text, so the cost is linear. Lexers of full grammars need seconds to
minutes for hostile code of a few kilobytes (measured on Pygments 2.21: 20,000 newlines as Java take 16 s).
"""

from __future__ import annotations

import keyword
import re
from functools import cache

from fusion_nb.views import escape

CLASSES = {
    "comment": "fnb-tc",
    "string": "fnb-ts",
    "keyword": "fnb-tk",
    "number": "fnb-tn",
    "call": "fnb-tf",
    "added": "fnb-ts",
    "removed": "fnb-td",
    "place": "fnb-tc",
    "tag": "fnb-tk",
}
# Whatever is opened and never closed runs to the end, so that no pattern starts twice over the same text.
_TRIPLE = r'"""(?:\\.|[^\\"]|"(?!""))*(?:"""|\\?\Z)|' + r"'''(?:\\.|[^\\']|'(?!''))*(?:'''|\\?\Z)"
_QUOTED = r'"(?:\\.|[^"\\\n])*"?|' + r"'(?:\\.|[^'\\\n])*'?"
_BLOCK = r"/\*(?:[^*]|\*(?!/))*(?:\*/|\Z)"
_WORDS = r"(?P<number>\b\d[\w.]*)|(?P<call>[^\W\d]\w*(?=\())|(?P<keyword>[^\W\d]\w*)"
_HASH = rf"(?P<comment>\#[^\n]*)|(?P<string>[rbfuRBFU]{{0,2}}(?:{_TRIPLE}|{_QUOTED}))|{_WORDS}"
_SLASH = rf"(?P<comment>//[^\n]*|{_BLOCK})|(?P<string>{_QUOTED}|`(?:\\.|[^`\\])*(?:`|\\?\Z))|{_WORDS}"
# Rust writes lifetimes as 'a: there a single quote is a string only around one character.
_RUST = _SLASH.replace(r"'(?:\\.|[^'\\\n])*'?", r"'(?:\\.|[^'\\\n])'")
_DASH = rf"(?P<comment>--[^\n]*|{_BLOCK})|(?P<string>{_QUOTED})|{_WORDS}"
_TAGS = r'(?P<comment><!--(?:[^-]|-(?!->))*(?:-->|\Z))|(?P<tag></?[\w:-]+)|(?P<string>=\s*(?:"[^"]*"?|' + r"'[^']*'?))"
_DIFF = r"(?P<place>^(?:@@|diff|index|---|\+\+\+)[^\n]*)|(?P<added>^\+[^\n]*)|(?P<removed>^-[^\n]*)"
_LANGUAGES = {
    _HASH: "python py python3 ipython pycon r julia jl bash sh shell zsh console ruby rb perl yaml yml toml ini make",
    _SLASH: "javascript js jsx typescript ts tsx json jsonc c cpp c++ csharp c# java kotlin swift go scala php css",
    _RUST: "rust rs",
    _DASH: "sql lua",
    _TAGS: "html xml",
    _DIFF: "diff patch",
}
_KEYWORDS = {
    _HASH: {
        *keyword.kwlist,
        *"""
        begin case cls const do done echo end esac export FALSE false fi function let library local match module
        mutable my NA NULL null puts require rescue self struct then TRUE true unless until using when
        """.split(),
    },
    _SLASH: set(
        """
        abstract as async auto await bool boolean break byte case catch char class const continue default defer delete
        do double else enum export extends false final finally float fn for from fun func function go if impl
        implements import in include instanceof int interface let long loop match mod mut namespace new nil null of
        override package private protected pub public range return self short sizeof static string struct super switch
        template this throw throws trait true try type typedef typeof undefined union unsigned use using val var
        virtual void when where while yield
        """.split()
    ),
    _DASH: set(
        """
        all and as asc between by case create data delete desc distinct do drop else elseif end exists false for from
        full function group having if import in index inner insert into is join key left let like limit local module
        nil not null of on or order outer over partition primary repeat return right select set table then true type
        union update using values view when where while with
        """.split()
    ),
}


def highlight(code: str, language: str) -> str:
    """`code` as HTML text with `span`s around what has a colour; plain where the language is not known."""
    pattern = _pattern(language.lower())
    if pattern is None:
        return escape.markup(code)
    keywords = _KEYWORDS.get(_SLASH if pattern.pattern == _RUST else pattern.pattern, set())
    pieces, last = [], 0
    for match in pattern.finditer(code):
        kind = match.lastgroup or ""
        word = match[0].lower() if pattern.pattern == _DASH else match[0]
        kind = "keyword" if kind == "call" and word in keywords else kind
        if kind == "keyword" and word not in keywords:
            continue
        pieces += [
            escape.markup(code[last : match.start()]),
            f'<span class="{CLASSES[kind]}">{escape.markup(match[0])}</span>',
        ]
        last = match.end()
    return "".join([*pieces, escape.markup(code[last:])])


@cache
def _compiled() -> dict[str, re.Pattern[str]]:
    patterns = {pattern: re.compile(pattern, re.DOTALL | re.MULTILINE) for pattern in _LANGUAGES}
    return {name: patterns[pattern] for pattern, names in _LANGUAGES.items() for name in names.split()}


def _pattern(language: str) -> re.Pattern[str] | None:
    return _compiled().get(language)
