"""Recorded answers of real models through the product: what a vote, a cascade and a check come to on GSM8K."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import fusion_nb
from fusion_nb.run.result import FusionResult
from tests.test_vote import MID, STRONG, cautiously, percent, pool, recorded, votes

pytestmark = recorded
EVERY = 40
"""Of the 1,319 questions each fortieth is asked through the whole product; all of them are counted in `test_vote.py`."""


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


def says(model: str, pid_of: dict[str, str]) -> Callable[[str], str]:
    """A member that answers as that model did."""
    rows, _ = pool()

    def member(prompt: str) -> str:
        return str(rows[pid_of[prompt]][model]["text"])

    member.__name__ = re.sub(r"\W", "_", model)
    return member


def asked(**options: object) -> list[tuple[str, FusionResult]]:
    _, questions = pool()
    pid_of = {question: pid for pid, question in questions.items()}
    members = [says(model, pid_of) for model in MID]
    if "escalate" in options:
        options["escalate"] = [says(STRONG, pid_of)]
    chosen = list(questions.items())[::EVERY]
    return [(pid, fusion_nb.fuse(question, pool=members, journal=False, **options)) for pid, question in chosen]  # type: ignore[arg-type]


def test_a_vote_and_a_cascade_come_to_what_their_arithmetic_says() -> None:
    """The engine, the ballot and the record agree with the pure count, question by question."""
    rows, _ = pool()
    counted = votes(MID, cautiously)[::EVERY]
    voted = asked(mode="vote")
    assert [bool(r.verdict and r.verdict.chosen) and rows[pid][MID[r.verdict.chosen[0] - 1]]["correct"] for pid, r in voted if r.verdict] == [
        right for _, right, _, _ in counted
    ]  # fmt: skip
    cascade = asked(mode="vote", escalate=True, agree="4/5")
    assert [len(result.pool) == 6 for _, result in cascade] == [size < 4 for size, _, _, _ in counted]
    assert not any(reply.role == "judge" for _, result in (*voted, *cascade) for reply in result.replies)


def test_a_check_that_knows_the_answer_pays_no_judge() -> None:
    """It is right wherever any member is, and the judge has nothing left to settle."""
    rows, questions = pool()

    def is_right(result: FusionResult, text: str) -> bool:
        pid = next(pid for pid, question in questions.items() if question == result.prompt)
        return any(row["correct"] for row in rows[pid].values() if row["text"] == text)

    def no_judge(prompt: str) -> str:
        raise AssertionError("a judge was asked")

    answered = asked(check=is_right, judge=no_judge, extract="number")
    assert not any(reply.role == "judge" for _, result in answered for reply in result.replies)
    known = [any(rows[pid][model]["correct"] for model in MID) for pid, _ in answered]
    assert [result.status == "ok" for _, result in answered] == known
    assert percent(known) == pytest.approx(97.12, abs=4)
