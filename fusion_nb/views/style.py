"""The one style sheet of the static view; every rule stands under `.fusion-nb`."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def sheet(*, lanes: bool = False, code: bool = True) -> str:
    """The rules without comments and needless blanks, ready for a `<style>` element.

    `lanes`: those of a run under way too; `code`: those of coloured code. A notebook keeps a copy for every run.
    """
    here = files("fusion_nb.views")
    names = ("style.css", *(["lanes.css"] if lanes else []), *(["code.css"] if code else []))
    css = "".join(here.joinpath(name).read_text(encoding="utf-8") for name in names)
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"\s*([{};,>])\s*", r"\1", re.sub(r"\s+", " ", css))
    # After a property's name; before a pseudo-class a blank says something.
    return re.sub(r"(?<=[\w-]): (?=\S)", ":", css).replace(";}", "}").strip()
