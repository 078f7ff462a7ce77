"""Model text inside of a Markdown document, whoever reads it: kept, save what would load, run, define or break out.

Readers of Markdown disagree: a bare address swallows a backslash in one and a backtick in another, dollars open
formulas in a third, and what was code for us is then prose to them. Pandoc passes TeX through, and takes braces behind
a link, a heading, a fence for attributes. So nothing here rests on where code begins: even where every `<` and every
`![` is read as HTML and as an image, none of them can do anything; outside of code no brace, dollar, backtick or
command of TeX is left that could be read as one; and code that could act is fenced in the one way that all read alike.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from fusion_nb.views import escape, tex

# The most permissive of front ends: what it takes for a tag or an image must be ours.
_READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_IMAGE = re.compile(r"!(?=\[)")
_LARGEST = 100_000
_RUNS = 40
"""Lengths of runs of backticks, each of which may be looked for to the end of the text."""
# A tag whose attributes have no values does nothing, unless its name alone does: `Map<String, List<int>>` and `<p>` may
# stay as they are.
_TAME = re.compile(r"</?(?P<name>[A-Za-z][\w.:-]*)[\w\s.,:;*&?<()-]{0,200}/?>")
ACTING_TAGS = {
    "script", "style", "iframe", "img", "image", "textarea", "title", "xmp", "noembed", "noframes", "noscript",
    "plaintext", "template", "svg", "math", "select", "option", "form", "input", "button", "dialog", "object",
    "embed", "applet", "base", "meta", "link", "body", "html", "head", "frame", "frameset", "marquee", "audio",
    "video", "picture", "source", "track", "portal",
}  # fmt: skip
_OURS = re.compile(r"(?:<pre>)?<code>|</code>(?:</pre>)?")
# Seen without blanks, entities and backslashes: a link, or the definition of one, to what runs.
_RUNNING = re.compile(r"\][(:]<?(?:(?:live|java|vb)script|mocha|data|file|blob|view-source):", re.IGNORECASE)
_ELSEWHERE = re.compile(r"(?!https?:|mailto:)[a-z][a-z0-9+.-]*:(?!\d)", re.IGNORECASE)
_LINKED = re.compile(rf"\]\(\s*<?\s*{_ELSEWHERE.pattern}(?!\s)", re.IGNORECASE)
_BLANK = re.compile(r"[\s\x00-\x20\\\u00ad\u200b-\u200f\u2060\ufeff]+")

# What means something in prose. A formula ends where its paragraph does.
_IN_LINE = r"(?:\\.|[^$\\\n]|\n(?![ \t>]*\n))+"
_PROSE = re.compile(
    rf"(?P<code>(?<!`)(?P<run>`+)(?!`)(?P<inside>[^`\n][^\n]*?)(?<!`)(?P=run)(?!`))"
    rf"|(?P<math>(?<![\w$])(?:\$\${_IN_LINE}\$\$|\$(?![\s$]){_IN_LINE}(?<!\s)\$(?![\w$]))"
    r"|\\\((?:(?!\\[()]|\n[ \t>]*\n).)+\\\)|\\\[(?:(?!\\[\[\]]|\n[ \t>]*\n).)+\\\])"
    r"|(?P<slashes>\\+)"
    r"|(?P<tag><(?=[A-Za-z/!?]))"
    r"|(?P<image>!(?=\[))"
    r"|(?P<entity>&(?:\#[0-9]{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,9});)"
    r"|(?P<colons>:{3,})"
    r"|(?P<sign>[{}$`])"
    r"|^(?P<lead>(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*)---(?=[ \t]*$)",
    re.DOTALL | re.MULTILINE,
)
_PATH = re.compile(r"[A-Za-z][\w.-]*(?:\\[A-Za-z][\w.-]*)*")
_COMMAND = re.compile(r"\\([A-Za-z]{2,})")
# Braces that pandoc could take for attributes or for a raw block.
_ATTRIBUTES = re.compile(r"\{(?:[^{}\n]*=|(?:[^{}\n]*\s)?[.#][A-Za-z])|:::|^[ \t>]*---[ \t]*$", re.MULTILINE)
_SPACED = re.compile(r"(<)(?=[A-Za-z/!?])|(!)(?=\[)|([\])])(?=[\[({:])")
_LINE = re.compile(r"^([ \t>]*)([^\n]+)", re.MULTILINE)
_PLAIN_WORD = re.compile(r"[A-Za-z][\w+#-]{0,30}")
_DRAWN = {"mermaid", "math", "geojson", "topojson", "stl"}
"""Languages whose code some readers draw instead of showing it."""


def embed_markdown(text: str) -> str:
    """Model text that no front end takes for HTML, TeX or attributes, or loads an image from; its code stays as it is.

    Code that holds tags which could act becomes a `<pre>` of our own, or `<code>`, with the tags as entities. So do
    commands and formulas that are not on the lists of `tex`.
    """
    text = escape.safe_text(escape.encodable(text)).strip("\n")
    if len(text) > _LARGEST or len(set(re.findall(r"`+", text))) > _RUNS or _runs(text):
        return _verbatim(text)
    try:
        shown = "\n".join(_parts(text)).strip("\n")
        return _verbatim(text) if _acts(shown) else shown
    except Exception:  # noqa: BLE001  a parser that gives up, or a stack that is nearly full, must not cost the answer
        return _verbatim(text)


def embed_line(text: str) -> str:
    """A name or a sentence as one line of Markdown with no Markdown in it."""
    line = escape.safe_line(escape.encodable(text))
    return _STARTS.sub(r"\1\\", _SPECIAL.sub(_escaped, line), count=1)


_STARTS = re.compile(r"^(\d*)(?=[-+=:%.)])")
_SPECIAL = re.compile(
    rf"(?P<slashes>\\+)(?P<path>{_PATH.pattern})?|(?P<tag><(?=[A-Za-z/!?]))|(?P<entity>&)|(?P<sign>[`*_\[\]>|#!~${{}}])|(?P<colons>:{{3}})"
)


def _escaped(match: re.Match[str]) -> str:
    if match["slashes"]:
        return _code(match[0])
    return "&lt;" if match["tag"] else "&amp;" if match["entity"] else f"\\{match[0]}"


def _parts(text: str) -> Iterator[str]:
    """`text` in pieces that begin lines: code blocks as they may stand, prose between them."""
    lines, last = text.split("\n"), 0
    for token in _READER.parse(text):
        if token.type not in ("fence", "code_block") or token.map is None or token.map[0] < last:
            continue
        begin, end = token.map
        if begin > last:
            yield _prose("\n".join(lines[last:begin]))
        block = _block(token, lines[begin:end])
        # Not every reader lets a fence interrupt a paragraph.
        apart = (
            [re.sub(r"[^>\s]", " ", block[0].partition("`")[0]).rstrip()]
            if block[0].lstrip(" \t>").startswith("`")
            else []
        )
        above = apart if begin and lines[begin - 1].strip(" \t>") else []
        below = apart if end < len(lines) and lines[end].strip(" \t>") else []
        yield "\n".join([*above, *block, *below])
        last = end
    if last < len(lines):
        yield _prose("\n".join(lines[last:]))


def _block(token: Token, lines: Sequence[str]) -> Sequence[str]:
    """A block of code where it stands, in a list or a quotation too; as our own `<pre>` where its tags could act."""
    own = token.content.removesuffix("\n").split("\n") if token.content else []
    inner = lines[1 : 1 + len(own)] if token.type == "fence" else lines
    # Each line keeps what stands before its code: blanks, the `>` of a quotation, on the first the bullet of a list.
    before = [
        line[: len(line) - len(code)] if line.endswith(code) else "" for line, code in zip(inner, own, strict=False)
    ]
    if token.type == "fence":
        first = lines[0][: lines[0].find(token.markup)]
    else:
        before = [lead.removesuffix("\t").removesuffix("    ") for lead in before]
        first = before[0] if before else ""
    if not _is_tame("\n".join(lines)):
        shown = [lead + _entities(code) for lead, code in zip([first, *before[1:]], own, strict=False)] or [first]
        shown[0] = f"{first}<pre><code>{shown[0][len(first) :]}"
        shown[-1] += "</code></pre>"
        return shown
    if token.type == "code_block" and not _could_act(token.content):
        return lines
    return _fenced(token, first, before, own)


def _fenced(token: Token, first: str, before: Sequence[str], own: Sequence[str]) -> list[str]:
    """Code as all read it alike: between fences of backticks that occur nowhere in it."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", token.content)), 0)
    word = _PLAIN_WORD.search(token.info)
    language = word[0] if word and word[0].lower() not in _DRAWN else "text" if word else ""
    lead = re.sub(r"[^>\s]", " ", first)
    code = [
        (prefix or (lead if text.strip() else lead.rstrip())) + text for prefix, text in zip(before, own, strict=False)
    ]
    return [f"{first}{fence}{language}", *code, f"{lead}{fence}"]


def _prose(prose: str) -> str:
    pieces: list[str] = []
    at = 0
    while match := _PROSE.search(prose, at):
        pieces.append(prose[at : match.start()])
        shown, at = _shown(prose, match)
        pieces.append(shown)
    return "".join([*pieces, prose[at:]])


def _shown(prose: str, match: re.Match[str]) -> tuple[str, int]:
    """What stands for a match, and where to go on reading."""
    end = match.end()
    if match["slashes"]:
        return _backslashes(prose, match)
    if match["code"]:
        return _span(match), end
    if match["math"]:
        return _formula(match[0], prose[end : end + 1]), end
    if match["entity"]:
        return ("<code>&#92;</code>" if "\\" in html.unescape(match[0]) else match[0]), end
    if match["colons"]:
        return f"\\{match[0]}", end
    if match["lead"] is not None:
        # The same rule, or the same underline: but three dashes may begin metadata.
        return f"{match['lead']}{'----' if _under_text(prose, match) else '***'}", end
    return ("&lt;" if match["tag"] else "&#33;" if match["image"] else f"\\{match[0]}"), end


def _under_text(prose: str, rule: re.Match[str]) -> bool:
    """Whether a line of dashes stands under a line of text, which it then makes a heading."""
    above = max(0, rule.start() - 1)
    line = prose[prose.rfind("\n", 0, above) + 1 : above]
    return bool(line.strip(" \t>")) and not rule["lead"].strip(" \t>")


def _backslashes(prose: str, match: re.Match[str]) -> tuple[str, int]:
    """Backslashes and what they stand before: a command of TeX or a path as code, an escaped sign as it is."""
    count, end = len(match[0]), match.end()
    path = _PATH.match(prose, end)
    if path:
        shown = "\\" * max(1, count // 2 + count % 2) + path[0]
        single = count == 1 and path[0] in tex.COMMANDS
        return (f"\\\\{path[0]}" if single else _code(shown)), path.end()
    literal, following = count // 2, prose[end : end + 1]
    if count % 2 and following and following in "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~":
        shown = {"<": "&lt;", "!": "&#33;", ":": ":"}.get(following, f"\\{following}")
        return (_code("\\" * literal) if literal else "") + shown, end + 1
    if count % 2 and following == "\n":
        return (_code("\\" * literal) if literal else "") + "\\\n", end + 1
    return _code("\\" * (literal + count % 2)), end


def _formula(source: str, following: str) -> str:
    """A formula between dollars, which all readers know; as code where it is not on the lists."""
    formula = tex.safe_formula(source)
    if formula is None:
        return _LINE.sub(lambda line: f"{line[1]}{_code(line[2])}", source)
    width = 1 if formula[0] == "$" != formula[1] else 2
    dollars = "$$" if formula[:2] in ("$$", r"\[") else "$"
    body = _SPACED.sub(lambda sign: f"{sign[0]} ", formula[width:-width])
    body = body.strip() if formula[0] == "\\" else body
    body += " " if body.endswith("\\") else ""
    return f"{dollars}{body}{dollars}{' ' if following.isalnum() else ''}"


def _span(match: re.Match[str]) -> str:
    code = match["code"]
    # Three backticks begin a block to some.
    return (
        code if len(match["run"]) < 3 and _is_tame(code) and not _could_act(code) else _code(match["inside"].strip(" "))
    )


def _code(text: str) -> str:
    return f"<code>{_entities(text)}</code>"


def _could_act(code: str) -> bool:
    """Whether TeX or pandoc would do something with `code` if they took it for prose."""
    return any(word[1] not in tex.COMMANDS for word in _COMMAND.finditer(code)) or bool(_ATTRIBUTES.search(code))


def _is_tame(code: str) -> bool:
    """Whether `code` does nothing even where it is read as HTML and as Markdown."""
    if _IMAGE.search(code):
        return False
    return all(_is_harmless(code, tag.start()) for tag in _TAG.finditer(code))


def _is_harmless(text: str, at: int) -> bool:
    tag = _TAME.match(text, at)
    return tag is not None and tag["name"].lower() not in ACTING_TAGS


def _entities(code: str) -> str:
    """For our own `<pre>` and `<code>`: nothing in it is Markdown, or a formula, to anybody."""
    return re.sub(r"[][`$*_~|\\!{}:@^]", lambda sign: f"&#{ord(sign[0])};", html.escape(code, quote=False))


def _verbatim(text: str) -> str:
    return f"<pre><code>{_entities(text)}</code></pre>"


def _runs(text: str) -> bool:
    """Whether it could link to anything but the web and mail."""
    bare = html.unescape(html.unescape(text))
    return bool(_RUNNING.search(_BLANK.sub("", bare)) or _LINKED.search(bare.replace("\\", "")))


def _acts(text: str) -> bool:
    """Whether the most permissive of readers finds something in the finished text that does more than be read."""
    tokens = _READER.parse(text)
    for token in (*tokens, *(child for block in tokens for child in block.children or ())):
        if token.type == "image" or (token.type == "html_inline" and not _OURS.fullmatch(token.content)):
            return True
        if token.type == "link_open" and _ELSEWHERE.match(str(token.attrs.get("href", ""))):
            return True
        if token.type == "html_block" and not token.content.lstrip().startswith("<pre><code>"):
            return True
    if any(_commands(block.children or ()) for block in tokens):
        return True
    return not all(_OURS.match(text, tag.start()) or _is_harmless(text, tag.start()) for tag in _TAG.finditer(text))


def _commands(line: Sequence[Token]) -> bool:
    """Whether a command that is not on the lists stands outside of code."""
    in_code = False
    for token in line:
        if token.type == "html_inline":
            in_code = token.content.endswith("<code>")
        elif token.type == "text" and not in_code:
            words = {word[1] for word in _COMMAND.finditer(token.content)}
            if not words <= tex.COMMANDS | {"begin", "end"}:
                return True
    return False
