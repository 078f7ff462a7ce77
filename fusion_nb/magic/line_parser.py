"""The line of a magic: `name <<`, the options of the table, and for `%fuse` the prompt, which is not shell text.

Options stand before the prompt; from its first word on a prompt is sent as it is typed. Also here: the line's argument
parser and Tab, both of which derive from the table of options.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import inspect
import re
import tokenize
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from IPython.core.inputtransformer2 import TokenTransformBase
from IPython.core.magic_arguments import argument, argument_group, magic_arguments

from fusion_nb.core.option_definition import DERIVED, LINE
from fusion_nb.errors import UnknownName, UserError
from fusion_nb.magic.late_binding import refuse_late_binding
from fusion_nb.options import TABLE

_BINDING = re.compile(r"\s*([^\W\d]\w*)\s*<<\s*(.*)", re.DOTALL)
_OPTION = re.compile(r"--?[A-Za-z][\w-]*")
_VALUE = re.compile(r"\s*(?:\"((?:\\.|[^\"\\])*)\"|'([^']*)'|(\S+))", re.DOTALL)
_QUESTION = re.compile(r"(\s*(?:[A-Za-z_][\w.\[\], ]*=\s*)?)%(fuse\w*)[ \t]+(\S.*\?)[ \t]*\n?")
_LONG_DASH = re.compile(r"[\u2010-\u2015\u2212]+\s*([a-z][\w-]*)")


class KeepQuestion(TokenTransformBase):
    """`%fuse Why is the sky blue?` asks; to IPython, a line that ends in `?` would ask for help on `blue`.

    It sees tokens, so a line that stands inside of a string is left alone.
    """

    priority = 1

    @classmethod
    def find(cls, tokens_by_line: Any) -> KeepQuestion | None:
        for tokens in tokens_by_line:
            code = [token for token in tokens if token.type not in (tokenize.INDENT, tokenize.DEDENT, tokenize.NL)]
            place = next((n for n, token in enumerate(code) if token.string == "%"), None)
            # Only names, subscripts and the sign of an assignment may stand before it.
            if place is None or (place and code[place - 1].string != "="):
                continue
            if code[0].line.count("\n") <= 1 and _QUESTION.fullmatch(code[0].line):
                return cls(code[0].start)
        return None

    def transform(self, lines: list[str]) -> list[str]:
        match = _QUESTION.fullmatch(lines[self.start_line])
        if match is None:  # pragma: no cover  `find` has seen it
            return lines
        call = f"{match[1]}get_ipython().run_line_magic({match[2]!r}, {match[3]!r})\n"
        return [*lines[: self.start_line], call, *lines[self.start_line + 1 :]]


def open_empty_cell(lines: list[str]) -> list[str]:
    """`%%fuse --help` as a whole cell reaches the magic, which can say what is missing: IPython itself refuses a cell
    magic without a cell."""
    return [*lines, "\n"] if len(lines) == 1 and lines[0].startswith("%%fuse") else lines


# In a terminal, the first line of a cell is not the whole of it.
open_empty_cell.has_side_effects = True  # type: ignore[attr-defined]


class ParsedLine(NamedTuple):
    """A magic's line, taken apart: argv for argparse and what is left over."""

    bind: str | None
    options: list[str]
    rest: str


def parse_line(text: str, valued: Collection[str], flags: Collection[str]) -> ParsedLine:
    """Take a line apart. Options stand before the prompt; `--` ends them.

    Args:
        text: the line as typed.
        valued: options that take a value, as typed (`--pool`, `-p`).
        flags: options that take none.

    Raises `UserError` for what was meant as an option and would be sent as text.
    """
    bind, text = bound.groups() if (bound := _BINDING.fullmatch(text)) else (None, text)
    options, rest = _leading(text, valued, flags)
    if rest == ";":
        # `%fuse --retry;` silences the cell.
        return ParsedLine(bind, options, "")
    if rest in ("?", "??"):
        # `%fuse ?` looks for help, as `%fuse?` does; as a prompt it would cost money.
        return ParsedLine(bind, [*options, "--help"], "")
    if rest == "--" or rest.startswith("-- "):
        return ParsedLine(bind, options, rest[2:].strip())
    dash = _LONG_DASH.match(rest)
    if dash is not None and f"--{dash[1]}" in {*valued, *flags}:
        raise UserError(f"{dash[0]!r} begins with a long dash: write --{dash[1]}. Nothing was sent.")
    refuse_late_binding(rest if bind is None else "", options, {*valued, *flags})
    _refuse_trailing_options(rest, valued, flags)
    return ParsedLine(bind, options, rest)


def _refuse_trailing_options(rest: str, valued: Collection[str], flags: Collection[str]) -> None:
    """Raise `UserError` where a prompt ends in what is, to its last word, long options of ours."""
    for start in re.finditer(r"(?<=\s)--[A-Za-z]", rest):
        try:
            options, left = _leading(rest[start.start() :], valued, flags)
        except UserError:
            continue
        if options and not left:
            name = re.split(r"[\s=]", rest[start.start() :], maxsplit=1)[0]
            raise UserError(
                f"{name} stands behind the prompt, where it would be sent as text: put it before the prompt, or put -- "
                "before the prompt to send all of it. Nothing was sent."
            )


def _leading(text: str, valued: Collection[str], flags: Collection[str]) -> tuple[list[str], str]:
    argv: list[str] = []
    given: set[str] = set()
    text = text.strip()
    while option := _OPTION.match(text):
        name, text = option[0], text[option.end() :]
        if name not in valued and name not in flags:
            raise UnknownName("option", name, [*valued, *flags], "--help lists them all.")
        argv.append(name)
        if name in valued:
            _refuse_second(name, given)
            value = _VALUE.match(text[1:] if text.startswith("=") else text)
            if value is None or value[3] in (*valued, *flags):
                raise UserError(f"{name} needs a value. --help tells which.")
            plain = _plain(name, value, last=value.end() + text.startswith("=") == len(text))
            text = text[value.end() + text.startswith("=") :]
            if name in LISTS:
                more, text = _rest_of_list(plain, text)
                plain += more
            # As one word with its name, so that a value may begin with a dash.
            argv[-1] = f"{name}={plain}" if name.startswith("--") else f"{name}{plain}"
        text = text.lstrip()
    return argv, text


def _rest_of_list(begun: str, text: str) -> tuple[str, str]:
    """`claude, gemini`: what follows a value that ends in a comma, or begins with one, belongs to it; and the rest."""
    taken = ""
    while (joined := (begun + taken).endswith(",")) or text.lstrip().startswith(","):
        word = _VALUE.match(text)
        if word is None or (joined and (word[3] or "").startswith(("-", ","))):
            break
        text = text[word.end() :]
        taken += _plain("The list", word, last=not text.strip())
    return taken, text


def _refuse_second(name: str, given: set[str]) -> None:
    """Raise `UserError` where an option has a value already: to argparse the last one counts, and nobody is told."""
    row = BY_FLAG.get(name)
    option = row.name if row else name
    if option in given:
        several = ", several by comma" if row and (row.name == "add_members" or "Sequence[str" in row.type) else ""
        raise UserError(f"{name} stands twice: give it once{several}. Nothing was sent.")
    given.add(option)


def _plain(name: str, value: re.Match[str], *, last: bool) -> str:
    """What was meant by a value as typed. `last`: nothing follows it, so a `;` there only silences the cell."""
    quoted, single, bare = value.groups()
    if quoted is not None:
        return re.sub(r"\\([\"\\])", r"\1", quoted)
    if bare and bare[0] in "\"'":
        raise UserError(f"{name}: the quotation mark before {bare[1:]} is not closed.")
    return single or (bare.removesuffix(";") if last and bare else bare) or ""


def split_words(text: str) -> list[str]:
    """The words of a line: what stands in quotation marks is one word, a backslash outside of them is itself.

    `--name=value` is two words, as `--name value` is.
    """
    words: list[str] = []
    text = text.strip()
    while text:
        if (option := _OPTION.match(text)) and text[option.end() :].startswith("="):
            words.append(option[0])
            text = text[option.end() + 1 :]
        value = _VALUE.match(text)
        if value is None:
            break
        text = text[value.end() :].lstrip()
        words.append(_plain("The line", value, last=not text))
    return words


ON_LINE = tuple(row for row in TABLE if row.flags)
VALUED = frozenset(flag for row in ON_LINE if not row.switch for flag in row.flags)
FLAGS = frozenset(flag for row in ON_LINE if row.switch for flag in row.flags)
LISTS = frozenset(flag for row in ON_LINE if "Sequence[" in row.type for flag in row.flags)
"""Options that take several by comma."""
BY_FLAG = {flag: row for row in ON_LINE for flag in row.flags}


_ON_LINE_AS = {
    **{row.name: f"%config Fuse.{row.name}" for row in TABLE if row.configurable},
    **{row.name: row.flags[-1] for row in ON_LINE},
    **{f"{verb}()": f"--{verb}" for verb in DERIVED},
    "estimate()": "--dry-run",
}
_IN_PYTHON = re.compile(
    # What stands in quotation marks is somebody's text.
    r"(?<!\w)(?P<quoted>'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`)(?!\w)"
    r"|(?<![\w.'\"`/({-])(?:(?P<call>[a-z]+\(\))|(?P<name>[a-z]\w*)"
    r"(?P<set>=(?P<value>True\b|'[^'\n]*'|\"[^\"\n]*\"|\d[\w.]*|[A-Za-z]\w*)?(?![\w\[{(]))?)(?![\w'\"`=])"
)


def in_flags(sentence: str) -> str:
    """A sentence that names options as Python does (`max_cost`, `judge=`, `retry()`), as the line of a magic has them.

    A name that is a word as well (`timeout`, `pool`) is an option only where `=` stands behind it.
    """

    def as_flag(match: re.Match[str]) -> str:
        name = match["call"] or match["name"] or ""
        meant = match["call"] or match["set"] or "_" in name
        if not meant or name not in _ON_LINE_AS:
            return match[0]
        value = match["value"] or ""
        plain = value[1:-1] if value[:1] in ("'", '"') and " " not in value else value
        joined = " = " if _ON_LINE_AS[name].startswith("%") else " "
        return _ON_LINE_AS[name] + (f"{joined}{plain}" if plain and plain != "True" else "")

    return _IN_PYTHON.sub(as_flag, sentence)


@contextlib.contextmanager
def options_as_flags() -> Iterator[None]:
    """The door at which what is raised, in the words of Python, gets those of the line."""
    try:
        yield
    except UserError as error:
        error.args = (in_flags(str(error)), *error.args[1:])
        raise


OPTION_GROUPS = {
    "pool": "who is asked, and how they become one answer",
    "check": "selecting without believing one judge",
    "system": "what the models are told",
    "max_cost": "money",
    "max_tokens": "limits",
    "base_url": "services, records, and runs that go on from a past one",
    "each": "tables of prompts, and evaluation",
    "background": "how it is run and shown",
}
"""What the manual calls the options of the table from this one on."""


def fuse_arguments(magic: Any) -> Any:
    """Declare the options the way IPython's magics do, so that `%fuse?` and `%%fuse?` are the manual."""
    for row in reversed(ON_LINE):
        how: dict[str, Any] = {"action": "store_true"} if row.switch else {"metavar": row.name.upper()}
        default = f" (default: {row.default})" if row.default not in (None, (), False) else ""
        # Values are checked by the table, whose sentences name the remedy; argparse's do not.
        about = f"{row.help}{default}".replace("%", "%%")
        magic = argument(*row.flags, dest=row.name, help=about, **how)(magic)
        if row.name in OPTION_GROUPS:
            magic = argument_group(OPTION_GROUPS[row.name])(magic)
    magic = argument("prompt", nargs="*", help="%%fuse: the prompt as it stands; %%%%fuse: none, the cell is it")(magic)
    return magic_arguments()(magic)


def given_options(parsed: argparse.Namespace) -> dict[str, Any]:
    """What the line gives of the options that a call takes; what it does not give is absent."""
    rows = [row for row in ON_LINE if row.calls != (LINE,)]
    return {row.name: value for row in rows if (value := getattr(parsed, row.name)) not in (None, False)}


def manual(parser: argparse.ArgumentParser) -> str:
    """What `--help` prints: IPython's own begins with the marks of a code block."""
    return parser.format_help().removeprefix("::").lstrip("\n")


def documented(magic: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """A line magic without a parser of its own: `--help`, `-h` and `?` print its docstring."""

    @functools.wraps(magic)
    def asked(self: Any, line: str) -> Any:
        if line.strip() in ("--help", "-h", "?"):
            return print(inspect.getdoc(magic))
        return magic(self, line)

    return asked
