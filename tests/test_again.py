"""Going on from an earlier run: nobody is asked, or paid, twice. The server's own count of requests is asserted."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb.core import Ref, RunState
from fusion_nb.core.events import CallStarted, RunStarted
from fusion_nb.errors import UserError
from fusion_nb.journal import maintenance, run_index
from fusion_nb.journal.run_files import read
from fusion_nb.journal.run_reader import find, load
from fusion_nb.run import derived_runs
from fusion_nb.run.result import FusionResult
from tests.journalled import Kernel, new_run, written
from tests.replay import Replay

FAST, SLOW = "rate/0/5/1000", "rate/0/9/1000"
JUDGE = "scripted-judge"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / "home"


class Asked:
    """How often the server was asked for each model within the block."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def __enter__(self) -> "Asked":
        self._before = Counter(self._replay.stats()["requests"])
        return self

    def __exit__(self, *error: object) -> None:
        self.counts = dict(Counter(self._replay.stats()["requests"]) - self._before)


def journalled(run: str) -> FusionResult:
    return load(run, FusionResult())


def crash(result: FusionResult, events: int) -> str:
    """The run again, as it would be had its kernel died after so many events of its file."""
    start, *rest = read(find(result.run)).events[:events]
    assert isinstance(start, RunStarted)
    run, _ = written([replace(start, run=new_run()), *rest])
    return run


def count(result: FusionResult, kind: type, *, role: str | None = None, nth: int = 1) -> int:
    """How many events of a run's file there are up to the nth of a kind."""
    events = read(find(result.run)).events
    places = [n for n, e in enumerate(events, 1) if isinstance(e, kind) and role in (None, getattr(e, "role", None))]
    return places[nth - 1]


def test_rejudge_asks_only_the_judge(replay: Replay) -> None:
    """The candidates come before a judge again, in another mode: one request in all, and the rows are all there."""
    kernel = Kernel(replay.url)
    first = kernel.run([FAST, SLOW, "fail/404"], mode="best-of")
    with Asked(replay) as asked:
        second = kernel.again(derived_runs.in_mode(derived_runs.rejudge(journalled(first.run)), "merge"))
    assert asked.counts == {JUDGE: 1}
    assert (second.status, second.mode, second.of) == ("ok", "merge", first.run)
    assert [r.text for r in second.candidates] == [r.text for r in first.candidates]
    assert [r.status for r in second.candidates] == ["ok", "ok", "error"]
    assert {r.kept_from for r in second.candidates} == {first.run}
    assert journalled(second.run) == second
    assert second.labels == first.labels


def test_what_was_kept_is_not_paid_again(replay: Replay) -> None:
    """A kept row costs nothing in its new run, names who paid it and how much that was; totals are what was spent."""
    kernel = Kernel(replay.url)
    first = kernel.run([FAST, SLOW], mode="best-of")
    second = kernel.again(derived_runs.rejudge(journalled(first.run)))
    third = kernel.again(derived_runs.rejudge(journalled(second.run)))
    judge = second.replies[-1].cost
    assert first.cost is not None
    assert second.cost == judge == first.replies[-1].cost
    for run in (second, third):
        assert [r.cost for r in run.candidates] == [0, 0]
        assert [r.kept_cost for r in run.candidates] == [r.cost for r in first.candidates]
        assert [r.kept_from for r in run.candidates] == [first.run] * 2
        assert (run.unpriced, run.usage) == (0, run.replies[-1].usage)
    spent = sum((row.cost for row in run_index.runs() if row.cost is not None), Decimal(0))
    assert (
        spent
        == sum((c.cost for c in run_index.calls() if c.cost is not None), Decimal(0))
        == first.cost + 2 * (judge or 0)
    )
    assert [row.calls for row in run_index.runs()] == [1, 1, 3]


def test_rejudge_of_a_debate_is_on_its_last_answers(replay: Replay) -> None:
    """After a debate the standing answers are judged, the way the debate would have ended; no round is held again."""
    kernel = Kernel(replay.url)
    first = kernel.run([FAST, SLOW], mode="debate", then="best-of")
    assert {r.round for r in first.candidates} == {1}
    with Asked(replay) as asked:
        second = kernel.again(derived_runs.rejudge(journalled(first.run)))
    assert asked.counts == {JUDGE: 1}
    assert second.mode == "best-of"
    assert [r.text for r in second.replies[:2]] == [r.text for r in first.candidates]
    with pytest.raises(UserError, match="asks its members"):
        derived_runs.in_mode(derived_runs.rejudge(first), "debate")
    with pytest.raises(UserError, match="Did you mean merge"):
        fusion_nb.rejudge(first, mode="mrege")


def test_add_asks_only_the_new_member(replay: Replay) -> None:
    """One more member: one request to it, one to the judge; its row stands behind the others, who keep theirs."""
    kernel = Kernel(replay.url)
    first = kernel.run([FAST, "fail/404", SLOW], mode="best-of")
    with Asked(replay) as asked:
        second = kernel.again(derived_runs.add(journalled(first.run), [Ref("replay", "rate/0/7/1000")]))
    assert asked.counts == {"rate/0/7/1000": 1, JUDGE: 1}
    assert [r.ref.model for r in second.candidates] == [FAST, "fail/404", SLOW, "rate/0/7/1000"]
    assert second.verdict is not None
    assert len(second.verdict.labels) == 3
    with pytest.raises(UserError, match="already"):
        derived_runs.add(second, [Ref("replay", "x", second.pool[0].name)])


def test_retry_asks_only_those_that_failed(replay: Replay) -> None:
    """The members without an answer are asked once more, in their own places of the pool; nobody else is."""
    kernel = Kernel(replay.url)
    first = kernel.run(["fail/404", FAST, "fail/400", SLOW], mode="merge")
    with Asked(replay) as asked:
        second = kernel.again(derived_runs.retry(journalled(first.run)))
    assert asked.counts == {"fail/404": 1, "fail/400": 1, JUDGE: 1}
    assert [r.ref for r in second.candidates] == list(first.pool)
    assert [bool(r.kept_from) for r in second.candidates] == [False, True, False, True]
    whole = kernel.run([FAST, SLOW])
    with pytest.raises(UserError, match="No member failed"):
        derived_runs.retry(whole)


def test_retry_waits_for_those_it_asks(replay: Replay) -> None:
    """A quorum that was there without them does not let the members go that a retry is for."""
    kernel = Kernel(replay.url)
    first = kernel.run([FAST, SLOW, "rate/0.3/4/100"], quorum=2, grace=0.0, mode="best-of")
    assert [r.status for r in first.candidates] == ["ok", "ok", "cancelled"]
    second = kernel.again(derived_runs.retry(journalled(first.run)))
    assert [r.status for r in second.candidates] == ["ok", "ok", "ok"]


def test_a_function_member_can_be_kept_and_asked_again(replay: Replay) -> None:
    """A member that is a function is kept like any other, and asked again where the function is at hand."""
    calls: list[str] = []

    def mine(prompt: str) -> str:
        calls.append(prompt)
        if len(calls) == 1:
            raise RuntimeError("not today")
        return "My answer."

    kernel = Kernel(replay.url)
    first = kernel.run([FAST, mine], mode="best-of")
    assert kernel.again(derived_runs.rejudge(journalled(first.run))).status == "ok"
    assert len(calls) == 1
    second = kernel.again(derived_runs.retry(journalled(first.run)), mine)
    assert [r.text for r in second.candidates] == ["w1 w2 w3 w4 w5 ", "My answer."]


@pytest.mark.parametrize("mode", ["best-of", "merge"])
def test_resume_asks_for_what_is_missing(replay: Replay, mode: str) -> None:
    """A kernel that died while one member was done: the others are asked, then the judge, and the run is whole."""
    kernel = Kernel(replay.url)
    whole = kernel.run([FAST, "rate/0.1/9/100", "rate/0.15/7/100"], mode=mode)
    first = whole.replies[0]
    events = read(find(whole.run)).events
    after_first = next(n for n, e in enumerate(events, 1) if getattr(e, "status", None) == "ok")
    dead = crash(whole, after_first)
    state = journalled(dead)
    assert [r.error for r in state.replies] == [None, "crashed", "crashed"]
    assert maintenance.crashed_runs() == [dead]
    with Asked(replay) as asked:
        second = kernel.again(derived_runs.resume(state))
    assert asked.counts == {"rate/0.1/9/100": 1, "rate/0.15/7/100": 1, JUDGE: 1}
    assert second.status == "ok"
    assert [r.text for r in second.candidates] == [r.text for r in whole.candidates]
    assert [r.kept_cost for r in second.candidates] == [first.cost, None, None]
    assert maintenance.crashed_runs() == []


def test_resume_before_anybody_was_asked(replay: Replay) -> None:
    """A kernel that died right after the start: the run is asked for as it was ordered, criteria and seed included."""
    kernel = Kernel(replay.url)
    whole = kernel.run([FAST, SLOW], mode="best-of", criteria="brevity", temperature=0.5)
    second = kernel.again(derived_runs.resume(journalled(crash(whole, 1))))
    wanted = ("prompt", "pool", "judge", "mode", "seed", "params", "limits", "criteria", "labels", "max_rounds")
    assert [getattr(second, f) for f in wanted] == [getattr(whole, f) for f in wanted]
    assert second.verdict is not None
    assert whole.verdict is not None
    assert set(second.verdict.scores[1]) == set(whole.verdict.scores[1]) == {"brevity"}


def test_resume_in_the_middle_of_a_judge(replay: Replay) -> None:
    """A kernel that died while the judge wrote: no member is asked again, the judge is."""
    kernel = Kernel(replay.url)
    whole = kernel.run([FAST, SLOW], mode="merge")
    dead = crash(whole, count(whole, CallStarted, role="judge") + 1)
    with Asked(replay) as asked:
        second = kernel.again(derived_runs.resume(journalled(dead)))
    assert asked.counts == {JUDGE: 1}
    assert second.status == "ok"


def test_resume_in_a_round_of_a_debate(replay: Replay) -> None:
    """A kernel that died in a round: what was said in it, and before it, is kept; only the rest of it is asked for."""
    kernel = Kernel(replay.url)
    whole = kernel.run([FAST, "rate/0.1/9/100", "rate/0.2/7/100"], mode="debate:2", then="best-of")
    assert len(whole.rounds) == 2
    events = read(find(whole.run)).events
    ends = [n for n, e in enumerate(events, 1) if getattr(e, "status", None) == "ok"]
    dead = crash(whole, ends[4])
    with Asked(replay) as asked:
        second = kernel.again(derived_runs.resume(journalled(dead)))
    # The fifth reply was the second of round 1: one is missing there, three in round 2.
    assert sum(asked.counts.values()) == 1 + 3 + 1
    assert second.status == "ok"
    assert [r.round for r in second.replies if r.kept_from] == [0, 0, 0, 1, 1]
    assert len(second.rounds) == 2


def test_a_later_round_is_not_kept_without_the_one_before(replay: Replay) -> None:
    """Where a member must be asked again in an earlier round, the later one is held anew: it answered other answers."""
    kernel = Kernel(replay.url)
    whole = kernel.run([FAST, SLOW], mode="debate", then="best-of")
    stopped = replace(
        whole,
        status="cancelled",
        verdict=None,
        replies=tuple(replace(r, status="cancelled", error="cancelled") if r.call == 1 else r for r in whole.replies),
    )
    order = derived_runs.resume(stopped)
    assert [(r.call, r.round) for r in order.reused] == [(2, 0)]


def test_resume_keeps_to_what_was_left_of_the_cap(replay: Replay) -> None:
    """Two halves of one run stay under the cap the run was given."""
    kernel = Kernel(replay.url)
    whole = kernel.run([FAST, SLOW], mode="best-of", max_cost=1, allow_unpriced=True)
    dead = journalled(crash(whole, count(whole, CallStarted, role="judge")))
    spent = sum((r.cost for r in dead.candidates if r.cost is not None), Decimal(0))
    assert spent > 0
    assert derived_runs.rest_of_cap(dead, dead.limits.max_cost) == 1 - spent


def test_with_the_quorum_there_the_others_stay_let_go(replay: Replay) -> None:
    """A run that died after its quorum was there does not ask the stragglers again."""
    kernel = Kernel(replay.url)
    whole = kernel.run([FAST, SLOW, "stall/30/1"], quorum=2, grace=0.0, mode="best-of")
    dead = crash(whole, count(whole, CallStarted, role="judge"))
    with Asked(replay) as asked:
        second = kernel.again(derived_runs.resume(journalled(dead)))
    assert asked.counts == {JUDGE: 1}
    assert [r.status for r in second.candidates] == ["ok", "ok", "cancelled"]


def test_what_has_ended_is_not_resumed(replay: Replay) -> None:
    """A finished run, and one that is under way, are not asked for a second time: one sentence says what to do."""
    kernel = Kernel(replay.url)
    whole = kernel.run([FAST, SLOW])
    with pytest.raises(UserError, match="has ended"):
        derived_runs.resume(journalled(whole.run))
    with pytest.raises(UserError, match="under way"):
        derived_runs.resume(RunState(run="x"))
    with pytest.raises(UserError, match="under way"):
        derived_runs.rejudge(RunState(run="x"))
    # The verdict was there and its last line was not: it has ended too.
    events = len(read(find(whole.run)).events)
    with pytest.raises(UserError, match="has ended"):
        derived_runs.resume(journalled(crash(whole, events - 1)))


def test_a_stopped_run_can_be_resumed(replay: Replay) -> None:
    """What a person stopped goes on where it was: who had answered keeps the answer."""
    kernel = Kernel(replay.url)
    handle = kernel.start(*kernel.order([FAST, "rate/0.5/3/100"], mode="best-of"))
    while not any(r.status == "ok" for r in handle.state.replies):
        handle.take()
    handle.stop()
    while not handle.done:
        handle.take()
    with Asked(replay) as asked:
        second = kernel.again(derived_runs.resume(journalled(handle.state.run)))
    assert asked.counts == {"rate/0.5/3/100": 1, JUDGE: 1}
    assert second.status == "ok"


def test_nothing_is_reserved_for_what_is_kept(replay: Replay) -> None:
    """A cap below what the candidates cost does not keep a judge from judging them again."""
    kernel = Kernel(replay.url)
    first = kernel.run([FAST, SLOW], mode="best-of")
    options: dict[str, Any] = {"max_cost": Decimal("0.0000001"), "allow_unpriced": True}
    order = derived_runs.rejudge(journalled(first.run))
    second = kernel.again(replace(order, limits=replace(order.limits, **options)))
    assert second.status == "ok"
