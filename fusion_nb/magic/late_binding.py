"""`name <<` where it cannot be meant as written: said in its own words, not in those of a prompt's last option."""

from __future__ import annotations

import re
from collections.abc import Collection

from fusion_nb.core.option_checks import shown
from fusion_nb.errors import UserError

_LATE = re.compile(r"(\S+)\s*<<\s*(?:(--?[A-Za-z][\w-]*)(?:[\s=].*)?)?", re.DOTALL)


def refuse_late_binding(rest: str, options: Collection[str], known: Collection[str]) -> None:
    """Raise `UserError` where what is left of a line is one word, `<<`, and nothing or an option of ours behind it.

    Args:
        rest: the line behind its first options, which are no name.
        options: those options.
        known: every option, as typed.
    """
    late = _LATE.fullmatch(rest.strip())
    if late is None or (late[2] is not None and late[2] not in known):
        return
    if not late[1].isidentifier():
        raise UserError(
            f"{shown(late[1])} is no name of a variable: write letters, digits and _ before <<, as in answers <<. "
            "Nothing was sent."
        )
    if options:
        raise UserError(f"{late[1]} << comes first on the line, before its options: move it there. Nothing was sent.")
