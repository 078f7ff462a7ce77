"""`{name}` in a prompt becomes the notebook's variable, where it resolves and is meant. Every other brace is text.

Prompts are full of JSON, code and LaTeX, so `str.format` is the wrong tool: only a bare, dotted or indexed name is
looked up, nothing is called or computed, and what does not resolve stays as it was written. Formulas, code and what
follows a `$` stay as written even where a name resolves; `{name!full}` fills in there too, and large objects whole.
"""

from __future__ import annotations

import inspect
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fusion_nb.errors import UserError
from fusion_nb.magic.computed_fields import computed_fields

MOST = 2_000
"""Characters of an object that are filled in without `!full`; a text is always filled in whole."""

IPYTHONS = re.compile(r"_+|_\d+|_i+|_i\d+|_[io]h|_dh|In|Out|get_ipython|exit|quit|__\w+__")
"""Names that IPython keeps for itself."""
_NAME = r"[^\W\d]\w*"
_STEP = rf"\.{_NAME}|\[-?\d+\]|\['[^'\]\n]*'\]|\[\"[^\"\]\n]*\"\]"
_FIELD = re.compile(rf"(?<![{{$])\{{({_NAME})((?:{_STEP})*)(!full)?\}}(?!\}})")
_EACH_STEP = re.compile(_STEP)
_GROUP = r"\{(?:[^{}\n]|\{[^{}\n]*\})*\}"
_OPTIONAL = r"\[[^\]\n]*\]"
_ARGUMENT = rf"(?:(?:_|[ \t]*\^)[ \t]*{_GROUP}|{_GROUP}|[_^]\w|{_OPTIONAL})"
_OF_SEVERAL = r"(?:begin|[cdt]?frac|[dt]?binom|overset|underset|stackrel|href|(?:re)?newcommand|textcolor|f?colorbox)"
"""LaTeX commands of more than one argument: of any other, `\textbf{Dear} {name}`, one stands behind a space at most."""
_LITERAL = re.compile(
    # A code span, to as many backticks as it began with; what HTML sets as code or reads as such.
    r"(?<!`)(?P<ticks>`+)(?!`)(?s:.+?)(?<!`)(?P=ticks)(?!`)"
    r"|(?i:<(?P<tag>pre|code|samp|kbd|tt|script|style|math)\b[^<>]*>(?s:.*?)</(?P=tag)\s*>)"
    # A format string of Python, in code that nobody fenced.
    r"|\b(?:[fFtT][rR]?|[rR][fFtT])(?:(?P<quotes>'''|\"\"\")(?s:.*?)(?P=quotes)|\"[^\"\n]*\"|'[^'\n]*')"
    # Formulas: display, inline as Pandoc reads them, environments, a command with its arguments, x_{i} and e^{x}.
    r"|\$\$(?s:.+?)\$\$|(?<!\\)\$(?=[^\s$])[^$\n]*?(?<=[^\s\\$])\$(?!\d)"
    r"|\\\((?s:.+?)\\\)|\\\[(?s:.+?)\\\]|\\begin[ \t]*\{(?P<env>[^{}\n]+)\}(?s:.*?)\\end[ \t]*\{(?P=env)\}"
    # A path of Windows holds no command: what stands behind `C:\Users` and a space is prose.
    r"|\b[A-Z]:(?:\\[\w.-]+)+(?![\w.{\\-])"
    rf"|\\{_OF_SEVERAL}\*?(?:[ \t]*{_ARGUMENT})+"
    rf"|\\[A-Za-z]{{2,}}\*?(?:[ \t]*{_OPTIONAL})?[ \t]+{_GROUP}{_ARGUMENT}*"
    rf"|\\[A-Za-z]+\*?{_ARGUMENT}+|(?:(?<!\w)\w|[)\]}}])(?:[_^][ \t]*{_GROUP})+"
)
_QUOTE = re.compile(r"(?:[ ]{0,3}>[ ]?)+")
_MARKER = re.compile(r"(?:[-*+]|\d{1,9}[.)])(?:[ \t]+|$)")
_FENCE = re.compile(r"(`{3,})[^`]*$|(~{3,})")
_ALONE = re.compile(r"#{1,6}(?:\s|$)|([-=*_])(?:[ \t]*\1){2,}\s*$")
"""A heading or a rule: no paragraph that an indented line could go on with."""
_INDENTED = 4
"""Columns from which on a line is code."""


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A text with the values filled in, and what was done."""

    text: str
    filled: tuple[tuple[str, int], ...] = ()
    """Fields as written, and characters of their values."""
    left: tuple[str, ...] = ()
    """Fields that resolve and stand in a formula or in code, where they stay as written."""
    computed: tuple[str, ...] = ()
    """Braces that hold a variable and more than its name, which stay as written."""

    @property
    def note(self) -> str:
        """What was filled in and what was left, in a line; empty where there is nothing to say."""
        parts = []
        if self.filled:
            listed = ", ".join(f"{name} ({size:,} character{'' if size == 1 else 's'})" for name, size in self.filled)
            parts.append(f"Filled in: {listed}.")
        if self.left:
            names = ", ".join(self.left)
            parts.append(f"Left as written in code or a formula: {names}; {{name!full}} fills in there too.")
        if self.computed:
            names = ", ".join(self.computed)
            parts.append(
                f"Nothing is computed in a prompt, sent as text: {names}; give the value a name and write that."
            )
        return " ".join(parts)


def interpolate(text: str, names: Mapping[str, Any]) -> Interpolated:
    """`text` with every field that resolves in `names` and is meant replaced by its value.

    Values are not expanded again. Raises `UserError` for an object of more than `MOST` characters without `!full`.
    """
    blocks = list(_code_blocks(text))
    spans = (match.span() for match in _LITERAL.finditer(_without(blocks, text)))
    literal = (_Spans(blocks), _Spans(spans))
    filled: dict[str, int] = {}
    left: dict[str, None] = {}

    def value(field: re.Match[str]) -> str:
        found, value = _look_up(field[1], field[2], names)
        if not found:
            return field[0]
        if not field[3] and any(each.covers(field.start()) for each in literal):
            left[field[0]] = None
            return field[0]
        written = value_text(value)
        if len(written) > MOST and not isinstance(value, str) and not field[3]:
            raise UserError(
                f"{field[0]} is a {type(value).__name__} of {len(written):,} characters: write "
                f"{{{field[1]}{field[2]}!full}} to send it whole. Nothing was sent."
            )
        filled[field[0]] = len(written)
        return written

    done = _FIELD.sub(value, text)
    asked = computed_fields(
        text, lambda name: _look_up(name, "", names)[0], lambda at: any(s.covers(at) for s in literal)
    )
    computed = tuple(dict.fromkeys(braces for braces in asked if braces not in filled))
    return Interpolated(done, tuple(filled.items()), tuple(left), computed)


def _code_blocks(text: str) -> Iterator[tuple[int, int]]:
    """Where Markdown sees blocks of code: fenced, to the fence or to the end, and indented behind a blank line.

    In a list, and in a text that is indented as a whole, indentation counts from where their own text begins.
    """
    lines = [(line.start(), line.end(), *_indent(line[0])) for line in re.finditer(r"[^\n]*\n|[^\n]+", text)]
    margin = min((column for *_, column, body in lines if body), default=0)
    lists: list[int] = []
    fence, opened = "", 0
    in_paragraph = False
    for start, end, column, body in lines:
        if fence:
            if len(body) >= len(fence) and not body.strip(fence[0]):
                fence = ""
                yield opened, end
            continue
        if not body:
            in_paragraph = False
            continue
        marker = None if _ALONE.match(body) else _MARKER.match(body)
        while lists and column < lists[-1] and (marker or not in_paragraph):
            lists.pop()
        depth = column - (lists[-1] if lists else margin)
        if depth >= _INDENTED and not in_paragraph and not (lists and marker):
            yield start, end
            continue
        if marker:
            lists.append(column + _columns(marker[0]))
        if depth < _INDENTED and (begins := _FENCE.match(body, marker.end() if marker else 0)):
            fence, opened = begins[1] or begins[2], start
        in_paragraph = not (fence or _ALONE.match(body))
    if fence:
        yield opened, len(text)


def _without(blocks: Iterable[tuple[int, int]], text: str) -> str:
    """The text with blanks in the place of blocks: a `$` or a backtick in code pairs with none outside of it."""
    parts, place = [], 0
    for start, end in blocks:
        parts += [text[place:start], re.sub(r"[^\n]", " ", text[start:end])]
        place = end
    return "".join((*parts, text[place:]))


def _indent(line: str) -> tuple[int, str]:
    """The column at which a line's text begins, behind the marks of a quotation, and that text."""
    line = line[quote.end() :] if (quote := _QUOTE.match(line)) else line
    body = line.strip()
    return _columns(line[: len(line) - len(line.lstrip())]), body


def _columns(text: str) -> int:
    return len(text.expandtabs(_INDENTED))


def fill_option(flag: str, value: str, names: Mapping[str, Any]) -> Any:
    """An option's value with its variables: the object itself where the value is one field and nothing else.

    Raises `UserError` where a field names no variable.
    """
    whole = _FIELD.fullmatch(value.strip())
    if whole is not None:
        found, thing = _look_up(whole[1], whole[2], names)
        if found:
            return thing
    filled = _FIELD.sub(lambda field: _option_text(flag, field, names), value)
    if whole is not None:
        raise UserError(f"{flag} {value}: there is no variable {whole[1]!r} here. --raw takes braces as they stand.")
    return filled


def _option_text(flag: str, field: re.Match[str], names: Mapping[str, Any]) -> str:
    found, value = _look_up(field[1], field[2], names)
    if not found:
        raise UserError(f"{flag}: {field[0]} names no variable here. --raw takes braces as they stand.")
    return value_text(value)


def value_text(value: Any) -> str:
    """A value as it is sent: a table whole, for a model that is shown "..." answers about dots."""
    whole = getattr(value, "to_string", None)
    return str(whole()) if callable(whole) and type(value).__module__.startswith("pandas") else str(value)


def notebook_names(shell: Any, local_names: Mapping[str, Any] | None) -> dict[str, Any]:
    """The variables that a field can mean: the caller's own before the notebook's, none that IPython put there."""
    hidden = getattr(shell, "user_ns_hidden", {})
    names = {name: value for name, value in shell.user_ns.items() if not _is_ipythons(name, value, hidden)}
    return {**names, **{k: v for k, v in (local_names or {}).items() if not _is_ipythons(k, v, hidden)}}


def caller_names(shell: Any) -> dict[str, Any]:
    """The local variables of the function that runs a cell magic: IPython passes them to line magics alone."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals is not shell.user_ns:
        frame = frame.f_back
    # A cell's own code has a name in angle brackets, and the notebook's variables for locals.
    return {} if frame is None or frame.f_code.co_name.startswith("<") else dict(frame.f_locals)


def _is_ipythons(name: str, value: Any, hidden: Mapping[str, Any]) -> bool:
    if IPYTHONS.fullmatch(name):
        return True
    return name in hidden and hidden[name] is value


def _look_up(name: str, steps: str, names: Mapping[str, Any]) -> tuple[bool, Any]:
    """Whether a field resolves to something that can be sent, and to what."""
    try:
        value = names[name]
        for step in _EACH_STEP.findall(steps):
            value = _step(value, step)
        str(value)
    except Exception:  # noqa: BLE001  a property may raise anything: what does not resolve is text
        return False, None
    # A function, a class or a module is no part of a prompt: the braces are somebody's code.
    return not (inspect.isroutine(value) or isinstance(value, type) or inspect.ismodule(value)), value


def _step(value: Any, step: str) -> Any:
    if step[0] == ".":
        return getattr(value, step[1:])
    key = step[1:-1]
    return value[key[1:-1]] if key[0] in "'\"" else value[int(key)]


class _Spans:
    """Parts of a text that do not overlap, in order."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._spans = list(spans)
        self._starts = [start for start, _ in self._spans]

    def covers(self, place: int) -> bool:
        before = bisect_right(self._starts, place) - 1
        return before >= 0 and place < self._spans[before][1]
