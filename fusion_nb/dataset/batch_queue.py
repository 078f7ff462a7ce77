"""Hands the members' calls of a table over in batches, one a service, and waits for what comes of them.

A batch is on the disk before it is handed over, and its worst case is held before that. Whoever asks the same again
waits for the batch that is there. All that is sent and read is so on the engine's loop; the state is the caller's.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from fusion_nb.accounts import spending_caps
from fusion_nb.accounts.spending_account import ZERO
from fusion_nb.accounts.spending_caps import SpendingPolicy
from fusion_nb.core import engine_thread
from fusion_nb.core.values import FetchedReply
from fusion_nb.dataset.batch_earlier import EarlierBatches
from fusion_nb.dataset.batch_exchange import Results, hand_over, look
from fusion_nb.dataset.batch_plan import UnderWay, account_of, held_plan
from fusion_nb.dataset.batch_requests import Wanted, fetched_reply
from fusion_nb.errors import FusionError, ProviderError, UserError
from fusion_nb.journal import table_batches
from fusion_nb.journal.table_batches import StoredBatch
from fusion_nb.providers.batches import BatchState, unanswered
from fusion_nb.resolve.service_registry import ServiceRegistry
from fusion_nb.views import formatting

LONGEST = 60.0
"""Seconds between two looks at most."""
_PARTING = 10.0
"""Seconds that an interrupted call waits to learn what a batch is called that it is handing over."""


class BatchQueue:
    """The batches of one table.

    Args:
        reach: how services are reached and priced.
        caps: what the batches are paid from.
        table: the id of the record they are kept in, whose file is there.
        tell: gets sentences that people should read.
        allow_unpriced: whether what nobody knows the price of is asked under a cap.
    """

    def __init__(
        self,
        reach: ServiceRegistry,
        caps: SpendingPolicy,
        table: str,
        tell: Callable[[str], None],
        *,
        allow_unpriced: bool,
    ) -> None:
        self._reach, self._caps, self.table, self._tell = reach, caps, table, tell
        self._allow_unpriced = allow_unpriced
        self._batches: list[UnderWay] = []
        self._left: list[UnderWay] = []
        """Not waited for any more, and under way at their services."""
        self._unsaved: list[tuple[StoredBatch, set[int]]] = []
        """Batches that have ended, with the jobs whose runs are not on the disk yet."""
        self._earlier = EarlierBatches(reach, caps, table)
        self._missing: dict[int, int] = {}
        """By job, how many of its replies are not there yet."""
        self._ready: deque[int] = deque()
        self.fetched: dict[int, dict[str, FetchedReply]] = {}
        """By job and member."""
        self.trouble = ""
        """Why a batch is not waited for any more, a sentence."""
        self.denied = ""
        """Why some jobs were not handed over, a sentence."""
        self.capped = False
        """Whether that is a cap."""

    @property
    def pending(self) -> bool:
        """Whether there is something to wait for."""
        return bool(self._batches or self._ready)

    @property
    def waiting(self) -> set[int]:
        """The jobs that a batch at a service has, or may have, a reply for."""
        places = {wanted.place for batch in (*self._batches, *self._left) for wanted in batch.wanted.values()}
        return places & self._missing.keys()

    @property
    def services(self) -> list[str]:
        """Whose batches those are."""
        return list(dict.fromkeys(batch.stored.service for batch in (*self._batches, *self._left)))

    @property
    def progress(self) -> str:
        """`submitted, 12 of 60 done`; empty where nothing is waited for."""
        done, of = sum(b.done for b in self._batches), sum(len(b.stored.keys) for b in self._batches)
        return f"submitted, {min(done, of):,} of {of:,} done" if of else ""

    def notes(self) -> list[str]:
        """What people should know of batches that nobody waits for any more."""
        if not self.waiting:
            return []
        prompts, at = formatting.plural(len(self.waiting), "prompt"), " and ".join(self.services)
        goes_on = f"The same call goes on with them, and so does resume({self.table!r})."
        return [*([self.trouble] if self.trouble else []), f"Batches at {at} have {prompts} of these. {goes_on}"]

    def begin(self, wanted: Mapping[int, Iterable[Wanted]], *, hand_over: bool) -> None:
        """Wait for batches that have these calls already, and hand the others over. Raises `UserError`, unsent.

        Args:
            wanted: by job.
            hand_over: whether what no earlier batch has is.
        """
        by_key: dict[str, list[Wanted]] = {}
        for each in (each for own in wanted.values() for each in own):
            by_key.setdefault(each.key, []).append(each)
            self._missing[each.place] = self._missing.get(each.place, 0) + 1
        self._batches += self._earlier.found(by_key)
        for batch in self._batches:
            many = f"{len(batch.stored.keys):,}"
            self._tell(f"{batch.stored.service}: the batch of {many} requests that was submitted is waited for.")
        rest = [each for group in by_key.values() for each in group]
        if hand_over:
            self._hand_over(rest)
        elif places := {each.place for each in rest}:
            self._leave_out(places)
            prompts = formatting.plural(len(places), "prompt")
            self.denied = f"No batch has {prompts} of these: the same call of fuse_frame() hands them over."

    def step(self) -> None:
        """Look at batches that are due, without waiting; what has come is in `fetched`."""
        for batch in list(self._batches):
            if batch.looking is None and time.monotonic() >= batch.due:
                batch.looking = _on_engine(
                    look(batch.wire, batch.stored.token, batch.ids[0], dict(batch.wanted), batch.looks)
                )
            elif batch.looking is not None and batch.looking.done():
                looking, batch.looking = batch.looking, None
                self._looked(batch, looking)

    def take_ready(self) -> list[int]:
        """Jobs all of whose replies have come since."""
        ready = list(self._ready)
        self._ready.clear()
        return ready

    def saved(self, place: int) -> None:
        """The run of that job is on the disk."""
        self.fetched.pop(place, None)
        for stored, places in list(self._unsaved):
            places.discard(place)
            if not places:
                self._unsaved.remove((stored, places))
                with contextlib.suppress(UserError):
                    table_batches.ended(stored.table, stored.token)

    def leave(self) -> None:
        """Nobody waits any more: what is under way may be billed, and counts until somebody learns what it cost."""
        for batch in self._batches:
            if batch.ours:
                batch.accounts.settle(1, ZERO, batch.worst)
        self._earlier.let_go()
        self._left += self._batches
        self._batches = []

    def _hand_over(self, wanted: list[Wanted]) -> None:
        unpriced = next((each for each in wanted if each.worst is None), None)
        if unpriced is not None and self._caps.names and not self._allow_unpriced:
            raise UserError(
                f"Nobody knows the price of {unpriced.ref}, so {self._caps.names} cannot hold for it: "
                "allow_unpriced=True asks it all the same. Nothing was sent."
            )
        plan = held_plan(wanted, self._reach, self._caps, self.table)
        self.denied, self.capped = plan.denied, bool(plan.denied)
        self._leave_out(plan.left_out)
        # What an interrupt leaves behind here counts as handed over until somebody finds that it was not.
        self._batches += plan.batches
        for batch in plan.batches:
            batch.due = float("inf")
        try:
            for batch in plan.batches:
                table_batches.begin(batch.stored)
        except UserError:
            for batch in plan.batches:
                batch.accounts.settle(1, ZERO)
            self._batches = [batch for batch in self._batches if batch not in plan.batches]
            raise
        for batch in plan.batches:
            self._submit(batch)

    def _leave_out(self, places: Iterable[int]) -> None:
        for place in places:
            self._missing.pop(place)

    def _submit(self, batch: UnderWay) -> None:
        """Hand one over. Its id is on the disk before anybody counts on it, even if this thread is interrupted."""
        stored, lines, batch.lines = batch.stored, batch.lines, []
        submitting = _on_engine(hand_over(batch.wire, stored, lines))
        try:
            batch.ids = submitting.result()
        except KeyboardInterrupt:
            # It is on its way: that it has an id is better known than not.
            with contextlib.suppress(FusionError, TimeoutError):
                batch.ids = submitting.result(_PARTING)
            raise
        except ProviderError as fault:
            self._batches.remove(batch)
            if not fault.maybe_billed:
                table_batches.ended(stored.table, stored.token)
            batch.accounts.settle(1, ZERO, batch.worst if fault.maybe_billed else None)
            for each in batch.wanted.values():
                self._came(each, FetchedReply(fault=fault, at_most=each.worst if fault.maybe_billed else None))
            return
        batch.due = time.monotonic() + batch.pause
        self._tell(f"{stored.service}: a batch of {len(stored.keys):,} requests is submitted.")

    def _looked(self, batch: UnderWay, looking: Future[BatchState | Results]) -> None:
        """Take in what one look has told."""
        batch.looks += 1
        try:
            told = looking.result()
        except ProviderError as fault:
            if fault.retryable:
                if batch.said != fault.error:
                    self._tell(f"{batch.stored.service}: {fault} Its batch is asked for again and again.")
                batch.said = fault.error
                batch.pause = max(min(batch.pause * 1.5, LONGEST), fault.retry_after or 0.0)
                batch.due = time.monotonic() + batch.pause
                return
            self._batches.remove(batch)
            self._left.append(batch)
            if batch.ours:
                batch.accounts.settle(1, ZERO, batch.worst)
            self.trouble = f"The batch at {batch.stored.service} is not waited for: {fault}"
            return
        if isinstance(told, BatchState):
            batch.done, batch.pause = told.done, min(batch.pause * 1.5, LONGEST)
            batch.due = time.monotonic() + batch.pause
        elif not told.known and len(batch.ids) > 1:
            batch.ids.pop(0)  # another one of that size and time
            batch.due = time.monotonic()
        else:
            self._ended(batch, told)

    def _ended(self, batch: UnderWay, results: Results) -> None:
        self._batches.remove(batch)
        stored = batch.stored
        replies = {n: self._reply(results, n, each) for n, each in batch.wanted.items()}
        spent = sum((reply.cost for reply in replies.values() if reply.cost is not None), ZERO)
        open_ = sum((reply.at_most for reply in replies.values() if reply.cost is None and reply.at_most), ZERO)
        # Of requests that nobody asks for now it is not known what they cost until somebody does.
        open_ += batch.worst * (len(stored.keys) - len(batch.wanted)) / len(stored.keys)
        unknown = open_ or (ZERO if any(r.at_most is not None and r.cost is None for r in replies.values()) else None)
        batch.accounts.settle(1, spent, unknown)
        if not batch.ours:
            spending_caps.settle_late(account_of(stored), 1, spent, open_)
        places = {each.place for each in batch.wanted.values()}
        if len(batch.wanted) == len(stored.keys):
            self._unsaved.append((stored, places))
        if results.why and len(results.answers) < len(batch.wanted):
            self._tell(f"{stored.service}: {results.why}")
        for number, each in batch.wanted.items():
            self._came(each, replies[number])

    def _reply(self, results: Results, number: int, wanted: Wanted) -> FetchedReply:
        answer = results.answers.get(number)
        if answer is not None:
            return fetched_reply(answer, wanted, self._reach)
        fault = unanswered(results.why)
        fault.maybe_billed = results.lost
        return FetchedReply(fault=fault, at_most=wanted.worst if results.lost else None)

    def _came(self, wanted: Wanted, reply: FetchedReply) -> None:
        if wanted.place not in self._missing:
            return  # a cap left the others of its job unasked: it is waited for again by who asks them
        self.fetched.setdefault(wanted.place, {})[wanted.ref.name] = reply
        self._missing[wanted.place] -= 1
        if not self._missing[wanted.place]:
            self._ready.append(wanted.place)


def _on_engine(work: Any) -> Future[Any]:
    return asyncio.run_coroutine_threadsafe(work, engine_thread.engine_loop())
