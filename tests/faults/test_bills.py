"""Row 58 in a live run: a bill that did not come with its stream is asked for while the run goes on."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

import fusion_nb
from fusion_nb.accounts.spending_caps import SESSION
from fusion_nb.core.events import CallEnded, CallStarted, Event, RunEnded, VerdictReached
from fusion_nb.run.call_billing import SECONDS
from tests.faults.answer import COST
from tests.faults.harness import Faults, faults


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    with faults(tmp_path_factory.mktemp("home")) as found:
        yield found


def member(name: str) -> str:
    return f"58-{name}~whole~{secrets.token_hex(4)}"


def ends(events: list[Event], call: int) -> list[CallEnded]:
    return [event for event in events if isinstance(event, CallEnded) and event.call == call]


def place(events: list[Event], kind: type[Event]) -> int:
    return next(n for n, event in enumerate(events) if isinstance(event, kind))


def test_neither_judge_nor_answer_waits_for_a_bill(server: Faults) -> None:
    """A reply without usage goes to the judge at once; its bill is put on its row when it comes, and is on disk."""
    run = server.start([member("bill-in-time"), "6-other~whole~bill"])
    events = list(run)
    first, second = ends(events, 1)
    assert (first.cost, first.status) == (None, "ok")
    assert (second.cost, second.cost_source, second.status, second.latency) == (
        Decimal(COST),
        "reported",
        "ok",
        first.latency,
    )
    judge = next(n for n, event in enumerate(events) if isinstance(event, CallStarted) and event.role == "judge")
    assert events.index(first) < judge < place(events, VerdictReached) < events.index(second)
    assert isinstance(events[-1], RunEnded)
    assert run.result.unpriced == 0
    assert run.result.frame().cost_source.tolist() == ["reported"] * 4
    assert fusion_nb.load(run.result.run) == run.result


def test_a_service_that_says_nothing_holds_the_end_for_two_seconds_at_most(server: Faults) -> None:
    """The answer is there before that; what nobody told stays unknown, and is not zero."""
    run = server.start([member("bill-hangs"), member("bill-never")])
    events = list(run)
    verdict, end = events[place(events, VerdictReached)], events[-1]
    # The seconds of a run are those until its answer.
    assert verdict.at <= run.result.seconds < end.at
    assert fusion_nb.load(run.result.run).seconds == run.result.seconds
    assert end.at - max(event.at for event in events if isinstance(event, CallEnded)) <= SECONDS + 0.5
    assert end.at - verdict.at > 0
    assert [len(ends(events, call)) for call in (1, 2)] == [1, 1]
    assert [ends(events, call)[0].cost for call in (1, 2)] == [None, None]


def test_stop_gives_up_the_bill_and_nothing_else(server: Faults) -> None:
    """Stopped while only a bill is missing, the run ends at once, and as well as it was."""
    run = server.start([member("bill-hangs")])
    for event in run:
        if isinstance(event, VerdictReached):
            stopped = time.monotonic()
            run.stop()
    assert time.monotonic() - stopped < SECONDS / 2
    assert (run.result.status, run.result.replies[0].cost) == ("ok", None)


def test_a_cap_is_settled_with_what_the_service_told(server: Faults) -> None:
    """A price nobody knew beforehand counts against the session's cap as soon as the service has told it."""
    services = {"openrouter": {"base_url": server.url(), "key_env": "FAULT_KEY"}}
    before, cap = SESSION.spent, SESSION.taken + 5
    result = fusion_nb.fuse(
        "How?",
        f"openrouter:{member('bill-in-time')}",
        services=services,
        max_cost_per_session=str(cap),
        allow_unpriced=True,
    )
    assert result.cost == Decimal(COST)
    assert (SESSION.spent - before, SESSION.left(cap)) == (Decimal(COST), 5 - Decimal(COST))
