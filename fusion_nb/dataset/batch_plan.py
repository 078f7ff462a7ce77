"""Which batches a table's calls make, and whether the money for them is there: held for all, or for the first rows."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from fusion_nb.accounts.spending_account import ZERO, Denial
from fusion_nb.accounts.spending_caps import RunAccounts, SpendingPolicy
from fusion_nb.core import engine_thread
from fusion_nb.dataset.batch_exchange import Results
from fusion_nb.dataset.batch_requests import Wanted, in_parts
from fusion_nb.errors import UserError
from fusion_nb.journal.table_batches import StoredBatch
from fusion_nb.providers.batches import BatchState, BatchWire, custom_id
from fusion_nb.providers.services import Service
from fusion_nb.resolve.batch_wires import batch_wire
from fusion_nb.resolve.service_registry import ServiceRegistry

FIRST_LOOK = 2.0
"""Seconds after which a batch is first asked for; each further wait is half as long again."""


@dataclass
class UnderWay:
    """One batch that is handed over and waited for."""

    stored: StoredBatch
    wire: BatchWire
    wanted: dict[int, Wanted]
    """By the number of the request."""
    accounts: RunAccounts
    ours: bool = True
    """Whether this call handed it over, so that its accounts hold it."""
    lines: list[bytes] = field(default_factory=list)
    """Its requests as they are sent, until they are."""
    ids: list[str] = field(default_factory=list)
    """What the service calls it; several where it may be each of them."""
    pause: float = field(default_factory=lambda: FIRST_LOOK)
    due: float = 0.0
    done: int = 0
    looks: int = 0
    said: str = ""
    """The class of the fault that people were told of last."""
    looking: Future[BatchState | Results] | None = None

    @property
    def worst(self) -> Decimal:
        return self.stored.worst or ZERO


def account_of(stored: StoredBatch) -> str:
    """What a batch is booked under. Not by its day, unlike a run: a sum that is told twice must count once."""
    return f"batch-{stored.token}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Batches whose worst case is held."""

    batches: list[UnderWay]
    left_out: frozenset[int] = frozenset()
    """Jobs that no money was left for."""
    denied: str = ""
    """Why, a sentence."""


def held_plan(wanted: list[Wanted], reach: ServiceRegistry, caps: SpendingPolicy, table: str) -> Plan:
    """The batches of these calls, held in all accounts; of the first jobs alone where a cap does not allow for all.

    Raises `UserError` where a cap cannot be held at all.
    """
    every, denied = frozenset(each.place for each in wanted), ""
    while batches := _batches(wanted, reach, caps, table):
        denial, held = _hold(batches)
        if denial is None:
            break
        if denial.trouble:
            raise UserError(str(denial))
        denied = denied or str(denial)
        wanted = _that_fit(wanted, denial.left + held)
    return Plan(batches, every - {each.place for each in wanted}, denied)


def _hold(batches: Sequence[UnderWay]) -> tuple[Denial | None, Decimal]:
    """Hold all of them or none; with a denial comes what had been held before it."""
    held: list[UnderWay] = []
    denial = None
    try:
        for batch in batches:
            denial = batch.accounts.hold(1, batch.worst)
            if denial is not None:
                break
            held.append(batch)
    except BaseException:
        _let_go(held)
        raise
    if denial is not None:
        _let_go(held)
    return denial, sum((batch.worst for batch in held), ZERO)


def _let_go(held: Sequence[UnderWay]) -> None:
    for batch in held:
        batch.accounts.settle(1, ZERO)


def _that_fit(wanted: Sequence[Wanted], left: Decimal) -> list[Wanted]:
    """The calls of the first jobs that cost no more than `left` at the worst, and fewer than all."""
    costs: dict[int, Decimal] = {}
    for each in wanted:
        costs[each.place] = costs.get(each.place, ZERO) + (each.worst or ZERO)
    fit: set[int] = set()
    for place in sorted(costs)[: len(costs) - 1]:
        left -= costs[place]
        if left < 0:
            break
        fit.add(place)
    return [each for each in wanted if each.place in fit]


def _batches(wanted: Sequence[Wanted], reach: ServiceRegistry, caps: SpendingPolicy, table: str) -> list[UnderWay]:
    """As few a service as it allows: one, mostly."""
    planned = []
    for name in dict.fromkeys(each.ref.service for each in wanted):
        own = [each for each in wanted if each.ref.service == name]
        service = reach.service(own[0].ref)
        wire = engine_thread.call_on_engine(lambda service=service: batch_wire(service))  # type: ignore[misc]
        groups: dict[str, list[Wanted]] = {}
        for each in own:
            groups.setdefault(each.ref.model if wire.one_model else "", []).append(each)
        for group in groups.values():
            # Every name of a request is as long, whatever its token.
            sizes = [len(wire.line(custom_id("0" * 16, at), each.request)) for at, each in enumerate(group)]
            parts = ([group[at] for at in part] for part in in_parts(sizes, wire.limits))
            planned += [_batch(calls, service, wire, caps, table) for calls in parts]
    return planned


def _batch(calls: Sequence[Wanted], service: Service, wire: BatchWire, caps: SpendingPolicy, table: str) -> UnderWay:
    token, amounts = secrets.token_hex(8), [each.worst for each in calls]
    worst = None if None in amounts else sum((each for each in amounts if each is not None), ZERO)
    now, keys = datetime.now(UTC).isoformat(), tuple(each.key for each in calls)
    stored = StoredBatch(table, token, service.name, service.base_url, now, worst, keys)
    lines = [wire.line(custom_id(token, at), each.request) for at, each in enumerate(calls)]
    return UnderWay(stored, wire, dict(enumerate(calls)), RunAccounts(account_of(stored), caps), lines=lines)
