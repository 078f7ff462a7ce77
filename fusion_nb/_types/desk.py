"""Where a mode asks, and what it decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from fusion_nb._types.state import Round
from fusion_nb._types.values import Channel, Message, Ref, Reply, Role


class Splitter(Protocol):
    """Sorts a judge's text into channels while it streams: the verdict (`content`), the fused answer (`answer`)."""

    def feed(self, text: str) -> Sequence[tuple[Channel, str]]: ...

    def close(self) -> Sequence[tuple[Channel, str]]: ...


@dataclass(frozen=True, slots=True)
class Case:
    """What a mode decides: one prompt and the candidates for it."""

    prompt: str
    candidates: tuple[Reply, ...]
    """All of them usable, at least two."""
    judge: Ref
    seed: int
    system: str | None = None
    criteria: tuple[str, ...] = ()
    rounds: int = 1
    then: Literal["best-of", "merge"] = "best-of"
    orders: int = 1
    """Orders the judge is shown the candidates in: 2 asks it once more with the order reversed."""
    room: int | None = None
    """Characters of candidates the judge has room for, all of them together; `None` where nobody knows."""


class Desk(Protocol):
    """What a mode may do. Price, budget, clock, retry, cancellation and journal sit behind it."""

    async def ask(
        self,
        ref: Ref,
        messages: tuple[Message, ...],
        *,
        role: Role = "judge",
        round: int = 0,
        schema: Mapping[str, Any] | None = None,
        splitter: Splitter | None = None,
        labels: Mapping[str, int] | None = None,
    ) -> Reply:
        """One call. A failure is a reply with an error, never an exception. `labels`: the blind label of each
        candidate call shown to a judge, put on record before it answers."""
        ...

    async def ask_all(self, asks: Sequence[tuple[Ref, tuple[Message, ...]]], *, round: int) -> tuple[Reply, ...]:
        """Candidates side by side, in the order given, under the run's quorum and grace."""
        ...

    def round_ended(self, ended: Round) -> None:
        """Put the end of a debate round on record."""
        ...
