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
    shared = [row for row in options.TABLE if set(options.CALLS) <= set(row.calls)]
    asking = [row for row in options.TABLE if set(options.ASKING) <= set(row.calls) and row not in shared]
    parts = [
        HEAD,
        _class("EveryCallOptions", "TypedDict", "What every call takes; the table says what each does.", shared),
        _class("AskingOptions", "EveryCallOptions", "What every call takes that asks a prompt.", asking),
    ]
    for call in options.CALLS:
        base, above = ("AskingOptions", [*shared, *asking]) if call in options.ASKING else ("EveryCallOptions", shared)
        rows = [row for row in options.of(call) if row not in above]
        about = f"What `{call}()` takes beside its own parameters."
        parts.append(
            _class(f"{call.title().replace('_', '')}Options", base, about, rows, () if call != "retry" else ("call",))
        )
    return "\n\n".join(parts)


def _class(name: str, base: str, about: str, rows: list[options.Option], own: tuple[str, ...] = POSITIONAL) -> str:
    fields = [f"    {row.name}: {row.type}" for row in rows if row.name not in own]
    return (
        "\n".join([f"class {name}({base}, total=False):", f'    """{about}"""', *([""] if fields else []), *fields])
        + "\n"
    )


if __name__ == "__main__":
    FILE.write_text(text())
