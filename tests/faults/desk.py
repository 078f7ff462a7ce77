"""A kernel beside a fault server: `%%fuse` typed into it, the result read out of it, the server's counts beside it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.harness import KEY_ENV, WELL_ENV, Faults, black_hole, fault_server
from tests.faults.notebook import Notebook, Ran, notebook

GOOD, OTHER = "6-pool", "6-other"


@dataclass(frozen=True)
class Desk:
    server: Faults
    notebook: Notebook

    def named(self, rows: Sequence[str], service: str = "fault") -> list[str]:
        """Members nobody else has asked: their counts are of one run alone."""
        return [row if ":" in row else f"{service}:{row}~whole~{secrets.token_hex(4)}" for row in rows]

    def cell(
        self, rows: Sequence[str], judge: str = "judge", options: str = "--mode best-of", prompt: str = "How?"
    ) -> str:
        """A `%%fuse` cell: a member for each of `rows`, and a judge."""
        pool, (judging,) = self.named(rows), self.named([judge], "well")
        return f"%%fuse --pool {','.join(pool)} --judge {judging} {options}\n{prompt}"

    def fuse(
        self, rows: Sequence[str], judge: str = "judge", options: str = "--mode best-of", prompt: str = "How?"
    ) -> Ran:
        return self.notebook.run(self.cell(rows, judge, options, prompt))

    def result(self) -> dict[str, Any]:
        """The newest run's state, as plain JSON."""
        found: dict[str, Any] = self.notebook.ask("_plain(_fusion.last())")
        return found

    def posts(self, result: Mapping[str, Any], role: str = "") -> int:
        """Requests the server counted for the members of a run, or for its judge."""
        refs = [result["judge"]] if role == "judge" else result["pool"]
        counts = self.server.stats()["posts"]
        return sum(counts.get(ref["model"], 0) for ref in refs)

    def works(self) -> None:
        """The kernel runs the next cell as if nothing had been."""
        ran = self.fuse([GOOD, OTHER])
        assert ran.error is None, ran.error
        assert self.result()["status"] == "ok"

    def settle(self, url: str = "") -> None:
        """The configuration a notebook of this desk begins with."""
        services = {
            "fault": {"base_url": self.server.url(), "key_env": KEY_ENV},
            "well": {"base_url": self.server.url(), "key_env": WELL_ENV},
            "openrouter": {"base_url": self.server.url(), "key_env": KEY_ENV},
            "hole": {"base_url": self.server.url("blackhole"), "key_env": KEY_ENV},
            **({"replay": {"base_url": url}} if url else {}),
        }
        for line in (
            "import fusion_nb as _fusion\nfrom fusion_nb.core.events import to_plain as _plain",
            f"_services = {services!r}\n%config Fuse.services = _services",
        ):
            ran = self.notebook.run(line)
            assert ran.error is None, ran.error


@contextmanager
def desk(folder: Path, url: str = "", env: Mapping[str, str] = {}) -> Iterator[Desk]:
    """A server, a kernel, and keys for both. `url`: of a replay server, as the service `replay`."""
    with fault_server() as ports, black_hole() as full:
        server = Faults(ports, full)
        with notebook(folder, {**server.keys, **env}) as kernel:
            found = Desk(server, kernel)
            found.settle(url)
            yield found
