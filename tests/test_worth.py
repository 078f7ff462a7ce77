"""`worth()`: fused answers against each member alone; no gain is claimed that was not counted, or that chance gives."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb.core import Ref, Reply, Verdict
from fusion_nb.evaluation import Worth, worth
from fusion_nb.evaluation.report import interval, sign_test
from tests.replay import Replay, recordings


def run(prompt: str, texts: dict[str, str], answer: str | None, *, cost: str | None = "0.01") -> fusion_nb.FusionResult:
    """A finished run whose members said that; the judge cost three times a member."""
    pool = tuple(Ref("acme", name, name) for name in texts)
    money = None if cost is None else Decimal(cost)
    said = [
        Reply(call, ref, text=texts[ref.label], status="ok", cost=money, latency=2.0)
        for call, ref in enumerate(pool, 1)
    ]
    judge = Reply(len(pool) + 1, Ref("acme", "judge"), "judge", text="{}", status="ok", cost=money and 3 * money)
    chosen = tuple(r.call for r in said if r.text == answer)[:1]
    verdict = Verdict(answer=answer, chosen=chosen)
    return fusion_nb.FusionResult(
        run=prompt, prompt=prompt, mode="best-of", pool=pool, replies=(*said, judge), verdict=verdict, status="ok",
        seconds=5.0,
    )  # fmt: skip


def counted(rows: Sequence[tuple[str, str, str, str]]) -> Worth:
    """Runs of `a`, `b`, `c` and what was fused of them; right is `yes`."""
    runs = [run(str(n), dict(zip("abc", said, strict=True)), fused) for n, (*said, fused) in enumerate(rows)]
    return worth(runs, lambda _, text: text == "yes")


def test_a_gain_that_chance_would_give_is_not_called_one() -> None:
    """Two more right answers in ten are said with their p and called no difference."""
    rows = [("yes", "no", "no", "yes")] * 8 + [("no", "yes", "yes", "yes")] * 2
    found = counted(rows)
    assert (found.best.who, found.gained, found.lost) == ("a", 2, 0)
    assert found.p == 0.5
    assert "no more than chance would give (p = 0.5)" in str(found)
    assert [way.right for way in found.ways] == [10, 8, 2, 2, 2, 10]
    assert "Fusing cost 6.0 times what a alone did ($0.6000 against $0.1000)" in str(found)
    assert "2.5 times as long" in str(found)


@pytest.mark.parametrize(("fused", "word"), [("yes", "better"), ("maybe", "worse")])
def test_a_difference_beyond_chance_is_said_either_way(fused: str, word: str) -> None:
    """Fusing that harms is said as plainly as fusing that helps."""
    rows = [("no", "no", "yes", fused)] * 12 + [("yes", "yes", "no", "no" if fused == "maybe" else "yes")] * 13
    assert f"it was {word}, by more than chance" in str(counted(rows))


def test_without_a_way_to_tell_nothing_is_said_about_quality() -> None:
    """No `correct`: costs and what the judge chose, and that nobody counted."""
    found = worth([run("q", {"a": "x", "b": "y"}, "y")])
    assert "nothing is said about quality" in str(found)
    assert "The judge chose b 1." in str(found)
    frame = found.frame()
    assert list(frame.index) == ["fused", "a", "b"]
    assert frame[["right", "share", "low", "high"]].isna().all(axis=None)
    assert list(frame["cost_usd"]) == [0.05, 0.01, 0.01]


def test_a_cost_nobody_knows_is_not_compared() -> None:
    """One unknown cost, and no ratio is shown."""
    found = worth([run("q", {"a": "x", "b": "y"}, "y", cost=None)])
    assert "prices are not compared" in str(found)
    assert found.frame()["cost_usd"].isna().all()


def test_expected_answers_are_compared_with_the_short_answer() -> None:
    """A mapping from prompt to answer: `1,234` is `1234.0`; a prompt that is not there is said."""
    one = run("How many?", {"a": "So the answer is 1,234.", "b": "Answer: 7"}, "**Answer: 1234.0**")
    found = worth([one], {"How many?": 1234})
    assert [way.right for way in found.ways] == [1, 1, 0, 1, 1]
    with pytest.raises(fusion_nb.UserError, match="No expected answer"):
        worth([one], {"How few?": 1234})


def test_runs_that_cannot_be_compared_are_refused() -> None:
    """No runs, a pool of one, other members: one sentence each."""
    with pytest.raises(fusion_nb.UserError, match="at least one run"):
        worth([])
    with pytest.raises(fusion_nb.UserError, match="two or more"):
        worth([run("q", {"a": "x"}, "x")])
    with pytest.raises(fusion_nb.UserError, match="another pool"):
        worth([run("q", {"a": "x", "b": "y"}, "x"), run("r", {"a": "x", "c": "y"}, "x")])


def test_the_formulas() -> None:
    """Wilson's interval and the exact sign test at values that tables give; no overflow at many runs."""
    assert interval(0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)
    assert interval(81, 263) == pytest.approx((0.25529, 0.36621), abs=1e-5)
    assert sign_test(1, 9) == pytest.approx(0.021484375)
    assert sign_test(5, 5) == 1.0
    assert 0 <= sign_test(100, 9000) < 1e-300


def test_runs_from_the_journal(replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids do as well as results, and a rejudged run compares money with what its candidates cost when they were asked."""
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path))
    wish: dict[str, Any] = {"services": {"replay": {"base_url": replay.url}}, "judge": "replay:scripted-judge"}
    first = fusion_nb.fuse("Count.", ["replay:rate/0/5/1000", "replay:rate/0/9/1000"], mode="best-of", **wish)
    again = fusion_nb.rejudge(first.run, services=wish["services"])
    found = worth(fusion_nb.runs()["run"])
    assert found.fused.runs == 2
    assert found.members[0].costs[0] == found.members[0].costs[1] == first.replies[0].cost
    assert found.fused.costs[0] == (first.cost or 0) - (first.replies[-1].cost or 0) + (again.replies[-1].cost or 0)
    assert found.fused.seconds[0] is None


@pytest.mark.skipif(bool(recordings.MISSING), reason=recordings.MISSING or "recordings")
def test_recorded_models_reproduce_the_published_gain_of_a_vote() -> None:
    """1,319 problems, five recorded models: the best alone, a vote and the oracle come out within 0.2 points of the
    published shares, although the answers are read from the text here."""
    pool = ("claude-3-haiku-20240307", "gemma-2-9b-it", "Meta-Llama-3.1-8B-Instruct", "gpt-3.5-turbo-0125",
            "Qwen2-7B-Instruct")  # fmt: skip
    answers = recordings.gsm8k_answers()
    problems = recordings.gsm8k()
    runs = [run(p.question, {m: answers[m, p.pid] for m in pool}, answers[pool[0], p.pid]) for p in problems]
    found = worth(runs, {p.question: p.gold for p in problems})
    assert found.best.who == pool[0]
    assert found.vote is not None
    assert found.any is not None
    shares = [100 * (way.share or 0) for way in (found.best, found.vote, found.any)]
    assert shares == pytest.approx([88.78, 92.72, 97.12], abs=0.2)
