"""`ask()`: the one place with clock, price, budget, retries and cancellation. A failure becomes a reply."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import Any, cast

from fusion_nb.accounts.budget import SpendingCap, worst_case
from fusion_nb.core import STOPPED, Channel, Chunk, Limits, Ref, Reply, Request, Role, RunState, StreamSplitter
from fusion_nb.core.events import CallAccepted, CallRetried, CallStarted, TextDelta
from fusion_nb.core.spec import RunServices
from fusion_nb.errors import ProviderError
from fusion_nb.providers.redaction import scrub
from fusion_nb.run.call_progress import CallProgress, LateBills, call_ended, timed_out
from fusion_nb.run.event_recorder import EventRecorder
from fusion_nb.run.retry_policy import AuthCircuitBreaker, RetryAllowance


class Caller:
    """Asks models on behalf of one run."""

    def __init__(
        self, record: EventRecorder[RunState], tools: RunServices, limits: Limits, budget: SpendingCap, pool_size: int
    ) -> None:
        self._record = record
        self._tools = tools
        self._limits = limits
        self._budget = budget
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._refused = AuthCircuitBreaker()
        self._retries = RetryAllowance(pool_size)
        self.bills = LateBills(record, tools)
        self._under_way: dict[int, asyncio.Task[Any]] = {}
        self._stopped: set[int] = set()
        """Calls a person stopped, one by one."""

    def stop(self, call: int) -> None:
        """End one call that is under way as `cancelled`, and nothing else."""
        if call in self._under_way and call not in self._stopped:
            self._stopped.add(call)
            self._under_way[call].cancel()

    def forgive(self, service: str) -> None:
        """Ask a service again although it refused the key: a person says so."""
        self._refused.forget(service)

    async def ask(
        self,
        request: Request,
        *,
        role: Role,
        round: int,
        splitter: StreamSplitter | None = None,
        labels: Mapping[str, int] | None = None,
    ) -> Reply:
        """One call, from `CallStarted` to `CallEnded`. Raises only `CancelledError`, once its end is on record, and not
        where this call alone was stopped."""
        call = len(self._record.state.replies) + 1
        record = self._record
        record.emit(
            CallStarted(
                call=call, ref=request.ref, role=role, round=round, messages=request.messages, labels=dict(labels or {})
            )
        )
        arrived = CallProgress(began=record.now())
        fault = await self._tried(call, request, arrived, splitter)
        self._end(call, request.ref, arrived, fault)
        return self._record.state.reply(call)

    async def _tried(
        self, call: int, request: Request, arrived: CallProgress, splitter: StreamSplitter | None
    ) -> ProviderError | None:
        """Make the call; what went wrong with it, if anything. `CancelledError` is for the whole run."""
        here = self._under_way[call] = cast("asyncio.Task[Any]", asyncio.current_task())
        try:
            # One turn of the loop before anything is sent: the journal syncs what a whole pool starts in it, once.
            await asyncio.sleep(0)
            async with self._slots:
                await self._paid(call, request, arrived, splitter)
        except ProviderError as fault:
            return fault
        except asyncio.CancelledError:
            # The same way `asyncio.timeout` tells its own cancellation from one that is meant for others.
            if call in self._stopped and here.uncancel() == 0:
                return ProviderError(STOPPED, "Stopped by hand.", status="cancelled")
            self._end(call, request.ref, arrived, ProviderError("cancelled", "Stopped.", status="cancelled"))
            raise
        except Exception as error:  # noqa: BLE001  a defect in one provider must not take the other members with it
            return ProviderError("internal", scrub(f"fusion_nb failed on this call: {type(error).__name__}: {error}"))
        finally:
            del self._under_way[call]
        return None

    async def _paid(self, call: int, request: Request, arrived: CallProgress, splitter: StreamSplitter | None) -> None:
        """Reserve the worst case, ask, settle. What nobody priced is settled at its worst while a cap is set."""
        arrived.hold(self._reserve(request))
        try:
            await self._attempts(call, request, arrived, splitter)
        finally:

            def settle(cost: Decimal | None) -> None:
                self._budget.settle(arrived.reserved, arrived.settled(cost))

            cost, _ = self._cost(request.ref, arrived)
            # What it may cost stays held while the service is asked what it did cost.
            if cost is not None or not self.bills.ask(call, request.ref, arrived, settle):
                settle(cost)

    def _reserve(self, request: Request) -> Decimal:
        limits, budget = self._limits, self._budget
        if budget.cap is None or not self._tools.metered(request.ref):
            return Decimal(0)
        worst = self._tools.worst(request.ref, worst_case(request.messages, request.max_tokens))
        if worst is None:
            if limits.allow_unpriced:
                return Decimal(0)
            raise ProviderError(
                "unpriced",
                f"Nobody knows the price of {request.ref}, so {budget.name} cannot hold for it: "
                "--dry-run looks it up where its service tells, --allow-unpriced asks it all the same.",
            )
        denial = budget.hold(worst)
        if denial is not None:
            raise ProviderError("budget", str(denial))
        return worst

    async def _attempts(
        self, call: int, request: Request, arrived: CallProgress, splitter: StreamSplitter | None
    ) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.timeout
        while True:
            try:
                self._refused.check(request.ref.service)
                return await self._attempt(call, request, arrived, splitter, deadline)
            except ProviderError as fault:
                arrived.free = not (fault.maybe_billed or arrived.content)
                self._refused.note(request.ref.service, fault)
                wait = self._retries.wait(fault, arrived, deadline - loop.time())
                if wait is None or not self._hold_again(request, arrived, fault):
                    raise
                record, coming = self._record, arrived.attempts + 1
                record.emit(
                    CallRetried(call=call, attempt=coming, error=fault.error, detail=fault.detail, wait=round(wait, 3))
                )
                await asyncio.sleep(wait)

    def _hold_again(self, request: Request, arrived: CallProgress, fault: ProviderError) -> bool:
        """Prepare a further attempt. Whether its worst case fits under the cap beside what this one may have cost."""
        try:
            more = self._reserve(request) if fault.maybe_billed or arrived.cost is not None else None
        except ProviderError:
            return False
        arrived.again(fault)
        if more is not None:
            arrived.hold(more)
        return True

    async def _attempt(
        self, call: int, request: Request, arrived: CallProgress, splitter: StreamSplitter | None, deadline: float
    ) -> None:
        loop = asyncio.get_running_loop()
        limits = self._limits
        arrived.attempts += 1
        arrived.free = False
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + limits.ttft)) as clock:
                async with aclosing(self._tools.provider(request.ref).stream(request)) as chunks:  # type: ignore[type-var]
                    async for chunk in chunks:
                        moves = self._take(call, request.ref, chunk, arrived, splitter)
                        if moves and arrived.content:
                            clock.reschedule(min(deadline, loop.time() + limits.idle))
        except TimeoutError:
            raise timed_out(arrived, limits, total=loop.time() >= deadline) from None
        finally:
            if splitter is not None:
                self._say(call, splitter.close())

    def _take(self, call: int, ref: Ref, chunk: Chunk, arrived: CallProgress, splitter: StreamSplitter | None) -> bool:
        """Put a chunk on record. Whether it moves the reply on."""
        if chunk.text:
            if not arrived.content:
                arrived.content, arrived.ttft = True, self._record.now() - arrived.began
            if splitter is None or chunk.channel != "content":
                self._record.emit(TextDelta(call=call, text=chunk.text, channel=chunk.channel))
            else:
                self._say(call, splitter.feed(chunk.text))
        if chunk.generation_id is not None and chunk.generation_id != arrived.generation_id:
            arrived.generation_id, arrived.generation_of = chunk.generation_id, arrived.attempts
            self._record.emit(CallAccepted(call=call, generation_id=chunk.generation_id))
        moves = arrived.take(chunk)
        if moves:
            self._refused.accepted(ref.service)
        return moves

    def _say(self, call: int, pieces: Any) -> None:
        for channel, text in pieces:
            kind: Channel = channel
            self._record.emit(TextDelta(call=call, text=text, channel=kind))

    def _cost(self, ref: Ref, arrived: CallProgress) -> tuple[Decimal | None, Any]:
        """USD of the attempt under way, and who says so."""
        if arrived.cost is not None:
            return arrived.cost, "reported"
        cost = self._tools.price(ref, arrived.model or ref.model, arrived.usage)
        return cost, None if cost is None else "computed"

    def _end(self, call: int, ref: Ref, arrived: CallProgress, fault: ProviderError | None) -> None:
        reply = self._record.state.reply(call)
        cost, source = self._cost(ref, arrived) if arrived.sent else (None, None)
        if arrived.reported:
            cost, source = arrived.reported + (cost or 0), source or "reported"
        self._record.emit(call_ended(reply, arrived, fault, cost, source, latency=self._record.now() - arrived.began))
