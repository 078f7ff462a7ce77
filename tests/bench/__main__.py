"""The figures: `nox -s bench`. Printed with the physical limit or a rival beside them, asserted nowhere.

The machine is shared, so every comparison is made in one run, and a figure is a median.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable

from tests.bench import cpu, memory, start, table, wall
from tests.replay import Replay, replay_server

FIGURES: dict[str, Callable[[Replay], None]] = {
    "wall": wall.merge_against_the_limit,
    "first": wall.first_visible_token,
    "burst": cpu.burst,
    "paced": cpu.paced,
    "load": start.load_ext,
    "table": table.calls_a_second,
    "memory": memory.peak_of_a_table,
    "fresh": start.fresh_process_to_first_token,
}


def main() -> None:
    wanted = sys.argv[1:] or list(FIGURES)
    with tempfile.TemporaryDirectory() as home, replay_server() as replay:
        os.environ["FUSION_NB_HOME"] = home
        for name in wanted:
            FIGURES[name](replay)


main()
