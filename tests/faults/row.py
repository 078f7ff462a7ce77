"""One scenario of a row of the fault matrix: what the service does, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fusion_nb.core import Status
from tests.faults.answer import COST, TEXT, Answer

ALWAYS = ("whole", "bytes")
SOON = 12.0
"""Seconds within which a run with one faulty member must be over: generous, for the product's own timers are ten times
that and more."""
OK: Mapping[str, Any] = {"status": "ok", "text": TEXT, "cost": Decimal(COST), "tokens": (7, 3), "finish": "stop"}
"""What comes of `answer.GOOD`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    number: int
    name: str
    """Unique; part of the model's name."""
    answers: tuple[Answer, ...] | Callable[[int], Answer] = ()
    """One for each attempt, the last for all further ones."""
    bills: tuple[Answer, ...] = ()
    """What `GET /generation` says, try by try, the last for all further ones."""
    looks: int = 0
    """Times the bill is asked for."""
    status: Status = "error"
    error: str | None = None
    posts: int = 1
    """Requests the server counts; also the attempts on the reply."""
    attempts: int | None = None
    """Where no server can count."""
    text: str = ""
    reasoning: str = ""
    billed: bool = False
    cost: Decimal | None = None
    tokens: tuple[int | None, int | None] | None = None
    finish: str | None = None
    generation: str | None = None
    says: tuple[str, ...] = ()
    """Words the sentence of the error must hold."""
    never: tuple[str, ...] = ()
    """What no field of the reply may hold."""
    warns: tuple[str, ...] = ()
    waits: tuple[float, float] | None = None
    """Seconds between the first two requests, at least and at most."""
    at: str = "main"
    """Which of the listeners is asked."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Timers, scaled down: `ttft`, `idle`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    within: float = SOON
    cuts: tuple[str, ...] = ALWAYS
    split: bool = False
    """Whether it is also sent cut in two at every byte."""
    heavy: bool = False
    """Played alone: it keeps a core busy."""

    @property
    def silent(self) -> bool:
        """Whether a connection is closed before a byte of an answer."""
        return not callable(self.answers) and any(
            each.framing == "none" and each.end != "hold" for each in self.answers
        )

    @property
    def told(self) -> str:
        """The outcome in short: `error/auth`, `ok`."""
        return f"{self.status}/{self.error}" if self.error else self.status
