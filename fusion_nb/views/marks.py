"""Places in Markdown text that must still be found in its HTML: each is marked where Markdown cannot trip over it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_FIRST, _LAST = 0xF0000, 0xFFFFD
# The brackets are punctuation, so that `**Note.**` still ends its emphasis when a mark follows.
PATTERN = re.compile(f"⸨([{chr(_FIRST)}-{chr(_LAST)}])⸩")
_OURS = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")
_LEAVES = ("inline", "fence", "code_block", "math_block", "hr")


def mark(index: int) -> str:
    return f"⸨{chr(_FIRST + index)}⸩"


def index(found: re.Match[str]) -> int:
    return ord(found[1]) - _FIRST


def unforgeable(text: str) -> str:
    """`text` without the characters marks are made of, of the same length."""
    return _OURS.sub("\ufffd", text)


def install(md: MarkdownIt) -> None:
    """Offsets of the text in `env["marks"]` come out as `mark(i)`, as tightly behind what precedes them as may be."""
    md.core.ruler.after("block", "marks", _place)


def after(token: Token) -> str:
    """The marks that follow a block which holds no inline text of its own: code, formulas, rules."""
    return "".join(mark(i) for i in token.meta.get("marks", ()))


def _place(state: StateCore) -> None:
    offsets: Sequence[int] = state.env.get("marks", ())
    leaves = [t for t in state.tokens if t.type in _LEAVES and t.map] if offsets else []
    lines = state.src.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    inserts: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, offset in enumerate(offsets[: _LAST - _FIRST]):
        row = max(i for i, start in enumerate(starts[:-1]) if start <= max(0, offset))
        before = [(i, leaf) for i, leaf in enumerate(leaves) if leaf.map and leaf.map[0] <= row]
        if not before:
            continue
        at, leaf = _cell(before, lines[row], offset - starts[row])
        if leaf.type == "inline":
            inserts[at].append((_column(leaf, row, lines[row], offset - starts[row]), number))
        else:
            leaf.meta.setdefault("marks", []).append(number)
    for at, places in inserts.items():
        leaves[at].content = _inserted(leaves[at].content, places)


def _cell(before: list[tuple[int, Token]], line: str, column: int) -> tuple[int, Token]:
    """The last leaf at or above the place; in a row of a table, the cell the place is in."""
    last = before[-1]
    row = [pair for pair in before if pair[1].map == last[1].map]
    if len(row) == 1:
        return last
    bars = len(re.findall(r"(?<!\\)\|", line[:column])) - line.lstrip().startswith("|")
    return row[min(max(bars, 0), len(row) - 1)]


def _column(leaf: Token, row: int, line: str, column: int) -> int:
    """Where in the leaf's own text the place is. Containers cut lines on their left, so it is counted from the right."""
    texts = leaf.content.split("\n")
    at = row - (leaf.map or [row])[0]
    if at >= len(texts) or "|" in line and leaf.content not in line:
        return len(leaf.content)
    right = max(0, len(line.rstrip()) - column)
    inside = len(texts[at].rstrip()) - right
    return sum(len(t) + 1 for t in texts[:at]) + max(0, inside)


def _inserted(content: str, places: list[tuple[int, int]]) -> str:
    for column, number in sorted(places, reverse=True):
        content = content[:column] + mark(number) + content[column:]
    return content
