"""What a run is asked to do, and the contracts between the engine, the modes and the services.

`RunSpec` is one prompt for one pool with nothing left to guess. A mode gets a `ModeInput` and asks through `ModeCalls`;
the engine reaches models and prices through `RunServices`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol

from fusion_nb.core.events import RunStarted
from fusion_nb.core.selection_values import Agreement, Escalation, Selection
from fusion_nb.core.state import Limits, Round
from fusion_nb.core.values import (
    Channel,
    CheckOutcome,
    Chunk,
    FetchedReply,
    Message,
    Mode,
    Params,
    PricesUsed,
    Ref,
    Reply,
    Request,
    Role,
    Usage,
)
from fusion_nb.core.verdict import Verdict


class StreamSplitter(Protocol):
    """Sorts a judge's text into channels while it streams: the verdict (`content`), the fused answer (`answer`)."""

    def feed(self, text: str) -> Sequence[tuple[Channel, str]]: ...

    def close(self) -> Sequence[tuple[Channel, str]]: ...

    def restart(self) -> None:
        """All text so far was a thought: the verdict begins now."""


@dataclass(frozen=True, slots=True)
class ModeInput:
    """What a mode decides: one prompt and the candidates for it."""

    prompt: str
    candidates: tuple[Reply, ...]
    """All of them usable."""
    judge: Ref | None
    """`None` where none was named and none can be needed: a vote, a cascade to one member."""
    seed: int
    system: str | None = None
    criteria: tuple[str, ...] = ()
    rounds: int = 1
    then: Literal["best-of", "merge"] = "best-of"
    orders: int = 1
    """Orders the judge is shown the candidates in: 2 asks it once more with the order reversed."""
    room: int | None = None
    """Characters of candidates that the judges have room for, all of them together; `None` where nobody knows."""
    mode: Mode = "merge"
    failed: tuple[Reply, ...] = ()
    """What came of the members that gave no usable reply."""
    jury: tuple[Ref, ...] = ()
    """Judges beside `judge`."""
    selection: Selection = Selection()
    kin: Callable[[Ref, Ref], Literal["", "family", "member"]] = lambda judge, member: ""
    """Whether a judge is the very model of a candidate, or of its family."""
    extract: Callable[[str], Awaitable[Any]] | None = None
    """The short answer that the person's own function finds, where `selection.extract` names one. Raises `UserError`
    where it fails."""
    measure_room: Callable[[Sequence[Reply], Ref], int | None] = lambda candidates, judge: None
    """Characters of all these candidates together that a judge has room for; `None` where nobody knows."""

    @property
    def asked(self) -> int:
        """Members that were asked."""
        return len(self.candidates) + len(self.failed)

    @property
    def judges(self) -> tuple[Ref, ...]:
        """Who is to judge; the first writes a merge."""
        return (*([self.judge] if self.judge else []), *self.jury)


class ModeCalls(Protocol):
    """What a mode may do. Price, budget, clock, retry, cancellation and journal sit behind it."""

    async def ask(
        self,
        ref: Ref,
        messages: tuple[Message, ...],
        *,
        role: Role = "judge",
        round: int = 0,
        schema: Mapping[str, Any] | None = None,
        splitter: StreamSplitter | None = None,
        labels: Mapping[str, int] | None = None,
    ) -> Reply:
        """One call. A failure is a reply with an error, never an exception. `labels`: the blind label of each
        candidate call shown to a judge, put on record before it answers."""
        ...

    async def ask_all(self, asks: Sequence[tuple[Ref, tuple[Message, ...]]], *, round: int) -> tuple[Reply, ...]:
        """Candidates side by side, in the order given, under the run's quorum and grace."""
        ...

    async def check(self, text: str, call: int) -> tuple[CheckOutcome, ...]:
        """What the person's own checks say of a text; put on record at that call. They never raise."""
        ...

    def agreement_found(self, agreement: Agreement) -> None:
        """Put who gave the same short answer on record."""
        ...

    def escalated(self, escalation: Escalation) -> None:
        """Put on record whether more members are asked; those it names join the pool."""
        ...

    def round_ended(self, ended: Round) -> None:
        """Put the end of a debate round on record."""
        ...


def first_messages(prompt: str, system: str | None, ref: Ref) -> tuple[Message, ...]:
    """What a member is first asked: the prompt, behind its own system prompt or the one of all."""
    own = ref.setting("system", system)
    return (*([Message("system", own)] if own else []), Message("user", prompt))


def token_limit(max_tokens: int, ref: Ref, role: Role) -> int:
    """Completion tokens a call may use; a judge writes its verdict beside the answer, so it may use twice as many."""
    return int(ref.setting("max_tokens", max_tokens if role == "candidate" else 2 * max_tokens))


DEFAULT_CRITERIA = ("correctness", "completeness", "clarity")
"""What a judge scores where the person names nothing else."""
MOST = 200_000
"""Characters of one text that a judge is shown, and that are searched for signs that it speaks to the judge."""


def excerpt(text: str, most: int = MOST) -> str:
    """`text`, or its beginning and its end with a mark between them: at most `most` characters beside the mark."""
    if len(text) <= most:
        return text
    head = (most + 1) // 2
    tail = most - head
    end = text[-tail:] if tail else ""
    return f"{text[:head]}\n[... {len(text) - most:,} characters left out here ...]\n{end}"


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One prompt for one pool, every name resolved, nothing left to guess."""

    prompt: str
    pool: tuple[Ref, ...]
    judge: Ref | None
    """`None` only where none can be needed: a pool of one, a vote, a cascade to one member."""
    mode: Mode
    then: Literal["best-of", "merge"] = "best-of"
    rounds: int = 1
    orders: int = 1
    """See `RunState.orders`."""
    jury: tuple[Ref, ...] = ()
    """Judges beside `judge`."""
    selection: Selection = Selection()
    criteria: tuple[str, ...] = ()
    params: Params = Params()
    limits: Limits = Limits()
    seed: int = 0
    notes: tuple[str, ...] = ()
    reused: tuple[Reply, ...] = ()
    """Replies of an earlier run that stand for calls of this one: by member and round, they are not asked for again."""
    of: str = ""
    """That earlier run."""
    tag: str = ""
    also: str = ""
    """See `RunStarted.also`."""

    @property
    def judges(self) -> tuple[Ref, ...]:
        """Who is to judge; the first writes a merge."""
        return (*([self.judge] if self.judge else []), *self.jury)

    @property
    def everyone(self) -> tuple[Ref, ...]:
        """All that this run may ask."""
        return (*self.pool, *self.selection.escalate, *self.judges)


def run_started(spec: RunSpec, run: str, when: str) -> RunStarted:
    """The first event of the run that carries the spec out: all that makes it what it is."""
    return RunStarted(
        run=run,
        when=when,
        prompt=spec.prompt,
        mode=spec.mode,
        then=spec.then if spec.mode == "debate" else "",
        pool=spec.pool,
        judge=spec.judge,
        jury=spec.jury,
        seed=spec.seed,
        params=spec.params,
        limits=spec.limits,
        notes=spec.notes,
        criteria=spec.criteria,
        max_rounds=spec.rounds,
        orders=spec.orders,
        selection=spec.selection,
        of=spec.of,
        tag=spec.tag,
        also=spec.also,
    )


class Provider(Protocol):
    """How to talk to one service. Raises `ProviderError`; closes its socket when the iterator is closed."""

    def stream(self, request: Request) -> AsyncIterator[Chunk]: ...


class ModeFunction(Protocol):
    async def __call__(self, task: ModeInput, calls: ModeCalls) -> Verdict: ...


class LateBill(Protocol):
    """What a service tells of a call after its end."""

    @property
    def usage(self) -> Usage: ...
    @property
    def cost(self) -> Decimal | None: ...
    @property
    def model(self) -> str | None: ...
    @property
    def latency(self) -> float | None: ...
    @property
    def provider(self) -> str | None: ...
    @property
    def quantization(self) -> str | None: ...


class ComputedCost(NamedTuple):
    """What tokens cost by the price lists, and by which prices, for the record."""

    usd: Decimal
    rates: PricesUsed | None = None


class CallRates(Protocol):
    """How many calls a service takes at once, for runs that are made together."""

    async def enter(self, name: str) -> float: ...
    def leave(self, name: str, entered: float, fault: Any, ttft: float | None = None) -> bool: ...


@dataclass(frozen=True, slots=True)
class RunServices:
    """What the engine needs of the other rooms, given by the API."""

    provider: Callable[[Ref], Provider]
    price: Callable[[Ref, str, Usage], ComputedCost | None]
    """(who was asked, the model that answered, tokens) -> what they cost, where it can be computed."""
    worst: Callable[[Ref, Usage], Decimal | None]
    """USD that so many tokens cost at the most, whatever the hour and the tier."""
    metered: Callable[[Ref], bool]
    """Whether somebody is billed for asking; a model on this machine is not."""
    mode: ModeFunction
    check: Callable[[Any, str], Awaitable[tuple[CheckOutcome, ...]]] | None = None
    """(the result so far, a text) -> what the person's own checks say; `None` where there are none."""
    extract: Callable[[str], Awaitable[Any]] | None = None
    """See `ModeInput.extract`."""
    kin: Callable[[Ref, Ref], Literal["", "family", "member"]] = lambda judge, member: ""
    """See `ModeInput.kin`."""
    context: Callable[[Ref], int | None] = lambda _: None
    """Tokens a model holds, prompt and completion together; `None` where nobody knows."""
    load_prices: Callable[[], None] | None = None
    """Reads price lists and tables, so that `price`, `worst` and `context` are quick; called on a thread. `None` where
    there are none to read."""
    rates: CallRates | None = None
    """Shared by runs that are made together; `None` for a run by itself."""
    fetched: Mapping[str, FetchedReply] = field(default_factory=dict)
    """By the name of a member, what a batch brought for its first request: it is not asked."""
    bill: Callable[[Ref, str], Awaitable[LateBill | None]] | None = None
    """(who was asked, generation id) -> what its service kept of the call; `None` where it keeps nothing."""
