"""docs/reliability.md: what the tests of the fault matrix expect and what they have seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fusion_nb._types import Reply
from tests.faults.matrix import ELSEWHERE, MATRIX
from tests.faults.row import Row
from tests.faults.rows import BY_NAME

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_HEAD = f"""# Reliability: every fault and its answer

Written by `tests/faults/test_rows.py` from what it has seen: do not edit. A fault server on loopback plays each row
as a service would, in one piece, byte by byte and (the short ones) cut in two at every byte; a healthy member is asked
beside the faulty one. What is asserted for every row: one reply with status, error and sentence; what arrived is kept;
the server's own count of requests; a cost that is unknown stays unknown; the connection is closed; the other member and
the answer are unharmed; no key in anything. Timers are scaled down; {ELSEWHERE}.

Shown under *seen*: status and error, then requests where there was more than one, `text` where what was said is
kept, `billed?` where the service may charge for more than the reply's cost says.

| row | fault | must be | seen | |
|--:|---|---|---|---|
"""
_FOOT = """
Beyond the rows: 318 documents of the JSON test suite as events and as bodies (`test_json.py`); addresses written in 62
misleading ways, to which no byte of a key goes (`test_origins.py`); every place a service can quote the key it was sent,
and everything a run leaves behind searched for it, in halves and encodings (`test_keys_everywhere.py`); memory in
processes of their own (`test_bounds.py`); streams that hypothesis invents (`test_property.py`); a coverage-guided fuzz
(`nox -s fuzz`).
"""


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


def page(found: Mapping[str, str]) -> str:
    """The page for what was seen, by scenario."""
    lines = []
    for number, fault in MATRIX.items():
        names: dict[str, list[str]] = {}
        for name, row in BY_NAME.items():
            if row.number == number:
                names.setdefault(found[name], []).append(row.name)
        cell = "<br>".join(f"{what} ({', '.join(which)})" if len(names) > 1 else what for what, which in names.items())
        lines.append(f"| {number} | {fault.fault} | {fault.must} | {cell} | {fault.note} |")
    return _HEAD + "\n".join(lines) + "\n" + _FOOT
