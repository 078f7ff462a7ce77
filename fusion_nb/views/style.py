"""The one style sheet of the static view; every rule stands under `.fusion-nb`."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def sheet(*, lanes: bool = False) -> str:
    """The rules without comments and needless blanks, ready for a `<style>` element.

    `lanes`: those of a run under way too; a notebook keeps finished ones, and each keeps its own copy.
    """
    here = files("fusion_nb.views")
    names = ("style.css", "lanes.css") if lanes else ("style.css",)
    css = "".join(here.joinpath(name).read_text(encoding="utf-8") for name in names)
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"\s*([{};,>])\s*", r"\1", re.sub(r"\s+", " ", css))
    # After a property's name; before a pseudo-class a blank says something.
    return re.sub(r"(?<=[\w-]): (?=\S)", ":", css).replace(";}", "}").strip()
