"""What an evaluation would take before anything is sent: the members once, and what each further arm adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fusion_nb.accounts.token_counts import Range
from fusion_nb.errors import UserError
from fusion_nb.resolve.estimate import Estimate, ask_person
from fusion_nb.views import escape, estimate_view, formatting
from fusion_nb.views.frame_html import IGNORED
from fusion_nb.views.run_html import style_element
from fusion_nb.views.run_text import aligned

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 12
"""Prompts that a forecast is made of; the whole is in proportion."""
_DTYPES = {"arm": "string", "runs": "Int64", "usd_low": "Float64", "usd_high": "Float64", "unpriced": "string"}
_HEADS = ["arm", "runs", "cost"]


@dataclass(frozen=True, slots=True)
class PlannedArm:
    """What one arm adds. `usd`: low to high for all questions; `None` where nobody knows any of its prices."""

    arm: str
    runs: int
    usd: Range[Decimal] | None
    unpriced: tuple[str, ...] = ()
    """Who is asked and has no known price."""


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """What `evaluate()` would ask, and what that may cost: nothing has been sent. `frame()` has a row an arm."""

    questions: int
    sampled: int
    """Questions the forecast was made of."""
    arms: tuple[PlannedArm, ...]
    notes: tuple[str, ...] = ()
    noun: str = "question"
    demo: bool = False
    """Whether scripted models would answer."""

    @property
    def usd(self) -> Range[Decimal] | None:
        """Of all arms together; its lower end alone is sure where some price is not known."""
        known = [arm.usd for arm in self.arms if arm.usd is not None]
        if not known:
            return None
        return Range(sum((usd.low for usd in known), Decimal(0)), sum((usd.high for usd in known), Decimal(0)))

    @property
    def unpriced(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for arm in self.arms for name in arm.unpriced))

    def frame(self) -> pd.DataFrame:
        """One row an arm: `runs`, `usd_low` and `usd_high` for all questions, and who has no known price."""
        from fusion_nb.views.spreadsheet_files import records_frame  # noqa: PLC0415  pandas is loaded when asked for

        rows = [
            {
                "arm": arm.arm,
                "runs": arm.runs,
                "usd_low": arm.usd and arm.usd.low,
                "usd_high": arm.usd and arm.usd.high,
                "unpriced": ", ".join(arm.unpriced) or None,
            }
            for arm in self.arms
        ]
        return records_frame(rows, _DTYPES).set_index("arm")

    def _cells(self) -> list[list[str]]:
        rows = [
            [escape.safe_line(arm.arm), f"{arm.runs:,}",
             estimate_view.usd(arm.usd, partial=bool(arm.unpriced), unknown="unknown")]
            for arm in self.arms
        ]  # fmt: skip
        whole = estimate_view.usd(self.usd, partial=bool(self.unpriced), unknown="unknown")
        return [*rows, ["all", f"{sum(arm.runs for arm in self.arms):,}", whole]]

    def _told(self) -> list[str]:
        part = f", by {self.sampled} of them" if self.sampled < self.questions else ""
        unknown = [f"Nobody knows the price of {', '.join(self.unpriced)}."] if self.unpriced else []
        what = "Calibration" if self.noun == "pair" else "Evaluation"
        head = f"{what} on {formatting.plural(self.questions, self.noun)}{part}: nothing has been sent."
        demo = [f"{formatting.DEMO}."] if self.demo else []
        return [escape.safe_line(sentence) for sentence in (head, *demo, *unknown, *self.notes)]

    def __str__(self) -> str:
        head, *rest = self._told()
        return "\n".join([head, *aligned([_HEADS, *self._cells()], [False, True, True]), *rest])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *rest = self._told()
        body = "".join(
            f'<tr><td>{escape.markup(arm)}</td><td class="fnb-right">{runs}</td>'
            f'<td class="fnb-right">{escape.markup(usd)}</td></tr>'
            for arm, runs, usd in self._cells()
        )
        notes = "".join(f"<li>{escape.markup(sentence)}</li>" for sentence in rest)
        noted = f'<ul class="fnb-notes">{notes}</ul>' if notes else ""
        heads = '<th>arm</th><th class="fnb-right">runs</th><th class="fnb-right">cost</th>'
        table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
        title = f'<p class="fnb-head"><strong>Forecast</strong> · {escape.markup(head)}</p>'
        view = (
            f'<div class="fusion-nb {IGNORED}">{title}'
            f'{noted}<div class="fnb-ledger"><div class="fnb-wide">{table}</div></div></div>'
        )
        return view + style_element(view)


def plan(
    estimates: Mapping[str, Sequence[Estimate]], questions: int, base: str, notes: Sequence[str]
) -> EvaluationPlan:
    """The plan by forecasts of some of its questions.

    Args:
        estimates: of each kind of run, for the same prompts; every other one takes over what `base` asks.
        questions: how many there are in all.
        base: the run that asks the members.
        notes: sentences of the caller.
    """
    sampled = len(estimates[base])
    arms = []
    for name, each in estimates.items():
        parts = [
            _beyond(one, None if name == base else first) for one, first in zip(each, estimates[base], strict=True)
        ]
        known = [part for part in parts if part is not None]
        usd = None
        if known:
            times = Decimal(questions) / sampled
            usd = Range(sum(p.low for p in known) * times, sum(p.high for p in known) * times)
        unpriced = tuple(dict.fromkeys(who for one in each for who in one.unpriced))
        arms.append(PlannedArm("members" if name == base else name, questions, usd, unpriced))
    said = tuple(dict.fromkeys(note for each in estimates.values() for one in each for note in one.notes))
    return EvaluationPlan(questions, sampled, tuple(arms), (*notes, *said))


def _beyond(whole: Estimate, first: Estimate | None) -> Range[Decimal] | None:
    if whole.usd is None or first is None or first.usd is None:
        return whole.usd
    zero = Decimal(0)
    return Range(max(zero, whole.usd.low - first.usd.low), max(zero, whole.usd.high - first.usd.high))


def confirm(planned: EvaluationPlan, over: Any, ask: Any = None) -> None:
    """Raise `UserError` where it may cost more than `over` USD and nobody says yes."""
    if over is None or (planned.usd is not None and not planned.unpriced and planned.usd.high <= over):
        return
    if not (ask or ask_person)(planned):
        raise UserError(f"Nothing was sent: it may cost more than ${over}, and nobody confirmed it.")
