"""The report of `evaluate()`: one honest paragraph, a row an arm, questions x arms, and both pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fusion_nb.errors import UserError
from fusion_nb.evaluation import arm_comparison, evaluation_sentences
from fusion_nb.evaluation.arm_comparison import Finding, Leaving, Power
from fusion_nb.evaluation.arms import Arm, Table
from fusion_nb.evaluation.statistics import Interval, wilson
from fusion_nb.views.agreement_statistics import EffectiveVotes, effective_votes

if TYPE_CHECKING:
    import pandas as pd

_ARMS: dict[str, str] = {
    "arm": "string",
    "kind": "string",
    "n": "Int64",
    "right": "Float64",
    "share": "Float64",
    "low": "Float64",
    "high": "Float64",
    "gained": "Int64",
    "lost": "Int64",
    "difference": "Float64",
    "p": "Float64",
    "finding": "string",
    "cost_usd": "Float64",
    "usd_per_question": "Float64",
    "usd_per_right": "Float64",
    "seconds": "Float64",
    "calls": "Int64",
    "fallbacks": "Int64",
    "unpriced": "Int64",
}
_LEAVING = {
    "member": "string",
    "arm": "string",
    "difference": "Float64",
    "low": "Float64",
    "high": "Float64",
    "harmless": "boolean",
}
_KINDS = {"kind": "string", "arm": "string", "n": "Int64", "share": "Float64", "low": "Float64", "high": "Float64"}


@dataclass(frozen=True)
class EvaluationReport:
    """Which way to an answer is better beyond chance, and at what price. `str()` says it in one paragraph.

    `frame()` has a row an arm, `questions()` a row a question and a column an arm, `leaving()` what the pool loses
    without each member, `by_kind()` shares by kind of question. In a notebook it shows all of it with two pictures.
    """

    table: Table
    notes: tuple[str, ...] = ()
    """What was left out, in sentences."""
    baseline: str | None = None
    """The member named beforehand to be tested against, alone."""
    smallest: float = 0.02
    """The loss of share that counts as one."""
    demo: bool = False
    seed: int = 0
    """Of the resampling: the same answers give the same report."""

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Each fused arm beside the members; empty where nobody knows what is right."""
        return tuple(arm_comparison.findings(self.table, self.baseline, self.seed)) if self.table.graded else ()

    @cached_property
    def members_leaving(self) -> tuple[Leaving, ...]:
        return tuple(arm_comparison.leaving(self.table, self.smallest, self.seed)) if self.table.graded else ()

    @cached_property
    def power(self) -> Power | None:
        return arm_comparison.power(self.findings, self.smallest, self.baseline is not None)

    @cached_property
    def scored(self) -> bool:
        """Whether answers are right by degrees."""
        return self.table.graded and arm_comparison.is_scored(self.table)

    @property
    def n(self) -> int:
        return len(self.table.questions)

    @property
    def best(self) -> Arm | None:
        """The model that alone was right most often, picked after the fact; `None` where nobody knows what is right."""
        return arm_comparison.best_single(self.table) if self.table.graded and self.n else None

    @cached_property
    def effective_votes(self) -> EffectiveVotes:
        """How many independent votes the members are worth."""
        names = tuple(arm.name for arm in self.table.members)
        if not self.table.graded or self.scored:
            return effective_votes(names, np.zeros((0, len(names))))
        return effective_votes(names, np.column_stack([1 - arm.right for arm in self.table.members]), seed=self.seed)

    def arm(self, name: str) -> Arm:
        """The arm of that name. Raises `UserError` where there is none."""
        for arm in self.table.arms:
            if arm.name == name:
                return arm
        raise UserError(f"There is no arm {name!r}: {', '.join(arm.name for arm in self.table.arms)}.")

    def interval(self, arm: Arm) -> Interval | None:
        """Of its share, at 95 %."""
        return arm_comparison.share_interval(arm, self.scored, self.seed)

    def finding(self, arm: Arm) -> Finding | None:
        return next((finding for finding in self.findings if finding.arm is arm), None)

    # ---- tables

    def frame(self) -> pd.DataFrame:
        """One row an arm, by `arm`. `right` counts what is right (a sum of scores where answers are scored), `low` and
        `high` are 95 % of `share`; `gained`, `lost` and `difference` are against the best single member, or the
        baseline; `p` is corrected; money is USD, `seconds` the median."""
        return _frame(self.rows(), _ARMS).set_index("arm")

    def rows(self) -> list[dict[str, Any]]:
        """The rows of `frame()`."""
        return [self._row(arm) for arm in self.table.arms]

    def _row(self, arm: Arm) -> dict[str, Any]:
        finding, interval, cost = self.finding(arm), self.interval(arm), arm.cost
        # Nobody delivers "any right"; what all members cost stands at the vote.
        if arm.kind == "any":
            cost = None
        right = arm.total_right
        return {
            "arm": arm.name,
            "kind": arm.kind,
            "n": arm.n,
            "right": right,
            "share": arm.share,
            "low": interval and interval.low,
            "high": interval and interval.high,
            "gained": finding and finding.gained,
            "lost": finding and finding.lost,
            "difference": finding and finding.difference,
            "p": finding and _p(finding),
            "finding": finding and finding.word,
            "cost_usd": cost,
            "usd_per_question": cost / arm.n if cost is not None and arm.n else None,
            "usd_per_right": cost / Decimal(str(right)) if cost is not None and right else None,
            "seconds": None if arm.kind == "any" else arm.seconds,
            "calls": None if arm.kind in ("any", "placebo") else arm.calls,
            "fallbacks": arm.fallbacks if arm.kind == "fused" else None,
            "unpriced": None if arm.kind in ("any", "placebo") else arm.unpriced,
        }

    def questions(self) -> pd.DataFrame:
        """One row a question, one column an arm: how right it was; `<NA>` where an arm was not taken."""
        shown = [arm for arm in self.table.arms if arm.right is not None]
        rows = [
            {"prompt": question.prompt, **{a.name: _cell(a.right[at]) for a in shown}}
            for at, question in enumerate(self.table.questions)
        ]
        return _frame(rows, {"prompt": "string", **{arm.name: "Float64" for arm in shown}})

    def leaving(self) -> pd.DataFrame:
        """What each free arm comes to without each member: `difference` of its share and its interval, at 95 % for all
        members together. `harmless`: no more than `smallest` can be lost."""
        rows = [
            {**_part(row.interval), "member": row.member, "arm": row.arm, "difference": row.difference,
             "harmless": row.harmless}
            for row in self.members_leaving
        ]  # fmt: skip
        return _frame(rows, _LEAVING)

    def by_kind(self) -> pd.DataFrame:
        """Shares by kind of question, where `by=` named a column. Described, not tested."""
        return _frame(self.kind_rows(), _KINDS)

    def kind_rows(self) -> list[dict[str, Any]]:
        """The rows of `by_kind()`."""
        kinds = list(dict.fromkeys(str(q.kind) for q in self.table.questions if q.kind is not None))
        rows = []
        for kind in kinds if self.table.graded else ():
            here = np.array([str(question.kind) == kind for question in self.table.questions])
            for arm in self.table.arms:
                right = arm.right[here & ~np.isnan(arm.right)]
                # The mean of scores has no Wilson interval, nor has the placebo's expectation.
                interval = None if self.scored or arm.kind == "placebo" else wilson(float(right.sum()), len(right))
                share = float(right.mean()) if len(right) else None
                rows.append({"kind": kind, "arm": arm.name, "n": len(right), "share": share, **_part(interval)})
        return rows

    # ---- words and pictures

    def __str__(self) -> str:
        return " ".join(evaluation_sentences.paragraph(self))

    __repr__ = __str__

    def to_markdown(self) -> str:
        """The paragraph, the table of arms and what could leave, as Markdown."""
        from fusion_nb.evaluation.evaluation_views import to_markdown  # noqa: PLC0415  views are loaded when asked for

        return to_markdown(self)

    def to_html(self) -> str:
        """All of it with both pictures as one piece of HTML: no script, no remote resource, light and dark."""
        from fusion_nb.evaluation.evaluation_views import to_html  # noqa: PLC0415  as above

        return to_html(self)

    def _repr_html_(self) -> str:
        return self.to_html()

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


def _p(finding: Finding) -> float | None:
    """The corrected p of what is claimed, or of the direction in which it points."""
    if finding.worse or (not finding.better and finding.difference < 0):
        return finding.p_worse
    return finding.p_better


def _part(interval: Interval | None) -> dict[str, float | None]:
    return {"low": interval and interval.low, "high": interval and interval.high}


def _cell(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _frame(rows: Iterable[Mapping[str, Any]], dtypes: Mapping[str, str]) -> pd.DataFrame:
    from fusion_nb.views.spreadsheet_files import records_frame  # noqa: PLC0415  pandas is loaded when asked for

    return records_frame(rows, dtypes)
