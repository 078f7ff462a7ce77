"""What stands on the line of a magic: `name <<`, options, and for `%fuse` the prompt, which is not shell text."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from fusion_nb._errors import UnknownName, UserError

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


class Line(NamedTuple):
    """A magic's line, taken apart: argv for argparse and what is left over."""

    bind: str | None
    options: list[str]
    rest: str


def read(text: str, valued: Collection[str], flags: Collection[str]) -> Line:
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
        return Line(bind, [*options, "--help"], "")
    last = [m.start() for m in re.finditer(r"(?<=\s)--?[A-Za-z]", rest)]
    for start in last:
        try:
            more, left = _leading(rest[start:], valued, flags)
        except UserError:
            continue
        if more and not left:
            return Line(bind, options + more, rest[:start].strip())
    return Line(bind, options, rest)


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
