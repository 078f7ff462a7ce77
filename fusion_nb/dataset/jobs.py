"""What a table is to make: each run that is wanted, what its replies are known by, and where it stands."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from fusion_nb.core import Ref, Reply
from fusion_nb.core.run_spec import RunSpec, first_messages, token_limit
from fusion_nb.core.values import PYTHON_SERVICE
from fusion_nb.journal import run_reader
from fusion_nb.journal.table_writer import StoredRun
from fusion_nb.options import Settings
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.run.result import FusionResult
from fusion_nb.run.run_handle import Run

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
    runs = {run: run_reader.load(run, FusionResult()) for run in {run for run, _ in known.values()}}
    reused = tuple(
        taken_over(ref, runs[known[ref.name][0]], known[ref.name][1]) for ref in job.spec.pool if ref.name in known
    )
    return replace(job, spec=replace(job.spec, reused=reused)) if reused else job


def reply_keys(spec: RunSpec, own: Iterable[str]) -> dict[str, str]:
    """By the name of each member, the key of the reply to what it is first asked.

    A member that stands several times in the pool is asked as often: each has a key of its own.

    Args:
        own: the services of the user's own. What their names, and those of functions, leave open is part of the key.
    """
    open_services, seen = {*own, PYTHON_SERVICE}, Counter[str]()
    keys = {}
    for ref in spec.pool:
        request = _request(spec, ref, spec.also if ref.service in open_services else "")
        seen[request] += 1
        keys[ref.name] = hashlib.sha256(f"{seen[request]}:{request}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return keys


def _request(spec: RunSpec, ref: Ref, also: str) -> str:
    messages = [[message.role, message.content] for message in first_messages(spec.prompt, spec.params.system, ref)]
    sampling = [
        ref.setting("temperature", spec.params.temperature),
        ref.setting("seed", spec.params.seed),
        ref.setting("reasoning", spec.params.reasoning),
        token_limit(spec.limits.max_tokens, ref, "candidate"),
    ]
    options = [pair for pair in ref.options if pair[0] not in _APART]
    return json.dumps([ref.service, ref.model, sampling, options, messages, also], default=str, sort_keys=True)


_APART = ("system", "temperature", "seed", "reasoning", "max_tokens")


class UnderWay(NamedTuple):
    run: Run
    record: StoredRun | None
    resolver: Resolver


class Making:
    """The jobs of one stream, by their places: those to begin, under way, ended, and to be asked once more."""

    def __init__(self, listed: list[Job], queue: list[int]) -> None:
        self.queue = queue
        self.under_way: dict[int, UnderWay] = {}
        self.unsaved: deque[tuple[int, FusionResult, StoredRun | None]] = deque()
        """Ended, and not on the disk yet."""
        self._listed = listed
        self._broken: list[int] = []
        """Lacking something because the network was gone: once more, when everything else is done."""
        self._once_more: set[int] = set()
        self._so_far: dict[int, FusionResult] = {}
        """What a job that is to be made again came to: it counts where that is never begun."""

    def to_begin(self) -> bool:
        """Whether there is something left to begin."""
        if not self.queue:
            self.queue, self._broken = self._broken, []
        return bool(self.queue)

    def goes_on(self, at: int, result: FusionResult, *, unpaid: bool) -> bool:
        """Whether a job is made again, with what this run of it has."""
        broken = not unpaid and at not in self._once_more and is_broken(result)
        if broken:
            self._once_more.add(at)
            self._broken.append(at)
        elif unpaid:
            self.queue.append(at)
        if broken or unpaid:
            self._listed[at] = rest_of(self._listed[at], result)
            self._so_far[at] = result
        return broken or unpaid

    def begun(self, at: int, each: UnderWay) -> None:
        self._so_far.pop(at, None)
        self.under_way[at] = each

    def left(self) -> Iterator[tuple[int, FusionResult]]:
        """What jobs that were never made again came to."""
        yield from self._so_far.items()

    def saved(self) -> Iterator[tuple[int, FusionResult]]:
        """Those that are on the disk by now, in the order in which they ended."""
        while self.unsaved and ((record := self.unsaved[0][2]) is None or record.durable):
            yield self.unsaved.popleft()[:2]
