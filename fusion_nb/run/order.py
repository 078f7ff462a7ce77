"""What a run is asked to do, and the tools it is given to do it with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Protocol

from fusion_nb._events import RunStarted
from fusion_nb._types import Case, Chunk, Desk, Limits, Mode, Params, Ref, Reply, Request, Usage, Verdict
from fusion_nb.money.budget import Capped

if TYPE_CHECKING:
    from fusion_nb.providers.generation import Generation


class Provider(Protocol):
    """How to talk to one service. Raises `ProviderError`; closes its socket when the iterator is closed."""

    def stream(self, request: Request) -> AsyncIterator[Chunk]: ...


class ModeFunction(Protocol):
    async def __call__(self, case: Case, desk: Desk) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class Order:
    """One prompt for one pool, every name resolved, nothing left to guess."""

    prompt: str
    pool: tuple[Ref, ...]
    judge: Ref | None
    """`None` only where no judge can be needed: a pool of one."""
    mode: Mode
    then: Literal["best-of", "merge"] = "best-of"
    rounds: int = 1
    orders: int = 1
    """See `RunState.orders`."""
    criteria: tuple[str, ...] = ()
    params: Params = Params()
    limits: Limits = Limits()
    seed: int = 0
    notes: tuple[str, ...] = ()
    kept: tuple[Reply, ...] = ()
    """Replies of an earlier run that stand for calls of this one: by member and round, they are not asked for again."""
    of: str = ""
    """That earlier run."""
    also: str = ""
    """See `RunStarted.also`."""


def started(order: Order, run: str, when: str) -> RunStarted:
    """The first event of the run that carries the order out: all that makes it what it is."""
    return RunStarted(
        run=run,
        when=when,
        prompt=order.prompt,
        mode=order.mode,
        then=order.then if order.mode == "debate" else "",
        pool=order.pool,
        judge=order.judge,
        seed=order.seed,
        params=order.params,
        limits=order.limits,
        notes=order.notes,
        criteria=order.criteria,
        max_rounds=order.rounds,
        orders=order.orders,
        of=order.of,
        also=order.also,
    )


@dataclass(frozen=True, slots=True)
class Tools:
    """What the engine needs of the other rooms, given by the API."""

    provider: Callable[[Ref], Provider]
    price: Callable[[Ref, str, Usage], Decimal | None]
    """(who was asked, the model that answered, tokens) -> USD where it can be computed."""
    worst: Callable[[Ref, Usage], Decimal | None]
    """USD that so many tokens cost at the most, whatever the hour and the tier."""
    metered: Callable[[Ref], bool]
    """Whether somebody is billed for asking; a model on this machine is not."""
    mode: ModeFunction
    context: Callable[[Ref], int | None] = lambda _: None
    """Tokens a model holds, prompt and completion together; `None` where nobody knows."""
    shared: tuple[Capped, ...] = ()
    """Caps the run is paid from beside its own."""
    bill: Callable[[Ref, str], Awaitable[Generation | None]] | None = None
    """(who was asked, generation id) -> what its service kept of the call; `None` where it keeps nothing."""
