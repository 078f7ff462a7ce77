"""What a run would take, before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fusion_nb.accounts.forecast import forecast
from fusion_nb.accounts.forecast_types import ContextProblem, Forecast, ForecastInputs, ForecastLine, Speed
from fusion_nb.accounts.token_counts import CallStatistics, Range
from fusion_nb.core import Ref, Role, engine_thread
from fusion_nb.core.spec import RunSpec
from fusion_nb.errors import UserError
from fusion_nb.journal import index
from fusion_nb.journal.rows import CallRow
from fusion_nb.judging.prompts import debate_frame_size, judge_frame_size
from fusion_nb.providers import keys, services
from fusion_nb.providers.openrouter_api import fetch_speed
from fusion_nb.resolve.registry import http
from fusion_nb.resolve.request import FuseOptions, build_spec, check_usd
from fusion_nb.resolve.resolver import Resolver

if TYPE_CHECKING:
    import pandas as pd


# The views are imported when one is asked for.
# ruff: noqa: PLC0415

_ENOUGH = 200
"""Past calls of a model that are looked at, the newest."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run is likely to take: low to high, per member and for the judge. What nobody knows is `None`, and named.

    `usd`, `seconds` (`.low`, `.high`), `lines`, `unpriced`, `problems` (a prompt that will not fit), `frame()`.
    """

    forecast: Forecast
    notes: tuple[str, ...] = ()

    @property
    def usd(self) -> Range[Decimal] | None:
        return self.forecast.usd

    @property
    def seconds(self) -> Range[float] | None:
        return self.forecast.seconds

    @property
    def lines(self) -> tuple[ForecastLine, ...]:
        return self.forecast.lines

    @property
    def unpriced(self) -> tuple[str, ...]:
        return self.forecast.unpriced

    @property
    def problems(self) -> tuple[ContextProblem, ...]:
        return self.forecast.problems

    def over(self, amount: float | str | Decimal) -> bool:
        """Whether the run may cost more than `amount` USD; a price nobody knows may be anything."""
        return self.forecast.over(check_usd(amount, "confirm_over"))

    def frame(self) -> pd.DataFrame:
        """One row per member and for the judge."""
        from fusion_nb.views.frame import forecast_frame

        return forecast_frame(self.forecast.rows())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from fusion_nb.views import forecast_view as view

        return {"text/html": view.html(self.forecast, self.notes), "text/plain": str(self)}

    def __str__(self) -> str:
        from fusion_nb.views import forecast_view as view

        return view.text(self.forecast, self.notes)

    def __repr__(self) -> str:
        from fusion_nb.views import forecast_view as view

        return f"<Estimate: {view.summary(self.forecast)}>"


def estimate(prompt: str, pool: Any = None, mode: str = "merge", **options: Any) -> Estimate:
    """What `fuse()` with the same arguments would take; nothing is sent to a model, nothing is paid.

    Judged by the models' prices, their own past calls in the journal, and OpenRouter's figures of the last half hour
    where there is a key. Raises `UserError` for what `fuse()` would refuse.
    """
    wish = FuseOptions(prompt=prompt, pool=pool, mode=mode, **options)
    session = Resolver(wish)
    return estimate_spec(build_spec(wish, session.cast, session.reach.worst), session)


def estimate_spec(order: RunSpec, session: Resolver) -> Estimate:
    """The estimate for an order."""
    refs = tuple(dict.fromkeys((*order.pool, *([order.judge] if order.judge else []))))
    notes, speeds = engine_thread.run_on_engine(_ask_around(session, refs))
    past = _History(order.mode if order.mode != "debate" else order.then)
    inputs = ForecastInputs(
        rates=session.reach.rates,
        history=past.own,
        others=past.others,
        speed=speeds.get,
        context=session.reach.context,
        judge_frame=judge_frame_size,
        debate_frame=debate_frame_size,
    )
    return Estimate(forecast(order, inputs), tuple(notes))


async def _ask_around(session: Resolver, refs: Sequence[Ref]) -> tuple[list[str], dict[Ref, Speed]]:
    """Today's price lists, and how fast the models are just now."""
    notes = await session.reach.refresh(tuple(refs))
    routed = [ref for ref in refs if ref.service == services.OPENROUTER.name and keys.has_key("OPENROUTER_API_KEY")]
    if not routed:
        return notes, {}
    auth = keys.bind(services.OPENROUTER)
    found = await asyncio.gather(*(fetch_speed(http(), services.OPENROUTER, auth, ref.model) for ref in routed))
    return notes, {ref: said for ref, said in zip(routed, found, strict=True) if said is not None}


class _History:
    """Past calls from the journal; a judge's are of runs that ended the same way."""

    def __init__(self, mode: str) -> None:
        try:
            modes = {row.run: row.mode for row in index.runs()}
            calls = [call for call in index.calls() if call.status in ("ok", "incomplete")]
        except UserError:
            # A journal that cannot be read is no history; the run itself will say so.
            modes, calls = {}, []
        alike = (mode, "debate")
        self._calls = [c for c in calls if c.role == "candidate" or modes.get(c.run) in alike]

    def own(self, ref: Ref, role: Role) -> list[CallStatistics]:
        return [_past(c) for c in self._calls if c.ref == str(ref) and c.role == role][:_ENOUGH]

    def others(self, role: Role) -> list[CallStatistics]:
        return [_past(c) for c in self._calls if c.role == role][:_ENOUGH]


def _past(call: CallRow) -> CallStatistics:
    return CallStatistics(
        call.prompt_tokens, call.prompt_chars, call.completion_tokens, call.ttft, call.latency, call.reply_chars
    )
