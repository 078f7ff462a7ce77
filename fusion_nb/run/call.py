"""`Caller.ask()`: the one place with clock, price, accounts, retries and cancellation. A failure becomes a reply."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, cast

from fusion_nb.accounts.spending_caps import RunAccounts
from fusion_nb.accounts.token_counts import prompt_cut
from fusion_nb.core import STOPPED, Channel, Chunk, Limits, Ref, Reply, Request, Role, RunState, StreamSplitter
from fusion_nb.core.events import CallAccepted, CallRetried, CallStarted, TextDelta, ThoughtEnded
from fusion_nb.core.loop_clock import LoopTimeout, loop_clock
from fusion_nb.core.run_spec import RunServices
from fusion_nb.errors import ProviderError
from fusion_nb.providers.redaction import scrub
from fusion_nb.run.call_billing import CallBilling
from fusion_nb.run.call_progress import CallProgress, call_ended, timed_out
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
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._refused_keys = AuthCircuitBreaker()
        # A judge is asked last: members that failed, or another judge, must not have used up its further attempts.
        self._members_retries = RetryAllowance(pool_size)
        self._judges_retries: dict[str, RetryAllowance] = {}
        self.billing = CallBilling(record, services, limits, accounts, play=play)
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
        await self.billing.ready()
        record, call = self._record, len(self._record.state.replies) + 1
        record.emit(
            CallStarted(
                call=call,
                ref=request.ref,
                role=role,
                round=round,
                messages=request.messages,
                labels=dict(labels or {}),
                at_most=self.billing.first_attempt(request),
            )
        )
        progress = CallProgress()
        fault: ProviderError | None = ProviderError("cancelled", "Stopped.", status="cancelled")
        try:
            fault = await self._try(call, request, progress, splitter, self._retries(role, request.ref))
            if progress.cost is None and progress.usage.prompt is not None:
                await self.billing.prices_loaded()
        except asyncio.CancelledError:
            self._end(call, request, progress, fault)
            raise
        self._end(call, request, progress, fault)
        return self._record.state.reply(call)

    def _retries(self, role: Role, ref: Ref) -> RetryAllowance:
        if role == "candidate":
            return self._members_retries
        return self._judges_retries.setdefault(ref.name, RetryAllowance(1))

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
                await self.billing.hold(call, request, progress)
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
        clock = loop_clock()
        deadline: float | None = None
        while True:
            entered = await self._enter(request.ref)
            if deadline is None:
                deadline, progress.began = clock.now() + self._limits.timeout, self._record.now()
            fault = ProviderError("cancelled", "Stopped.", status="cancelled")
            try:
                self._refused_keys.check(request.ref.service)
                await self._attempt(call, request, progress, splitter, deadline)
                self._leave(request.ref, entered, None, progress)
                return
            except ProviderError as error:
                fault = error
            except BaseException:
                self._leave(request.ref, entered, fault, progress)
                raise
            progress.free = not (fault.maybe_billed or progress.content)
            self._refused_keys.note(request.ref.service, fault)
            if self._leave(request.ref, entered, fault, progress) and not progress.content:
                # It waits for its turn once more, as if this attempt had not been made.
                if not await self.billing.hold_again(call, request, progress, fault):
                    raise fault
                progress.attempts, deadline = progress.attempts - 1, None
                continue
            wait = retries.wait(fault, progress, deadline - clock.now())
            if wait is None or not await self.billing.hold_again(call, request, progress, fault):
                raise fault
            self._record.emit(
                CallRetried(
                    call=call,
                    attempt=progress.attempts + 1,
                    error=fault.error,
                    detail=fault.detail,
                    wait=round(wait, 3),
                    at_most=self.billing.so_far(request.ref, progress),
                )
            )
            await asyncio.sleep(wait)

    async def _enter(self, ref: Ref) -> float:
        """Wait until the service takes one more call, where runs that are made together share it."""
        return await self._services.rates.enter(ref.service) if self._services.rates else 0.0

    def _leave(self, ref: Ref, entered: float, fault: ProviderError | None, progress: CallProgress) -> bool:
        """An attempt is over. Whether it is made again in its turn, without using up one."""
        rates = self._services.rates
        return rates is not None and rates.leave(ref.service, entered, fault, progress.ttft)

    async def _attempt(
        self, call: int, request: Request, progress: CallProgress, splitter: StreamSplitter | None, deadline: float
    ) -> None:
        clock, limits = loop_clock(), self._limits
        progress.attempts += 1
        progress.free = False
        try:
            async with LoopTimeout(min(deadline, clock.now() + limits.ttft)) as timeout:
                chunks = self._services.provider(request.ref).stream(request)
                async with aclosing(chunks):  # type: ignore[type-var]
                    async for chunk in chunks:
                        moves = self._take(call, request.ref, chunk, progress, splitter)
                        if moves and progress.content:
                            timeout.move(min(deadline, clock.now() + limits.idle))
        except TimeoutError:
            raise timed_out(progress, limits, total=clock.now() >= deadline) from None
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
        if chunk.thought_ended:
            if splitter is not None:
                self._emit_pieces(call, splitter.close())
                splitter.restart()
            self._record.emit(ThoughtEnded(call=call))
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
        cost = self.billing.settle(call, request.ref, progress)
        if prompt_cut([message.content for message in request.messages], request.ref, progress.usage.prompt):
            progress.warnings.append("prompt_cut")
        self._record.emit(call_ended(self._record.state.reply(call), progress, fault, *cost))
