"""The table of docs/reliability.md that these tests write: what was seen of each server."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- servers: begin -->\n", "<!-- servers: end -->"
SERVERS = {"llamacpp": "llama.cpp's server", "litellm": "LiteLLM's proxy"}
ROWS = [
    "best-of",
    "merge",
    "debate",
    "discovery",
    "key",
    "Stop",
    "killed",
    "too long",
    "unknown model",
    "schema refused",
]
_seen: dict[tuple[str, str], str] = {}


def seen_in(server: str, row: str, what: str) -> None:
    """Remember what came of one test."""
    _seen[server, row] = what


def write_table() -> None:
    """Put the table in its place; what was not played is a dash."""
    lines = [f"| | {' | '.join(SERVERS.values())} |", "|---|" + "---|" * len(SERVERS)]
    lines += [f"| {row} | {' | '.join(_seen.get((server, row), '–') for server in SERVERS)} |" for row in ROWS]
    page = PAGE.read_text(encoding="utf-8")
    before, begun, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    assert begun, "docs/reliability.md has no place for the servers"
    assert ended, "docs/reliability.md has no end for the servers"
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n\n{END}{after}", encoding="utf-8")
