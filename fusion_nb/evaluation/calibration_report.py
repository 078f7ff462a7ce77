"""The report of `calibrate()`: a row a judge, what it leans to, how judges compare, and what may be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from fusion_nb.errors import UserError
from fusion_nb.evaluation import svg_charts
from fusion_nb.evaluation.calibration_sentences import calibration_sentences
from fusion_nb.evaluation.evaluation_sentences import points, share
from fusion_nb.evaluation.judge_figures import (
    Comparison,
    IllFormed,
    JudgeFigures,
    Lean,
    Substitute,
    base_rate,
    comparisons,
    corrected_win_rate,
    judge_figures,
    judges_alpha,
    pair_agreement,
    substitute,
)
from fusion_nb.evaluation.labelled_pairs import Pair, PairVerdict
from fusion_nb.evaluation.statistics import Corrected
from fusion_nb.views import formatting
from fusion_nb.views.escape import markup, safe_line
from fusion_nb.views.frame_html import IGNORED
from fusion_nb.views.markdown_escape import embed_line
from fusion_nb.views.run_html import style_element

if TYPE_CHECKING:
    import pandas as pd

_JUDGES: dict[str, str] = {
    "judge": "string", "pairs": "Int64", "verdicts": "Int64", "agreement": "Float64", "low": "Float64",
    "high": "Float64", "kappa": "Float64", "base_rate": "Float64", "consistency": "Float64", "swapped_pairs": "Int64",
    "first_shown": "Float64", "ill_formed": "Float64", "length_lean": "Float64", "markup_lean": "Float64",
    "own_lean": "Float64", "own_right": "Float64", "own_wrong": "Float64", "usd": "Float64", "seconds": "Float64",
}  # fmt: skip
_VERDICTS = {"pair": "string", "judge": "string", "order": "string", "pick": "string", "side": "string",
             "label": "string", "right": "boolean", "usd": "Float64", "seconds": "Float64"}  # fmt: skip
_WINS = {"judge": "string", "x": "string", "y": "string", "verdicts": "Int64", "raw": "Float64", "corrected": "Float64",
         "low": "Float64", "high": "Float64", "sensitivity": "Float64", "specificity": "Float64"}  # fmt: skip
_HEADS = ("judge", "pairs", "agreement", "95 % interval", "kappa", "same when swapped", "first shown", "not read",
          "longer answers", "USD / verdict", "median time")  # fmt: skip


@dataclass(frozen=True)
class CalibrationReport:
    """How far judges can be trusted. `str()` says it in sentences, `frame()` has a row a judge.

    `verdicts()` has a row a verdict, `win_rates()` what their "X beats Y" comes to once corrected by how they err.
    """

    judges: tuple[JudgeFigures, ...]
    pairs: Mapping[str, Pair]
    by_judge: Mapping[str, Sequence[PairVerdict]]
    base: tuple[str, float] | None
    """The commonest label and its share."""
    comparisons: tuple[Comparison, ...]
    alpha: float | None
    """Krippendorff's, of all judges together; `None` of one."""
    substitutes: tuple[Substitute, ...]
    """Each other judge in place of the one named first."""
    ill_formed: IllFormed
    smallest: float
    notes: tuple[str, ...] = ()
    seed: int = 0
    demo: bool = False

    @classmethod
    def of(
        cls,
        pairs: Sequence[Pair],
        verdicts: Sequence[PairVerdict],
        ill_formed: IllFormed,
        smallest: float,
        notes: tuple[str, ...],
        seed: int,
        *,
        demo: bool = False,
    ) -> Self:
        """The report on verdicts, whoever gave them."""
        by_key = {pair.key: pair for pair in pairs}
        by_judge: dict[str, list[PairVerdict]] = {}
        for verdict in verdicts:
            by_judge.setdefault(verdict.judge, []).append(verdict)
        figures = [judge_figures(judge, by_key, each, ill_formed, seed) for judge, each in by_judge.items()]
        labelled = {
            judge: pair_agreement(by_key, [v for v in each if by_key[v.pair].label is not None], ill_formed)
            for judge, each in by_judge.items()
        }
        first, *others = figures
        substitutes = [substitute(each, first, labelled, smallest, seed) for each in others]
        judged = [by_key[key] for key in dict.fromkeys(verdict.pair for verdict in verdicts)]
        alpha = judges_alpha(by_judge) if others else None
        return cls(
            tuple(figures), by_key, by_judge, base_rate(judged), tuple(comparisons(by_judge)), alpha,
            tuple(each for each in substitutes if each is not None), ill_formed, smallest, notes, seed, demo,
        )  # fmt: skip

    def judge(self, name: str) -> JudgeFigures:
        """The figures of one judge. Raises `UserError` where there is none of that name."""
        for figures in self.judges:
            if figures.judge == name:
                return figures
        raise UserError(f"There is no judge {name!r}: {', '.join(each.judge for each in self.judges)}.")

    def corrected(self, judge: str, x: str, y: str) -> Corrected | None:
        """How often `x` beats `y` by a judge, ties left out, corrected by how it errs on labelled pairs of the two
        (Rogan-Gladen); `rate` is `None` where it cannot be corrected, the whole `None` where one set is empty."""
        self.judge(judge)
        return corrected_win_rate(self.pairs, self.by_judge[judge], x, y, self.seed)[0]

    # ---- tables

    def frame(self) -> pd.DataFrame:
        """One row a judge, by `judge`: agreement with the labels and its interval, kappa beside the base rate, leanings
        (picked - labelled), USD and median seconds a verdict."""
        return _frame([self._row(each) for each in self.judges], _JUDGES).set_index("judge")

    def _row(self, each: JudgeFigures) -> dict[str, Any]:
        plain = {name: getattr(each, name, None) for name in _JUDGES}
        ends = {"low": each.interval and each.interval.low, "high": each.interval and each.interval.high}
        leans = {"length_lean": _lean(each.length), "markup_lean": _lean(each.markup), "own_lean": _lean(each.own)}
        return {**plain, **ends, **leans, "base_rate": self.base and self.base[1]}

    def verdicts(self) -> pd.DataFrame:
        """One row a verdict: `pick` by the place shown, `side` by the answer's name; `<NA>` where none was read."""
        rows = [
            {
                "pair": verdict.pair, "judge": verdict.judge, "order": verdict.order, "pick": verdict.pick,
                "side": verdict.side, "label": self.pairs[verdict.pair].label, "usd": verdict.cost,
                "right": _right(verdict, self.pairs[verdict.pair]), "seconds": verdict.seconds,
            }
            for each in self.by_judge.values()
            for verdict in each
        ]  # fmt: skip
        return _frame(rows, _VERDICTS)

    def win_rates(self) -> pd.DataFrame:
        """For each judge and two models: how often `x` beats `y` by it, `raw` and `corrected` with its interval."""
        models = sorted({name for pair in self.pairs.values() for name in (pair.model_a, pair.model_b) if name})
        rows = []
        for judge, verdicts in self.by_judge.items():
            for place, x in enumerate(models):
                for y in models[place + 1 :]:
                    corrected, of = corrected_win_rate(self.pairs, verdicts, x, y, self.seed)
                    if of:
                        facts = corrected._asdict() if corrected else {}
                        rows.append({**facts, "judge": judge, "x": x, "y": y, "verdicts": of,
                                     "corrected": facts.get("rate")})  # fmt: skip
        return _frame(rows, _WINS)

    # ---- words and views

    def __str__(self) -> str:
        return " ".join(self._told())

    __repr__ = __str__

    def _told(self) -> list[str]:
        return [safe_line(sentence) for sentence in calibration_sentences(self)]

    @property
    def judged_pairs(self) -> set[str]:
        """The pairs that any judge has a verdict on."""
        return {verdict.pair for each in self.by_judge.values() for verdict in each}

    def to_markdown(self) -> str:
        """The sentences and a row a judge, as Markdown."""
        rule = "|" + "|".join([":--", *["--:"] * (len(_HEADS) - 1)]) + "|"
        rows = [f"| {' | '.join(map(embed_line, _cells(each)))} |" for each in self.judges]
        table = "\n".join([f"| {' | '.join(_HEADS)} |", rule, *rows])
        return f"{embed_line(str(self))}\n\n{table}\n"

    def to_html(self) -> str:
        """The same with a picture of the intervals as one piece of HTML: no script, no remote resource."""
        told = self._told()[self.demo :]
        demo = f' · <strong class="fnb-demo">{markup(formatting.DEMO)}</strong>' if self.demo else ""
        first = "".join(f"<p>{markup(sentence)}</p>" for sentence in told[:1])
        rest = "".join(f"<li>{markup(sentence)}</li>" for sentence in told[1:])
        rows = [
            svg_charts.Row(each.judge, each.agreement, each.interval, f"fnb-m{place % 8}")
            for place, each in enumerate(self.judges)
            if each.agreement is not None
        ]
        title = "Agreement with the labels; dashed: always the commonest label"
        picture = svg_charts.intervals(title, rows, self.base[1] if self.base else None)
        head = "".join(f"<th{_side(place)}>{name}</th>" for place, name in enumerate(_HEADS))
        body = "".join(
            "<tr>"
            + "".join(f"<td{_side(place)}>{markup(cell)}</td>" for place, cell in enumerate(_cells(each)))
            + "</tr>"
            for each in self.judges
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        shown = f'<div class="fnb-pictures">{picture}</div>' if picture else ""
        view = (
            f'<div class="fusion-nb {IGNORED}"><p class="fnb-head"><strong>Calibration</strong> · '
            f"{formatting.plural(len(self.judged_pairs), 'pair')}{demo}</p>"
            f'<div class="fnb-answer"><div class="fnb-told">{first}<ul>{rest}</ul></div></div>{shown}'
            f'<div class="fnb-ledger"><div class="fnb-wide">{table}</div></div></div>'
        )
        return view + style_element(view)

    def _repr_html_(self) -> str:
        return self.to_html()


def _cells(each: JudgeFigures) -> list[str]:
    ends = each.interval
    lean = each.length
    return [
        safe_line(each.judge),
        f"{each.pairs:,}",
        share(each.agreement),
        formatting.DASH if ends is None else f"{100 * ends.low:.1f} to {100 * ends.high:.1f}",
        formatting.DASH if each.kappa is None else f"{each.kappa:.3f}",
        share(each.consistency),
        share(each.first_shown),
        share(each.ill_formed),
        formatting.DASH if lean is None else f"{points(lean.picked - lean.labelled)}",
        formatting.money(each.usd),
        formatting.seconds(each.seconds),
    ]


def _side(place: int) -> str:
    return ' class="fnb-right"' if place else ""


def _lean(lean: Lean | None) -> float | None:
    return None if lean is None else lean.picked - lean.labelled


def _right(verdict: PairVerdict, pair: Pair) -> bool | None:
    return None if pair.label is None or verdict.side is None else verdict.side == pair.label


def _frame(rows: Sequence[Mapping[str, Any]], dtypes: Mapping[str, str]) -> pd.DataFrame:
    from fusion_nb.views.spreadsheet_files import records_frame  # noqa: PLC0415  pandas is loaded when asked for

    return records_frame(rows, dtypes)
