"""A process that asks a table in batches, to be killed: `python -m tests.batch_child URL WORD...`."""

from __future__ import annotations

import sys
from typing import Any

import pandas as pd

import fusion_nb
from fusion_nb.dataset import batch_plan

POOL = "openai:gpt-4o-mini,anthropic:claude-3-5-haiku-latest"


def asked(url: str, words: list[str], **options: Any) -> Any:
    row = {"base_url": url, "key_env": "BATCH_KEY"}
    given = {"pool": POOL, "mode": "vote", "extract": "text", "show_progress": False, "batch": True, **options}
    frame = pd.DataFrame({"word": words}, index=[f"row {word}" for word in words])
    return fusion_nb.fuse_frame(frame, "Say {word}.", services={"openai": row, "anthropic": row}, **given)


if __name__ == "__main__":
    batch_plan.FIRST_LOOK = 0.05
    asked(sys.argv[1], sys.argv[2:])
