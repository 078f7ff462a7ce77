"""A process that asks a table, to be killed: `python -m tests.table_child URL ROWS MODEL...`."""

from __future__ import annotations

import sys

import pandas as pd

import fusion_nb
from tests.replay import recordings


def main(url: str, rows: str, *models: str) -> None:
    questions = pd.DataFrame({"q": [problem.question for problem in recordings.gsm8k()[: int(rows)]]})
    pool = [f"replay:gsm8k/{model}" for model in models]
    services = {"replay": {"base_url": url}}
    fusion_nb.fuse_frame(
        questions, "{q}", pool=pool, mode="vote", extract="number", services=services, show_progress=False
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
