"""What a report of `calibrate()` says, sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fusion_nb.core.wording import listed
from fusion_nb.evaluation.evaluation_sentences import points, share
from fusion_nb.evaluation.judge_figures import CONVENTIONS, JudgeFigures, Substitute
from fusion_nb.evaluation.statistics import Interval
from fusion_nb.views import formatting

if TYPE_CHECKING:
    from fusion_nb.evaluation.calibration_report import CalibrationReport


def calibration_sentences(report: CalibrationReport) -> Iterator[str]:
    """The report in sentences, most important first."""
    if report.demo:
        yield "DEMO: scripted models, not real answers."
    labelled = sum(report.pairs[key].label is not None for key in report.judged_pairs)
    if report.base is not None:
        yield (
            f"On {formatting.plural(labelled, 'pair')} that people have labelled (the commonest label, "
            f"{report.base[0]}, on {share(report.base[1])} of them):"
        )
    else:
        yield "Nobody has labelled these pairs, so nothing is said of agreement with people."
    for each in report.judges:
        yield from _judge_sentences(each)
    for two in report.comparisons:
        yield (
            f"{two.one} and {two.other} say the same of {share(two.agreement)} of {two.n:,} pairs shown alike"
            f"{_kappa(two.kappa)}."
        )
    if report.alpha is not None:
        yield f"Krippendorff's alpha of all judges: {report.alpha:.3f}."
    for instead in report.substitutes:
        yield _substitute_sentence(instead, report.smallest)
    if any(each.ill_formed for each in report.judges):
        yield f"Here {CONVENTIONS[report.ill_formed]}."
    yield from report.notes


def _judge_sentences(each: JudgeFigures) -> Iterator[str]:
    if each.agreement is not None:
        yield f"{each.judge} agrees with {share(each.agreement)}{_ends(each.interval)}{_kappa(each.kappa)}."
    if each.consistency is not None:
        yield (
            f"Shown {formatting.plural(each.swapped_pairs, 'pair')} in both orders, {each.judge} says the same of "
            f"{share(each.consistency)}, and picks the first shown in {share(each.first_shown)} of those that name one."
        )
    leans = [("the longer answer", each.length), ("the answer with more markup", each.markup),
             ("answers of its own family", each.own)]  # fmt: skip
    clear = [
        f"{what} in {share(lean.picked)} where people do in {share(lean.labelled)}"
        for what, lean in leans
        if lean and lean.interval and (lean.interval.low > 0 or lean.interval.high < 0)
    ]
    if clear:
        yield f"{each.judge} leans, beyond chance: it picks {listed(clear)}."
    if each.own_right is not None and each.own_wrong is not None:
        yield (
            f"Where its own answer is right it agrees with {share(each.own_right)}, where that is wrong with "
            f"{share(each.own_wrong)}."
        )
    if each.ill_formed:
        yield f"{share(each.ill_formed)} of its verdicts could not be read."


def _substitute_sentence(instead: Substitute, smallest: float) -> str:
    ends = instead.interval
    interval = "" if ends is None else f" (interval {100 * ends.low:+.1f} to {100 * ends.high:+.1f})"
    difference = f"{points(instead.difference)}{interval}"
    if instead.would_do:
        price = "" if instead.price is None else f" at {instead.price:.2f} times the price"
        return f"{instead.judge} would do in place of {instead.instead_of}: {difference}{price}."
    if ends is not None and ends.high < -smallest:
        return f"{instead.judge} would not do in place of {instead.instead_of}: {difference}."
    return (
        f"Whether {instead.judge} would do in place of {instead.instead_of} is not shown: {difference}, and "
        f"{instead.n:,} pairs are too few; about {instead.needed:,} would tell."
    )


def _ends(interval: Interval | None) -> str:
    return "" if interval is None else f" (95 % interval {100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _kappa(kappa: float | None) -> str:
    return "" if kappa is None else f", kappa {kappa:.3f}"
