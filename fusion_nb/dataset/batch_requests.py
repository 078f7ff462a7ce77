"""What a table asks through batches: which calls those are, what they may cost, and what an answer to one came to."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from fusion_nb.accounts.spending_account import ZERO, worst_case
from fusion_nb.accounts.token_counts import Range
from fusion_nb.core import Ref, Request, Usage
from fusion_nb.core.run_spec import RunSpec, first_messages, token_limit
from fusion_nb.core.values import PYTHON_SERVICE, FetchedReply, PricesUsed
from fusion_nb.errors import UserError
from fusion_nb.options import Settings
from fusion_nb.resolve.batch_wires import refuse_without_batches
from fusion_nb.resolve.estimate import Estimate
from fusion_nb.resolve.service_registry import ServiceRegistry

if TYPE_CHECKING:
    from fusion_nb.providers.batches import Answer, BatchLimits


class Wanted(NamedTuple):
    """One member's first call of one job."""

    place: int
    """Of the job."""
    ref: Ref
    request: Request
    key: str
    """What it is known by, see `reply_keys`."""
    worst: Decimal | None
    """USD it may cost at most, at the price of a batch; `None` where nobody knows."""


def refuse_unfit(spec: RunSpec, settings: Settings, reach: ServiceRegistry) -> None:
    """Raise `UserError` for members, and options, that cannot be where calls are made in batches."""
    for ref in spec.pool:
        refuse_without_batches(None if ref.service == PYTHON_SERVICE else reach.service(ref), ref.name)
    given: Container[str] = getattr(settings, "given", ())
    if not settings["journal"]:
        raise UserError("batch needs the journal: what is in no record would be handed over, and paid, twice.")
    if spec.mode == "debate":
        raise UserError(
            "A debate asks its members again and again, and each batch may take a day: leave batch out, or take "
            "another mode."
        )
    # Of a deeper or a wider run the first calls alone would be in a batch, and the others at the full price.
    waits = ("deeper", "escalate", "quorum")
    acting = {"deeper": spec.selection.deeper, "escalate": spec.selection.escalate, "quorum": spec.limits.quorum}
    # Clocks and places are those of calls that are waited for one by one: here the judge's alone.
    idle = () if spec.judges else ("timeout", "ttft", "idle", "concurrency")
    for name in (*(name for name in waits if acting[name]), *(name for name in idle if name in given)):
        raise UserError(f"{name} does not go with batch, whose calls come back all together: leave one of them out.")


def batched_worst(reach: ServiceRegistry) -> Callable[[Ref, Usage], Decimal | None]:
    """USD that so many tokens cost at the most in a batch."""

    def worst(ref: Ref, usage: Usage) -> Decimal | None:
        amount = reach.worst(ref, usage)
        return None if amount is None else amount * reach.service(ref).batch_price

    return worst


def wanted_calls(place: int, spec: RunSpec, keys: Mapping[str, str], reach: ServiceRegistry) -> Iterator[Wanted]:
    """The calls of a job's members that nothing was taken over for."""
    there = {reply.ref.name for reply in spec.reused}
    params = spec.params
    for ref in spec.pool:
        if ref.name not in there:
            request = Request(
                ref,
                first_messages(spec.prompt, params.system, ref),
                token_limit(spec.limits.max_tokens, ref, "candidate"),
                ref.setting("temperature", params.temperature),
                ref.setting("seed", params.seed),
                ref.setting("reasoning", params.reasoning),
            )
            usage = worst_case(request.messages, request.max_tokens)
            worst = batched_worst(reach)(ref, usage) if reach.metered(ref) else ZERO
            yield Wanted(place, ref, request, keys[ref.name], worst)


def in_parts(sizes: Sequence[int], limits: BatchLimits) -> Iterator[list[int]]:
    """The places of requests that go into one batch together: as many as its service takes. `sizes`: in bytes."""
    part: list[int] = []
    size = 0
    for at, bytes_ in enumerate(sizes):
        if part and (len(part) == limits.requests or size + bytes_ + 2 > limits.size - 1000):
            yield part
            part, size = [], 0
        part.append(at)
        size += bytes_ + 2  # what stands between two
    if part:
        yield part


def fetched_reply(answer: Answer, wanted: Wanted, reach: ServiceRegistry) -> FetchedReply:
    """An answer with what it cost: as the service reports, else by the price of a batch, else unknown."""
    chunks, fault = answer.chunks, answer.fault
    cost = next((chunk.cost for chunk in reversed(chunks) if chunk.cost is not None), None)
    usage = next((chunk.usage for chunk in reversed(chunks) if chunk.usage is not None), None)
    model = next((chunk.model for chunk in reversed(chunks) if chunk.model is not None), None)
    if cost is not None:
        return FetchedReply(chunks, fault, cost, "reported")
    if fault is not None and not fault.maybe_billed and usage is None:
        return FetchedReply(chunks, fault)
    computed = None
    if usage is not None:
        try:
            computed = reach.price(wanted.ref, model or wanted.ref.model, usage)
        except Exception:  # noqa: BLE001  pricing never fails a run: what cannot be computed is unknown
            computed = None
    if computed is None:
        return FetchedReply(chunks, fault, at_most=wanted.worst)
    share = reach.service(wanted.ref).batch_price
    return FetchedReply(chunks, fault, computed.usd * share, "computed", rates=_at(share, computed.rates))


def _at(share: Decimal, rates: PricesUsed | None) -> PricesUsed | None:
    if rates is None:
        return None
    cached, reasoning, request = (
        None if price is None else price * share for price in (rates.cached, rates.reasoning, rates.request)
    )
    source = f"{rates.source}, in a batch".removeprefix(", ")
    return PricesUsed(rates.prompt * share, rates.completion * share, cached, reasoning, request, source)


def batched_estimate(estimate: Estimate, reach: ServiceRegistry) -> Estimate:
    """A forecast of a run whose members are asked in batches: what they cost there, and nobody knows how long."""

    def lowered(usd: Range[Decimal] | None, share: Decimal) -> Range[Decimal] | None:
        return None if usd is None else Range(usd.low * share, usd.high * share)

    lines = tuple(
        replace(line, usd=lowered(line.usd, reach.service(line.ref).batch_price), seconds=None)
        if line.role == "candidate"
        else line
        for line in estimate.lines
    )
    note = "Members are asked in batches: within 24 hours, mostly sooner."
    return replace(estimate, forecast=replace(estimate.forecast, lines=lines), notes=(*estimate.notes, note))
