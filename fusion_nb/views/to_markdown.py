"""A run as a Markdown document, and model text made fit to stand in one: kept, save what would load, run or break out.

Readers of Markdown disagree: a bare address swallows a backslash in one and a backtick in another, dollars open
formulas in a third, and what was code for us is then prose to them. So nothing here rests on where code begins: even
where every `<` and every `![` is read as HTML and as an image, none of them can do anything.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from fusion_nb.core import Analysis, Reply, RunState, citations
from fusion_nb.views import escape, words
from fusion_nb.views.ledger import ledger

_SPECIAL = re.compile(r"([\\`*_\[\]>|#!~$])")


def to_markdown(state: RunState) -> str:
    """Answer, rationale, candidates, ledger; in any phase."""
    parts = [
        _head(state),
        *(f"> {_words(note)}" for note in words.notes(state)),
        f"## {_words(words.answer_title(state))}",
    ]
    parts += [_answer(state)]
    if state.status != "running":
        parts += [*_judge(state), *_candidates(state), *_rounds(state), *_ledger(state)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _words(text: str) -> str:
    """A name or a sentence of ours: no Markdown in it."""
    return _SPECIAL.sub(r"\\\1", inert_markdown(escape.safe_line(escape.encodable(text))))


def _quoted(text: str) -> str:
    """A block quote: whatever the text opens ends with it."""
    return "\n".join(f"> {line}" if line else ">" for line in embed_markdown(text).split("\n"))


def _head(state: RunState) -> str:
    judge = f"judge {state.judge.name}" if state.judge else ""
    took = words.seconds(state.seconds) if state.status != "running" else ""
    status = words.run_status(state) if state.status != "ok" else ""
    facts = [words.pool(state), judge, took, words.total_cost(state), status]
    demo = f" · **{words.DEMO}**" if state.demo else ""
    return f"**{_words(words.mode(state))}**" + "".join(f" · {_words(fact)}" for fact in facts if fact) + demo


def _answer(state: RunState) -> str:
    text = citations.read_citations(state.draft, state.labels)[0] if state.answer is None else state.answer
    whose = words.shares(state)
    source = f"\n\nFrom {_words(whose)}, by the judge's citations." if whose else ""
    return (
        f"{embed_markdown(text)}{source}"
        if text
        else _words(words.no_answer(state))
        if state.status != "running"
        else "\\(not yet\\)"
    )


def _judge(state: RunState) -> list[str]:
    verdict = state.verdict
    summary = words.verdict_note(verdict) if verdict else ""
    if not verdict or not (summary or verdict.rationale.strip() or verdict.analysis):
        return []
    parts = ["## Judge", _words(summary), _quoted(verdict.rationale) if verdict.rationale.strip() else ""]
    return [*parts, *(_analysis(verdict.analysis) if verdict.analysis else [])]


def _analysis(analysis: Analysis) -> list[str]:
    stances = [
        f"{c['topic']}: " + "; ".join(f"{s['model']}: {s['stance']}" for s in c["stances"])
        for c in analysis["contradictions"]
    ]
    lists = {
        "Consensus": analysis["consensus"],
        "Contradictions": stances,
        "Covered by some": [f"{p['point']} ({', '.join(p['models'])})" for p in analysis["partial_coverage"]],
        "Only one says": [f"{u['model']}: {u['insight']}" for u in analysis["unique_insights"]],
        "Nobody covers": analysis["blind_spots"],
    }
    return [f"**{name}**\n\n" + "\n".join(f"- {_words(i)}" for i in items) for name, items in lists.items() if items]


def _candidates(state: RunState) -> list[str]:
    return [part for reply in state.candidates for part in _candidate(state, reply)]


def _candidate(state: RunState, reply: Reply) -> list[str]:
    failed = f"{words.reply_status(reply)}: {reply.detail}" if reply.detail and reply.status != "ok" else ""
    badge = [words.badge(reply)] if reply.warnings else []
    head = f"### {_words(' · '.join([*words.facts(state, reply), *badge]))}"
    return [
        head,
        _words(failed),
        *(_words(f"⚠ {sentence}") for sentence in words.remarks(reply)),
        _quoted(reply.text) if reply.text.strip() else "",
    ]


def _rounds(state: RunState) -> list[str]:
    items = [f"- Round {ended.round}: {_words(words.debate_round(ended))}" for ended in state.rounds]
    return ["## Debate", "\n".join(items)] if items else []


def _ledger(state: RunState) -> list[str]:
    if not state.replies:
        return []
    table = ledger(state)
    heads = [column.head for column in table.columns]
    rule = ["--:" if column.right else ":--" for column in table.columns]
    rows = [heads, rule, *([_words(cell) for cell in row] for row in (*table.rows, table.totals))]
    return ["## Ledger", "\n".join(f"| {' | '.join(row)} |" for row in rows)]


# The most permissive of front ends: what it takes for a tag or an image must be ours.
_READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_IMAGE = re.compile(r"!(?=\[)")
_LARGEST = 100_000
_RUNS = 40
"""Lengths of runs of backticks, each of which may be looked for to the end of the text."""
# A tag whose attributes have no values does nothing, unless its name alone does: `Map<String, List<int>>` and `<p>` may
# stay as they are.
_TAME = re.compile(r"</?(?P<name>[A-Za-z][\w.:-]*)[\w\s.,:;*&?<()-]{0,200}/?>")
_NAMED = {
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


def embed_markdown(text: str) -> str:
    """Model text that no front end takes for HTML or loads an image from; its code is kept to the letter.

    Code that holds tags which could act becomes a `<pre>` of our own, or `<code>`, with the tags as entities.
    """
    text = escape.safe_text(escape.encodable(text)).strip("\n")
    if len(text) > _LARGEST or len(set(re.findall(r"`+", text))) > _RUNS or _runs(text):
        return _verbatim(text)
    try:
        closed = _closed("\n".join(_parts(text)))
        return _verbatim(text) if _acts(closed) else closed
    except Exception:  # noqa: BLE001  a parser that gives up, or a stack that is nearly full, must not cost the answer
        return _verbatim(text)


def inert_markdown(text: str) -> str:
    """`text` without what a reader could take for a tag; for words that are not Markdown."""
    return _TAG.sub("&lt;", text)


def _parts(text: str) -> Iterator[str]:
    """`text` in pieces that begin lines: code blocks as they may stand, prose between them."""
    lines, last = text.split("\n"), 0
    for token in _READER.parse(text):
        if token.type not in ("fence", "code_block") or token.map is None or token.map[0] < last:
            continue
        begin, end = token.map
        if begin > last:
            yield _prose("\n".join(lines[last:begin]))
        yield "\n".join(_block(token, lines[begin:end]))
        last = end
    if last < len(lines):
        yield _prose("\n".join(lines[last:]))


def _block(token: Token, lines: Sequence[str]) -> Sequence[str]:
    """A block of code where it stands, in a list or a quotation too; as our own `<pre>` where its tags could act."""
    if _is_tame("\n".join(lines)):
        return lines
    code = token.content.removesuffix("\n").split("\n")
    inner = lines[1 : 1 + len(code)] if token.type == "fence" else lines
    # Each line keeps what stands before its code: blanks, the `>` of a quotation, on the first the bullet of a list.
    before = [
        line[: len(line) - len(own)] if line.endswith(own) else "" for line, own in zip(inner, code, strict=False)
    ]
    if token.type == "fence":
        before = [lines[0][: lines[0].find(token.markup)], *before[1:]]
    else:
        before = [lead.removesuffix("\t").removesuffix("    ") for lead in before]
    shown = [lead + _entities(own) for lead, own in zip(before, code, strict=False)] or [""]
    start = len(before[0]) if before else 0
    shown[0] = f"{shown[0][:start]}<pre><code>{shown[0][start:]}"
    shown[-1] += "</code></pre>"
    return shown


def _prose(prose: str) -> str:
    pieces, last = [], 0
    for code in _CODE.finditer(prose):
        pieces += [_inactive(prose[last : code.start()]), _span(code)]
        last = code.end()
    return "".join([*pieces, _inactive(prose[last:])])


def _span(code: re.Match[str]) -> str:
    if _is_tame(code[0]):
        return code[0]
    # A blank line ends the span for every reader: then it was none.
    return _inactive(code[0]) if "\n" in code[0] else f"<code>{_entities(code[2].strip(' '))}</code>"


def _inactive(prose: str) -> str:
    return _IMAGE.sub("&#33;", inert_markdown(prose))


def _is_tame(code: str) -> bool:
    """Whether `code` does nothing even where it is read as HTML and as Markdown."""
    if _IMAGE.search(code):
        return False
    return all(_is_harmless(code, tag.start()) for tag in _TAG.finditer(code))


def _is_harmless(text: str, at: int) -> bool:
    tag = _TAME.match(text, at)
    return tag is not None and tag["name"].lower() not in _NAMED


def _entities(code: str) -> str:
    """For our own `<pre>` and `<code>`: nothing in it is Markdown, or a formula, to anybody."""
    return re.sub(r"[][`$*_~|\\!]", lambda sign: f"&#{ord(sign[0])};", html.escape(code, quote=False))


def _verbatim(text: str) -> str:
    return f"<pre><code>{_entities(text)}</code></pre>"


def _runs(text: str) -> bool:
    """Whether it could link to anything but the web and mail."""
    bare = html.unescape(html.unescape(text))
    return bool(_RUNNING.search(_BLANK.sub("", bare)) or _LINKED.search(bare.replace("\\", "")))


def _acts(text: str) -> bool:
    tokens = _READER.parse(text)
    for token in (*tokens, *(child for block in tokens for child in block.children or ())):
        if token.type == "image" or (token.type == "html_inline" and not _OURS.fullmatch(token.content)):
            return True
        if token.type == "link_open" and _ELSEWHERE.match(str(token.attrs.get("href", ""))):
            return True
        if token.type == "html_block" and not token.content.lstrip().startswith("<pre><code>"):
            return True
    return not all(_OURS.match(text, tag.start()) or _is_harmless(text, tag.start()) for tag in _TAG.finditer(text))


def _closed(text: str) -> str:
    """`text` with its last fence closed, so that what follows is not code."""
    open_fence = ""
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if not fence:
            continue
        if not open_fence:
            open_fence = fence[1]
        elif fence[1][0] == open_fence[0] and len(fence[1]) >= len(open_fence) and not line.strip(" `~"):
            open_fence = ""
    return f"{text}\n{open_fence}" if open_fence else text
