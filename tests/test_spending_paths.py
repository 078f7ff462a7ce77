"""The caps of run, session and day on every path that pays, against a service that counts what it charged."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import fusion_nb
from fusion_nb import history
from fusion_nb.accounts import spending_caps
from fusion_nb.accounts.spending_account import Account, usd
from fusion_nb.errors import UserError
from fusion_nb.run.result import FusionResult
from fusion_nb.run.run_handle import Run
from tests.charging import ChargingService

POOL = ["openrouter:told-3", "openrouter:told-4"]
JUDGE = "openrouter:judge-5"


@pytest.fixture(scope="module")
def shared_service() -> Iterator[ChargingService]:
    with ChargingService() as service:
        yield service


@pytest.fixture
def service(
    shared_service: ChargingService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ChargingService]:
    """The service, its price list kept, and a session and a day that have spent nothing."""
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(spending_caps, "SESSION", Account("max_cost_per_session"))
    for counts in (shared_service.charged, shared_service.known, shared_service.by_prompt, shared_service.asked):
        counts.clear()  # type: ignore[attr-defined]
    fusion_nb.estimate("What?", POOL, judge=JUDGE, services=shared_service.services)
    return shared_service


def run(service: ChargingService, pool: Any = None, **options: Any) -> FusionResult:
    options = {"judge": JUDGE, "max_tokens": 1000, "services": service.services, **options}
    return fusion_nb.fuse("run:a What is 3 + 4?", pool or POOL, "best-of", **options)


def stopped(service: ChargingService, pool: Any, **options: Any) -> FusionResult:
    """A run that is stopped once every slow member of it has begun to answer and all others have ended."""
    options = {"judge": JUDGE, "max_tokens": 1000, "services": service.services, **options}
    begun = fusion_nb.stream("run:a What is 3 + 4?", pool, "best-of", **options)
    open_calls = sum("slow" in member for member in pool)
    until(lambda: sum(bool(r.text) for r in begun.result.replies if r.status is None) == open_calls)
    until(lambda: sum(r.status is not None for r in begun.result.replies) == len(pool) - open_calls)
    begun.stop()
    begun.pause(20)
    assert begun.done
    return begun.result


def until(happened: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def day_equals(service: ChargingService) -> None:
    """The session and the day are booked with what the service charged, to the last digit."""
    assert spending_caps.SESSION.spent + spending_caps.SESSION.unsettled >= service.total
    assert spending_caps.SESSION.spent == spending_caps.day_account().spent == service.told
    assert spending_caps.day_account().unsettled == spending_caps.SESSION.unsettled


PATHS: dict[str, Callable[..., FusionResult]] = {
    "rejudge": history.rejudge,
    "add": lambda result, **more: history.add(result, ["openrouter:told-6"], **more),
    "retry": lambda result, **more: history.retry(result, call=1, **more),
}


@pytest.mark.parametrize("cap", ["max_cost_per_session", "max_cost_per_day"])
@pytest.mark.parametrize("path", PATHS)
def test_a_spent_cap_refuses_every_path_that_goes_on(path: str, cap: str, service: ChargingService) -> None:
    """What is left of a cap is too little for a call: no path asks anybody, and the reply says which cap it was."""
    first = run(service)
    assert first.cost == service.total
    requests = service.asked.total()
    limit = str(service.total + Decimal("0.0001"))
    try:
        result = PATHS[path](first, services=service.services, **{cap: limit})
    except fusion_nb.RunFailed as failed:
        result = failed.result
    assert service.asked.total() == requests
    denied = [reply for reply in result.replies if not reply.kept_from]
    assert denied
    assert {reply.error for reply in denied} == {"budget"}
    assert f"of {cap} " in str(denied[0].detail)
    day_equals(service)


@pytest.mark.parametrize("path", PATHS)
def test_a_cap_of_its_own_holds_for_a_run_that_goes_on(path: str, service: ChargingService) -> None:
    """`max_cost` is taken by every path, on top of what the first run was under."""
    first = run(service, max_cost=1)
    requests = service.asked.total()
    try:
        result = PATHS[path](first, services=service.services, max_cost="0.0001")
    except fusion_nb.RunFailed as failed:
        result = failed.result
    assert service.asked.total() == requests
    assert result.limits.max_cost == Decimal("0.0001")
    assert PATHS[path](first, services=service.services, max_cost=1).status in ("ok", "unjudged")
    day_equals(service)


def test_a_run_keeps_its_cap_while_others_have_none(service: ChargingService) -> None:
    """A run whose judge will not fit under the session's cap is not paid for because of another call meanwhile."""
    cap = "0.0035"
    begun = fusion_nb.stream(
        "run:a What is 3 + 4?",
        ["openrouter:told-1", "openrouter:told-2", "openrouter:slow-told-1"],
        "best-of",
        judge="openrouter:judge-1",
        max_tokens=1000,
        services=service.services,
        max_cost_per_session=cap,
    )
    until(lambda: len(service.charged) == 3)
    assert "is left" not in str(fusion_nb.spending(services=service.services))
    run(service, ["openrouter:told-9"])
    begun.stop_call(3)
    begun.pause(20)
    judge = begun.result.replies[-1]
    assert (judge.role, judge.error) == ("judge", "budget")
    assert spending_caps.SESSION.left(Decimal(cap)) >= 0  # type: ignore[operator]


def test_a_day_counts_runs_that_had_no_cap(service: ChargingService) -> None:
    """Three runs without an option, then a day's cap below what they spent: nothing more is paid, and the sentence of
    `spending()` says what is left."""
    for _ in range(3):
        run(service, ["openrouter:told-5"])
    cap = service.total + Decimal("0.0002")
    said = str(fusion_nb.spending(max_cost_per_day=str(cap), services=service.services))
    assert f"$0.000200 of max_cost_per_day {usd(cap)} is left." in said
    with pytest.raises(fusion_nb.RunFailed, match="max_cost_per_day"):
        run(service, ["openrouter:told-5"], max_cost_per_day=str(cap))
    day_equals(service)


def test_asking_about_money_changes_none(service: ChargingService) -> None:
    """However often the account is asked for, its file stays as it was, byte for byte."""
    run(service, ["openrouter:told-5"])
    file = Path(spending_caps.day_account()._file)
    before = file.read_bytes()
    for _ in range(3):
        fusion_nb.spending(max_cost_per_day=1, max_cost_per_session=1, services=service.services)
    assert file.read_bytes() == before


def test_a_stop_refunds_nothing_and_resume_asks_for_the_bill(service: ChargingService) -> None:
    """A stopped call counts at its worst until its service has told; then at what it told, and its run's cap with it."""
    cap = Decimal("0.012")
    first = stopped(service, ["openrouter:told-2", "openrouter:slow-late-9"], max_cost=str(cap))
    late = first.replies[1]
    assert (late.cost, late.maybe_billed) == (None, True)
    assert late.at_most is not None
    assert late.at_most >= service.charged[late.generation_id or ""]
    assert spending_caps.SESSION.unsettled == spending_caps.day_account().unsettled == late.at_most
    assert "more is not settled" in str(fusion_nb.spending(services=service.services))
    charged = service.total
    begun = history.begin_derived("resume", first, services=service.services)
    until(lambda: bool(begun.result.run))
    assert begun.result.limits.max_cost == cap - charged
    begun.stop()
    begun.pause(20)
    known = history.load(first.run)
    assert (known.replies[1].cost, known.replies[1].cost_source) == (
        service.charged[late.generation_id or ""],
        "reported",
    )
    assert known.replies[1].at_most is None
    assert known.resumed_by == begun.result.run


def test_what_nobody_tells_is_taken_off_at_its_worst(service: ChargingService) -> None:
    """The rest of a cap is what surely was not spent."""
    first = stopped(service, ["openrouter:told-2", "openrouter:slow-never-9"], max_cost="0.012")
    unknown = first.replies[1].at_most
    assert unknown is not None
    begun = history.begin_derived("resume", first, services=service.services)
    until(lambda: bool(begun.result.run))
    assert begun.result.limits.max_cost == Decimal("0.012") - (first.cost or 0) - unknown
    begun.stop()
    begun.pause(20)
    assert service.by_prompt["run:a"] <= Decimal("0.012")


def test_a_run_is_resumed_once(service: ChargingService) -> None:
    """A second `resume` of the same run names the first one's and asks nobody; so does one from a result held long."""
    first = stopped(service, ["openrouter:told-2", "openrouter:slow-told-1"])
    begun = history.begin_derived("resume", first.run, services=service.services)
    until(lambda: len(service.charged) == 3)
    until(lambda: bool(begun.result.run))
    requests = service.asked.total()
    for again in (first, first.run):
        with pytest.raises(UserError, match=f"has been resumed by run {begun.result.run}"):
            history.resume(again, services=service.services)
    assert service.asked.total() == requests
    begun.stop()
    begun.pause(20)
    # The run that finishes it can be resumed in its turn.
    history.begin_derived("resume", begun.result.run, services=service.services).stop()


def test_two_who_resume_at_once_pay_once(service: ChargingService) -> None:
    """Of several threads that resume one run at the same moment, one does."""
    first = stopped(service, ["openrouter:told-2", "openrouter:slow-told-1"])
    outcomes: list[Run | UserError] = []
    together = threading.Barrier(6)

    def one() -> None:
        together.wait(30)
        try:
            outcomes.append(history.begin_derived("resume", first.run, services=service.services))
        except UserError as refused:
            outcomes.append(refused)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    begun = [outcome for outcome in outcomes if isinstance(outcome, Run)]
    for each in begun:
        each.stop()
        each.pause(20)
    assert len(begun) == 1
    assert service.asked["slow-told-1"] <= 2


def test_a_result_in_no_journal_is_resumed_once_too(service: ChargingService) -> None:
    """Where there is no record to write to, this kernel remembers."""
    first = stopped(service, ["openrouter:told-2", "openrouter:slow-told-1"], journal=False)
    begun = history.begin_derived("resume", first, services=service.services, journal=False)
    begun.stop()
    begun.pause(20)
    with pytest.raises(UserError, match="has been resumed"):
        history.resume(first, services=service.services)


@pytest.mark.parametrize("path", ["rejudge", "add"])
def test_a_run_under_way_is_not_gone_on_with(path: str, service: ChargingService) -> None:
    """Nobody is paid to judge half of a run: one sentence says to wait or to stop."""
    begun = fusion_nb.stream(
        "run:a What is 3 + 4?",
        ["openrouter:told-1", "openrouter:slow-told-1"],
        judge=JUDGE,
        max_tokens=1000,
        services=service.services,
    )
    until(lambda: len(service.charged) == 2)
    with pytest.raises(UserError, match="is under way"):
        PATHS[path]("last", services=service.services)
    begun.stop()
    begun.pause(20)
    assert service.asked["judge-5"] == 0


def test_play_money_is_in_no_account(service: ChargingService) -> None:
    """Beside a real model the demo's money is in no total and under no cap; alone, its run's own cap holds on it."""
    mixed = run(service, ["openrouter:told-3", "demo:swift"], max_cost_per_session="1")
    assert [reply.ref.service for reply in mixed.candidates] == ["openrouter", "demo"]
    assert mixed.cost == service.total
    day_equals(service)
    play = fusion_nb.fuse("What is 3 + 4?", "demo", max_cost=1)
    assert play.cost is not None
    assert play.cost > 0
    with pytest.raises(UserError, match="too small"):
        fusion_nb.fuse("What is 3 + 4?", "demo", max_cost="0.0000001", max_cost_per_day="0.0000001")
    assert fusion_nb.fuse("What is 3 + 4?", "demo", max_cost_per_day="0.0000001").status == "ok"
    day_equals(service)


def test_a_bill_that_comes_late_is_booked(service: ChargingService) -> None:
    """The stream told no cost; what the service tells within the run is spent, and nothing stays open."""
    result = run(service, ["openrouter:late-7"])
    assert result.cost == service.total == spending_caps.SESSION.spent == spending_caps.day_account().spent
    assert spending_caps.SESSION.unsettled == spending_caps.day_account().unsettled == 0


def test_a_run_demands_its_policy() -> None:
    """No paid call can begin without caps having been thought of: the parameter has no default."""
    assert inspect.signature(Run).parameters["policy"].default is inspect.Parameter.empty
