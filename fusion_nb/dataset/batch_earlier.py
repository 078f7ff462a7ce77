"""Batches that an earlier call handed over and did not wait for: the same calls are not handed over once more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fusion_nb.accounts import spending_caps
from fusion_nb.accounts.spending_account import ZERO
from fusion_nb.accounts.spending_caps import RunAccounts, SpendingPolicy
from fusion_nb.core import engine_thread
from fusion_nb.dataset.batch_exchange import find
from fusion_nb.dataset.batch_plan import UnderWay, account_of
from fusion_nb.dataset.batch_requests import Wanted
from fusion_nb.errors import ProviderError, UserError
from fusion_nb.journal import table_batches, table_files
from fusion_nb.journal.table_batches import StoredBatch
from fusion_nb.providers.services import Service
from fusion_nb.resolve.batch_wires import batch_wire
from fusion_nb.resolve.service_registry import ServiceRegistry
from fusion_nb.storage.file_lock import LivenessLock

KEPT = timedelta(days=29)
"""How long services keep results, the one that does so for less: an older batch brings nothing."""


class EarlierBatches:
    """Those of all tables. What is waited for is claimed: two who wait for one batch would both write down its replies.

    Args:
        table: the new table, whose batches are no earlier ones.
    """

    def __init__(self, reach: ServiceRegistry, caps: SpendingPolicy, table: str) -> None:
        self._reach, self._caps, self._table = reach, caps, table
        self._claims: dict[str, LivenessLock] = {}

    def found(self, by_key: dict[str, list[Wanted]]) -> list[UnderWay]:
        """Those that have calls which are wanted; these are taken out of `by_key`.

        Raises `UserError` where another kernel waits for one, or nobody can tell whether its service has it.
        """
        services = {each.ref.service: self._reach.service(each.ref) for group in by_key.values() for each in group}
        found = []
        for stored in list(table_batches.open_batches()):
            service = services.get(stored.service)
            if stored.table == self._table or service is None or service.base_url != stored.address:
                continue
            if datetime.now(UTC) - datetime.fromisoformat(stored.began) > KEPT:
                table_batches.ended(stored.table, stored.token)
                continue
            has = {n: by_key[key].pop(0) for n, key in enumerate(stored.keys) if by_key.get(key)}
            if not has:
                continue
            self._claim(stored.table)
            batch = self._waited_for(stored, service, has)
            if batch is not None:
                found.append(batch)
            else:
                for each in has.values():
                    by_key[each.key].append(each)
        return found

    def let_go(self) -> None:
        for claim in self._claims.values():
            claim.end()
        self._claims.clear()

    def _claim(self, table: str) -> None:
        if table in self._claims:
            return
        try:
            if not table_files.is_under_way(table):
                self._claims[table] = LivenessLock(table_files.lock_of(table))
                return
        except OSError:
            pass
        raise UserError(
            f"These prompts are in a batch that another kernel, or cell, waits for (table {table}): wait for it, or "
            "interrupt it there. Nothing was sent."
        )

    def _waited_for(self, stored: StoredBatch, service: Service, has: dict[int, Wanted]) -> UnderWay | None:
        """The batch, to be waited for; `None` where its process ended before the service had it."""
        wire, ids = engine_thread.call_on_engine(lambda: batch_wire(service)), [stored.id]
        if stored.status == "submitting":
            try:
                ids = engine_thread.run_on_engine(find(wire, stored))
            except ProviderError as fault:
                raise UserError(
                    f"Nothing was sent: whether {service.name} has a batch of an earlier call cannot be told. {fault}"
                ) from None
            if not ids:
                table_batches.ended(stored.table, stored.token)
                spending_caps.settle_late(account_of(stored), 1, ZERO)
                return None
        # Session and day have it from whoever handed it over; the cap of this call counts it too.
        cap = SpendingPolicy(None, None, None, self._caps.shared)
        accounts = RunAccounts(account_of(stored), cap, play=True)
        accounts.hold(1, stored.worst or ZERO)
        return UnderWay(stored, wire, has, accounts, ours=False, ids=ids)
