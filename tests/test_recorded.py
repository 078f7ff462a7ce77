"""The whole product on recorded answers of real models, over HTTP from another process."""

from itertools import cycle
from typing import Any

import pytest

import fusion_nb
from tests.replay import Replay, recordings

pytestmark = pytest.mark.skipif(bool(recordings.MISSING), reason=recordings.MISSING or "recordings")

POOL = ("claude-3-5-sonnet-20241022", "gemini-1.5-pro", "gpt-4o-2024-08-06")
PACES = ("words", "whole", "chars:1", "chars:7+bytes:1", "words+bytes:3", "words+random:7", "whole+random:11")
PROMPTS = 50


def ask(replay: Replay, prompt: str, pace: str, models: tuple[str, ...], **options: Any) -> fusion_nb.FusionResult:
    services = {"replay": {"base_url": replay.at(pace)}}
    pool = [f"replay:{model}" for model in models]
    return fusion_nb.fuse(prompt, pool, services=services, **{"judge": "replay:scripted-judge", **options})


def test_fifty_problems_three_models_every_byte(replay: Replay) -> None:
    """50 GSM8K prompts to three recorded models: each candidate is its recording, byte for byte, however it is cut."""
    models = tuple(f"gsm8k/{model}" for model in POOL)
    for problem, pace in zip(recordings.gsm8k()[:PROMPTS], cycle(PACES), strict=False):
        result = ask(replay, problem.prompt, pace, models, mode="best-of")
        recorded = [recordings.gsm8k_answers()[model, problem.pid] for model in POOL]
        assert [r.text for r in result.candidates] == recorded, (problem.pid, pace)
        assert result.status == "ok"
        assert result.answer in recorded
        assert result.replies[-1].role == "judge"


def test_a_merge_of_recorded_answers_streams_and_cites(replay: Replay) -> None:
    """The scripted judge's merged answer arrives through the same wire: clean text, with its citations read out of it."""
    problem = recordings.gsm8k()[0]
    result = ask(replay, problem.prompt, "chars:3+bytes:5", tuple(f"gsm8k/{m}" for m in POOL), mode="merge")
    assert result.verdict is not None
    assert result.answer
    assert result.verdict.citations
    assert not any(f"[{label}]" in result.answer for label in result.labels)
    assert sum(result.verdict.share(r.call) or 0 for r in result.candidates) == pytest.approx(1.0)


def test_a_recorded_debate_is_replayed(replay: Replay) -> None:
    """Two recorded agents debate over two rounds: each round's texts are the recorded ones, and round 0 is kept."""
    debates = recordings.debates()
    index = next(i for i, d in enumerate(debates) if d["agents"] == 2 and d["rounds"] == 2)
    system, task = recordings.debate_prompt(index)
    models = tuple(f"arc/{index}/{agent}" for agent in range(2))
    result = ask(replay, task, "words", models, mode="debate:1", system=system, then="best-of")
    said = {(r.round, i % 2): r.text for i, r in enumerate(r for r in result.replies if r.role == "candidate")}
    assert said == {(r, a): recordings.debate_reply(index, a, r) for r in range(2) for a in range(2)}
    assert [r.round for r in result.candidates] == [1, 1]
    assert result.answer in said.values()
    others = [
        m["messages"][-1]["content"] for m in replay.requests() if "DEBATE ROUND 1" in m["messages"][-1]["content"]
    ]
    first_lines = [said[0, a].splitlines()[0] for a in range(2)]
    assert sum(line in text for text in others[-2:] for line in first_lines) >= 2


def test_a_judge_that_gives_no_verdict_leaves_the_candidates(replay: Replay) -> None:
    """A recorded judge that refuses is asked once more, then there is no verdict: a state, with every candidate kept."""
    problem = recordings.gsm8k()[1]
    models = tuple(f"gsm8k/{model}" for model in POOL)
    result = ask(replay, problem.prompt, "words", models, mode="best-of", judge="replay:raw-judge/vicuna-14")
    assert result.status == "unjudged"
    assert result.verdict is not None
    assert result.verdict.state == "unread"
    assert result.answer is None
    assert [r.round for r in result.replies if r.role == "judge"] == [0, 1]
    assert len(result.candidates) == 3
