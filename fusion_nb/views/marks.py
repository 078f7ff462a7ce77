"""Places in Markdown text that must still be match in its HTML: each is marked where Markdown cannot trip over it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_FIRST, _LAST = 0xF0000, 0xFFFFD
# The brackets are punctuation, so that `**Note.**` still ends its emphasis when a mark follows.
PATTERN = re.compile(f"⸨([{chr(_FIRST)}-{chr(_LAST)}])⸩")
_OURS = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")
_NUMBERED = re.compile(r"&(?=#(?:[xX]([0-9a-fA-F]{1,6})|([0-9]{1,7}));)")
_BAR = re.compile(r"(?<!\\)\|")


def mark(index: int) -> str:
    return f"⸨{chr(_FIRST + index)}⸩"


def index(match: re.Match[str]) -> int:
    """Which mark a match of `PATTERN` is."""
    return ord(match[1]) - _FIRST


def unforgeable(text: str) -> str:
    """`text` without the characters marks are made of, spelled out as entities or not, of the same length."""

    def spelled(match: re.Match[str]) -> str:
        code = int(match[1], 16) if match[1] else int(match[2])
        return "\ufffd" if _FIRST <= code <= _LAST else "&"

    return _NUMBERED.sub(spelled, _OURS.sub("\ufffd", text))


def without(text: str) -> str:
    """`text` without marks: for what is an address and not read."""
    return PATTERN.sub("", text)


def install_marks(md: MarkdownIt) -> None:
    """Offsets of the text in `env["marks"]` come out as `mark(i)`, as tightly behind what precedes them as may be."""
    md.core.ruler.after("block", "marks", _place)


def after(token: Token) -> str:
    """The marks that follow a block which holds no inline text of its own: code, formulas, rules."""
    return "".join(mark(i) for i in token.meta.get("marks", ()))


def _place(state: StateCore) -> None:
    offsets: Sequence[int] = state.env.get("marks", ())
    leaves = _leaves(state.tokens) if offsets else []
    first_rows = [leaf.map[0] for leaf in leaves if leaf.map]
    lines = state.src.split("\n")
    starts = [0]
    for line in lines[:-1]:
        starts.append(starts[-1] + len(line) + 1)
    inserts: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, offset in enumerate(offsets[: _LAST - _FIRST]):
        row = max(0, bisect_right(starts, offset) - 1)
        at = bisect_right(first_rows, row) - 1
        if at < 0:
            continue
        column = offset - starts[row]
        at = _cell(leaves, at, lines[row][:column])
        if leaves[at].type == "inline":
            inserts[at].append((_position(leaves[at], row, lines[row], column), number))
        else:
            leaves[at].meta.setdefault("marks", []).append(number)
    for at, places in inserts.items():
        leaves[at].content = _inserted(leaves[at].content, places)


def _leaves(tokens: Sequence[Token]) -> list[Token]:
    """The blocks that hold text, in the order of their lines; cells of tables know that they are."""
    leaves = []
    for i, token in enumerate(tokens):
        if token.map and token.type in ("inline", "fence", "code_block", "math_block", "hr"):
            token.meta["cell"] = tokens[i - 1].type in ("td_open", "th_open")
            leaves.append(token)
    return leaves


def _cell(leaves: Sequence[Token], at: int, before: str) -> int:
    """In a row of a table, the cell that the place behind `before` is in; else `at` itself."""
    if not leaves[at].meta["cell"]:
        return at
    first = at
    while first and leaves[first - 1].meta["cell"] and leaves[first - 1].map == leaves[at].map:
        first -= 1
    bars = len(_BAR.findall(before)) - before.lstrip().startswith("|")
    # Behind the bar that ends a row is still its last cell.
    return min(first + max(bars, 0), at)


def _position(leaf: Token, row: int, line: str, column: int) -> int:
    """Where in the leaf's own text the place is: containers and headings keep a part of the line for themselves."""
    lines = leaf.content.split("\n")
    at = row - (leaf.map or [row])[0]
    if at >= len(lines) or leaf.meta["cell"]:
        return len(leaf.content)
    inside = column - max(0, line.rfind(lines[at]))
    return sum(len(text) + 1 for text in lines[:at]) + min(max(0, inside), len(lines[at].rstrip()))


def _inserted(content: str, places: list[tuple[int, int]]) -> str:
    pieces, last = [], 0
    for position, number in sorted(places):
        pieces += [content[last:position], mark(number)]
        last = position
    return "".join([*pieces, content[last:]])
