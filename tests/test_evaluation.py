"""`evaluate()` on runs and frames: what counts as an observation, what is claimed, what is said instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fusion_nb
from fusion_nb import UserError, evaluate
from fusion_nb.core import Ref, Reply, Verdict
from fusion_nb.evaluation import EvaluationReport
from tests.replay import Replay

Texts = Mapping[str, str | None]


def run(
    prompt: str,
    texts: Texts,
    answer: str | None,
    *,
    run_id: str = "",
    cost: str | None = "0.01",
    **changes: Any,
) -> fusion_nb.FusionResult:
    """A finished run whose members said that; the judge cost three times a member."""
    pool = tuple(Ref("acme", name, name) for name in texts)
    money = None if cost is None else Decimal(cost)
    replies = [
        Reply(call, ref, text=texts[ref.label] or "", status="ok" if texts[ref.label] else "error", cost=money, latency=2.0)
        for call, ref in enumerate(pool, 1)
    ]  # fmt: skip
    judge = Reply(len(pool) + 1, Ref("acme", "judge"), "judge", text="{}", status="ok", cost=money and 3 * money)
    chosen = tuple(r.call for r in replies if r.text == answer)[:1]
    result = fusion_nb.FusionResult(
        run=run_id or prompt, prompt=prompt, mode="best-of", pool=pool, replies=(*replies, judge), status="ok",
        judge=Ref("acme", "judge", "judge"), verdict=Verdict(answer=answer, chosen=chosen), seconds=5.0,
    )  # fmt: skip
    return replace(result, **changes)


def counted(rows: Sequence[tuple[str, str, str, str]], **options: Any) -> EvaluationReport:
    """Runs of `a`, `b`, `c` and what was fused of them; right is `yes`."""
    runs = [run(str(n), dict(zip("abc", said, strict=True)), fused) for n, (*said, fused) in enumerate(rows)]
    return evaluate(runs, lambda text: text == "yes", extract="text", **options)


def test_a_gain_that_chance_would_give_is_not_called_one() -> None:
    """Two more right answers in ten are told with their p and called no difference."""
    report = counted([("yes", "no", "no", "yes")] * 8 + [("no", "yes", "yes", "yes")] * 2)
    finding = report.finding(report.arm("best-of"))
    assert finding is not None
    assert (finding.against.name, finding.gained, finding.lost, finding.word) == ("a", 2, 0, "no difference shown")
    assert "No way to fuse them is shown to be better than every member" in str(report)
    assert report.frame()["right"].to_dict() == pytest.approx({
        "a": 8, "b": 2, "c": 2, "vote": 2, "best-of": 10, "placebo": 4, "any right": 10,
    })  # fmt: skip
    # Members cost a cent, the run six: 0.60 USD for ten right answers.
    assert report.frame().loc["best-of", ["usd_per_question", "usd_per_right", "calls"]].tolist() == [0.06, 0.06, 40]


@pytest.mark.parametrize(("fused", "word"), [("yes", "better"), ("maybe", "worse")])
def test_a_difference_beyond_chance_is_told_either_way(fused: str, word: str) -> None:
    """Fusing that harms is told as plainly as fusing that helps, with its price."""
    report = counted(
        [("no", "no", "yes", fused)] * 15 + [("yes", "yes", "no", "no" if word == "worse" else "yes")] * 16
    )
    assert f"best-of is {word} than" in str(report)
    assert "at 6.0 times the price" in str(report)
    if word == "worse":
        assert "is better than" not in str(report)


def test_better_than_the_best_alone_is_not_better_than_every_member() -> None:
    """The member that is right most often was picked after the fact: another one may have been as good by chance."""
    rows = [("yes", "no", "no", "yes")] * 6 + [("no", "yes", "no", "yes")] * 6 + [("yes", "yes", "no", "yes")] * 4
    free, named = counted(rows, arms="best-of"), counted(rows, arms="best-of", baseline="a")
    assert [r.findings[0].p_better for r in (free, named)] == pytest.approx([1 / 64, 2 / 64])
    assert "named beforehand" in str(named)
    assert "named beforehand" not in str(free)


def test_copies_and_rejudgings_are_one_observation() -> None:
    """One result eight times is one question; so is a run with six rejudgings of it."""
    once = run("1", {"a": "no", "b": "yes"}, "yes")
    report = evaluate([once] * 8, {"1": "yes"})
    assert report.n == 1
    rejudged = [run("1", {"a": "no", "b": "yes"}, "no", run_id=f"1-{n}", of="1", when=str(n)) for n in range(6)]
    report = evaluate([once, *rejudged, run("2", {"a": "yes", "b": "yes"}, "yes")], {"1": "yes", "2": "yes"})
    assert (report.n, report.arm("best-of").total_right) == (2, 2)
    assert "6 runs derived from others" in str(report)


def test_a_persons_choice_is_not_the_judges() -> None:
    """What the judge decided counts, though a person has chosen another candidate since."""
    chosen = run("1", {"a": "no", "b": "yes"}, "no")
    corrected = replace(chosen, judged=chosen.verdict, verdict=Verdict("yes", chosen=(2,), state="by-hand"))
    report = evaluate([corrected], {"1": "yes"})
    assert report.arm("best-of").total_right == 0
    assert "the judge chose acme:a 1" in str(report) or "the judge chose a 1" in str(report)
    undecided = replace(corrected, judged=None)
    report = evaluate([undecided, run("2", {"a": "x", "b": "x"}, "x")], {"1": "yes", "2": "x"})
    assert report.arm("best-of").n == 1
    assert "1 run that a person decided before any judge did" in str(report)


@pytest.mark.parametrize("state", ["unread", "failed", "split"])
def test_a_fallback_counts_as_delivered_and_never_as_the_judges_choice(state: Any) -> None:
    """The first candidate stands in: it is the arm's answer, counted beside it, and no judge chose it."""
    fallen = run("1", {"a": "yes", "b": "no"}, "yes", mode="merge", status="unjudged")
    fallen = replace(fallen, verdict=Verdict("yes", chosen=(1,), state=state))
    report = evaluate([fallen], {"1": "yes"})
    assert (report.arm("merge").total_right, report.arm("merge").fallbacks) == (1, 1)
    assert "merge: 1 of 1 answers are fallbacks" in str(report)
    assert "the judge chose" not in str(report)


def test_stopped_runs_are_left_out_and_counted() -> None:
    """A run a person stopped after the members had answered is no wrong answer of the judge."""
    whole, stopped = run("1", {"a": "x", "b": "y"}, "x"), run("2", {"a": "x", "b": "y"}, None, status="cancelled")
    report = evaluate([whole, stopped], {"1": "x", "2": "x"})
    assert report.n == 1
    assert "1 run that was stopped" in str(report)
    with pytest.raises(UserError, match="1 run that was stopped"):
        evaluate([stopped], {"2": "x"})


def test_a_member_that_failed_is_not_right_and_nobody_is_billed_for_a_refusal() -> None:
    """Its row has no text; a refused call has no price and costs nothing, so prices are still compared."""
    result = run("1", {"a": None, "b": "x"}, "x")
    refused = replace(result.replies[0], cost=None, error="refused")
    report = evaluate([replace(result, replies=(refused, *result.replies[1:]))], {"1": "x"}, extract="text")
    assert (report.arm("a").total_right, report.arm("a").cost, report.arm("a").unpriced) == (0, 0, 0)
    assert report.arm("vote").cost == Decimal("0.01")


def test_without_a_way_to_tell_nothing_is_said_about_quality() -> None:
    """Costs, and what the judge chose; no share, no picture of one."""
    report = evaluate([run("q", {"a": "x", "b": "y"}, "y")])
    assert "nothing is said about quality" in str(report)
    assert "the judge chose b 1" in str(report)
    assert report.frame()[["right", "share", "low", "high", "p"]].isna().all(axis=None)
    assert "<svg" not in report.to_html()


def test_a_cost_nobody_knows_is_not_compared() -> None:
    """One unknown cost, and no ratio is shown."""
    rows = [run(str(n), {"a": "x", "b": "y"}, "z", cost=None) for n in range(12)]
    report = evaluate(rows, {str(n): "z" for n in range(12)})
    assert "best-of is better than every member beyond chance" in str(report)
    assert "at a price that is not known" in str(report)
    assert report.frame()["cost_usd"].drop("any right").isna().all()
    assert "$" not in report.to_html().partition("<style>")[0]


def test_gold_answers_are_compared_by_their_short_answer() -> None:
    """`1,234` is `1234.0`; a question whose answer nobody knows is left out and said."""
    one = run("How many?", {"a": "So the answer is 1,234.", "b": "Answer: 7"}, "**Answer: 1234.0**")
    report = evaluate([one, run("How few?", {"a": "1", "b": "2"}, "1")], {"How many?": 1234, "How few?": None})
    assert (report.n, [arm.total_right for arm in report.table.arms]) == (1, [1, 0, 1, 1, 0.5, 1])
    assert "Left out: 1 question, because no right answer is known." in str(report)


def test_scores_by_degrees_are_resampled() -> None:
    """`correct` gives 0 to 1: means, intervals and differences by resampling of questions; a clear gain is told."""
    rows = [("0.4", "0.5", "0.3", f"0.{8 + n % 2}") for n in range(40)] + [("0.5", "0.3", "0.6", "0.7")] * 20
    runs = [run(str(n), dict(zip("abc", said, strict=True)), fused) for n, (*said, fused) in enumerate(rows)]
    report = evaluate(runs, lambda result, text: float(text))
    arm = report.arm("best-of")
    low, high = report.interval(arm) or (0, 0)
    assert 0.7 < low < (arm.share or 0) < high < 0.85
    assert report.findings[-1].word == "better"
    assert report.findings[0].word != "better"


def test_a_function_that_fails_leaves_its_question_out() -> None:
    """What raises, or returns nonsense, is no judgement: the question is left out, and why is said."""
    runs = [run(str(n), {"a": "1", "b": "2"}, "1") for n in range(3)]

    def correct(result: Any, text: str) -> Any:
        return {"0": True, "1": "perhaps"}[result.prompt]

    report = evaluate(runs, correct)
    assert report.n == 1
    assert "correct raised KeyError" in str(report)
    assert "correct returned 'perhaps'" in str(report)


FRAME = pd.DataFrame(
    [
        (f"{n} + 1?", model, str(n + 1 if n % every else 0), 0.001 * place, 1.0 * place)
        for n in range(30)
        for place, (model, every) in enumerate({"a": 3, "b": 4, "c": 5, "strong": 31}.items(), 1)
    ],
    columns=["prompt", "model", "text", "cost", "seconds"],
)
GOLD = {f"{n} + 1?": n + 1 for n in range(30)}


def test_recorded_answers_of_any_origin() -> None:
    """A frame of prompt, model and text: members, vote, a cascade to a model that is no member, checks, by kind."""
    kind = FRAME.prompt.map(lambda prompt: "even" if int(prompt.split()[0]) % 2 == 0 else "odd")
    report = evaluate(
        FRAME.assign(kind=kind), GOLD, escalate="strong", agree=1, by="kind", check=lambda text: text != "0"
    )
    frame = report.frame()
    assert list(frame.index) == ["a", "b", "c", "strong", "vote", "check", "escalation", "placebo", "any right"]
    assert frame.loc["check", "right"] == frame.loc["any right", "right"]
    asked = frame.loc["escalation", "calls"] - 3 * 30
    assert 0 < asked < 30
    assert set(report.by_kind()["kind"]) == {"even", "odd"}
    assert report.by_kind().groupby("arm")["n"].sum().eq(30).all()
    questions = report.questions()
    assert questions.shape == (30, 10)
    assert questions["vote"].sum() == frame.loc["vote", "right"]
    leaving = report.leaving()
    assert set(leaving["arm"]) == {"vote", "check", "any right"}
    assert not leaving["harmless"].any()
    assert "Models" not in report.to_markdown()


@pytest.mark.parametrize(
    "known",
    [
        GOLD,
        pd.Series(GOLD),
        pd.Series([GOLD[prompt] for prompt in FRAME.prompt]),
        [GOLD[prompt] for prompt in FRAME.prompt],
        "gold",
        "marks",
        lambda text: text != "0",
        lambda result, text: text == str(GOLD[result.prompt]),
    ],
)
def test_every_way_to_say_what_is_right(known: Any) -> None:
    """A dict, a Series by prompt or by row, a list, a column of answers or of marks, a function: the same report."""
    gold = FRAME.prompt.map(GOLD)
    frame = FRAME.assign(gold=gold, marks=FRAME.text == gold.astype(str))
    report = evaluate(frame, known, pool="a,b,c")
    assert report.frame()["right"].tolist()[:4] == [20, 22, 24, 25]


BAD: list[tuple[Any, dict[str, Any], str]] = [
    ([], {}, "at least one finished run"),
    ([run("q", {"a": "x"}, "x")], {}, "two or more"),
    ([run("q", {"a": "x", "b": "y"}, "x"), run("r", {"a": "x", "c": "y"}, "x")], {}, "another pool"),
    (["how many?"], {}, "is no run"),
    (5, {}, "takes runs"),
    (FRAME.drop(columns="model"), {}, "model is not there"),
    (FRAME.head(0), {}, "is empty"),
    (pd.concat([FRAME, FRAME]), {}, "second answer"),
    (FRAME, {"pool": "a,z"}, "z is no model"),
    (FRAME, {"pool": "a"}, "at least two"),
    (FRAME, {"pool": "a,a"}, "stands twice"),
    (FRAME, {"known": "gold"}, "is no column"),
    (FRAME, {"known": {"x": 1}}, "No question stands in known"),
    (FRAME, {"known": [1, 2]}, "2 answers for 120"),
    (FRAME, {"known": 7}, "known takes right answers"),
    (FRAME, {"known": [*range(120)]}, "two right answers"),
    (FRAME, {"baseline": "z"}, "is no member"),
    (FRAME, {"escalate": "z"}, "no recorded answer"),
    (FRAME, {"arms": "vote,merge"}, "no arm 'merge'"),
    (FRAME, {"arms": 3}, "arms takes"),
    (FRAME, {"smallest": 2}, "smallest"),
    (FRAME, {"weights": {"z": 2}}, "is no member"),
    (FRAME, {"weights": [1, 2]}, "2 numbers for 4 members"),
    (FRAME, {"by": "kind"}, "is no column"),
    (FRAME, {"by": 5}, "by takes"),
    (FRAME.assign(cost="dear"), {}, "cost of row 0 is 'dear'"),
    (FRAME.assign(seconds=-1.0), {}, "seconds of row 0"),
    ("How many?", {}, "is no run"),
    (FRAME, {"extract": "numbr"}, "no way to find"),
    (FRAME, {"agree": 7}, "agree must be"),
]


@pytest.mark.parametrize(("questions", "options", "words"), BAD, ids=[words for *_, words in BAD])
def test_what_cannot_be_compared_is_refused_in_a_sentence(questions: Any, options: dict[str, Any], words: str) -> None:
    """One sentence, with the remedy, and no traceback of a library."""
    with pytest.raises(UserError, match=words) as refused:
        evaluate(questions, **options)
    assert str(refused.value).endswith((".", "?"))


def test_the_views_are_safe_and_whole() -> None:
    """A hostile name of a model is text in every view; the paragraph, both pictures and the table are there."""
    name = "<img src=x onerror=alert(1)>|$x$\u202e\x1b[31m"
    report = evaluate(FRAME.replace({"model": {"a": name}}), GOLD)
    html = report.to_html()
    assert "<img" not in html
    assert html.count("<svg") == 2
    assert "onerror" not in html.replace("onerror=alert(1)&gt;", "")
    for text in (html, report.to_markdown(), str(report)):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<img" not in report.to_markdown()
    assert report._repr_html_() == html


def test_runs_from_the_journal(replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids and `runs()` do as well as results; a rejudged run costs what its candidates cost when they were asked."""
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path))
    services = {"replay": {"base_url": replay.url}}
    pool = ["replay:rate/0/5/1000", "replay:rate/0/9/1000"]
    first = fusion_nb.fuse("Count.", pool, mode="best-of", services=services, judge="replay:scripted-judge")
    again = fusion_nb.rejudge(first.run, mode="merge", services=services)
    for runs in (fusion_nb.runs(), fusion_nb.runs()["run"], [first, again], [again.run, first]):
        report = evaluate(runs)
        assert report.n == 1
        assert report.arm("best-of").cost == first.cost
        assert report.arm("merge").cost == (first.cost or 0) - (first.replies[-1].cost or 0) + (again.cost or 0)
    assert fusion_nb.worth([first]).n == 1
