"""A run as a person meets it: members that fail, limits that hold, stops that keep what was paid. Over real HTTP."""

import asyncio
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb.core import RunState
from fusion_nb.core.events import CallEnded, CallStarted, RunEnded, RunStarted
from fusion_nb.core.fold import fold_all
from tests.replay import Replay

QUICK = "rate/0/5/1000"
JUDGE = "replay:scripted-judge"


def ask(replay: Replay, *models: str, **options: Any) -> fusion_nb.FusionResult:
    services = {"replay": {"base_url": replay.url}}
    pool = [model if callable(model) else f"replay:{model}" for model in models]
    return fusion_nb.fuse("Count.", pool=pool, services=services, **{"judge": JUDGE, "mode": "best-of", **options})


def test_every_call_is_on_the_ledger(replay: Replay) -> None:
    """Each call is one reply with the service's own tokens, cost and generation id; the total is their exact sum."""
    result = ask(replay, QUICK, QUICK, "rate/0/9/1000")
    assert [r.role for r in result.replies] == ["candidate"] * 3 + ["judge"]
    assert all(r.status == "ok" and r.generation_id and r.cost_source == "reported" for r in result.replies)
    assert [r.usage.completion for r in result.candidates] == [5, 5, 9]
    assert result.cost == sum((r.cost for r in result.replies if r.cost), Decimal(0))
    assert result.unpriced == 0


def test_members_are_asked_side_by_side(replay: Replay) -> None:
    """All calls to the pool start before the first of them ends."""
    services = {"replay": {"base_url": replay.url}}
    run = fusion_nb.stream("Count.", ["replay:rate/0.05/5/500"] * 4, services=services, judge=JUDGE, mode="best-of")
    kinds = [type(e) for e in run if isinstance(e, CallStarted | CallEnded)]
    assert kinds[:4] == [CallStarted] * 4


def test_one_failed_member_is_one_row(replay: Replay) -> None:
    """A member that fails is a reply with an error and a sentence; the others are judged and answer."""
    result = ask(replay, QUICK, "fail/404", QUICK)
    bad = result.replies[1]
    assert (bad.status, bad.error, bad.cost) == ("error", "model", None)
    assert bad.detail
    assert result.status == "ok"
    assert result.answer == "w1 w2 w3 w4 w5 "


def test_one_survivor_is_returned_without_paying_a_judge(replay: Replay) -> None:
    """With one candidate left there is nothing to compare: no judge is asked, and that is said."""
    before = replay.stats()["requests"].get("scripted-judge", 0)
    result = ask(replay, QUICK, "fail/404", "fail/400")
    assert result.answer == "w1 w2 w3 w4 w5 "
    assert result.verdict is not None
    assert result.verdict.state == "not-needed"
    assert result.verdict.note.startswith("Only replay:rate/0/5/1000 answered (")
    assert "No judge was asked. Only replay:rate" in result.to_markdown()
    assert replay.stats()["requests"].get("scripted-judge", 0) == before


def test_all_failed_is_one_sentence_with_every_reason(replay: Replay) -> None:
    """Where nobody answered, the error names each member's reason, and the rows are there to look at."""
    with pytest.raises(fusion_nb.RunFailed, match="None of the 2 members answered") as failed:
        ask(replay, "fail/404", "fail/402")
    assert "fail/404" in str(failed.value)
    assert "fail/402" in str(failed.value)
    assert [r.error for r in failed.value.result.replies] == ["model", "credits"]


def test_a_passing_fault_is_tried_again_and_told(replay: Replay) -> None:
    """503 before any text is worth another try: the server sees three requests, and the row says so."""
    before = replay.stats()["requests"].get("fail/503", 0)
    result = ask(replay, QUICK, "fail/503")
    assert result.replies[1].attempts == 3
    assert replay.stats()["requests"]["fail/503"] == before + 3


def test_a_timeout_keeps_what_was_said(replay: Replay) -> None:
    """A member that is too slow is a row of its own kind, with the text it had sent; its service tells what it cost."""
    result = ask(replay, QUICK, "stall/30/2", timeout=0.5)
    late = result.replies[1]
    assert (late.status, late.error, late.text) == ("timeout", "total", "w1 w2 ")
    assert (late.cost_source, late.maybe_billed) == ("reported", False)
    assert result.answer == "w1 w2 w3 w4 w5 "


def test_quorum_lets_stragglers_go(replay: Replay) -> None:
    """With two of three there, the third has `grace` seconds, and its connection is closed."""
    began = time.monotonic()
    result = ask(replay, QUICK, QUICK, "stall/30/1", quorum=2, grace=0.1)
    assert time.monotonic() - began < 10
    assert [r.status for r in result.replies[:3]] == ["ok", "ok", "cancelled"]
    assert result.replies[2].text == "w1 "
    assert result.status == "ok"


def test_stop_keeps_and_returns_what_was_received(replay: Replay) -> None:
    """Stopping ends the run as cancelled within a second; finished and partial replies are there."""
    services = {"replay": {"base_url": replay.url}}
    pool = [f"replay:{QUICK}", "replay:stall/30/3"]
    with fusion_nb.stream("Count.", pool, services=services, judge=JUDGE) as run:
        for _ in run:
            replies = run.result.replies
            if [r.status for r in replies] == ["ok", None] and replies[1].text == "w1 w2 w3 ":
                break
        deadline = time.monotonic() + 1
        while not run.done and time.monotonic() < deadline:
            time.sleep(0.01)
    result = run.result
    assert result.status == "cancelled"
    assert [r.status for r in result.replies] == ["ok", "cancelled"]
    assert result.replies[1].text == "w1 w2 w3 "
    assert result.answer is None


def test_events_are_numbered_and_fold_to_the_result(replay: Replay) -> None:
    """The stream is complete: its events, folded anew, give the very state of the run."""
    services = {"replay": {"base_url": replay.url}}
    run = fusion_nb.stream("Count.", [f"replay:{QUICK}"] * 2, services=services, judge=JUDGE, mode="merge")
    events = list(run)
    assert [e.seq for e in events] == list(range(len(events)))
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunEnded)
    assert fold_all(events, fusion_nb.FusionResult()) == run.result
    assert isinstance(fold_all(events, RunState()), RunState)


def test_the_cap_is_held_side_by_side(replay: Replay) -> None:
    """Calls that together could pass --max-cost are not sent; the row says how much was left and what to do."""

    def priced(**options: Any) -> fusion_nb.FusionResult:
        return fusion_nb.fuse("Hi.", pool="demo:careful*3", judge="demo:judge", mode="best-of", **options)

    result = priced(max_cost="0.02", max_tokens=800)
    assert [r.error for r in result.replies[:3]] == [None, "budget", "budget"]
    assert "Raise it (--max-cost)" in (result.replies[1].detail or "")
    assert result.cost is not None
    assert result.cost <= Decimal("0.02")


def test_a_price_that_was_listed_is_one_a_cap_knows(replay: Replay, tmp_path: Path, monkeypatch: Any) -> None:
    """After `%fuse_models` has shown what a service asks for, `--max-cost` no longer calls it unknown."""
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path))
    here: dict[str, Any] = {"services": {"corp": {"base_url": replay.url}}}
    wish: dict[str, Any] = {"pool": ["corp:burst/400"], "max_cost": 1, "max_tokens": 100, **here}
    with pytest.raises(fusion_nb.RunFailed, match="Nobody knows the price"):
        fusion_nb.fuse("Count.", **wish)
    assert "corp:burst/400" in set(fusion_nb.models("burst", **here)["ref"])
    result = fusion_nb.fuse("Count.", **wish)
    assert (result.status, result.cost is not None) == ("ok", True)


def test_a_cap_too_small_for_one_call_sends_nothing() -> None:
    """Not one call fits: one sentence with the least amount, before anything is asked."""
    with pytest.raises(fusion_nb.UserError, match="too small for even one call"):
        fusion_nb.fuse("Hi.", pool="demo", max_cost=0.000001)


def test_unknown_prices_need_a_yes_under_a_cap(replay: Replay) -> None:
    """What nobody priced is not asked under a cap, unless it is allowed; without a cap it is."""
    with pytest.raises(fusion_nb.RunFailed, match="--allow-unpriced"):
        ask(replay, QUICK, max_cost=1)
    assert ask(replay, QUICK, max_cost=1, allow_unpriced=True).status == "ok"


def test_afuse_leaves_the_callers_loop_turning(replay: Replay) -> None:
    """While `await afuse()` waits, other tasks of the caller's loop run; cancelling it stops the run."""
    services = {"replay": {"base_url": replay.url}}

    async def main() -> tuple[int, fusion_nb.FusionResult]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.005)

        ticking = asyncio.create_task(tick())
        options = {"services": services, "judge": JUDGE}
        result = await fusion_nb.afuse("Count.", ["replay:rate/0.1/5/100", f"replay:{QUICK}"], "best-of", **options)
        ticking.cancel()
        return ticks, result

    ticks, result = asyncio.run(main())
    assert result.status == "ok"
    assert ticks > 5


def test_labels_and_order_are_repeatable(replay: Replay) -> None:
    """The same seed shows the judge the same labels in the same order; the seed is on record."""
    first, second = (ask(replay, QUICK, "rate/0/6/1000", "rate/0/7/1000", seed=11) for _ in range(2))
    assert first.labels == second.labels
    assert first.seed == 11
    assert ask(replay, QUICK, QUICK, QUICK).seed != ask(replay, QUICK, QUICK, QUICK).seed
