"""Code in colours: Pygments finds the tokens, the class names are ours."""

from __future__ import annotations

from functools import lru_cache

from pygments.lexer import Lexer  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.token import Token, _TokenType  # type: ignore[import-untyped]
from pygments.util import ClassNotFound  # type: ignore[import-untyped]

from fusion_nb.views import clean

# A lexer is a heap of regular expressions: only those of common languages are let near hostile text, and not with much.
_LANGUAGES = {
    *("python", "py", "python3", "ipython", "pycon", "r", "julia", "sql", "bash", "sh", "shell", "zsh", "console"),
    *("javascript", "js", "jsx", "typescript", "ts", "tsx", "json", "html", "xml", "css", "php", "ruby", "perl", "lua"),
    *("c", "cpp", "c++", "csharp", "c#", "java", "kotlin", "swift", "go", "rust", "scala", "haskell", "matlab"),
    *("yaml", "yml", "toml", "ini", "diff", "dockerfile", "make"),
}
_LARGEST = 20_000
CLASSES: dict[_TokenType, str] = {
    Token.Comment: "fnb-tc",
    Token.Keyword: "fnb-tk",
    Token.Operator.Word: "fnb-tk",
    Token.Name.Tag: "fnb-tk",
    Token.Literal.String: "fnb-ts",
    Token.Literal.Number: "fnb-tn",
    Token.Name.Function: "fnb-tf",
    Token.Name.Class: "fnb-tf",
    Token.Name.Decorator: "fnb-tf",
    Token.Name.Builtin: "fnb-tb",
    Token.Name.Attribute: "fnb-tb",
    Token.Generic.Inserted: "fnb-ts",
    Token.Generic.Deleted: "fnb-td",
    Token.Generic.Heading: "fnb-tk",
    Token.Generic.Prompt: "fnb-tc",
}


def highlight(code: str, language: str) -> str:
    """`code` as HTML text with `span`s around what has a colour; plain where the language is not known."""
    lexer = _lexer(language.lower()) if language.lower() in _LANGUAGES and len(code) <= _LARGEST else None
    if lexer is None:
        return clean.markup(code)
    return "".join(_span(kind, value) for _, kind, value in lexer.get_tokens_unprocessed(code))


@lru_cache(maxsize=32)
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language)
    except ClassNotFound:  # pragma: no cover  a Pygments that lacks one of the list
        return None


def _span(kind: _TokenType, value: str) -> str:
    for ancestor in reversed(kind.split()):
        if ancestor in CLASSES:
            return f'<span class="{CLASSES[ancestor]}">{clean.markup(value)}</span>'
    return clean.markup(value)
