"""What a line of `%fuse` says beside its options: which past run it continues, which name it binds, where it ends."""

from __future__ import annotations

import argparse
import builtins
import keyword

from fusion_nb.core.option_definition import LINE
from fusion_nb.errors import UserError
from fusion_nb.magic import line_parser
from fusion_nb.magic.interpolation import IPYTHONS
from fusion_nb.options import ROWS

VERBS = {"resume": "resume_run", "add": "add_members", "retry": "retry_failed", "rejudge": "rejudge_run"}
"""Calls that continue a past run, by the option that asks for each."""


def continued_line(text: str, cell: str | None) -> tuple[str, str | None]:
    """The options of `%%fuse`, going on below where a line ends in a backslash, as in a shell."""
    while cell is not None and text.rstrip().endswith("\\"):
        more, _, cell = cell.partition("\n")
        text = f"{text.rstrip()[:-1]} {more}"
    return text, cell


def verb_of(parsed: argparse.Namespace) -> str | None:
    """Which call continues a past run, if one is asked for. Raises `UserError` where two are."""
    wanted = [verb for verb, option in VERBS.items() if getattr(parsed, option)]
    if len(wanted) > 1 and wanted not in (["add", "rejudge"], ["retry", "rejudge"]):
        raise UserError(f"{' and '.join(f'--{verb}' for verb in wanted)} do not go together: one at a time.")
    return wanted[0] if wanted else None


def refuse_alone(parsed: argparse.Namespace) -> None:
    """Raise `UserError` for an option of the line that means nothing without another."""
    if parsed.batch and not parsed.each and verb_of(parsed) is None:
        raise UserError("--batch means nothing without --each: give it too, or leave it out.")
    for row in line_parser.ON_LINE:
        if row.calls == (LINE,) and row.needs and getattr(parsed, row.name) and not getattr(parsed, row.needs):
            raise UserError(
                f"{row.flags[-1]} means nothing without {ROWS[row.needs].flags[-1]}: give it too, or leave it out."
            )


def table_flag(parsed: argparse.Namespace, verb: str | None) -> str:
    """Which option names a table. Raises `UserError` for what does not go with it."""
    flag = "--evaluate" if parsed.evaluate else "--each"
    others = {"background": parsed.background, "each": parsed.evaluate and parsed.each, verb or "": verb}
    if other := next((name for name, given in others.items() if given), None):
        raise UserError(f"--{other} does not go with {flag}: leave one of them out.")
    return flag


def variable(name: str | None) -> str | None:
    if name is not None and not name.isidentifier():
        raise UserError(f"-o takes the name of a variable, not {name!r}.")
    if name is not None and (keyword.iskeyword(name) or hasattr(builtins, name)):
        raise UserError(f"-o {name} would hide Python's own {name}: take another name.")
    if name is not None and IPYTHONS.fullmatch(name):
        raise UserError(f"-o {name} would hide IPython's own {name}: take another name.")
    return name
