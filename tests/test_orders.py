"""A judge asked in two orders: what it says twice counts, and where it contradicts itself, that is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest

import fusion_nb
from fusion_nb.accounts.forecast import forecast
from fusion_nb.accounts.forecast_types import ForecastInputs
from fusion_nb.accounts.prices import FREE
from fusion_nb.accounts.spending_account import worst_case
from fusion_nb.accounts.token_counts import CallStatistics
from fusion_nb.core import ModeInput, Ref, Verdict
from fusion_nb.core.events import CallStarted
from fusion_nb.core.run_spec import RunSpec
from fusion_nb.judging.judge_prompts import debate_frame_size, judge_frame_size
from fusion_nb.judging.verdict_outcome import TIE_RULE
from fusion_nb.providers.demo.scripts import find_model
from tests.scripted_calls import ScriptedCalls, ScriptedReply, ScriptedRequest, case, judged, verdict_json

RIVERS = case("The Seine.", "The Rhône.", "The Loire.", orders=2)
CRITERIA = ("correctness", "completeness", "clarity")


def run(judge: list[object], task: ModeInput = RIVERS, mode: str = "best-of") -> tuple[Verdict, ScriptedCalls]:
    calls = ScriptedCalls(judge)  # type: ignore[arg-type]
    return calls.run(mode, task), calls


def shown(request: ScriptedRequest) -> list[str]:
    """The labels in the order they stand on the page."""
    return re.findall(r"^===== BEGIN CANDIDATE ([A-Z][1-9]) ", request.prompt, re.M)


def first_wins(request: ScriptedRequest) -> str:
    """A judge that likes what it is shown first."""
    order = shown(request)
    scores = {label: dict.fromkeys(CRITERIA, 9 - place) for place, label in enumerate(order)}
    return json.dumps({"rationale": "It came first.", "scores": scores, "ranking": order})


def test_the_second_page_is_the_first_one_reversed() -> None:
    """Two calls: the same candidates under the same labels, in reverse, with a code of its own in the frames."""
    _, calls = run([judged({1: 9, 2: 3, 3: 7})] * 2)
    one, two = calls.requests
    assert shown(one) == shown(two)[::-1]
    assert one.labels == two.labels
    assert one.nonce != two.nonce


def test_a_judge_that_agrees_with_itself() -> None:
    """The same best in both orders: scores are the mean of both, the agreement is data and said."""
    verdict, _ = run([judged({1: 9, 2: 3, 3: 7}), judged({1: 7, 2: 5, 3: 6})])
    assert verdict.chosen == (1,)
    assert {call: verdict.score(call) for call in (1, 2, 3)} == {1: 8, 2: 4, 3: 6.5}
    assert verdict.agreed is True
    assert verdict.note == "Asked in two orders, the judge found claude best in both."


def test_a_judge_that_is_swayed_by_the_order_is_found_out() -> None:
    """A judge that always likes the first: a tie by its mean scores, settled by the rule, and it is said."""
    task = case("The Seine.", "The Rhône.", orders=2)
    verdict, _ = run([first_wins, first_wins], task)
    assert verdict.agreed is False
    assert verdict.score(1) == verdict.score(2) == 8.5
    assert verdict.chosen == (1,)  # the earlier in the pool
    assert "contradicts itself" in verdict.note
    assert TIE_RULE in verdict.note


def test_contradiction_is_decided_by_the_mean() -> None:
    """Where the orders differ, the mean of the scores decides."""
    verdict, _ = run([judged({1: 7, 2: 6, 3: 2}), judged({1: 4, 2: 9, 3: 2})])
    assert (verdict.chosen, verdict.ranking, verdict.agreed) == ((2,), (2, 1, 3), False)
    assert "claude is best in one, gemini in the other. The scores are the mean of both orders." in verdict.note


def test_two_picks_without_scores() -> None:
    """Judges that only name a winner: two winners are a tie of these two, never of all."""
    task = case("The Seine.", "The Rhône.", "The Loire.", orders=2)
    pick = [lambda request, call=call: f"Winner: {request.label(call)}" for call in (3, 2)]
    verdict, _ = run(pick, task)
    assert verdict.agreed is False
    assert verdict.chosen == (2,)
    assert "gemini and gpt4o are equal best" in verdict.note


@pytest.mark.parametrize("lost", [0, 1])
def test_one_order_without_a_verdict(lost: int) -> None:
    """The other one's verdict stands, nothing is claimed of agreement, and why one is missing is said."""
    judge: list[object] = [judged({1: 3, 2: 9, 3: 7}), judged({1: 3, 2: 9, 3: 7})]
    judge[lost] = ScriptedReply("", "error", "It broke off.")
    verdict, calls = run(judge)
    assert (verdict.chosen, verdict.agreed, verdict.state) == ((2,), None, "judged")
    assert "nothing says whether the judge would agree with itself" in verdict.note
    assert "It broke off" in verdict.note
    assert len(calls.requests) == 2


def test_neither_order_with_a_verdict() -> None:
    """No winner is made up of two failures."""
    verdict, _ = run([ScriptedReply("", "error", "No."), ScriptedReply("", "timeout", "Too late.")])
    assert (verdict.state, verdict.chosen, verdict.answer, verdict.agreed) == ("failed", (), None, None)
    assert "No." in verdict.note
    assert "Too late." in verdict.note


def test_each_order_has_its_one_repair() -> None:
    """A verdict that cannot be read is repaired in its own order."""
    verdict, calls = run(
        [
            lambda request: verdict_json(request, {1: 9, 2: 3, 3: 7}, [2, 1, 3]),
            judged({1: 9, 2: 3, 3: 7}),
            judged({1: 9, 2: 3, 3: 7}),
        ]
    )
    assert (verdict.state, verdict.chosen, verdict.agreed) == ("repaired", (1,), True)
    assert sorted(request.round for request in calls.requests) == [0, 0, 1]
    assert calls.requests[1].messages[0] == calls.requests[0].messages[0]


@pytest.mark.parametrize("wrote", [ScriptedReply("", "error", "It broke off."), "Sorry."])
def test_a_merge_whose_writer_failed_has_no_answer(wrote: ScriptedReply | str) -> None:
    """The call that owes the answer fails: the same state as with one order, be the other order's verdict sound."""
    writer = [wrote] if isinstance(wrote, ScriptedReply) else [wrote, "Sorry again."]
    alone, _ = run([*writer], case("The Seine.", "The Rhône.", "The Loire."), mode="merge")
    fair = judged({1: 3, 2: 9, 3: 7})
    verdict, _ = run([*writer, fair], mode="merge")
    assert alone.state == verdict.state == ("failed" if isinstance(wrote, ScriptedReply) else "unread")
    assert (verdict.chosen, verdict.answer) == ((2,), "The Rhône.")
    assert "no merged answer" in verdict.note


def test_a_merge_with_an_answer_keeps_the_verdict_of_the_other_order() -> None:
    """The answer was written and the verdict before it cannot be read: answer and the other verdict stand."""
    unread = lambda a: f"Hm.\nANSWER {a.nonce}\nThe Seine."  # noqa: E731
    verdict, _ = run([unread, "Hm.", judged({1: 3, 2: 9, 3: 7})], mode="merge")
    assert (verdict.state, verdict.answer) == ("judged", "The Seine.")
    assert verdict.score(2) == 9


def test_a_merge_writes_its_answer_once() -> None:
    """The answer and its citations come from the first order; the second is asked for a verdict alone."""
    verdict, calls = run(
        [judged({1: 9, 2: 3, 3: 7}, answer="It is the Seine. [{1}]"), judged({1: 9, 2: 3, 3: 7})], mode="merge"
    )
    assert verdict.answer == "It is the Seine."
    assert verdict.citations[0].calls == (1,)
    assert verdict.agreed is True
    assert ["ANSWER " in request.prompt for request in calls.requests] == [True, False]
    assert [request.schema is None for request in calls.requests] == [True, False]


def test_one_order_is_the_default_and_says_nothing() -> None:
    """Asked once: one call, and no claim of agreement."""
    verdict, calls = run([judged({1: 9, 2: 3, 3: 7})], replace(RIVERS, orders=1))
    assert (len(calls.requests), verdict.agreed, verdict.note) == (1, None, "")


def test_through_the_whole_product(tmp_path, monkeypatch) -> None:
    """`fuse(..., orders=2)`: two judge rows in the frame, the agreement in its attrs, and a re-judge keeps the order."""
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path))
    result = fusion_nb.fuse("Why is the sky blue?", "demo", "best-of", orders=2)
    frame = result.frame()
    assert (frame.role == "judge").sum() == 2
    assert frame.attrs["judge_agreed"] in (True, False)
    assert result.orders == 2
    task = fusion_nb.load(result.run)
    assert (task.orders, task.verdict) == (2, result.verdict)
    again = fusion_nb.rejudge(task)
    assert sum(r.role == "judge" for r in again.replies) == 2
    assert sum(r.role == "judge" for r in fusion_nb.rejudge(task, orders=1).replies) == 1


def test_the_cap_knows_of_the_second_call(tmp_path, monkeypatch) -> None:
    """A cap with room for one judge call: the second is not sent, its verdict is missed, and the run is judged."""
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path))
    request = {"pool": "demo:swift,demo:steady", "mode": "best-of", "max_tokens": 300}
    with fusion_nb.stream("Why is the sky blue?", **request) as run:
        started = [event for event in run if isinstance(event, CallStarted)]
    most = worst_case(started[-1].messages, 2 * 300)
    worst = find_model("judge").prompt_price * most.prompt + find_model("judge").completion_price * most.completion
    spent = sum(r.cost for r in run.result.replies if r.role == "candidate")
    cap = spent + worst * Decimal("1.5")
    result = fusion_nb.fuse("Why is the sky blue?", **request, orders=2, max_cost=str(cap))
    judges = [r for r in result.replies if r.role == "judge"]
    assert sorted((r.status, r.error) for r in judges) == [("error", "budget"), ("ok", None)]
    assert result.status == "ok"
    assert result.verdict.agreed is None
    assert "came to no verdict" in result.verdict.note
    assert result.cost <= cap


def test_the_forecast_counts_both() -> None:
    """Twice the tokens and the money for the judge, low and high; not twice the time: they are asked side by side."""
    a, b, judge = (Ref("s", name, name) for name in ("a", "b", "judge"))
    past = [CallStatistics(1000, 4000, 200, 0.2, 3.0, 800)] * 20
    known = ForecastInputs(
        rates=lambda _: FREE, history=lambda *_: past, judge_frame=judge_frame_size, debate_frame=debate_frame_size
    )
    order = RunSpec(prompt="Why?", pool=(a, b), judge=judge, mode="best-of")
    one, two = (forecast(replace(order, orders=orders), known).lines[-1] for orders in (1, 2))
    assert (one.calls, two.calls) == ((1, 1), (2, 2))
    assert (two.prompt.low, two.prompt.high) == (2 * one.prompt.low, 2 * one.prompt.high)
    assert two.completion.low == 2 * one.completion.low
    assert two.seconds == one.seconds


@pytest.mark.parametrize("given", [0, 3, "two", True])
def test_other_numbers_of_orders_are_refused(given: object) -> None:
    """One or two; anything else is refused in a sentence, unsent."""
    with pytest.raises(fusion_nb.UserError, match="orders must be 1, or 2"):
        fusion_nb.fuse("Hi?", "demo", orders=given, journal=False)
