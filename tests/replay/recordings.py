"""The recorded texts under `shared/data`, read in place and only when a model that needs them is asked."""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

DATA = Path(__file__).parents[2] / "../shared/data"
MISSING = "" if DATA.is_dir() else f"the recordings are not here: no {DATA.name}/ beside the project"
"""Why tests on recordings have to be skipped; empty where they need not."""


class Problem(NamedTuple):
    """One GSM8K prompt. `prompt` is what every recorded model was sent."""

    pid: str
    prompt: str
    question: str
    gold: str


def _rows(path: str) -> Iterator[dict[str, Any]]:
    file = DATA / path
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


@functools.cache
def gsm8k() -> tuple[Problem, ...]:
    """The 1,319 problems, in file order."""
    return tuple(Problem(*(row[f] for f in Problem._fields)) for row in _rows("gsm8k_pool/prompts.jsonl.gz"))


@functools.cache
def gsm8k_answers() -> dict[tuple[str, str], str]:
    """(model, pid) -> the reply as recorded; 15 models."""
    return {(row["model"], row["pid"]): row["text"] for row in _rows("gsm8k_pool/answers.jsonl.gz")}


@functools.cache
def gsm8k_models() -> tuple[str, ...]:
    return tuple(dict.fromkeys(model for model, _ in gsm8k_answers()))


@functools.cache
def _pids() -> dict[str, str]:
    return {asked.strip(): p.pid for p in gsm8k() for asked in (p.prompt, p.question)}


def gsm8k_reply(model: str, asked: list[str]) -> str | None:
    """What `model` was recorded saying to the first of these messages that is a GSM8K prompt (or its bare question)."""
    pid = next((_pids()[text.strip()] for text in asked if text.strip() in _pids()), None)
    return gsm8k_answers().get((model, pid)) if pid else None


@functools.cache
def judge_raw() -> dict[str, dict[str, Any]]:
    """Recorded judge texts by id; `reading` is what they say, `None` where no verdict should be claimed."""
    return {row["id"]: row for row in _rows("judge_raw.jsonl")}


@functools.cache
def debates() -> tuple[dict[str, Any], ...]:
    """The recorded multi-agent debates."""
    return tuple(_rows("arc_debate/debates.jsonl.gz"))


def debate_prompt(index: int) -> tuple[str, str]:
    """The system message and the task of a recorded debate."""
    system, task = debates()[index]["transcripts"][0][:2]
    return system["content"], task["content"]


def debate_reply(index: int, agent: int, round: int) -> str | None:
    """What an agent said in a round, the last round's text after that; `None` where there is no such agent."""
    if not 0 <= index < len(debates()) or not 0 <= agent < len(debates()[index]["transcripts"]):
        return None
    said: list[str] = [m["content"] for m in debates()[index]["transcripts"][agent] if m["role"] == "assistant"]
    return said[min(round, len(said) - 1)]
