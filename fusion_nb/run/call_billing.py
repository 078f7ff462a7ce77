"""What the calls of one run cost: held before they are sent, settled when they end, asked for where nobody told.

A price table that must be read first is read on a thread, so that the engine's loop never stands still for it. Under a
cap the first call waits for it; without one no call does, and what is held for it follows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from fusion_nb.accounts.spending_account import worst_case
from fusion_nb.accounts.spending_caps import RunAccounts
from fusion_nb.core import CostSource, Limits, Ref, Request, RunState
from fusion_nb.core.run_spec import LateBill, RunServices
from fusion_nb.core.values import DEMO_SERVICE, PYTHON_SERVICE, PricesUsed
from fusion_nb.errors import ProviderError
from fusion_nb.run.call_progress import CallProgress, billed_end
from fusion_nb.run.event_recorder import EventRecorder


class CallCost(NamedTuple):
    """What all attempts of one call cost, as far as it is known when it ends."""

    usd: Decimal | None
    source: CostSource | None
    at_most: Decimal | None
    """USD it may have cost besides; `None` where all is known, or nobody knows a price."""
    rates: PricesUsed | None = None
    """The prices that the last attempt was computed with."""


class CallBilling:
    """Prices the calls of one run and books them in its accounts. Lives on the engine's loop.

    Args:
        play: whether the run costs play money alone, which is booked then; beside real money it is not.
    """

    def __init__(
        self,
        record: EventRecorder[RunState],
        services: RunServices,
        limits: Limits,
        accounts: RunAccounts,
        *,
        play: bool = False,
    ) -> None:
        self._services = services
        self._limits = limits
        self._accounts = accounts
        self._play = play
        self.late = LateBills(record, services)
        self._prices: asyncio.Future[None] | None = None

    async def ready(self) -> None:
        """Under a cap nothing is sent before its price is known; without one no call waits for a price."""
        if self._prices is None and self._services.load_prices is not None:
            self._prices = asyncio.ensure_future(asyncio.to_thread(self._services.load_prices))
            # A table that cannot be read is a price that nobody knows.
            self._prices.add_done_callback(lambda task: task.cancelled() or task.exception())
        if self._accounts.cap_names:
            await self.prices_loaded()

    async def prices_loaded(self) -> None:
        """Wait for price tables that are still being read, and for what waited for them."""
        if self._loading:
            await asyncio.wait({self._prices})  # type: ignore[type-var]
            await asyncio.sleep(0)

    async def hold(self, call: int, request: Request, progress: CallProgress) -> None:
        """Hold what one attempt may cost. Raises `ProviderError` where a cap would be passed, or cannot hold."""
        if not self._booked(request.ref):
            return
        worst, caps = self._worst(request), self._accounts.cap_names
        if worst is None and caps and not self._limits.allow_unpriced:
            raise ProviderError(
                "unpriced",
                f"Nobody knows the price of {request.ref}, so {caps} cannot hold for it: estimate() (--dry-run) looks "
                "it up where its service tells, allow_unpriced=True (--allow-unpriced) asks it all the same.",
            )
        denial = await self._accounts.hold_together(call, worst or Decimal(0))
        if denial is not None:
            raise ProviderError("budget", str(denial))
        progress.held = worst or Decimal(0)
        if self._loading:
            self._when_priced(lambda: self._hold_now_priced(call, request, progress))

    async def hold_again(self, call: int, request: Request, progress: CallProgress, fault: ProviderError) -> bool:
        """Prepare a further attempt. Whether its worst case fits under the caps beside what this one may have cost."""
        before = progress.held
        if fault.maybe_billed or progress.cost is not None:
            try:
                await self.hold(call, request, progress)
            except ProviderError:
                return False
        coming, progress.held = progress.held, before
        progress.again(fault)
        progress.held = coming
        return True

    def settle(self, call: int, ref: Ref, progress: CallProgress) -> CallCost:
        """The call has ended: book it, and say what is known of its cost."""
        cost, source, rates = self._cost(ref, progress) if progress.sent else (None, None, None)

        def book(cost: Decimal | None) -> None:
            if self._booked(ref):
                spent = progress.reported + (cost or 0)
                self._when_priced(lambda: self._accounts.settle(call, spent, progress.at_most(cost)))

        # What it may cost stays held while the service is asked what it did cost.
        if cost is not None or not self.late.ask(call, ref, progress, book):
            book(cost)
        at_most = progress.at_most(cost) if self._recorded(ref) or (self._booked(ref) and not self._play) else None
        if progress.reported:
            cost, source = progress.reported + (cost or 0), source or "reported"
        return CallCost(cost, source, at_most or None, rates)

    def close(self) -> None:
        """The run ends: nobody waits for a bill any more, and all accounts are written."""
        self.late.give_up()
        self._accounts.flush()

    def first_attempt(self, request: Request) -> Decimal | None:
        """USD that a call's first attempt may cost, where that is recorded before it ends."""
        return self._worst(request) if self._recorded(request.ref) else None

    def so_far(self, ref: Ref, progress: CallProgress) -> Decimal | None:
        """USD that the attempts up to the coming one may cost, where that is recorded before the call ends."""
        return progress.so_far if self._recorded(ref) else None

    def _booked(self, ref: Ref) -> bool:
        """Whether a call of this model is paid for: the demo's play money is not, beside real money; nor is a function
        of the person's own, which no service bills: what it spends inside, no cap of ours can know or hold."""
        if ref.service == DEMO_SERVICE:
            return self._play
        return ref.service != PYTHON_SERVICE and self._services.metered(ref)

    def _recorded(self, ref: Ref) -> bool:
        """Whether what a call may cost is on record before it ends: a later run goes on with the rest of the cap."""
        return self._limits.max_cost is not None and self._booked(ref)

    def _hold_now_priced(self, call: int, request: Request, progress: CallProgress) -> None:
        """There was no cap to wait for a price; other runs' caps count this call from now on."""
        worst = self._worst(request) or Decimal(0)
        if not progress.held and self._accounts.hold(call, worst) is None:
            progress.held = worst

    def _worst(self, request: Request) -> Decimal | None:
        """USD one attempt costs at most; `None` where nobody knows, or the price tables are still being read."""
        if self._loading:
            return None
        with contextlib.suppress(Exception):
            # Pricing never fails a run: what cannot be computed is unknown.
            return self._services.worst(request.ref, worst_case(request.messages, request.max_tokens))
        return None

    def _cost(self, ref: Ref, progress: CallProgress) -> tuple[Decimal | None, CostSource | None, PricesUsed | None]:
        """USD of the last attempt, who says so, and by which prices."""
        if progress.cost is not None:
            return progress.cost, "reported", None
        if self._loading or "upstream_cost_unknown" in progress.warnings:
            return None, None, None  # a list price is not what a person's own key behind the service was billed
        with contextlib.suppress(Exception):
            computed = self._services.price(ref, progress.model or ref.model, progress.usage)
            return (None, None, None) if computed is None else (computed.usd, "computed", computed.rates)
        return None, None, None

    @property
    def _loading(self) -> bool:
        return self._prices is not None and not self._prices.done()

    def _when_priced(self, do: Callable[[], None]) -> None:
        """Now, or once the price tables are read: in the order in which it was asked for."""
        if self._prices is None or self._prices.done():
            do()
        else:
            self._prices.add_done_callback(lambda _: do())


SECONDS = 2.0
"""From a call's end: no run is held open longer for the sake of a price."""


class LateBills:
    """The calls of one run that ended without a cost, while their service knows them by an id.

    The judge and the answer wait for none of them, only the run's last event does. What the service tells is the call's
    end once more, now with tokens and cost; what it does not tell within `SECONDS` stays unknown.
    """

    def __init__(self, record: EventRecorder[RunState], services: RunServices) -> None:
        self._record, self._services = record, services
        self._asked: dict[asyncio.Task[LateBill | None], Callable[[Decimal | None], None]] = {}
        """With what settles the call."""

    @property
    def pending(self) -> bool:
        return bool(self._asked)

    def ask(self, call: int, ref: Ref, progress: CallProgress, settle: Callable[[Decimal | None], None]) -> bool:
        """Whether the service is asked what the call cost: then `settle(cost)` follows, once, whatever comes of it."""
        if self._services.bill is None or not progress.identified:
            return False

        def answered(task: asyncio.Task[LateBill | None]) -> None:
            # Here and not in the task: one that is cancelled before its first step runs nothing of its own.
            bill = None if task.cancelled() or task.exception() else task.result()
            if self._asked.pop(task, None) is None:
                return
            settle(None if bill is None else bill.cost)
            if bill is not None and self._record.state.status == "running":
                end = billed_end(
                    self._record.state.reply(call),
                    bill,
                    reported=progress.reported,
                    unknown=progress.unknown,
                    maybe_billed=progress.billed,
                )
                self._record.emit(end)

        task = asyncio.create_task(self._fetch(ref, progress.generation_id or ""))
        self._asked[task] = settle
        task.add_done_callback(answered)
        return True

    async def all_answered(self) -> None:
        """Wait for what is still asked: `SECONDS` at most, and not at all where every bill came with its stream."""
        while self._asked:
            await asyncio.wait(set(self._asked))

    def give_up(self) -> None:
        """The run ends now: what no service has told yet stays unknown."""
        while self._asked:
            task, settle = self._asked.popitem()
            task.cancel()
            settle(None)

    async def _fetch(self, ref: Ref, generation_id: str) -> LateBill | None:
        try:
            async with asyncio.timeout(SECONDS):
                return await self._services.bill(ref, generation_id) if self._services.bill else None
        except TimeoutError:
            return None
