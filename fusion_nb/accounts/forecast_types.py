"""The values of a forecast: what it is computed from, and its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from fusion_nb.accounts.prices import Rates
from fusion_nb.accounts.token_counts import CallStatistics, Range
from fusion_nb.core import Ref, Role
from fusion_nb.core.run_spec import RunSpec
from fusion_nb.core.values import PYTHON_SERVICE


class Speed(NamedTuple):
    """How fast a service says a model is just now."""

    ttft: Range[float]
    """Seconds to the first text."""
    per_second: Range[float]
    """Completion tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastInputs:
    """What a forecast asks of prices, past calls, services and prompts. What nobody knows is `None` or empty."""

    rates: Callable[[Ref], Rates | None]
    """Prices; `prices.FREE` for what nobody is billed for."""
    history: Callable[[Ref, Role], Sequence[CallStatistics]] = lambda _ref, _role: ()
    """The model's own past calls in that role; a judge's of the same mode."""
    others: Callable[[Role], Sequence[CallStatistics]] = lambda _role: ()
    """Past calls of any model in that role, for one that has none of its own."""
    speed: Callable[[Ref], Speed | None] = lambda _: None
    context: Callable[[Ref], int | None] = lambda _: None
    """Tokens a model holds, prompt and completion together."""
    judge_frame: Callable[[RunSpec], int]
    """Characters of the judge's prompt without the prompt, the system message and the candidates in it."""
    debate_frame: Callable[[int], int]
    """Characters of a debate's prompt without the so many others' answers in it."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the run would be: prices may hang on the hour."""


@dataclass(frozen=True, slots=True)
class ForecastLine:
    """What one member, or the judge, is likely to take in the whole run. What nobody knows is `None`."""

    name: str
    role: Role
    ref: Ref
    calls: Range[int]
    prompt: Range[int]
    """Tokens, all calls together."""
    completion: Range[int]
    usd: Range[Decimal] | None
    seconds: Range[float] | None
    basis: str
    """What the tokens are judged by."""
    prices: str = ""
    """Where the prices are from."""


class ContextProblem(NamedTuple):
    """A prompt that does not fit a model."""

    name: str
    certain: bool
    """Whether it will not fit, or may not."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run is likely to take: nine in ten stay within each range where there are past calls to judge by.

    `lines` has a row per member and one for the judge; `usd`, `seconds`, `prompt`, `completion` are of the whole run.
    A judge's one repair and retries are not in it: they are rare.
    """

    lines: tuple[ForecastLine, ...]
    problems: tuple[ContextProblem, ...] = ()

    @property
    def usd(self) -> Range[Decimal] | None:
        """USD of the whole run, without what `unpriced` names; `None` where no price is known at all."""
        priced = [line.usd for line in self.lines if line.usd is not None]
        zero = Decimal(0)
        return Range(sum((u.low for u in priced), zero), sum((u.high for u in priced), zero)) if priced else None

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Whose price nobody knows: the total leaves them out. No service bills a person's own function."""
        return tuple(line.name for line in self.lines if line.usd is None and line.ref.service != PYTHON_SERVICE)

    @property
    def functions(self) -> tuple[str, ...]:
        """The person's own functions among those asked."""
        return tuple(dict.fromkeys(line.name for line in self.lines if line.ref.service == PYTHON_SERVICE))

    @property
    def seconds(self) -> Range[float] | None:
        """Seconds of the whole run: the slowest member, then the judge; without what `untimed` names."""
        members = [line.seconds for line in self.lines if line.role == "candidate" and line.seconds is not None]
        judges = [line.seconds for line in self.lines if line.role == "judge" and line.seconds is not None]
        slowest = [Range(max(s.low for s in members), max(s.high for s in members))] if members else []
        steps = [*slowest, *judges]
        return Range(sum(s.low for s in steps), sum(s.high for s in steps)) if steps else None

    @property
    def untimed(self) -> tuple[str, ...]:
        """Whose speed nobody knows."""
        return tuple(line.name for line in self.lines if line.seconds is None)

    @property
    def prompt(self) -> Range[int]:
        """Prompt tokens of the whole run."""
        return _sum(line.prompt for line in self.lines)

    @property
    def completion(self) -> Range[int]:
        """Completion tokens of the whole run."""
        return _sum(line.completion for line in self.lines)

    def over(self, amount: Decimal) -> bool:
        """Whether the run may cost more than `amount` USD; a price nobody knows may always."""
        return bool(self.unpriced) or (self.usd is not None and self.usd.high > amount)

    def rows(self) -> list[dict[str, Any]]:
        """A row of plain values per line, money as `Decimal`; `None` is what nobody knows."""
        return [
            {
                "member": line.name,
                "role": line.role,
                "model": str(line.ref),
                **_ends("calls", line.calls),
                **_ends("prompt_tokens", line.prompt),
                **_ends("completion_tokens", line.completion),
                **_ends("cost_usd", line.usd),
                **_ends("seconds", line.seconds),
                "basis": line.basis,
                "prices": line.prices or None,
            }
            for line in self.lines
        ]


def _sum(ranges: Iterable[Range[int]]) -> Range[int]:
    lows, highs = zip(*ranges, strict=True)
    return Range(sum(lows), sum(highs))


def _ends(name: str, ends: Range[Any] | None) -> dict[str, Any]:
    return {f"{name}_low": ends.low if ends else None, f"{name}_high": ends.high if ends else None}
