"""Model text (Markdown) as safe HTML.

Two walls: markdown-it with raw HTML off writes only the tags it knows, then nh3 lets only ours through. Nothing is ever
loaded from elsewhere. Links lead to the web and to mail alone, and show their host: a check of the tokens between
Markdown and HTML. Characters that hide or reverse text are shown by their number.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.tasklists import tasklists_plugin

from fusion_nb.views import escape, markdown_placeholders, mathml, tex
from fusion_nb.views.highlight import CLASSES as CODE_CLASSES
from fusion_nb.views.highlight import highlight
from fusion_nb.views.markdown_links import display_host, install_links


def install_directions(md: MarkdownIt) -> None:
    """A block is written from the side of its first letter: `dir` says so where it is not that of what holds it."""
    md.core.ruler.push("directions", _direct)


def _direct(state: StateCore) -> None:
    opened: list[Token] = []
    for token in state.tokens:
        if token.nesting == 1:
            opened.append(token)
        elif token.nesting == -1:
            opened.pop()
        elif token.type == "inline" and (side := escape.direction(token.content)):
            for holder in opened:
                holder.meta.setdefault("dir", side)
    sides = ["ltr"]
    for token in state.tokens:
        if token.nesting == -1:
            sides.pop()
            continue
        side = token.meta.get("dir", sides[-1]) if token.nesting == 1 else "ltr"
        if side != sides[-1] and token.type != "inline":
            token.attrSet("dir", side)
        for child in token.children or () if sides[-1] == "rtl" else ():
            if child.type in ("code_inline", "math_inline"):
                child.attrSet("dir", "ltr")
        if token.nesting == 1:
            sides.append(side)


MAX_TEXT = 1_000_000
"""Characters; a longer text is shown as it is, the beginning of it."""
MAX_MARKUP = 100_000
"""Characters that may mean something to Markdown: its parser needs up to 8 microseconds for each."""
MAX_CELLS = 50_000
"""Each row of a table is filled up to its number of columns: a few kilobytes can ask for millions of cells."""
MAX_HIDDEN = 10_000
"""Places where hidden characters are shown by number: each takes fifty characters of HTML."""
SHOWN = 200_000
_MARKUP = re.compile(r"[][*_`~<>&|!$\\\n()#-]")
_TABLE_RULE = frozenset("|-: \t>*+.)0123456789")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_ALIGN = {"text-align:left": "fnb-left", "text-align:right": "fnb-right", "text-align:center": "fnb-center"}
_CLASS = ' class="{}"'
# Front ends list a notebook's headings; those of a model's answer are no part of its outline.
_NO_OUTLINE = "jp-toc-ignore"
TAGS = {
    *_HEADINGS, "p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "span",
    "sup", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
_MATH = {"fnb-math", "fnb-mathml", "fnb-tex"}
SPAN_CLASSES = {"fnb-hidden", "fnb-host", "fnb-image", "fnb-tail", "fnb-task", *_MATH, *CODE_CLASSES.values()}
CLASSES = {
    "span": SPAN_CLASSES,
    "p": {"fnb-tail", "fnb-math"},
    "th": set(_ALIGN.values()),
    "td": set(_ALIGN.values()),
    **{heading: {_NO_OUTLINE} for heading in _HEADINGS},
}
ATTRIBUTES = {
    **{tag: {"dir"} for tag in TAGS},
    **mathml.ATTRIBUTES,
    "a": {"href"},
    "ol": {"start", "dir"},
    "span": {"dir", "hidden"},
}


class _Renderer(RendererHTML):
    """Writes tokens as HTML; every piece of text passes `escape.markup`."""

    def text(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        return escape.markup(tokens[idx].content)

    def note(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        return f'<span class="fnb-host">{escape.markup(tokens[idx].content)}</span>'

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        token = tokens[idx]
        alt = self.renderInlineAsText(token.children, options, env)
        where = display_host(str(token.attrs.get("src", "")))
        description = " — ".join(part for part in (where, alt) if part)
        return f'<span class="fnb-image">[image: {escape.markup(description)}]</span>'

    def html_inline(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        # Raw HTML is off: this is the box of a task list's item.
        return f'<span class="fnb-task">{"☑" if "checked=" in tokens[idx].content else "☐"}</span>'

    def footnote_ref(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        # No `id` of a model's: a page may hold several texts, and a notebook's own names are not to be taken.
        return f"<sup>[{tokens[idx].meta['id'] + 1}]</sup>"

    def footnote_block_open(self, *_: Any) -> str:
        return "<hr>\n<ol>\n"

    def footnote_block_close(self, *_: Any) -> str:
        return "</ol>\n"

    def footnote_open(self, *_: Any) -> str:
        return "<li>"

    def footnote_close(self, *_: Any) -> str:
        return "</li>\n"

    def footnote_anchor(self, *_: Any) -> str:
        return ""

    def code_inline(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        return f"<code{_dir(tokens[idx])}>{escape.markup(tokens[idx].content)}</code>"

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        return f"<pre{_dir(tokens[idx])}><code>{escape.markup(tokens[idx].content)}</code></pre>\n{_after(tokens[idx])}"

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        token = tokens[idx]
        language = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
        return f"<pre{_dir(token)}><code>{highlight(token.content, language)}</code></pre>\n{_after(token)}"

    def hr(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        return f"<hr>\n{_after(tokens[idx])}"

    def math_inline(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        return _math("span", tokens[idx], env)

    def math_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        return f"{_math('p', tokens[idx], env)}\n{_after(tokens[idx])}"

    def heading_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        return f'<{tokens[idx].tag} class="{_NO_OUTLINE}"{_dir(tokens[idx])}>'

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        side = _ALIGN.get(str(tokens[idx].attrs.get("style", "")))
        return f"<{tokens[idx].tag}{_CLASS.format(side) if side else ''}{_dir(tokens[idx])}>"

    td_open = th_open


def _after(token: Token) -> str:
    placed = markdown_placeholders.after(token)
    return f'<p class="fnb-tail">{placed}</p>\n' if placed else ""


def _dir(token: Token) -> str:
    return f' dir="{token.attrs["dir"]}"' if "dir" in token.attrs else ""


def _math(tag: str, token: Token, env: MutableMapping[str, Any]) -> str:
    env["tex"] = env.get("tex", 0) + len(token.content)
    formula = mathml.render_formula(token.content, tag, _dir(token)) if env["tex"] <= mathml.MAX_TEX else None
    if formula is not None:
        return formula
    return escape.markup(token.content) if tag == "span" else f"<p>{escape.markup(token.content)}</p>"


_FOOTNOTES = (
    "footnote_ref", "footnote_block_open", "footnote_block_close", "footnote_open", "footnote_close", "footnote_anchor",
)  # fmt: skip


class _Markdown(MarkdownIt):
    """A mark inside of an address would be part of it."""

    def normalizeLink(self, url: str) -> str:  # noqa: N802  its base's name
        return super().normalizeLink(markdown_placeholders.without(url))


def _parser() -> MarkdownIt:
    md = _Markdown("commonmark", {"html": False}, renderer_cls=_Renderer).enable(["table", "strikethrough"])
    tex.install_tex(md)
    footnote_plugin(md, inline=False)
    # The plugin's rules write an `id` for every note: ours stay.
    md.renderer.rules.update({name: getattr(md.renderer, name) for name in _FOOTNOTES})  # type: ignore[attr-defined]
    tasklists_plugin(md)
    markdown_placeholders.install_marks(md)
    install_links(md)
    install_directions(md)
    return md


_MD = _parser()
# Below this level the parser leaves texts out.
_DEEPEST = _MD.options.maxNesting - 1
_CONTAINERS = ("blockquote_open", "list_item_open")
_CLEANER = nh3.Cleaner(
    tags=TAGS | mathml.TAGS,
    # nh3's own list for every tag is `lang` and `title`: none of them is ours.
    attributes={**ATTRIBUTES, "*": set(), "a": {"href", "target"}},
    allowed_classes=CLASSES,
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
    # JupyterLab writes a `rel` of its own over ours, without `noreferrer`: the policy stays.
    set_tag_attribute_values={"a": {"referrerpolicy": "no-referrer"}},
)


def render_markdown(text: str, places: Sequence[int] = ()) -> str:
    """`text` (Markdown) as safe HTML. `places`: offsets in it that come out as `marks.mark(i)`.

    What is too large, nested too deeply or cannot be read as Markdown at all is shown as it is.
    """
    text = escape.encodable(text)
    if _too_much(text):
        return _as_it_is(text, "is too large to be")
    env = {"marks": tuple(places)}
    try:
        # Line ends of other systems become ours without moving any offset.
        tokens = _MD.parse(text.replace("\r\n", " \n").replace("\r", "\n"), env)
        if any(t.type in _CONTAINERS and t.level >= _DEEPEST for t in tokens):
            return _as_it_is(text, "is nested too deeply to be")
        return _CLEANER.clean(_MD.renderer.render(tokens, _MD.options, env))
    except Exception:  # noqa: BLE001  a parser that gives up, or a stack that is nearly full, must not cost the answer
        return _as_it_is(text, "cannot be")


def render_inline(text: str) -> str:
    """One sentence of Markdown as safe HTML without a paragraph around it."""
    text = escape.encodable(text)
    if _too_much(text):
        return _as_it_is(text, "is too large to be")
    try:
        return _CLEANER.clean(_MD.renderInline(text))
    except Exception:  # noqa: BLE001  as above
        return _as_it_is(text, "cannot be")


def _too_much(text: str) -> bool:
    if len(text) > MAX_TEXT or len(_MARKUP.findall(text)) > MAX_MARKUP or escape.count_hidden(text) > MAX_HIDDEN:
        return True
    lines = text.split("\n")
    columns = max((line.count("|") for line in lines if "-" in line and _TABLE_RULE.issuperset(line)), default=0)
    return columns * len(lines) > MAX_CELLS


def _as_it_is(text: str, why: str) -> str:
    more = f"; these are its first {SHOWN:,} characters" if len(text) > SHOWN else ""
    notice = f"This text of {len(text):,} characters {why} set as Markdown{more}."
    return f'<p>{notice}</p>\n<pre dir="auto">{escape.markup(text[:SHOWN])}</pre>'
