"""What a report of `evaluate()` says, sentence by sentence: no gain that chance would give, no price nobody knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from fusion_nb.core.wording import listed
from fusion_nb.evaluation.arm_comparison import rivals_of
from fusion_nb.evaluation.arms import CHECK, VOTE, Arm
from fusion_nb.evaluation.statistics import Interval
from fusion_nb.views import formatting
from fusion_nb.views.escape import safe_line

if TYPE_CHECKING:
    from fusion_nb.evaluation.arm_comparison import Finding
    from fusion_nb.evaluation.evaluation_report import EvaluationReport


def paragraph(report: EvaluationReport) -> list[str]:
    """The report in sentences, most important first."""
    return [safe_line(sentence) for sentence in _paragraph(report)]


def _paragraph(report: EvaluationReport) -> Iterator[str]:
    if report.demo:
        yield "DEMO: scripted models, not real answers."
    if not report.n:
        yield "No question could be graded, so nothing is said."
    elif not report.table.graded:
        yield (
            f"Over {_questions(report.n)} nobody said which answers are right (give known=...), so nothing is said "
            "about quality."
        )
        yield from _prices(report)
    else:
        yield from _quality(report)
    yield from _judges(report)
    for why, count in report.table.failures.items():
        yield f"Left out: {_questions(count)}, because {why}."
    yield from report.notes


def _quality(report: EvaluationReport) -> Iterator[str]:
    best, table = report.best, report.table
    assert best is not None  # noqa: S101  there are questions, and they are graded
    yield (
        f"Over {_questions(report.n)} {best.name} was right most often of the {len(table.rivals)} models alone: "
        f"{share(best.share)}{_between(report.interval(best))}, picked after the fact."
    )
    yield from _differences(report)
    yield (
        f"A member picked at random is right in {share(table.placebo.share)}; in {share(table.any.share)} at least one "
        "was, which no picking can surpass."
    )
    if table.ties and any(arm.name == VOTE for arm in table.fused):
        yield (
            f"The tie rule (the member named first) decided the vote on {_questions(table.ties)}: another order of the "
            "pool gives another vote there."
        )
    answers = report.n * len(table.members)
    if 5 * table.unread > answers:
        yield (
            f"In {table.unread:,} of {answers:,} answers no short answer was found, so these abstain from the vote: "
            "say how to find it, such as extract='number', 'label:yes,no' or 'text'."
        )
    yield from _leaving(report)
    votes = report.effective_votes
    if votes.value is not None:
        yield (
            f"By how far they err together, the members are worth {votes.value:.2f} independent votes of "
            f"{len(votes.members)}."
        )
    yield from _power(report)


def _differences(report: EvaluationReport) -> Iterator[str]:
    shown = [finding for finding in report.findings if finding.better or finding.worse]
    for finding in shown:
        yield _better(report, finding) if finding.better else _worse(finding)
    rest = [finding for finding in report.findings if finding not in shown]
    if not rest:
        return
    if not shown:
        than = f"{report.baseline}, named beforehand," if report.baseline else "every member"
        yield f"No way to fuse them is shown to be better than {than} beyond what chance gives."
    for finding in rest[:4]:
        yield (
            f"{finding.arm.name}: {share(finding.arm.share)}{_between(report.interval(finding.arm))}, "
            f"{_gains(finding)}, no difference shown (p = {_p(_pointing(finding))})."
        )
    if len(rest) > 4:
        yield f"{len(rest) - 4} more show no difference either."


def _pointing(finding: Finding) -> float:
    """The p of the direction in which a difference points."""
    p = finding.p_worse if finding.difference < 0 else finding.p_better
    return 1.0 if p is None else p


def _better(report: EvaluationReport, finding: Finding) -> str:
    than = "every member, and than those asked besides"
    if report.baseline:
        than = f"{report.baseline}, named beforehand,"
    elif len(rivals_of(finding.arm, report.table)) == len(report.table.members):
        than = "every member"
    return (
        f"{finding.arm.name} is better than {than} beyond chance: {share(finding.arm.share)}"
        f"{_between(report.interval(finding.arm))}, {_gains(finding)} (corrected p {_is(finding.p_better)})"
        f"{price(finding.arm, finding.against)}."
    )


def _worse(finding: Finding) -> str:
    return (
        f"{finding.arm.name} is worse than {listed(finding.beaten_by)} beyond chance: {share(finding.arm.share)}, "
        f"{_gains(finding)} (corrected p {_is(finding.p_worse)}){price(finding.arm, finding.against)}."
    )


def _gains(finding: Finding) -> str:
    gained, lost = f"{finding.gained:,} gained", f"{finding.lost:,} lost"
    return f"{points(finding.difference)} against {finding.against.name} ({gained}, {lost})"


def price(arm: Arm, against: Arm) -> str:
    """What an arm costs beside a member, as the end of a sentence; that it is not known, where it is not."""
    ours, theirs = arm.cost, against.cost
    if ours is None or theirs is None or not arm.n or not against.n:
        return ", at a price that is not known" if ours is None or theirs is None else ""
    if not theirs:
        return ""
    ratio = float(ours / arm.n / (theirs / against.n))
    rights = [per_right(each) for each in (arm, against)]
    per = f" ({rights[0]} a right answer against {rights[1]})" if all(rights) else ""
    return f", at {ratio:.1f} times the price{per}"


def per_right(arm: Arm) -> str:
    """USD a right answer; empty where it is not known."""
    if arm.cost is None or not arm.total_right:
        return ""
    return formatting.money(arm.cost / Decimal(str(arm.total_right)))


def _leaving(report: EvaluationReport) -> Iterator[str]:
    arms = [arm.name for arm in report.table.fused if arm.name in (VOTE, CHECK)]
    for name in arms:
        rows = [row for row in report.members_leaving if row.arm == name and row.harmless]
        rows.sort(key=lambda row: -row.difference)
        if rows:
            each = [f"{row.member} ({points(row.difference)}{_within(row.interval)})" for row in rows[:3]]
            each += [f"{len(rows) - 3} more"] if len(rows) > 3 else []
            one = ", one of them at a time" if len(rows) > 1 else ""
            most = points(report.smallest, sign=False)
            yield f"The {name} could do without {listed(each)}{one}: no more than {most} can be lost."
        elif report.members_leaving:
            least = points(report.smallest, sign=False)
            yield f"No member is shown to be dispensable to the {name}: without each of them {least} or more may go."


def _power(report: EvaluationReport) -> Iterator[str]:
    power = report.power
    if power is None:
        return
    can = f"a difference of {points(power.smallest, sign=False)}" if power.smallest else "no difference at all"
    needs = f"; {points(power.wanted, sign=False)} take about {power.needed:,}" if power.needed > power.n else ""
    yield f"{_questions(power.n)} show {can} 4 times in 5{needs}."


def _judges(report: EvaluationReport) -> Iterator[str]:
    for arm in report.table.fused:
        if arm.fallbacks:
            yield (
                f"{arm.name}: {arm.fallbacks:,} of {arm.n:,} answers are fallbacks, delivered although the judge came "
                "to no verdict; they count as delivered, not as its choice."
            )
        picked = Counter(name for answer in arm.taken for name in answer.judged)
        if picked:
            chosen = listed([f"{name} {count:,}" for name, count in picked.most_common()])
            yield f"{arm.name}: the judge chose {chosen}."


def _prices(report: EvaluationReport) -> Iterator[str]:
    for arm in report.table.fused:
        if arm.cost is None:
            yield f"What {arm.name} cost is not known."
            continue
        dearest = max((m for m in report.table.rivals if m.cost), key=lambda m: m.cost or 0, default=None)
        if dearest is not None:
            times = price(arm, dearest).partition(" (")[0]
            yield f"{arm.name} cost {formatting.money(arm.cost)}{times} of {dearest.name} alone."


def _questions(count: int) -> str:
    return formatting.plural(count, "question")


def share(value: float | None) -> str:
    """A share in percent, with one decimal."""
    return formatting.DASH if value is None else f"{100 * value:.1f} %"


def points(value: float, *, sign: bool = True) -> str:
    """A difference of shares in percentage points."""
    return f"{100 * value:{'+' if sign else ''}.1f} points"


def _between(interval: Interval | None) -> str:
    return "" if interval is None else f" (95 % interval {100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _within(interval: Interval | None) -> str:
    return "" if interval is None else f", interval {100 * interval.low:+.1f} to {100 * interval.high:+.1f}"


def _p(p: float) -> str:
    return f"{p:.2g}" if p < 0.995 else "1"


def _is(p: float | None) -> str:
    return "" if p is None else "< 0.001" if p < 0.001 else f"= {p:.2g}"
