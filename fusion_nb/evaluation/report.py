"""Ways to an answer side by side, and what may honestly be said of them.

What counts can say, and what chance alone would: two formulas.
"""

from __future__ import annotations

import html
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from fusion_nb.accounts.account import usd

if TYPE_CHECKING:
    import pandas as pd


LEVEL = 0.05
"""A difference that chance gives more often is not called one."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to an answer, over all runs: the fused one, a member alone, a vote, any member being right."""

    who: str
    hits: tuple[bool, ...] | None
    """By run, whether its answer was right; `None` where nobody said how to tell."""
    costs: tuple[Decimal | None, ...] = ()
    seconds: tuple[float | None, ...] = ()
    chosen: int | None = None
    """Members: in how many runs the judge chose it."""

    @property
    def runs(self) -> int:
        return len(self.costs)

    @property
    def right(self) -> int | None:
        return None if self.hits is None else sum(self.hits)

    @property
    def share(self) -> float | None:
        return None if self.right is None else self.right / self.runs

    @property
    def low(self) -> float | None:
        """With `high`: Wilson's interval, which holds the true share in 95 of 100 such counts."""
        return None if self.right is None else interval(self.right, self.runs)[0]

    @property
    def high(self) -> float | None:
        return None if self.right is None else interval(self.right, self.runs)[1]

    @property
    def cost_usd(self) -> Decimal | None:
        """Sum of what is known; `None` where nothing is."""
        values = [cost for cost in self.costs if cost is not None]
        return sum(values, Decimal(0)) if values else None

    @property
    def unpriced(self) -> int:
        return sum(cost is None for cost in self.costs)

    @property
    def median_s(self) -> float | None:
        values = [seconds for seconds in self.seconds if seconds is not None]
        return statistics.median(values) if values else None


@dataclass(frozen=True, slots=True)
class Worth:
    """The comparison. `str()` says it in sentences, `frame()` has one row per way to an answer.

    Columns: `runs, right, share, low, high` (95 % interval), `cost_usd, unpriced, median_s, chosen`; by `who`.
    """

    fused: Strategy
    members: tuple[Strategy, ...]
    """Each asked alone."""
    vote: Strategy | None = None
    """The answer that most members share, without a judge; `None` where nobody said what is right."""
    any: Strategy | None = None
    """At least one member was right: what no judge can surpass by picking."""
    demo: bool = False

    @property
    def ways(self) -> tuple[Strategy, ...]:
        return (self.fused, *self.members, *(way for way in (self.vote, self.any) if way))

    @property
    def best(self) -> Strategy:
        """The member that was right most often, picked after the fact; without `correct`, the one chosen most often."""
        return max(self.members, key=lambda way: (way.right or 0, way.chosen or 0))

    @property
    def gained(self) -> int:
        """Runs in which the fused answer was right and the best member wrong."""
        return sum(ours and not theirs for ours, theirs in self._pairs)

    @property
    def lost(self) -> int:
        """Runs in which the best member was right and the fused answer wrong."""
        return sum(theirs and not ours for ours, theirs in self._pairs)

    @property
    def p(self) -> float:
        """How often chance alone gives a split as uneven as `gained` against `lost`: the exact two-sided sign test."""
        return sign_test(self.gained, self.lost)

    @property
    def _pairs(self) -> Sequence[tuple[bool, bool]]:
        return list(zip(self.fused.hits or (), self.best.hits or (), strict=True))

    def frame(self) -> pd.DataFrame:
        from fusion_nb.views.table_export import worth_frame  # noqa: PLC0415  pandas is loaded when asked for

        return worth_frame(self.ways)

    def __str__(self) -> str:
        played = "DEMO: scripted models, not real answers. " if self.demo else ""
        return played + (_counted(self) if self.fused.hits is not None else _uncounted(self)) + " " + _price(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from fusion_nb.views.table_html import IGNORED  # noqa: PLC0415  views are loaded when asked for

        table = self.frame().to_html(na_rep="—", float_format="{:.4g}".format)
        # Two prices in a sentence would be the ends of a formula.
        return f'<div class="{IGNORED}"><p>{html.escape(str(self))}</p>{table}</div>'


def _counted(report: Worth) -> str:
    best, fused = report.best, report.fused
    sentence = (
        f"Over {fused.runs:,} run{'' if fused.runs == 1 else 's'} the fused answer was right in {_percent(fused)}, "
        f"{best.who} alone (the best member, picked after the fact) in {_percent(best)}, a plain vote of the members "
        f"in {_percent(report.vote)}; in {_percent(report.any)} at least one member was. "
    )
    if not report.gained and not report.lost:
        return f"{sentence}The fused answer and {best.who} were right in the same runs: no gain is shown."
    against = f"Against {best.who} the fused answer gained {report.gained:,} and lost {report.lost:,}"
    p = f"p {'< 0.001' if report.p < 0.001 else f'= {report.p:.2g}'}"
    if report.p >= LEVEL:
        return f"{sentence}{against}: no more than chance would give ({p}), so no difference is shown."
    which = "better" if report.gained > report.lost else "worse"
    return f"{sentence}{against}: it was {which}, by more than chance ({p})."


def _uncounted(report: Worth) -> str:
    runs = report.fused.runs
    sentence = (
        f"Over {runs:,} run{'' if runs == 1 else 's'} nobody counted which answers were right (give `correct`), so "
        "nothing is said about quality."
    )
    chosen = [f"{way.who} {way.chosen}" for way in report.members if way.chosen]
    return f"{sentence} The judge chose {', '.join(chosen)}." if chosen else sentence


def _price(report: Worth) -> str:
    fused, best = report.fused, report.best
    times = []
    if fused.median_s is not None and best.median_s:
        times.append(f"it took {fused.median_s / best.median_s:.1f} times as long (median)")
    if fused.unpriced or best.unpriced or not best.cost_usd or fused.cost_usd is None:
        cost = "What all of it cost is not known, so prices are not compared"
    else:
        ratio = float(fused.cost_usd / best.cost_usd)
        amounts = f"{usd(fused.cost_usd)} against {usd(best.cost_usd)}"
        cost = f"Fusing cost {ratio:.1f} times what {best.who} alone did ({amounts})"
    return "; ".join((cost, *times)) + "."


def _percent(way: Strategy | None) -> str:
    return "an unknown part" if way is None or way.share is None else f"{way.share:.1%}".replace("%", " %")


_Z = 1.959963984540054
"""Standard deviations that hold 95 % of a normal distribution."""


def interval(right: int, of: int) -> tuple[float, float]:
    """The shares from which `right` of `of` is no surprise, at 95 % (Wilson, JASA 22, 1927): sane at 0 and at all."""
    if not of:
        return 0.0, 1.0
    share, z2 = right / of, _Z * _Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def sign_test(gained: int, lost: int) -> float:
    """How often a fair coin splits `gained + lost` throws at least as unevenly: exact, two-sided (McNemar's test)."""
    throws = gained + lost
    tail = sum(math.comb(throws, k) for k in range(min(gained, lost) + 1))
    every: int = 2**throws
    return min(1.0, 2 * tail / every)
