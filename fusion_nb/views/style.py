"""The one style sheet of the static view; every rule stands under `.fusion-nb`."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def sheet() -> str:
    """The rules without comments and needless blanks, ready for a `<style>` element."""
    css = files("fusion_nb.views").joinpath("style.css").read_text(encoding="utf-8")
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    return re.sub(r"\s*([{};,>])\s*", r"\1", re.sub(r"\s+", " ", css)).replace(";}", "}").strip()
