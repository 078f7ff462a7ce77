"""Answers of real models that nobody meant any harm by: the recordings beside the project, all of them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2] / "../shared/data"
SOURCES = {
    "gsm8k_pool/answers": "GSM8K, 15 models",
    "gsm8k_pool/answers_plain": "GSM8K, free text",
    "vicuna_bench/answers": "Vicuna bench",
    "pandalm/answers": "PandaLM",
    "mtbench_scores/answers": "MT-Bench",
    "llmbar/answers": "LLMBar",
    "arc_debate/debates": "debates on ARC",
}


def texts(source: str) -> Iterator[str]:
    """Every answer of one of `SOURCES`."""
    with gzip.open(DATA / f"{source}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            yield from (text for text in _said(json.loads(line)) if isinstance(text, str))


def _said(row: dict[str, Any]) -> list[Any]:
    if "transcripts" in row:
        return [m["content"] for told in row["transcripts"] for m in told if m["role"] == "assistant"]
    return row.get("turns") or [row.get("text")]
