"""Writes `fusion_nb/core/option_types.py` from the table of options: what editors and type checkers know of it.

`python -m tests.option_types` writes it; `test_options.py` compares.
"""

from __future__ import annotations

from pathlib import Path

from fusion_nb import options

FILE = Path(options.__file__).with_name("core") / "option_types.py"
POSITIONAL = ("pool", "mode", "call")
"""Options that the functions have as parameters of their own."""
HEAD = '''"""The options of each call for editors and type checkers. Written by `python -m tests.option_types`: do not edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypedDict
'''


def text() -> str:
    """The module, whole."""
    parts = [HEAD]
    for call in options.CALLS:
        own = POSITIONAL if call in options.ASKING else ("call",) if call == "retry" else ()
        rows = [f"    {row.name}: {row.type}" for row in options.of(call) if row.name not in own]
        about = f'    """What `{call}()` takes beside its own parameters; the table says what each does."""'
        parts.append("\n".join([f"class {call.title()}Options(TypedDict, total=False):", about, "", *rows]) + "\n")
    return "\n\n".join(parts)


if __name__ == "__main__":
    FILE.write_text(text())
