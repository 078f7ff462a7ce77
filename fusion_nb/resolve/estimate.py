"""What a run would take, before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Unpack

from fusion_nb.accounts.forecast import forecast
from fusion_nb.accounts.forecast_types import ContextProblem, Forecast, ForecastInputs, ForecastLine, Speed
from fusion_nb.accounts.token_counts import CallStatistics, Range
from fusion_nb.core import Ref, Role, engine_thread
from fusion_nb.core import option_checks as check
from fusion_nb.core.option_checks import usd
from fusion_nb.core.option_types import EstimateOptions
from fusion_nb.core.run_spec import RunSpec, run_started
from fusion_nb.core.wording import listed
from fusion_nb.errors import UserError
from fusion_nb.journal import run_index
from fusion_nb.journal.run_rows import CallRow
from fusion_nb.judging.judge_prompts import debate_frame_size, judge_frame_size
from fusion_nb.option_signatures import takes
from fusion_nb.options import CAPS_OF_ALL_RUNS, Settings, settle
from fusion_nb.providers import keys, services
from fusion_nb.providers.openrouter_api import fetch_speed
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.resolve.service_registry import http
from fusion_nb.resolve.spec_builder import build_spec

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
    spec: RunSpec | None = None
    """The run it is of, every name resolved."""

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
        return self.forecast.over(usd("confirm_over")(amount))

    def frame(self) -> pd.DataFrame:
        """One row per member and for the judge."""
        from fusion_nb.views.dataframes import forecast_frame

        return forecast_frame(self.forecast.rows())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from fusion_nb.views import estimate_view as view

        return {"text/html": view.html(self.forecast, self.notes), "text/plain": str(self)}

    def __str__(self) -> str:
        from fusion_nb.views import estimate_view as view

        return view.text(self.forecast, self.notes)

    def __repr__(self) -> str:
        from fusion_nb.views import estimate_view as view

        return f"<Estimate: {view.summary(self.forecast)}>"


@takes("estimate")
def estimate(prompt: str, pool: Any = None, mode: Any = None, **options: Unpack[EstimateOptions]) -> Estimate:
    """What `fuse()` with the same arguments would take; nothing is sent to a model, nothing is paid.

    Judged by the models' prices, their own past calls in the journal, and OpenRouter's figures of the last half hour
    where there is a key. Needs no key: a note says which one the run will need. Raises `UserError` for whatever else
    `fuse()` would refuse.

    >>> estimate("Why is the sky blue?", pool="demo").usd is not None
    True
    """
    settings = settle("estimate", {"pool": pool, "mode": mode, **options})
    resolver = Resolver(settings, keys_needed=False)
    return estimate_spec(build_spec(prompt, settings, resolver.resolved, resolver.reach.worst), resolver, settings)


def estimate_spec(spec: RunSpec, resolver: Resolver, settings: Settings) -> Estimate:
    """The estimate for a spec; replies that are taken over from an earlier run cost nothing."""
    taken_over = {(reply.ref.name, reply.round) for reply in spec.reused}
    asked = [ref for ref in spec.pool if (ref.name, 0) not in taken_over]
    notes, speeds = engine_thread.run_on_engine(_ask_around(resolver, (*asked, *spec.selection.escalate, *spec.judges)))
    history = _History(spec.mode if spec.mode != "debate" else spec.then)
    inputs = ForecastInputs(
        rates=resolver.reach.rates,
        history=history.own,
        others=history.others,
        speed=speeds.get,
        context=resolver.reach.context,
        judge_frame=judge_frame_size,
        debate_frame=debate_frame_size,
    )
    whole = forecast(spec, inputs)
    # A judge's line stands behind those of the members, in pool order.
    lines = [line for n, line in enumerate(whole.lines) if n >= len(spec.pool) or spec.pool[n] in asked]
    expected = Estimate(replace(whole, lines=tuple(lines)), tuple(notes), spec)
    keys_to_set = [
        f"A key will be needed: set {variable} for {service} before the run."
        for service, variable in resolver.missing_keys.items()
    ]
    return replace(expected, notes=(*keys_to_set, *notes, *_notes(expected, settings)))


def _notes(expected: Estimate, settings: Settings) -> Iterator[str]:
    """What the options that shape no call would do, in sentences."""
    if settings.get("replay") and expected.spec and run_index.find_same(run_started(expected.spec, "", "")):
        yield "This very request is in the journal: with replay, nothing would be asked or paid."
    over = settings.get("confirm_over")
    if over is not None and expected.over(over):
        yield f"It may cost more than confirm_over (${over}): it would be asked about before anything is sent."
    if expected.forecast.functions:
        names = listed(expected.forecast.functions)
        yield f"No service bills your own code: what {names} may spend inside is in no forecast and under no cap."
    caps = [name for name in ("max_cost", *CAPS_OF_ALL_RUNS) if settings.get(name) is not None]
    if caps and expected.unpriced and not settings.get("allow_unpriced"):
        names = listed(list(dict.fromkeys(expected.unpriced)))
        yield (
            f"{names} would be refused: {' and '.join(caps)} cannot hold for a price that nobody knows. "
            "allow_unpriced=True asks all the same."
        )
    if settings.get("journal") is False:
        yield "It would be kept in no journal: a crash would lose what was paid."
    for name in CAPS_OF_ALL_RUNS:
        if settings.get(name) is not None:
            yield f"{name} (${settings[name]}) would hold: spending() or %fuse_spend says what is left of it."


def confirm_cost(spec: RunSpec, resolver: Resolver, settings: Settings, ask: Any = None) -> None:
    """Raise `UserError` where the run may cost more than `confirm_over` and nobody says yes.

    `ask`: who is asked where the settings name nobody; the person by default.
    """
    over = settings.get("confirm_over")
    if over is None:
        return
    expected = estimate_spec(spec, resolver, {})
    confirm: Callable[[Estimate], bool] = settings.get("confirm") or ask or ask_person
    if not expected.over(over):
        return
    meant = confirm(expected)
    if type(meant).__name__ not in ("bool", "bool_", "NoneType"):
        # What `input()` gives is true to Python whatever was typed, "no" too.
        raise UserError(f"Nothing was sent: confirm must return True or False, not {check.shown(meant)}.")
    if not meant:
        what = repr(expected).removeprefix("<Estimate: ").removesuffix(">")
        raise UserError(f"Nothing was sent ({what}): it may cost more than ${over}, and nobody confirmed it.")


def ask_person(text: object, question: str = "Ask all the same?") -> bool:
    """The person's yes or no, in this terminal or notebook; no where nobody is there to answer."""
    try:
        return input(f"{text}\n{question} [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, NotImplementedError, RuntimeError, OSError):
        # No one is there to answer: a notebook that is run by a program.
        return False


async def _ask_around(resolver: Resolver, refs: Sequence[Ref]) -> tuple[list[str], dict[Ref, Speed]]:
    """Today's price lists, and how fast the models are just now."""
    notes = await resolver.reach.refresh(tuple(refs))
    routed = [ref for ref in refs if ref.service == services.OPENROUTER.name and keys.has_key("OPENROUTER_API_KEY")]
    if not routed:
        return notes, {}
    auth = keys.bind(services.OPENROUTER)
    speeds = await asyncio.gather(*(fetch_speed(http(), services.OPENROUTER, auth, ref.model) for ref in routed))
    return notes, {ref: speed for ref, speed in zip(routed, speeds, strict=True) if speed is not None}


class _History:
    """Past calls from the journal; a judge's are of runs that ended the same way."""

    def __init__(self, mode: str) -> None:
        try:
            modes = {row.run: row.mode for row in run_index.runs()}
            calls = [call for call in run_index.calls() if call.status in ("ok", "incomplete")]
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
