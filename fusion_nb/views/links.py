"""Where links may lead, and that people see where: a check of the tokens between Markdown and HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

# Narrower than what browsers accept: no user name, no backslash, no percent sign before the path.
_WEB = re.compile(
    r"https?://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?P<port>:\d{1,5})?(?=[/?#]|$)", re.I
)
_MAIL = re.compile(r"mailto:(?P<address>[a-z0-9._+-]+@[a-z0-9.-]+)(?:\?subject=[^&]*)?$", re.I)
_ANY_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?[\\/]{2}([^\\/?#\s]+)", re.I)


def install(md: MarkdownIt) -> None:
    """Links lead to http, https and mailto alone and show their host; the token `note` holds what is shown."""
    md.core.ruler.push("links", _check)


def shown(href: str) -> str | None:
    """The host (or mail address) a link leads to; `None` where it may not be one."""
    web = _WEB.match(href)
    if web:
        return web["host"].lower() + (web["port"] or "")
    mail = _MAIL.match(href)
    return mail["address"] if mail else None


def host(address: str) -> str:
    """Where a resource would come from, in a word or two: for text that stands in its place."""
    found = _ANY_HOST.match(address)
    scheme = re.match(r"(data|blob|file|attachment):", address, re.I)
    return found[1][:80] if found else scheme[1].lower() if scheme else address[:80]


def _check(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and token.children:
            token.children = _checked(token.children)


def _checked(children: Sequence[Token]) -> list[Token]:
    out: list[Token] = []
    opened: tuple[int, str] | None = None
    for token in children:
        out.append(token)
        if token.type == "link_open":
            opened = len(out) - 1, str(token.attrs.get("href", ""))
        elif token.type == "link_close" and opened is not None:
            out[opened[0] :] = _link(opened[1], out[opened[0] :])
            opened = None
    return out


def _link(href: str, tokens: list[Token]) -> list[Token]:
    """One link as it may stand: with its host behind it where its text does not begin with that, or as text."""
    leads = shown(href)
    # A title is read by nobody who does not hover, and could hold what belongs into text: a mark, hidden characters.
    tokens[0].attrs = {"href": href, "target": "_blank"}
    said = "".join(t.content for t in tokens if t.type in ("text", "code_inline", "text_special")).strip()
    if leads is None:
        inside = tokens[1:-1]
        return inside if href.startswith("#") or said in (href, unquote(href)) else [*inside, _note(unquote(href))]
    begins = re.match(rf"(?:[a-z]+:/*)?{re.escape(leads)}(?=$|[/?#])", said, re.I)
    return tokens if begins else [*tokens, _note(leads)]


def _note(text: str) -> Token:
    return Token("note", "", 0, content=f" ({text[:200]})")
