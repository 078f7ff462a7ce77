"""What a table would take before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fusion_nb.accounts.token_counts import Range
from fusion_nb.resolve.estimate import Estimate
from fusion_nb.views import escape, estimate_view, formatting

SAMPLE = 12
"""Prompts that a forecast is made of; the whole is in proportion."""


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What `fuse_frame()` would ask, and what that may cost: nothing has been sent.

    `usd`, `seconds`, `prompt_tokens`, `completion_tokens` run from `.low` to `.high`, of all prompts to ask; `None` is
    what nobody knows, and `unpriced` names whose price.
    """

    rows: int
    prompts: int
    """Different prompts: each is asked once."""
    known: int
    """Of them, those that the journal has already."""
    sampled: int
    """Prompts the forecast was made of."""
    usd: Range[Decimal] | None
    seconds: Range[float] | None
    prompt_tokens: Range[int]
    completion_tokens: Range[int]
    unpriced: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def to_ask(self) -> int:
        return self.prompts - self.known

    def __str__(self) -> str:
        rows, different = formatting.plural(self.rows, "row"), formatting.plural(self.prompts, "different prompt")
        cost = estimate_view.usd(self.usd, partial=bool(self.unpriced), unknown="unknown")
        part = f", by {self.sampled} of them" if self.sampled < self.to_ask else ""
        time = estimate_view.seconds(self.seconds)
        tokens = f"{estimate_view.tokens(self.prompt_tokens)} in, {estimate_view.tokens(self.completion_tokens)} out"
        lines = [
            f"{rows}, {different}, {self.known:,} answered already: nothing has been sent.",
            f"{self.to_ask:,} to ask{part}: cost {cost}, time {time}, tokens {tokens}.",
        ]
        if self.unpriced:
            lines.append(f"Nobody knows the price of {', '.join(self.unpriced)}.")
        return "\n".join(escape.safe_line(line) for line in (*lines, *self.notes))

    __repr__ = __str__


def table_plan(rows: int, prompts: int, known: int, at_once: int, estimates: Sequence[Estimate]) -> TablePlan:
    """The plan by forecasts of some of the prompts that are still to be asked.

    Args:
        at_once: runs under way at the same time.
    """
    to_ask = prompts - known
    share = Decimal(to_ask) / max(1, len(estimates))

    def whole(ranges: Sequence[Any], divisor: int = 1) -> Any:
        if not ranges:
            return Range(0, 0)
        kind = type(ranges[0].low)
        low, high = sum((r.low for r in ranges), kind(0)), sum((r.high for r in ranges), kind(0))
        return Range(*(kind(Decimal(end) * share / divisor) for end in (low, high)))

    usd = [each.usd for each in estimates if each.usd is not None]
    seconds = [each.seconds for each in estimates if each.seconds is not None]
    return TablePlan(
        rows,
        prompts,
        known,
        len(estimates),
        (whole(usd) if usd else None) if estimates else Range(Decimal(0), Decimal(0)),
        (whole(seconds, min(at_once, max(1, to_ask))) if len(seconds) == len(estimates) else None),
        whole([each.forecast.prompt for each in estimates]),
        whole([each.forecast.completion for each in estimates]),
        tuple(dict.fromkeys(name for each in estimates for name in each.unpriced)),
        tuple(dict.fromkeys(note for each in estimates for note in each.notes)),
    )


def pilot_note(paid: Sequence[Decimal | None], rest: int) -> str:
    """What the prompts left may cost, by those that were paid."""
    costs = [float(cost) for cost in paid if cost is not None]
    asked = formatting.plural(len(paid), "prompt")
    if len(costs) < max(2, len(paid)):
        return f"Pilot of {asked}: not every cost is known, so the {rest:,} left have no forecast."
    mean = sum(costs) / len(costs)
    spread = 1.96 * (sum((cost - mean) ** 2 for cost in costs) / (len(costs) - 1) / len(costs)) ** 0.5
    low, high = (Decimal(str(round(max(0.0, end) * rest, 6))) for end in (mean - spread, mean + spread))
    return (
        f"Pilot of {asked}: {formatting.money(Decimal(str(sum(costs))))} in all. The {rest:,} left may cost "
        f"{formatting.money(low)} to {formatting.money(high)}; the same call without pilot goes on."
    )
