"""The tables of docs/reliability.md: what the tests of the fault matrix expect and what they have seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fusion_nb.core import Reply
from tests.faults.matrix import KERNEL, MATRIX, Fault
from tests.faults.row import Row
from tests.faults.rows import BY_NAME

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def seen(row: Row, reply: Reply) -> str:
    """What came of one scenario, in short."""
    told = f"`{reply.status}/{reply.error}`" if reply.error and reply.error != reply.status else f"`{reply.status}`"
    more = [
        f"{reply.attempts} requests" if reply.attempts > 1 else "",
        "text" if reply.text and reply.status != "ok" else "",
    ]
    if row.number == 58:
        more.append("cost unknown" if reply.cost is None else f"cost {reply.cost_source}")
    more += ["billed?" if reply.maybe_billed else "", *(f"warns {w}" for w in reply.warnings if w.isidentifier())]
    return ", ".join([told, *filter(None, more)])


def service_rows(found: Mapping[str, str]) -> list[str]:
    """The lines of rows 1 to 65 and 90, for what was seen by scenario."""
    return [
        _line(number, fault, {row.name: found[name] for name, row in BY_NAME.items() if row.number == number})
        for number, fault in MATRIX.items()
    ]


def kernel_rows(found: Mapping[int, Mapping[str, str]]) -> list[str]:
    """The lines of rows 65 to 89, for what was seen by row and scenario."""
    return [_line(number, fault, dict(sorted(found[number].items()))) for number, fault in KERNEL.items()]


def _line(number: int, fault: Fault, found: Mapping[str, str]) -> str:
    names: dict[str, list[str]] = {}
    for name, what in found.items():
        names.setdefault(what, []).append(name)
    cell = "<br>".join(f"{what} ({', '.join(which)})" if len(names) > 1 else what for what, which in names.items())
    return f"| {number} | {fault.fault} | {fault.must} | {cell} | {fault.note} |"


def with_part(page: str, part: str, lines: list[str]) -> str:
    """`page` with the lines of one of its tables in place of what stands there."""
    begin, end = f"<!-- {part}: begin -->\n", f"<!-- {part}: end -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    assert found, f"docs/reliability.md has no place for {part}"
    table = "| row | fault | must be | seen | |\n|--:|---|---|---|---|\n" + "\n".join(lines) + "\n"
    return f"{before}{begin}\n{table}\n{end}{after}"
