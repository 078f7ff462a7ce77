"""Rows 20, 21, 74: after a refusal nothing more is sent with the same key, and further attempts fit under the cap."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from decimal import Decimal

import pytest

import fusion_nb
from fusion_nb import judging
from fusion_nb.accounts.spending_caps import RunAccounts, SpendingPolicy
from fusion_nb.core import Limits, Ref, RunState
from fusion_nb.core.run_spec import RunServices, RunSpec
from fusion_nb.providers.chat import ChatProvider
from fusion_nb.providers.custom_services import custom_service
from fusion_nb.providers.http import Http
from fusion_nb.run.engine import Engine
from fusion_nb.run.event_recorder import EventRecorder
from tests.faults.answer import COST, TEXT
from tests.faults.harness import Faults, faults

WORST = Decimal("0.01")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    with faults(tmp_path_factory.mktemp("home")) as found:
        yield found


def names(*rows: str) -> list[str]:
    return [f"{row}~whole~{secrets.token_hex(4)}" for row in rows]


def ended(server: Faults, models: list[str], **options: object) -> fusion_nb.FusionResult:
    run = server.start(models, **options)
    list(run)
    return run.result


@pytest.mark.parametrize(("row", "error"), [("20-401", "auth"), ("21-402", "credits")])
def test_a_refused_key_is_not_tried_again(server: Faults, row: str, error: str) -> None:
    """Calls that wait for their turn are not sent once the same key was refused; another key's member is asked."""
    models = names(row, "6-pool", "6-pool")
    result = ended(server, models, concurrency=1)
    first, *rest, well = result.replies
    assert (first.error, first.attempts) == (error, 1)
    assert [(r.error, r.attempts, r.cost, r.maybe_billed) for r in rest] == [(error, 0, None, False)] * 2
    assert all("Not asked" in (r.detail or "") and "FAULT_KEY" in (r.detail or "") for r in rest)
    assert (well.status, result.answer) == ("ok", TEXT)
    posts = server.stats()["posts"]
    assert [posts.get(model, 0) for model in models] == [1, 0, 0]


def test_credit_for_one_request_is_credit_for_others(server: Faults) -> None:
    """A service that has answered is still asked after it refused one model for want of credit: the judge too."""
    # Two that answer differently: equal texts need no judge.
    models = names("6-pool", "21-402", "0-echo-text")
    judge = names("judge")[0]
    result = ended(server, models, concurrency=1, judge=f"fault:{judge}")
    assert [reply.error for reply in result.replies] == [None, "credits", None, None, None]
    assert (result.status, result.replies[-1].role) == ("ok", "judge")


def test_a_key_that_works_is_not_refused(server: Faults) -> None:
    """Where the service answered another call with the same key, its 401 is about one model only."""
    models = names("6-pool", "20-401", "6-pool")
    result = ended(server, models, concurrency=1)
    assert [r.error for r in result.replies[:3]] == [None, "auth", None]


@pytest.mark.parametrize(("cap", "attempts"), [("0.015", 1), ("0.025", 2), ("1", 3)])
def test_a_further_attempt_fits_under_the_cap(server: Faults, cap: str, attempts: int) -> None:
    """An attempt that may be on the bill is held beside its repetition; without room for both there is none."""
    model = names("13-reset-nothing")[0]
    state = asyncio.run(alone(server, model, limits=Limits(max_cost=Decimal(cap))))
    assert state.replies[0].attempts == attempts
    assert server.stats()["posts"][model] == attempts


def test_what_is_on_no_bill_leaves_the_cap_alone(server: Faults) -> None:
    """A refusal costs nothing: the next call has the whole cap."""
    models = names("19-400", "23-404", "6-pool")
    state = asyncio.run(alone(server, *models, limits=Limits(max_cost=WORST, concurrency=1)))
    assert [r.error for r in state.replies] == ["bad_request", "model", None]
    assert state.cost == Decimal(COST)


async def alone(server: Faults, *models: str, limits: Limits) -> RunState:
    """The end of a run whose every call costs `WORST` at most."""
    http, service = Http(), custom_service("fault", server.url())
    tools = RunServices(
        provider=lambda ref: ChatProvider(service, http),
        price=lambda ref, model, usage: None,
        worst=lambda ref, usage: WORST,
        metered=lambda ref: True,
        mode=judging.MODES["best-of"],
    )
    order = RunSpec("How?", tuple(Ref("fault", model) for model in models), None, "best-of", limits=limits)
    record = EventRecorder(RunState())
    await Engine(order, tools, record, RunAccounts("run", SpendingPolicy(order.limits.max_cost, None, None))).run(
        "run", "now"
    )
    await http.aclose()
    return record.state
