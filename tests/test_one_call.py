"""One call of a run stopped, or asked anew, while the others go on. Over real HTTP; the server's counts are asserted."""

import secrets
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb import UserError, history
from fusion_nb.core import RunState
from fusion_nb.core.events import CallEnded, CallStarted, TextDelta
from fusion_nb.run import derived_runs
from fusion_nb.run.run_handle import Run
from tests.replay import Replay

QUICK, OTHER, SLOW, SILENT = "rate/0/5/1000", "rate/0/6/1000", "rate/0.4/5/1000", "stall/30/2"
JUDGE = "replay:scripted-judge"


@pytest.fixture(autouse=True)
def own_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


def begin(replay: Replay, *models: Any, **options: Any) -> Run:
    services = {"replay": {"base_url": replay.url}}
    pool = [model if callable(model) else f"replay:{model}" for model in models]
    return fusion_nb.stream("Count.", pool, **{"services": services, "judge": JUDGE, "mode": "best-of", **options})


def once(run: Run, reached: Callable[[RunState], bool]) -> None:
    """Follow the run until its state is so."""
    while not reached(run.result):
        assert not run.done, run.result
        for event in run.take():
            assert event is not None
        run.pause(0.005)


def over(run: Run) -> fusion_nb.FusionResult:
    run.pause(30)
    assert run.done
    return run.result


def said(call: int, text: str = "w1 w2 ") -> Callable[[RunState], bool]:
    return lambda state: len(state.replies) >= call and state.reply(call).text == text


def ended(call: int) -> Callable[[RunState], bool]:
    return lambda state: len(state.replies) >= call and state.reply(call).status is not None


def mending(first: str) -> str:
    return f"mend/{first}/{secrets.token_hex(4)}"


def test_one_call_is_stopped_and_the_others_are_judged(replay: Replay) -> None:
    """What it had said is kept, its service tells what it cost; the run ends well with the others."""
    run = begin(replay, QUICK, SILENT, OTHER)
    once(run, said(2))
    run.stop_call(2)
    result = over(run)
    stopped = result.reply(2)
    assert (stopped.status, stopped.error, stopped.text) == ("cancelled", "stopped", "w1 w2 ")
    assert (stopped.cost_source, stopped.maybe_billed) == ("reported", False)
    assert "by hand" in (stopped.detail or "")
    assert result.status == "ok"
    assert set(result.labels.values()) == {1, 3}


def test_one_survivor_and_no_survivor(replay: Replay) -> None:
    """With one candidate left no judge is paid; whoever stops them all has stopped the run, which is no failure."""
    run = begin(replay, QUICK, SILENT, SILENT, quorum=2)
    once(run, lambda state: ended(1)(state) and said(2)(state) and said(3)(state))
    run.stop_call(2)
    run.stop_call(3)
    assert over(run).verdict.state == "not-needed"  # type: ignore[union-attr]
    run = begin(replay, SILENT, SILENT)
    once(run, lambda state: said(1)(state) and said(2)(state))
    run.stop_call(1)
    run.stop_call(2)
    assert over(run).status == "cancelled"
    run = begin(replay, SILENT, "fail/404")
    once(run, lambda state: said(1)(state) and ended(2)(state))
    run.stop_call(1)
    assert over(run).status == "error"


def test_a_stopped_judge_leaves_the_candidates(replay: Replay) -> None:
    """The judge can be stopped too: the run ends without a verdict, and everything candidates said is there."""
    run = begin(replay, QUICK, OTHER, judge="replay:scripted-judge/30/5/10")
    once(run, lambda state: len(state.replies) == 3)
    run.stop_call(3)
    result = over(run)
    assert result.status == "unjudged"
    assert [r.status for r in result.replies] == ["ok", "ok", "cancelled"]


def test_what_cannot_be_stopped_is_one_sentence(replay: Replay) -> None:
    """A number that is no call's, and a call that has ended."""
    run = begin(replay, QUICK, SILENT)
    once(run, lambda state: ended(1)(state) and said(2)(state))
    for call, why in ((9, "no call 9"), (0, "no call 0"), (1, "has ended")):
        with pytest.raises(UserError, match=why):
            run.stop_call(call)
    run.stop_call(2)
    over(run)
    with pytest.raises(UserError, match="has ended"):
        run.stop_call(2)


def test_many_stop_at_once(replay: Replay) -> None:
    """From any number of threads, and twice: each call ends once, and the run with them."""
    run = begin(replay, *[SILENT] * 8)
    once(run, lambda state: all(said(n)(state) for n in range(1, 9)))
    refused: list[UserError] = []

    def stop() -> None:
        for call in range(1, 9):
            try:
                run.stop_call(call)
            except UserError as error:
                refused.append(error)

    threads = [threading.Thread(target=stop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = over(run)
    assert [r.error for r in result.replies] == ["stopped"] * 8
    assert result.status == "cancelled"
    assert all("has ended" in str(error) for error in refused)


def test_a_stuck_call_is_asked_anew(replay: Replay) -> None:
    """The stuck one is stopped and keeps its row; the new call has its own, and the judge waits for it."""
    model = mending("stall.30.2")
    run = begin(replay, OTHER, model)
    once(run, said(2))
    run.retry_call(2)
    result = over(run)
    assert [(r.role, r.status, r.error) for r in result.replies] == [
        ("candidate", "ok", None),
        ("candidate", "cancelled", "stopped"),
        ("candidate", "ok", None),
        ("judge", "ok", None),
    ]
    assert result.reply(2).text == "w1 w2 "
    assert result.reply(2).cost is not None
    assert result.reply(3).ref == result.reply(2).ref
    assert [r.call for r in result.candidates] == [1, 3]
    assert set(result.labels.values()) == {1, 3}
    assert replay.stats()["requests"][model] == 2
    assert fusion_nb.load(result.run) == result


def test_a_failed_call_is_asked_anew_while_others_are(replay: Replay) -> None:
    """A key that was refused is tried again where a person says so; a quorum does not let the new call go."""
    model = mending("fail.401")
    run = begin(replay, OTHER, SLOW, model, quorum=1, grace=5)
    once(run, ended(3))
    run.retry_call(3)
    result = over(run)
    assert [r.error for r in result.replies[:4]] == [None, None, "auth", None]
    assert result.reply(4).text == "w1 w2 w3 w4 w5 "
    assert len(result.candidates) == 3


def test_what_was_asked_anew_is_waited_for(replay: Replay) -> None:
    """With the quorum there and the grace over, a call that a person asked for is not let go."""
    model = mending("stall.30.2")
    run = begin(replay, OTHER, model, "stall/30/1", quorum=1, grace=0.2)
    once(run, said(2))
    run.retry_call(2)
    result = over(run)
    assert [r.error for r in result.replies[:4]] == [None, "stopped", "cancelled", None]
    assert [r.call for r in result.candidates if r.usable] == [1, 4]


def test_what_cannot_be_asked_anew_is_one_sentence(replay: Replay) -> None:
    """Who has answered, who is being asked anew, the judge, and anybody once the judge reads or all is over."""
    run = begin(replay, QUICK, SILENT, judge="replay:scripted-judge/30/5/10")
    once(run, lambda state: ended(1)(state) and said(2)(state))
    with pytest.raises(UserError, match="has answered"):
        run.retry_call(1)
    with pytest.raises(UserError, match="no call 5"):
        run.retry_call(5)
    run.retry_call(2)
    with pytest.raises(UserError, match="anew already"):
        run.retry_call(2)
    once(run, said(3))
    with pytest.raises(UserError, match="anew already"):
        run.retry_call(2)
    run.stop_call(3)
    over(run)

    run = begin(replay, QUICK, OTHER, "fail/404", judge="replay:scripted-judge/30/5/10")
    once(run, lambda state: len(state.replies) == 4)
    with pytest.raises(UserError, match="when the run is over"):
        run.retry_call(3)
    with pytest.raises(UserError, match="is the judge's"):
        run.retry_call(4)
    run.stop()
    over(run)
    with pytest.raises(UserError, match="run is over"):
        run.retry_call(3)


def test_the_cap_holds_for_what_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the stopped call may have cost stays counted: where the new one does not fit beside it, it is not sent."""
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "0.2")
    run = fusion_nb.stream("Why is the sky blue?", ["demo:careful"], max_cost="0.02", max_tokens=800)
    once(run, lambda state: bool(state.replies) and bool(state.replies[0].text))
    run.retry_call(1)
    result = over(run)
    assert [r.error for r in result.replies] == ["stopped", "budget"]
    assert result.cost is None or result.cost <= Decimal("0.02")


def test_in_a_debate_a_round_that_is_over_stays_so(replay: Replay) -> None:
    """A member is asked anew within its round, with what that round asks; an earlier round's call is refused."""
    asked: list[str] = []
    release = threading.Event()

    def thinker(prompt: str) -> str:
        asked.append(prompt)
        if len(asked) == 2:
            release.wait(30)
        return f"Answer {len(asked)}."

    run = begin(replay, QUICK, thinker, mode="debate:1", then="best-of")
    once(run, lambda state: len(asked) == 2 and ended(3)(state))
    with pytest.raises(UserError, match="round is over"):
        run.retry_call(2)
    run.retry_call(4)
    result = over(run)
    release.set()
    assert [(r.round, r.error) for r in result.replies[:5]] == [
        (0, None),
        (0, None),
        (1, None),
        (1, "stopped"),
        (1, None),
    ]
    assert asked[1] == asked[2] != asked[0]
    assert [r.call for r in result.candidates] == [3, 5]


def test_after_the_run_one_member_is_asked_once_more(replay: Replay) -> None:
    """`history.retry(run, call=...)` keeps every other reply, a failed one too, and asks that member and the judge."""
    result = over(begin(replay, QUICK, "rate/0/9/1000", "fail/404"))
    before = replay.stats()["requests"]
    services = {"replay": {"base_url": replay.url}}
    second = history.retry(result, call=2, services=services)
    asked = {name: n - before.get(name, 0) for name, n in replay.stats()["requests"].items()}
    assert {name: n for name, n in asked.items() if n} == {"rate/0/9/1000": 1, "scripted-judge": 1}
    assert [(r.ref.model, bool(r.kept_from), r.usable) for r in second.candidates] == [
        (QUICK, True, True),
        ("rate/0/9/1000", False, True),
        ("fail/404", True, False),
    ]
    with pytest.raises(UserError, match="no member's"):
        history.retry(result, call=4, services=services)


def test_a_run_that_was_left_goes_on_with_what_stands(replay: Replay) -> None:
    """`resume` keeps the answer of a call that was asked anew, and does not ask again whom a person stopped."""
    run = begin(replay, mending("stall.30.2"), SILENT, "stall/30/1")
    once(run, lambda state: said(1)(state) and said(2)(state))
    run.retry_call(1)
    once(run, ended(4))
    run.stop_call(2)
    once(run, ended(2))
    run.stop()
    result = over(run)
    order = derived_runs.resume(result)
    assert [(r.call, r.error) for r in order.reused] == [(4, None), (2, "stopped")]


def test_events_of_a_call_asked_anew_fold_as_ever(replay: Replay) -> None:
    """Each call has one start and one end, in one stream without gaps; a bill that comes later is its end once more."""
    run = begin(replay, OTHER, mending("stall.30.2"))
    events, anew = [], False
    for event in run:
        events.append(event)
        if not anew and isinstance(event, TextDelta) and said(2)(run.result):
            anew = True
            run.retry_call(2)
    assert [e.seq for e in events] == list(range(len(events)))
    assert [e.call for e in events if isinstance(e, CallStarted)] == [1, 2, 3, 4]
    assert sorted(e.call for e in events if isinstance(e, CallEnded)) == [1, 2, 2, 3, 4]
