"""Journalled runs from their parts, as `fusion_nb.api` puts them together; and tiny runs from no parts at all."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from fusion_nb.accounts.spending_caps import RunAccounts, SpendingPolicy
from fusion_nb.core import Message, Ref, RunState, Usage, Verdict
from fusion_nb.core.events import (
    CallAccepted,
    CallEnded,
    CallStarted,
    Event,
    RunEnded,
    RunStarted,
    TextDelta,
    VerdictReached,
)
from fusion_nb.core.run_spec import RunSpec
from fusion_nb.journal.run_writer import Journal
from fusion_nb.options import settle
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.resolve.spec_builder import build_spec
from fusion_nb.run import run_waiting
from fusion_nb.run.engine import Engine
from fusion_nb.run.event_recorder import EventRecorder
from fusion_nb.run.result import FusionResult
from fusion_nb.run.run_waiting import wait_for_run


def new_run(now: datetime | None = None) -> str:
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(5)}"


@dataclass
class Kernel:
    """Starts runs whose members are models of the server at `url`."""

    url: str
    journal: Journal | None = None
    """Of the newest run."""

    def order(self, models: Sequence[Any], **wish: Any) -> tuple[Resolver, RunSpec]:
        services = {"replay": {"base_url": self.url}}
        pool = [model if callable(model) else f"replay:{model}" for model in models]
        given = {"pool": pool, "services": services, "judge": "replay:scripted-judge", **wish}
        settings = settle("fuse", given)
        session = Resolver(settings)
        return session, build_spec("Count.", settings, session.resolved, session.reach.worst)

    def start(self, session: Resolver, order: RunSpec) -> run_waiting.Handle[FusionResult]:
        run = new_run()
        self.journal = Journal(run)
        record = EventRecorder(FusionResult(), self.journal)
        accounts = RunAccounts(run, SpendingPolicy(order.limits.max_cost, None, None))
        work = Engine(order, session.run_services(order), record, accounts).run(run, datetime.now(UTC).isoformat())
        return run_waiting.Handle(record, work)

    def run(self, models: Sequence[Any], **wish: Any) -> FusionResult:
        return wait_for_run(self.start(*self.order(models, **wish)))

    def again(self, order: RunSpec, *functions: Callable[..., Any]) -> FusionResult:
        """Carry out an order made from an earlier run. `functions`: those of its members that are."""
        session, _ = self.order(["burst/1", "burst/2", *functions])
        return wait_for_run(self.start(session, order))


def tiny(run: str, text: str = "Paris.", *, prompt: str = "Capital of France?", when: str = "") -> list[Event]:
    """The events of a run of one member, as an engine numbers them."""
    ref = Ref("demo", "swift", "demo:swift")
    events: list[Event] = [
        RunStarted(run=run, when=when or datetime.now(UTC).isoformat(), prompt=prompt, mode="merge", pool=(ref,)),
        CallStarted(call=1, ref=ref, messages=(Message("user", prompt),)),
        CallAccepted(call=1, generation_id=f"gen-{run}"),
        *(TextDelta(call=1, text=word) for word in re.split(r"(?<= )", text)),
        CallEnded(
            call=1, status="ok", usage=Usage(5, 7), cost=Decimal("0.00000120"), cost_source="reported", latency=0.5,
            generation_id=f"gen-{run}", finish="stop",
        ),
        VerdictReached(verdict=Verdict(answer=text, chosen=(1,), ranking=(1,), state="not-needed")),
        RunEnded(status="ok"),
    ]  # fmt: skip
    return [replace(event, seq=seq, at=seq / 1000) for seq, event in enumerate(events)]


def written(events: Sequence[Event], run: str | None = None) -> tuple[str, Path]:
    """The id and the file of a run whose events were journalled."""
    start = events[0]
    assert isinstance(start, RunStarted)
    journal = Journal(run or start.run)
    path = None
    for event in events:
        journal(event)
        path = journal.path or path
    journal.close()
    assert journal.trouble is None, journal.trouble
    assert path is not None
    return start.run, path


def folded(events: Sequence[Event]) -> RunState:
    from fusion_nb.core.fold import fold_all

    return fold_all(events, RunState())
