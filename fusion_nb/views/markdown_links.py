"""Links of model text: to the web and to mail alone, each with its host; a bare address is a link too.

Not linkify-it-py, which markdown-it offers for bare addresses: 24 kB of `http://a` take
it a second, and twice as much four.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

# Narrower than what browsers accept: no user name, no backslash, no percent sign before the path.
_WEB = re.compile(
    r"https?://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?P<port>:\d{1,5})?(?=[/?#]|$)", re.I
)
_MAIL = re.compile(r"mailto:(?P<address>[a-z0-9._+-]+@[a-z0-9.-]+)(?:\?subject=[^&]*)?$", re.I)
_ANY_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?[\\/]{2}([^\\/?#\s]+)", re.I)


def install_links(md: MarkdownIt) -> None:
    """Links lead to http, https and mailto alone and show their host; the token `note` holds what is shown."""
    md.inline.ruler.push("bare_links", _bare)
    md.core.ruler.push("links", _check)


# A bare address ends where a blank, a quotation mark or one of our own marks stands, and before the sentence's stop.
_BARE = re.compile(r"://[a-z0-9.:\[\]-]{1,300}+(?![\w@])(?:[/?#][^\s<>\"'`⸨⸩|\\]{0,1500})?", re.I)
_SCHEME = re.compile(r"(?<![a-z0-9])https?$", re.I)
_STOPS = "?!.,:;*_~"


def display_link(href: str) -> str | None:
    """The host (or mail address) a link target to; `None` where it may not be one."""
    web = _WEB.match(href)
    if web:
        return web["host"].lower() + (web["port"] or "")
    mail = _MAIL.match(href)
    return mail["address"] if mail else None


def display_host(address: str) -> str:
    """Where a resource would come from, in a word or two: for text that stands in its place."""
    host = _ANY_HOST.match(address)
    scheme = re.match(r"(data|blob|file|attachment):", address, re.I)
    return host[1][:80] if host else scheme[1].lower() if scheme else address[:80]


def _bare(state: StateInline, silent: bool) -> bool:
    """`https://...` as it stands in a sentence, by GitHub's rules for where it ends."""
    if state.src[state.pos] != ":" or state.linkLevel or silent:
        return False
    scheme = _SCHEME.search(state.pending[-6:])
    rest = _BARE.match(state.src, state.pos, state.posMax) if scheme else None
    if scheme is None or rest is None:
        return False
    address = rest[0].rstrip(_STOPS)
    while address.endswith(")") and address.count(")") > address.count("("):
        address = address[:-1].rstrip(_STOPS)
    shown = scheme[0] + address
    target = state.md.normalizeLink(shown)
    if display_link(target) is None or not state.md.validateLink(target):
        return False
    state.pending = state.pending[: -len(scheme[0])]
    opening = state.push("link_open", "a", 1)
    opening.attrs = {"href": target}
    state.push("text", "", 0).content = shown
    state.push("link_close", "a", -1)
    state.pos += len(address)
    return True


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
    target = display_link(href)
    # A title is read by nobody who does not hover, and could hold what belongs into text: a mark, hidden characters.
    tokens[0].attrs = {"href": href, "target": "_blank"}
    label = "".join(t.content for t in tokens if t.type in ("text", "code_inline", "text_special")).strip()
    if target is None:
        inside = tokens[1:-1]
        return inside if href.startswith("#") or label in (href, unquote(href)) else [*inside, _note(unquote(href))]
    begins = re.match(rf"(?:[a-z]+:/*)?{re.escape(target)}(?=$|[/?#])", label, re.I)
    return tokens if begins else [*tokens, _note(target)]


def _note(text: str) -> Token:
    return Token("note", "", 0, content=f" ({text[:200]})")
