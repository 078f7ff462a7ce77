"""`Caller.ask()`: the one place with clock, price, accounts, retries and cancellation. A failure becomes a reply."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import Any, cast

from fusion_nb.accounts.budget import worst_case
from fusion_nb.accounts.policy import RunAccounts
from fusion_nb.core import (
    STOPPED,
    Channel,
    Chunk,
    CostSource,
    Limits,
    Ref,
    Reply,
    Request,
    Role,
    RunState,
    StreamSplitter,
)
from fusion_nb.core.events import CallAccepted, CallRetried, CallStarted, TextDelta
from fusion_nb.core.spec import RunServices
from fusion_nb.core.values import DEMO_SERVICE, PYTHON_SERVICE
from fusion_nb.errors import ProviderError
from fusion_nb.providers.redaction import scrub
from fusion_nb.run.call_progress import CallProgress, LateBills, call_ended, timed_out
from fusion_nb.run.event_recorder import EventRecorder
from fusion_nb.run.retry_policy import AuthCircuitBreaker, RetryAllowance


class Caller:
    """Asks models on behalf of one run.

    Args:
        play: whether the run costs play money alone, which is booked then; beside real money it is not.
    """

    def __init__(
        self,
        record: EventRecorder[RunState],
        services: RunServices,
        limits: Limits,
        accounts: RunAccounts,
        pool_size: int,
        *,
        play: bool = False,
    ) -> None:
        self._record = record
        self._services = services
        self._limits = limits
        self._accounts = accounts
        self._play = play
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._refused_keys = AuthCircuitBreaker()
        # The judge is asked last: members that failed before it must not have used up its further attempts.
        self._retries: dict[Role, RetryAllowance] = {
            "candidate": RetryAllowance(pool_size),
            "judge": RetryAllowance(1),
        }
        self.bills = LateBills(record, services)
        self._prices: asyncio.Future[Any] | None = None
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
        self._refused_keys.forget(service)

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
        self._load_prices()
        if self._accounts.cap_names:
            # Under a cap nothing is sent before its price is known; without one no call waits for a price.
            await self._prices_loaded()
        record, call = self._record, len(self._record.state.replies) + 1
        record.emit(
            CallStarted(
                call=call,
                ref=request.ref,
                role=role,
                round=round,
                messages=request.messages,
                labels=dict(labels or {}),
                at_most=self._worst(request) if self._recorded(request.ref) else None,
            )
        )
        progress = CallProgress()
        fault: ProviderError | None = ProviderError("cancelled", "Stopped.", status="cancelled")
        try:
            fault = await self._try(call, request, progress, splitter, self._retries[role])
            if progress.cost is None and progress.usage.prompt is not None:
                # The table of prices is being read on a thread: the engine's loop does not stand still meanwhile.
                await self._prices_loaded()
        except asyncio.CancelledError:
            self._end(call, request, progress, fault)
            raise
        self._end(call, request, progress, fault)
        return self._record.state.reply(call)

    async def prices_settled(self) -> None:
        """Wait for price tables that are still being read: what is held and settled waits for them too."""
        await self._prices_loaded()
        await asyncio.sleep(0)

    async def _try(
        self,
        call: int,
        request: Request,
        progress: CallProgress,
        splitter: StreamSplitter | None,
        retries: RetryAllowance,
    ) -> ProviderError | None:
        """Make the call; what went wrong with it, if anything. `CancelledError` is for the whole run."""
        task = self._under_way[call] = cast("asyncio.Task[Any]", asyncio.current_task())
        try:
            # One turn of the loop before anything is sent: the journal syncs what a whole pool starts in it, once.
            await asyncio.sleep(0)
            async with self._slots:
                progress.began = self._record.now()
                self._hold(call, request, progress)
                await self._attempts(call, request, progress, splitter, retries)
        except ProviderError as fault:
            return fault
        except asyncio.CancelledError:
            # The same way `asyncio.timeout` tells its own cancellation from one that is meant for others.
            if call in self._stopped and task.uncancel() == 0:
                return ProviderError(STOPPED, "Stopped by hand.", status="cancelled")
            raise
        except Exception as error:  # noqa: BLE001  a defect in one provider must not take the other members with it
            return ProviderError("internal", scrub(f"fusion_nb failed on this call: {type(error).__name__}: {error}"))
        finally:
            progress.ended = self._record.now()
            del self._under_way[call]
        return None

    async def _attempts(
        self,
        call: int,
        request: Request,
        progress: CallProgress,
        splitter: StreamSplitter | None,
        retries: RetryAllowance,
    ) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.timeout
        while True:
            try:
                self._refused_keys.check(request.ref.service)
                return await self._attempt(call, request, progress, splitter, deadline)
            except ProviderError as fault:
                progress.free = not (fault.maybe_billed or progress.content)
                self._refused_keys.note(request.ref.service, fault)
                wait = retries.wait(fault, progress, deadline - loop.time())
                if wait is None or not self._hold_again(call, request, progress, fault):
                    raise
                self._record.emit(
                    CallRetried(
                        call=call,
                        attempt=progress.attempts + 1,
                        error=fault.error,
                        detail=fault.detail,
                        wait=round(wait, 3),
                        at_most=progress.so_far if self._recorded(request.ref) else None,
                    )
                )
                await asyncio.sleep(wait)

    async def _attempt(
        self, call: int, request: Request, progress: CallProgress, splitter: StreamSplitter | None, deadline: float
    ) -> None:
        loop = asyncio.get_running_loop()
        limits = self._limits
        progress.attempts += 1
        progress.free = False
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + limits.ttft)) as clock:
                chunks = self._services.provider(request.ref).stream(request)
                async with aclosing(chunks):  # type: ignore[type-var]
                    async for chunk in chunks:
                        moves = self._take(call, request.ref, chunk, progress, splitter)
                        if moves and progress.content:
                            clock.reschedule(min(deadline, loop.time() + limits.idle))
        except TimeoutError:
            raise timed_out(progress, limits, total=loop.time() >= deadline) from None
        finally:
            if splitter is not None:
                self._emit_pieces(call, splitter.close())

    def _take(self, call: int, ref: Ref, chunk: Chunk, progress: CallProgress, splitter: StreamSplitter | None) -> bool:
        """Put a chunk on record. Whether it moves the reply on."""
        if chunk.text:
            if not progress.content:
                progress.content, progress.ttft = True, self._record.now() - (progress.began or 0.0)
            if splitter is None or chunk.channel != "content":
                self._record.emit(TextDelta(call=call, text=chunk.text, channel=chunk.channel))
            else:
                self._emit_pieces(call, splitter.feed(chunk.text))
        if chunk.generation_id is not None and chunk.generation_id != progress.generation_id:
            progress.generation_id, progress.generation_of = chunk.generation_id, progress.attempts
            self._record.emit(CallAccepted(call=call, generation_id=chunk.generation_id))
        moves = progress.take(chunk)
        if moves:
            self._refused_keys.accepted(ref.service)
        return moves

    def _emit_pieces(self, call: int, pieces: Any) -> None:
        for channel, text in pieces:
            kind: Channel = channel
            self._record.emit(TextDelta(call=call, text=text, channel=kind))

    def _end(self, call: int, request: Request, progress: CallProgress, fault: ProviderError | None) -> None:
        """Settle the call and put its end on record."""
        cost, source = self._cost(request.ref, progress) if progress.sent else (None, None)

        def settle(cost: Decimal | None) -> None:
            if self._booked(request.ref):
                spent = progress.reported + (cost or 0)
                self._when_priced(lambda: self._accounts.settle(call, spent, progress.at_most(cost)))

        # What it may cost stays held while the service is asked what it did cost.
        if cost is not None or not self.bills.ask(call, request.ref, progress, settle):
            settle(cost)
        at_most = progress.at_most(cost) if self._recorded(request.ref) or not self._play else None
        if progress.reported:
            cost, source = progress.reported + (cost or 0), source or "reported"
        reply = self._record.state.reply(call)
        self._record.emit(call_ended(reply, progress, fault, cost, source, at_most))

    def _booked(self, ref: Ref) -> bool:
        """Whether a call of this model is paid for: the demo's play money is not, beside real money."""
        if ref.service == DEMO_SERVICE:
            return self._play
        if ref.service == PYTHON_SERVICE and not self._accounts.cap_names:
            return False
        return self._services.metered(ref)

    def _hold(self, call: int, request: Request, progress: CallProgress) -> None:
        """Hold what one attempt may cost. Raises `ProviderError` where a cap would be passed, or cannot hold."""
        if not self._booked(request.ref):
            return
        worst, caps = self._worst(request), self._accounts.cap_names
        if worst is None and caps and not self._limits.allow_unpriced:
            raise ProviderError(
                "unpriced",
                f"Nobody knows the price of {request.ref}, so {caps} cannot hold for it: "
                "--dry-run looks it up where its service tells, --allow-unpriced asks it all the same.",
            )
        denial = self._accounts.hold(call, worst or Decimal(0))
        if denial is not None:
            raise ProviderError("budget", str(denial))
        progress.held = worst or Decimal(0)
        if worst is None and self._prices is not None and not self._prices.done():
            self._when_priced(lambda: self._hold_now_priced(call, request, progress))

    def _hold_now_priced(self, call: int, request: Request, progress: CallProgress) -> None:
        """There was no cap to wait for a price; other runs' caps count this call from now on."""
        worst = self._worst(request) or Decimal(0)
        if not progress.held and self._accounts.hold(call, worst) is None:
            progress.held = worst

    def _hold_again(self, call: int, request: Request, progress: CallProgress, fault: ProviderError) -> bool:
        """Prepare a further attempt. Whether its worst case fits under the caps beside what this one may have cost."""
        before = progress.held
        if fault.maybe_billed or progress.cost is not None:
            try:
                self._hold(call, request, progress)
            except ProviderError:
                return False
        coming, progress.held = progress.held, before
        progress.again(fault)
        progress.held = coming
        return True

    def _recorded(self, ref: Ref) -> bool:
        """Whether what a call may cost is on record before it ends: a later run goes on with the rest of the cap."""
        return self._limits.max_cost is not None and self._booked(ref)

    def _worst(self, request: Request) -> Decimal | None:
        """USD one attempt costs at most; `None` where nobody knows, or the price tables are still being read."""
        if self._prices is not None and not self._prices.done():
            return None
        try:
            return self._services.worst(request.ref, worst_case(request.messages, request.max_tokens))
        except Exception:  # noqa: BLE001  pricing never fails a run: what cannot be computed is unknown
            return None

    def _cost(self, ref: Ref, progress: CallProgress) -> tuple[Decimal | None, CostSource | None]:
        """USD of the last attempt, and who says so."""
        if progress.cost is not None:
            return progress.cost, "reported"
        if self._prices is not None and not self._prices.done():
            return None, None
        # A snapshot that is newer than the table is priced as the model that was asked.
        for model in dict.fromkeys((progress.model or ref.model, ref.model)):
            with contextlib.suppress(Exception):
                cost = self._services.price(ref, model, progress.usage)
                if cost is not None:
                    return cost, "computed"
        return None, None

    def _load_prices(self) -> None:
        if self._prices is None and self._services.load_prices is not None:
            self._prices = asyncio.ensure_future(asyncio.to_thread(self._services.load_prices))
            # A table that cannot be read is a price that nobody knows.
            self._prices.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _prices_loaded(self) -> None:
        if self._prices is not None and not self._prices.done():
            await asyncio.wait({self._prices})

    def _when_priced(self, do: Callable[[], None]) -> None:
        """Now, or once the price tables are read: in the order in which it was asked for."""
        if self._prices is None or self._prices.done():
            do()
        else:
            self._prices.add_done_callback(lambda _: do())
