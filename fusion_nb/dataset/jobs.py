"""One run that is wanted, and what came of it: whole, cut short by a cap, or broken by the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from fusion_nb.core import Ref, Reply
from fusion_nb.core.spec import RunSpec
from fusion_nb.journal import reader
from fusion_nb.options import Settings
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.run.result import FusionResult

DONE = ("ok", "unjudged")


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of run that is made for every question."""

    name: str
    settings: Settings
    resolver: Resolver


@dataclass(frozen=True, slots=True)
class Job:
    """One run that is wanted."""

    way: Way
    spec: RunSpec
    of: str | None = None
    """The run whose candidates it takes over; `None`: it asks the members itself."""


def paid_for(result: FusionResult) -> Decimal | None:
    """USD of a result, with what was paid for replies that it took over from a run a cap had cut short."""
    kept = [reply.kept_cost for reply in result.replies if reply.kept_from and reply.kept_cost is not None]
    return result.cost if result.cost is None and not kept else (result.cost or Decimal(0)) + sum(kept, Decimal(0))


NOT_ASKED = ("budget", "unpriced", "unavailable")
"""The errors of calls that were never made: a cap was reached, or their service is asked no more."""
_NETWORK = ("connect", "connect_timeout", "dns", "proxy", "send", "disconnect")


def is_unpaid(result: FusionResult) -> bool:
    """Whether a cap, or a service that is gone, left something of a run unasked."""
    return any(reply.error in NOT_ASKED for reply in result.replies)


def is_broken(result: FusionResult) -> bool:
    """Whether it lacks something because the network was gone, as where a laptop slept."""
    return any(reply.error in _NETWORK for reply in result.replies if not reply.usable)


def taken_over(ref: Ref, result: FusionResult, call: int) -> Reply:
    """A reply of another run as that of `ref`, with the run that paid for it."""
    reply = replace(result.reply(call), ref=ref)
    return reply if reply.kept_from else replace(reply, kept_from=result.run, kept_cost=reply.cost)


def rest_of(job: Job, result: FusionResult) -> Job:
    """A job that takes over what a run cut short has of it."""
    if job.of:  # of a run whose replies it takes over already
        return job
    usable = tuple(reply for reply in result.candidates if reply.usable)
    return replace(job, spec=replace(job.spec, reused=usable, of=result.run)) if usable else job


def with_replies(job: Job, known: Mapping[str, tuple[str, int]]) -> Job:
    """The job with replies that other runs have. `known`: (run, call) by the name of the member."""
    runs = {run: reader.load(run, FusionResult()) for run in {run for run, _ in known.values()}}
    reused = tuple(
        taken_over(ref, runs[known[ref.name][0]], known[ref.name][1]) for ref in job.spec.pool if ref.name in known
    )
    return replace(job, spec=replace(job.spec, reused=reused)) if reused else job
