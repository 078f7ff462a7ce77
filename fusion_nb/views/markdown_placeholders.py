"""Places in Markdown text that must still be match in its HTML: each is marked where Markdown cannot trip over it."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

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
    lines = [_Line(text) for text in state.src.split("\n")] if leaves else []
    starts = [0, *accumulate(len(line.text) + 1 for line in lines)]
    inserts: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, offset in enumerate(offsets[: _LAST - _FIRST]):
        row = min(max(0, bisect_right(starts, offset) - 1), len(lines) - 1)
        at = bisect_right(first_rows, row) - 1
        if at < 0:
            continue
        column = offset - starts[row]
        if leaves[at].meta["cell"]:
            # Behind the bar that ends a row is still its last cell.
            at = min(bisect_left(first_rows, first_rows[at]) + lines[row].cells_before(column), at)
        if leaves[at].type == "inline":
            inserts[at].append((_position(leaves[at], row, column, lines), number))
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


class _Line:
    """A line of the source. What takes reading all of it is done once, however many marks stand in it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _bars(self) -> list[int]:
        """Where cells of a table begin; a bar in front of the row begins none."""
        lead = len(self.text) - len(self.text.lstrip())
        return [bar.start() for bar in _BAR.finditer(self.text) if bar.start() > lead or self.text[lead] != "|"]

    def cells_before(self, column: int) -> int:
        return bisect_left(self._bars, column)


def _position(leaf: Token, row: int, column: int, lines: Sequence[_Line]) -> int:
    """Where in the leaf's own text the place is: containers and headings keep a part of the line for themselves."""
    if leaf.meta["cell"]:
        return len(leaf.content)
    first = leaf.map[0] if leaf.map else row
    if "rows" not in leaf.meta:
        own = leaf.content.split("\n")
        begins = accumulate((len(text) + 1 for text in own), initial=0)
        leaf.meta["rows"] = [
            (begin, _lead(line.text, text), len(text.rstrip()))
            for begin, text, line in zip(begins, own, lines[first:], strict=False)
        ]
    rows = leaf.meta["rows"]
    if row - first >= len(rows):
        return len(leaf.content)
    begin, lead, length = rows[row - first]
    return int(begin + min(max(0, column - lead), length))


def _lead(line: str, own: str) -> int:
    """How much of `line` stands before its text `own`."""
    if line.rstrip().endswith(own.rstrip()):
        return len(line.rstrip()) - len(own.rstrip())
    return max(0, line.find(own))


def _inserted(content: str, places: list[tuple[int, int]]) -> str:
    pieces, last = [], 0
    for position, number in sorted(places):
        pieces += [content[last:position], mark(number)]
        last = position
    return "".join([*pieces, content[last:]])
