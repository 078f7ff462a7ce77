"""What stands on the line of a magic: `name <<`, options, and for `%fuse` the prompt, which is not shell text.

The options of `%%fuse`, once: argparse, Tab and the line reader all look here.

Tab in a `%fuse` line: options, modes, members and judges, through IPython's matcher API.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.magic_arguments import argument, magic_arguments

from fusion_nb.errors import UnknownName, UserError
from fusion_nb.options import LINE, TABLE

_BINDING = re.compile(r"\s*([A-Za-z_]\w*)\s*<<\s*(.*)", re.DOTALL)
_OPTION = re.compile(r"--?[A-Za-z][\w-]*")
_VALUE = re.compile(r"\s*(?:\"((?:\\.|[^\"\\])*)\"|'([^']*)'|(\S+))", re.DOTALL)
_QUESTION = re.compile(r"(\s*(?:[A-Za-z_][\w.\[\], ]*=\s*)?)%(fuse\w*)[ \t]+(\S.*\?)[ \t]*\n?")


def keep_question(lines: list[str]) -> list[str]:
    """`%fuse Why is the sky blue?` asks; to IPython, a line that ends in `?` would ask for help on `blue`."""
    if lines and lines[0].lstrip().startswith("%%"):
        return lines
    asked = ((_QUESTION.fullmatch(line), line) for line in lines)
    return [f"{m[1]}get_ipython().run_line_magic({m[2]!r}, {m[3]!r})\n" if m else line for m, line in asked]


class ParsedLine(NamedTuple):
    """A magic's line, taken apart: argv for argparse and what is left over."""

    bind: str | None
    options: list[str]
    rest: str


def parse_line(text: str, valued: Collection[str], flags: Collection[str]) -> ParsedLine:
    """Take a line apart. Options stand before the prompt, or after it to the line's end.

    Args:
        text: the line as typed.
        valued: options that take a value, as typed (`--pool`, `-p`).
        flags: options that take none.
    """
    bind, text = bound.groups() if (bound := _BINDING.fullmatch(text)) else (None, text)
    options, rest = _leading(text, valued, flags)
    if rest in ("?", "??"):
        # `%fuse ?` looks for help, as `%fuse?` does; as a prompt it would cost money.
        return ParsedLine(bind, [*options, "--help"], "")
    last = [m.start() for m in re.finditer(r"(?<=\s)--?[A-Za-z]", rest)]
    for start in last:
        try:
            more, left = _leading(rest[start:], valued, flags)
        except UserError:
            continue
        if more and not left:
            return ParsedLine(bind, options + more, rest[:start].strip())
    return ParsedLine(bind, options, rest)


def _leading(text: str, valued: Collection[str], flags: Collection[str]) -> tuple[list[str], str]:
    argv: list[str] = []
    text = text.strip()
    while option := _OPTION.match(text):
        name, text = option[0], text[option.end() :]
        if name not in valued and name not in flags:
            raise UnknownName("option", name, [*valued, *flags], "--help lists them all.")
        argv.append(name)
        if name in valued:
            value = _VALUE.match(text[1:] if text.startswith("=") else text)
            if value is None or value[3] in (*valued, *flags):
                raise UserError(f"{name} needs a value. --help tells which.")
            plain = _plain(name, value, last=value.end() + text.startswith("=") == len(text))
            # As one word with its name, so that a value may begin with a dash.
            argv[-1] = f"{name}={plain}" if name.startswith("--") else f"{name}{plain}"
            text = text[value.end() + text.startswith("=") :]
        text = text.lstrip()
    return argv, text


def _plain(name: str, value: re.Match[str], *, last: bool) -> str:
    """What was meant by a value as typed. `last`: nothing follows it, so a `;` there only silences the cell."""
    quoted, single, bare = value.groups()
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted)
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
BY_FLAG = {flag: row for row in ON_LINE for flag in row.flags}


def fuse_arguments(magic: Any) -> Any:
    """Declare the options the way IPython's magics do, so that `%fuse?` and `%%fuse?` are the manual."""
    for row in reversed(ON_LINE):
        how: dict[str, Any] = {"action": "store_true"} if row.switch else {"metavar": row.name.upper()}
        default = f" (default: {row.default})" if row.default not in (None, (), False) else ""
        # Values are checked by the table, whose sentences name the remedy; argparse's do not.
        about = f"{row.help}{default}".replace("%", "%%")
        magic = argument(*row.flags, dest=row.name, help=about, **how)(magic)
    magic = argument("prompt", nargs="*", help="%%fuse: the prompt as it stands; %%%%fuse: none, the cell is it")(magic)
    return magic_arguments()(magic)


def given_options(parsed: argparse.Namespace) -> dict[str, Any]:
    """What the line gives of the options that a call takes; what it does not give is absent."""
    rows = [row for row in ON_LINE if row.calls != (LINE,)]
    return {row.name: value for row in rows if (value := getattr(parsed, row.name)) not in (None, False)}


def manual(parser: argparse.ArgumentParser) -> str:
    """What `--help` prints: IPython's own begins with the marks of a code block."""
    return parser.format_help().removeprefix("::").lstrip("\n")


Completions = Callable[[str, str], Iterable[str]]
"""(option, what is typed of its value) -> what could stand there."""

_LINE = re.compile(r"\s*(?:[A-Za-z_]\w*\s*=\s*)?(%%?fuse\w*)\b")
_OPTION_VALUE = re.compile(r"(--?[A-Za-z][\w-]*)(?:\s+|=)([^\s\"']*)$")


def fuse_matcher_for(options: Sequence[str], offers: Completions) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """A matcher that speaks only on the line of our magics, and then alone."""

    @context_matcher()
    def fuse_matcher(context: CompletionContext) -> SimpleMatcherResult:
        before = context.line_with_cursor[: context.cursor_position]
        if not (_LINE.match(before)) or (context.full_text.lstrip()[:2] == "%%" and context.cursor_line > 0):
            return SimpleMatcherResult(completions=[], suppress=False)
        typed = re.search(r"\S*$", before)
        word = typed[0] if typed else ""
        if value := _OPTION_VALUE.search(before):
            # A pool is a list: what is already there stays, the part after the last comma is completed.
            fragment = re.split(r"[,]", value[2])[-1]
            found = [o for o in offers(value[1], fragment) if o.startswith(fragment)]
        else:
            fragment = word
            found = [o for o in options if o.startswith(word)] if word.startswith("-") or not word else []
        return SimpleMatcherResult(
            completions=[SimpleCompletion(text=text, type="param") for text in found],
            matched_fragment=fragment,
            suppress=bool(found),
            do_not_suppress=set(),
        )

    return fuse_matcher
