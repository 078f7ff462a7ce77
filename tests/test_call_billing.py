"""What a call costs and how long it took: neither harms the run, or hides in the other."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from fusion_nb import judging
from fusion_nb.accounts.spending_caps import RunAccounts, SpendingPolicy
from fusion_nb.core import Chunk, Limits, Ref, Reply, Request, RunState, Usage
from fusion_nb.core.events import CallEnded, TextDelta
from fusion_nb.core.run_spec import ComputedCost, RunServices, RunSpec
from fusion_nb.errors import ProviderError
from fusion_nb.run.engine import Engine
from fusion_nb.run.event_recorder import EventRecorder

NO_CAPS = SpendingPolicy(None, None, None)


@dataclass
class Model:
    """Says its pieces with a pause before each; then fails, or ends with its usage."""

    pause: float = 0.0
    pieces: int = 3
    usage: Usage | None = Usage(10, 20)
    cost: Decimal | None = None
    model: str | None = None
    fails: int = 0
    requests: list[str] = field(default_factory=list)

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        self.requests.append(request.ref.model)
        if len(self.requests) <= self.fails:
            raise ProviderError("server", "It failed.", retryable=True)
        for _ in range(self.pieces):
            await asyncio.sleep(self.pause)
            yield Chunk(text=f"{request.ref.model} 7 ")
        yield Chunk(usage=self.usage, cost=self.cost, model=self.model, finish="stop")


def services(models: dict[str, Any], **more: Any) -> RunServices:
    return RunServices(
        **{
            "provider": lambda ref: models[ref.model],
            "price": lambda ref, model, usage: None,
            "worst": lambda ref, usage: Decimal("0.01"),
            "metered": lambda ref: False,
            "mode": judging.MODES["best-of"],
            **more,
        }
    )


def carried_out(
    models: dict[str, Any], judge: str | None = None, limits: Limits = Limits(), **more: Any
) -> EventRecorder[RunState]:
    pool = tuple(Ref("svc", name, name) for name in models if name != judge)
    spec = RunSpec("?", pool, None if judge is None else Ref("svc", judge, judge), "best-of", limits=limits)
    recorder = EventRecorder(RunState())
    accounts = RunAccounts("run", replace(NO_CAPS, run_cap=limits.max_cost), play=True)
    asyncio.run(Engine(spec, services(models, **more), recorder, accounts).run("run", "now"))
    return recorder


def replies(recorder: EventRecorder[RunState]) -> tuple[Reply, ...]:
    return recorder.state.replies


def test_an_error_in_pricing_is_a_price_nobody_knows() -> None:
    """Whatever a table or a price list raises, the reply is kept, its cost is unknown, and the run goes on."""

    def broken(*_: Any) -> Any:
        raise TypeError("a new release of the price table")

    recorder = carried_out(
        {"a": Model(), "b": Model(), "judge": Model()},
        "judge",
        price=broken,
        worst=broken,
        context=broken,
        load_prices=lambda: broken(),  # noqa: PLW0108
    )
    assert [reply.status for reply in replies(recorder)[:2]] == ["ok", "ok"]
    assert {reply.cost for reply in replies(recorder)} == {None}
    assert {reply.role for reply in replies(recorder)[2:]} == {"judge"}


def test_a_slow_price_table_stops_no_stream_and_no_clock() -> None:
    """While the table is read, the other member's stream goes on, and the reply that is priced took as long as it took."""
    reading = threading.Event()

    def load() -> None:
        reading.set()
        time.sleep(4.0)

    models = {"steady": Model(pause=0.02, pieces=100), "quick": Model(pieces=1), "judge": Model()}
    recorder = carried_out(models, "judge", load_prices=load, price=lambda ref, model, usage: ComputedCost(Decimal(1)))
    assert reading.is_set()
    events = recorder.take(0)
    at = [event.at for event in events if isinstance(event, TextDelta) and event.call == 1]
    # A loop that stands still for the table would leave a gap as long as the reading.
    assert max(later - earlier for earlier, later in itertools.pairwise(at)) < 3.0
    assert {event.cost for event in events if isinstance(event, CallEnded)} == {Decimal(1)}


def test_the_clock_is_read_before_the_price_is_known() -> None:
    """A reply that came at once has that latency, although its price came much later."""

    def load() -> None:
        time.sleep(3.0)

    recorder = carried_out(
        {"quick": Model(pieces=1)}, load_prices=load, price=lambda ref, model, usage: ComputedCost(Decimal(1))
    )
    (reply,) = replies(recorder)
    assert reply.cost == 1
    assert recorder.state.seconds >= 2.5
    assert reply.latency is not None
    assert reply.latency < 2.0


def test_the_wait_for_ones_own_turn_is_no_latency() -> None:
    """With one call at a time, the last of four took as long as the first, not four times as long."""
    models = {name: Model(pause=0.1, pieces=3) for name in "abcd"}
    recorder = carried_out({**models, "judge": Model()}, "judge", Limits(concurrency=1))
    last = replies(recorder)[3]
    ended = next(event for event in recorder.take(0) if isinstance(event, CallEnded) and event.call == 4)
    assert last.latency is not None
    assert last.ttft is not None
    assert 0.25 < last.latency < ended.at - 3 * 0.25
    assert last.ttft < last.latency


def test_the_judge_has_further_attempts_of_its_own() -> None:
    """Three members fail once each and use up what a small pool may repeat; the judge that fails once is asked again."""
    models: dict[str, Any] = {name: Model(fails=1) for name in "abc"}
    recorder = carried_out({**models, "judge": Model(fails=1)}, "judge")
    judge = next(reply for reply in replies(recorder) if reply.role == "judge")
    assert [reply.attempts for reply in recorder.state.candidates] == [2, 2, 2]
    assert (judge.attempts, judge.status) == (2, "ok")


def test_long_replies_in_tiny_pieces_take_time_in_proportion() -> None:
    """Eight times the text takes about eight times as long: a text grows by its pieces, not by copies of itself."""

    def seconds(pieces: int) -> float:
        recorder = EventRecorder(RunState())
        carried = Model(pieces=pieces)
        spec = RunSpec("?", (Ref("svc", "m", "m"),), None, "best-of")
        accounts = RunAccounts("run", NO_CAPS, play=True)
        before = time.process_time()
        asyncio.run(Engine(spec, services({"m": carried}), recorder, accounts).run("run", "now"))
        assert len(recorder.state.replies[0].text) == 4 * pieces
        return time.process_time() - before

    seconds(100)
    small = min(seconds(10_000) for _ in range(2))
    assert seconds(80_000) < 3 * 8 * small
