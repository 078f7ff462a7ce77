"""`evaluate()` on recorded answers of real models: the published figures, and nothing claimed of equals."""

from __future__ import annotations

import functools
import gc
import os
import time
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from fusion_nb import evaluate
from fusion_nb.evaluation import EvaluationReport
from fusion_nb.evaluation.arm_comparison import findings
from fusion_nb.evaluation.arms import Answer, Arm, Table
from fusion_nb.evaluation.observations import Question
from fusion_nb.evaluation.statistics import holm, paired_share_interval, sign_test, wilson
from fusion_nb.run.result import FusionResult
from tests.test_vote import MID, STRONG, WEAK, pool, recorded

RESAMPLES = int(os.environ.get("FUSION_NB_NULL", "200"))
"""Resamples of equally good members a size; `nox -s statistics` takes 10,000."""


@functools.cache
def frame() -> pd.DataFrame:
    """All recorded answers, a row each, as anybody might have them. Whether one is right the source has said."""
    rows, questions = pool()
    return pd.DataFrame(
        [
            {"prompt": questions[pid], "model": model, "text": row["extracted"] or "", "correct": bool(row["correct"])}
            for pid, answers in rows.items()
            for model, row in answers.items()
        ]
    )


def report_of(models: Sequence[str] | None = None, **options: Any) -> EvaluationReport:
    return evaluate(frame(), "correct", pool=models, extract="number", **options)


def percents(report: EvaluationReport, *arms: str) -> list[float]:
    return [round(100 * (report.arm(arm).share or 0), 2) for arm in arms]


@recorded
def test_the_published_accuracies_of_fifteen_models() -> None:
    """All to the digit, and the sentence that a vote of all of them shows no gain beyond the best alone."""
    report = report_of()
    shares = {arm.name: round(100 * (arm.share or 0), 2) for arm in report.table.members}
    assert shares == {
        "claude-3-5-sonnet-20241022": 96.66, "gpt-4o-2024-08-06": 96.21, "gpt-4o-mini-2024-07-18": 94.24,
        "Meta-Llama-3.1-70B-Instruct": 94.16, "gemini-1.5-pro": 93.40, "deepseek-v2.5-0908": 92.49,
        "claude-3-haiku-20240307": 88.78, "gemma-2-9b-it": 87.41, "Meta-Llama-3.1-8B-Instruct": 84.00,
        "Phi-3.5-mini-instruct": 82.03, "gpt-3.5-turbo-0125": 80.36, "Qwen2-7B-Instruct": 80.06,
        "Mixtral-8x7B-Instruct-v0.1": 70.13, "command-r": 52.99, "gemma-2-2b-it": 51.63,
    }  # fmt: skip
    assert percents(report, "vote", "any right") == [96.82, 99.01]
    assert "No way to fuse them is shown to be better than every member beyond what chance gives." in str(report)
    assert "is better than" not in str(report)
    assert report.effective_votes.value == pytest.approx(2.76, abs=0.005)


@recorded
def test_five_equals_and_three_that_often_tie() -> None:
    """A vote of the mid five gains; of the weak three as well, where the tie rule decided 399 questions."""
    mid = report_of(MID)
    assert mid.best is not None
    assert percents(mid, mid.best.name, "vote", "any right") == [88.78, 92.72, 97.12]
    assert "vote is better than every member beyond chance" in str(mid)
    assert mid.effective_votes.value == pytest.approx(2.06, abs=0.005)
    weak = report_of(WEAK)
    assert weak.best is not None
    assert percents(weak, weak.best.name, "vote", "any right") == [70.13, 73.39, 83.32]
    assert "The tie rule (the member named first) decided the vote on 399 questions" in str(weak)


@recorded
def test_a_cascade_is_compared_with_the_stronger_model_alone() -> None:
    """96.66 % right at 18.3 % of its calls: no better than asking it at once, and that is what is said."""
    report = report_of(MID, escalate=STRONG, agree="4/5")
    assert percents(report, "escalation", STRONG) == [96.66, 96.21]
    calls = report.arm("escalation").calls or 0
    assert round(100 * (calls - 5 * report.n) / report.n, 1) == 18.3
    finding = report.finding(report.arm("escalation"))
    assert finding is not None
    assert (finding.against.name, finding.word) == (STRONG, "no difference shown")


@recorded
def test_a_check_that_knows_the_answer_is_right_wherever_any_member_is() -> None:
    """The person's own check chooses the first that passes."""
    right = {(row.prompt, row.text) for row in frame().itertuples() if row.correct}
    report = report_of(MID, check=lambda result, text: (result.prompt, text) in right)
    assert percents(report, "check") == [97.12]


@recorded
def test_the_cautious_reading_of_the_texts_comes_close() -> None:
    """With the models' whole replies and the gold answers alone: within 0.3 points of the published shares."""
    rows, questions = pool()
    whole = pd.DataFrame(
        [{"prompt": questions[pid], "model": model, "text": rows[pid][model]["text"]} for pid in rows for model in MID]
    )
    gold = {questions[pid]: next(row["extracted"] for row in answers.values() if row["correct"])
            for pid, answers in rows.items() if any(row["correct"] for row in answers.values())}  # fmt: skip
    report = evaluate(whole, gold)
    shares = [100 * (report.arm(arm).share or 0) * report.n / len(rows) for arm in (MID[0], "vote", "any right")]
    assert shares == pytest.approx([88.78, 92.72, 97.12], abs=0.3)


@recorded
def test_who_could_leave() -> None:
    """Dropping a member recounts the votes of the others: as if it had not been asked. Nobody is asked for it."""
    mid = report_of(MID)
    leaving = mid.leaving().set_index(["arm", "member"])
    for place, name in enumerate(MID):
        others = report_of([model for at, model in enumerate(MID) if at != place])
        difference = (others.arm("vote").share or 0) - (mid.arm("vote").share or 0)
        assert leaving.loc["vote", name].difference == pytest.approx(difference)
    assert not leaving.loc["vote", MID[0]].harmless


@recorded
def test_a_whole_evaluation_is_quick_and_small() -> None:
    """1,319 x 15 answers: far below a minute on a busy machine, and below 1 GiB."""
    frame()
    tracemalloc.start()
    begin = time.process_time()
    report = report_of()
    str(report), report.to_html(), report.frame(), report.leaving()
    took, (_, most) = time.process_time() - begin, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**30
    assert took < 60


# ---- nothing false of equals


@pytest.fixture
def without_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    """statsmodels collects garbage at each correction, which takes a tenth of a second of each of thousands."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


def table_of(members: Any, arms: Any) -> Table:
    """Arms of nothing but what is right: members x questions, arms x questions."""
    n = members.shape[1]
    answers = (Answer(""),) * n
    alone = tuple(Arm(f"m{i}", "member", answers, right) for i, right in enumerate(members))
    fused = tuple(Arm(f"arm{i}", "fused", answers, right) for i, right in enumerate(arms))
    questions = tuple(Question("", FusionResult(), {}) for _ in range(n))
    return Table(questions, alone, fused, alone[0], alone[0], 0, 0, ())


@recorded
@pytest.mark.usefixtures("without_collections")
@pytest.mark.parametrize("named", [False, True], ids=["every member", "baseline named"])
@pytest.mark.parametrize("members", [3, 5, 8])
def test_of_equally_good_members_hardly_anything_false_is_said(members: int, named: bool) -> None:
    """Recorded answers shuffled within questions are equally good members, a random pick of them an equal arm: any
    "better" or "worse" is false. At most 5 % of reports say one, at 30, 100 and 300 questions."""
    rows, _ = pool()
    right = np.array([[bool(row["correct"]) for row in answers.values()] for answers in rows.values()])
    rng = np.random.default_rng(members)
    worst = 0.0
    for n in (30, 100, 300):
        false = 0
        for _ in range(RESAMPLES):
            drawn = rng.permuted(right[rng.integers(0, len(right), n)], axis=1)[:, :members].T.astype(float)
            arms = drawn[rng.integers(0, members, (4, n)), np.arange(n)]
            results = findings(table_of(drawn, arms), "m0" if named else None)
            false += any(finding.better or finding.worse for finding in results)
        worst = max(worst, false / RESAMPLES)
    # The bound, and what as many resamples leave to chance.
    assert worst <= 0.05 + 3 * (0.05 * 0.95 / RESAMPLES) ** 0.5 * (RESAMPLES < 5000)


@pytest.mark.usefixtures("without_collections")
def test_the_power_that_the_documentation_tells() -> None:
    """85 against 70 % over 100 questions, eight arms: found seldom against every one of five members, about half the
    time against one that was named beforehand."""
    rng = np.random.default_rng(0)
    told = {None: 0, "m0": 0}
    for _ in range(RESAMPLES):
        members = (rng.random((5, 100)) < 0.70).astype(float)
        arms = (rng.random((8, 100)) < 0.85).astype(float)
        for baseline in told:
            told[baseline] += findings(table_of(members, arms), baseline)[0].better
    assert 0.06 < told[None] / RESAMPLES < 0.26
    assert 0.33 < told["m0"] / RESAMPLES < 0.60


def test_intervals_and_tests_are_those_of_the_libraries() -> None:
    """Wilson's limits are statsmodels', the sign test scipy's, and the mean coverage is 95 +- 1 % from 50 on."""
    for right, of in ((0, 10), (81, 263), (50, 50)):
        assert wilson(right, of) == pytest.approx(proportion_confint(right, of, method="wilson"))
    assert float(sign_test(9, 1)) == pytest.approx(stats.binomtest(9, 10, alternative="greater").pvalue)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    for n in (50, 100, 300):
        ends = np.array([wilson(right, n) for right in range(n + 1)])
        shares = np.linspace(0.5, 0.99, 99)
        inside = (ends[:, :1] <= shares) & (shares <= ends[:, 1:])
        cover = (stats.binom.pmf(np.arange(n + 1)[:, np.newaxis], n, shares) * inside).sum(axis=0)
        assert cover.mean() == pytest.approx(0.95, abs=0.01)


def test_no_difference_seen_is_not_no_difference() -> None:
    """Thirty questions without any difference leave six points open; a thousand leave less than one."""
    few, many = paired_share_interval(0, 0, 30), paired_share_interval(0, 0, 1000)
    assert few is not None
    assert many is not None
    assert few.low < -0.05
    assert many.low > -0.01
