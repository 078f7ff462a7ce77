"""What is said about a batch, on the engine's loop: handing it over, looking for it, reading what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from fusion_nb.dataset.batch_requests import Wanted
from fusion_nb.errors import ProviderError
from fusion_nb.journal import table_batches
from fusion_nb.journal.table_batches import StoredBatch
from fusion_nb.providers.batches import Answer, BatchState, BatchWire, note_refused, number_in
from fusion_nb.providers.provider_errors import Refusal

_TRIES = 4
"""How often a service that is busy is asked to take a batch."""
_READINGS = 3
"""How often results that lack lines are read."""


@dataclass
class Results:
    """What came of a batch that has ended."""

    answers: dict[int, Answer] = field(default_factory=dict)
    """By the number of the request."""
    known: bool = False
    """Whether any result was of a request of this batch."""
    lost: bool = False
    """Whether results are missing that the service says there are."""
    why: str = ""


async def hand_over(wire: BatchWire, stored: StoredBatch, lines: Sequence[bytes]) -> list[str]:
    """The ids the batch may have at its service, put on the table's record. Raises `ProviderError`."""
    ids: list[str] = []
    for attempt in range(_TRIES):
        try:
            ids = [await wire.submit(stored.token, lines)]
            break
        except ProviderError as fault:
            if fault.maybe_billed:
                # It may have come through although nobody said so.
                ids = await _found_or(fault, wire, stored)
                break
            if not fault.retryable or attempt == _TRIES - 1:
                raise
            wait = fault.retry_after or 2.0**attempt
        await asyncio.sleep(min(wait, 60.0))
    if len(ids) == 1:
        await asyncio.to_thread(table_batches.submitted, stored.table, stored.token, ids[0])
    return ids


async def _found_or(fault: ProviderError, wire: BatchWire, stored: StoredBatch) -> list[str]:
    try:
        ids = await find(wire, stored)
    except ProviderError:
        ids = []
    if not ids:
        raise fault
    return ids


async def find(wire: BatchWire, stored: StoredBatch) -> list[str]:
    """The ids that a batch may have whose process ended before it was told."""
    return await wire.find(stored.token, datetime.fromisoformat(stored.began), len(stored.keys))


async def look(wire: BatchWire, token: str, id: str, wanted: Mapping[int, Wanted], looks: int) -> BatchState | Results:
    """How far it is; once it has ended, its results. `looks`: how often that was asked. Raises `ProviderError`."""
    try:
        state = await wire.state(id)
        results = await _results(wire, token, state, wanted) if state.ended else None
    except ProviderError as fault:
        raise fault if fault.error != "model" else _unknown(wire, id) from None
    if results is None:
        return state
    if results.lost and results.known and looks < _READINGS:
        raise ProviderError("truncated", "Results are missing.", retryable=True)
    return results


async def _results(wire: BatchWire, token: str, state: BatchState, wanted: Mapping[int, Wanted]) -> Results:
    results, seen = Results(why=state.why), set[int]()
    for url in state.results:
        async for result in wire.http.results(url):
            number = number_in(token, result.get("custom_id"))
            # Of two results for one request the first counts, and one for nobody's counts for nobody.
            if number is None or number in seen:
                continue
            seen.add(number)
            results.known = True
            if number in wanted:
                results.answers[number] = _answer(wire, result, wanted[number])
    results.lost = len(results.answers) < len(wanted) and state.done > len(seen)
    return results


def _unknown(wire: BatchWire, id: str) -> ProviderError:
    return ProviderError(
        "batch",
        f"{wire.http.service.name} does not know the batch {id}: set the key it was handed over with, or forget its "
        "table with fusion_nb.history.delete().",
    )


def _answer(wire: BatchWire, result: Mapping[str, object], wanted: Wanted) -> Answer:
    try:
        answer = wire.answer(result, wanted.request)
        if isinstance(answer.fault, Refusal):
            note_refused(answer.fault, wanted.request, wire.http.service)
        return answer
    except ProviderError as fault:
        return Answer(fault=fault)
    except Exception:  # noqa: BLE001  whatever one line holds, the others are read
        detail = "What its service says of this request in the batch cannot be read."
        return Answer(fault=ProviderError("protocol", detail, maybe_billed=True))
