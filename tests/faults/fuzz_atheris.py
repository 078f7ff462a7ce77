"""The same targets under libFuzzer, where Atheris is installed: far more inputs, the branches of Markdown's reader too.

`python -m tests.faults.fuzz_atheris TARGET [libFuzzer options]`, e.g. `views -max_total_time=60`. Ends with another code
than 0, and the input in a file, where something breaks.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fusion_nb", "markdown_it"]):
    from tests.faults.fuzz_targets import SEEDS, TARGETS


def main() -> None:
    name, *options = sys.argv[1:]
    target = TARGETS[name]

    def one(data: bytes) -> None:
        target(data, random.Random(len(data)))

    with tempfile.TemporaryDirectory() as folder:
        for place, seed in enumerate(SEEDS[name]):
            (Path(folder) / str(place)).write_bytes(seed)
        atheris.Setup([sys.argv[0], "-max_len=2048", "-timeout=20", *options, folder], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
