"""How a report of `evaluate()` looks: the paragraph, the table of arms, intervals, and cost against quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusion_nb.evaluation import sentences
from fusion_nb.evaluation.arms import Arm
from fusion_nb.views import formatting
from fusion_nb.views.escape import attribute, markup, safe_line
from fusion_nb.views.html import style_element
from fusion_nb.views.markdown_escape import embed_line
from fusion_nb.views.table_html import IGNORED

if TYPE_CHECKING:
    from fusion_nb.evaluation.report import EvaluationReport

_HEADS = ("arm", "n", "right", "95 % interval", "gained / lost", "p", "finding", "USD / question", "USD / right",
          "median time", "calls")  # fmt: skip
_RIGHT = (False, True, True, True, True, True, False, True, True, True, True)
_QUALITY = ("right", "95 % interval", "gained / lost", "p", "finding", "USD / right")
_UNTESTED = {"placebo": "a random pick", "any": "cannot be surpassed by picking"}


def to_markdown(report: EvaluationReport) -> str:
    """The report as Markdown: names of models stand in it as text."""
    head = f"| {' | '.join(_HEADS)} |"
    rule = f"|{'|'.join('--:' if right else ':--' for right in _RIGHT)}|"
    rows = [f"| {' | '.join(map(embed_line, _cells(report, row)))} |" for row in report.rows()]
    parts = [embed_line(" ".join(sentences.paragraph(report))), "\n".join([head, rule, *rows])]
    if kinds := report.kind_rows():
        kind_rows = [
            f"| {embed_line(row['kind'])} | {embed_line(row['arm'])} | {row['n']:,} | {sentences.share(row['share'])} |"
            for row in kinds
        ]
        parts.append("\n".join(["| kind | arm | n | right |", "|:--|:--|--:|--:|", *kind_rows]))
    return "\n\n".join(parts) + "\n"


def to_html(report: EvaluationReport) -> str:
    """The report as one piece of HTML: no script, no remote resource."""
    told = sentences.paragraph(report)
    head = f"<strong>Evaluation</strong> · {formatting.plural(report.n, 'question')}"
    demo = f' · <strong class="fnb-demo">{markup(formatting.DEMO)}</strong>' if report.demo else ""
    told = told[1:] if report.demo else told
    first = "".join(f"<p>{markup(sentence)}</p>" for sentence in told[:1])
    rest = "".join(f"<li>{markup(sentence)}</li>" for sentence in told[1:])
    pictures = [picture for picture in (forest(report), frontier(report)) if picture]
    shown = f'<div class="fnb-pictures">{"".join(pictures)}</div>' if pictures else ""
    words = f'<div class="fnb-answer"><div class="fnb-told">{first}<ul>{rest}</ul></div></div>'
    body = f"{words}{shown}{_table(report)}{_by_kind(report)}"
    view = f'<div class="fusion-nb {IGNORED}"><p class="fnb-head">{head}{demo}</p>{body}</div>'
    return view + style_element(view)


def _table(report: EvaluationReport) -> str:
    shown = [at for at, name in enumerate(_HEADS) if report.table.graded or name not in _QUALITY]
    head = "".join(f"<th{_side(_RIGHT[at])}>{_HEADS[at]}</th>" for at in shown)
    body = ""
    for arm, row in zip(report.table.arms, report.rows(), strict=True):
        if arm.kind == "any" and not report.table.graded:
            continue
        all_cells = _cells(report, row)
        name = all_cells[0]
        cells = [(all_cells[at], _RIGHT[at]) for at in shown[1:]]
        finding = report.finding(arm)
        best = ' class="fnb-best"' if finding is not None and finding.better else ""
        cells_html = "".join(f"<td{_side(right)}>{markup(cell)}</td>" for cell, right in cells)
        body += f'<tr{best}><td><span class="fnb-name {_hue(report, arm)}">{markup(name)}</span></td>{cells_html}</tr>'
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="fnb-ledger"><div class="fnb-wide">{table}</div></div>'


def _by_kind(report: EvaluationReport) -> str:
    rows = report.kind_rows()
    if not rows:
        return ""
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    by_arm: dict[str, dict[str, str]] = {}
    for row in rows:
        by_arm.setdefault(row["arm"], {})[row["kind"]] = sentences.share(row["share"])
    counts = {row["kind"]: row["n"] for row in rows}
    head = "".join(f'<th class="fnb-right">{markup(kind)} ({counts[kind]:,})</th>' for kind in kinds)
    body = "".join(
        f"<tr><td>{markup(arm)}</td>"
        + "".join(f'<td class="fnb-right">{shares.get(kind, formatting.DASH)}</td>' for kind in kinds)
        + "</tr>"
        for arm, shares in by_arm.items()
    )
    table = f"<table><thead><tr><th>by kind, not tested</th>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="fnb-ledger"><div class="fnb-wide">{table}</div></div>'


def _side(right: bool) -> str:
    return ' class="fnb-right"' if right else ""


def _cells(report: EvaluationReport, row: dict[str, Any]) -> list[str]:
    interval = formatting.DASH
    if row["low"] is not None:
        interval = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
    gained = formatting.DASH if row["gained"] is None else f"{row['gained']:,} / {row['lost']:,}"
    p = row["p"]
    finding = row["finding"] or _UNTESTED.get(row["kind"], "")
    if report.best is not None and row["arm"] == report.best.name:
        finding = "best alone, picked after the fact"
    if row["fallbacks"]:
        finding = f"{finding}; {row['fallbacks']:,} fallbacks".removeprefix("; ")
    return [
        safe_line(row["arm"]),
        f"{row['n']:,}",
        sentences.share(row["share"]),
        interval,
        gained,
        formatting.DASH if p is None else "< 0.001" if p < 0.001 else f"{min(p, 1.0):.2g}",
        finding,
        _usd(row["usd_per_question"]),
        _usd(row["usd_per_right"]),
        formatting.seconds(row["seconds"]),
        formatting.number(row["calls"]),
    ]


def _usd(amount: Any) -> str:
    return formatting.money(amount)


def _hue(report: EvaluationReport, arm: Arm) -> str:
    """The colour of a member, as everywhere; what is fused has none."""
    rivals = list(report.table.rivals)
    return f"fnb-m{rivals.index(arm) % 8}" if arm in rivals else "fnb-m8"


# ---- pictures, as SVG of the page's own colours

_WIDTH, _LEFT, _ROW = 560, 170, 24


@dataclass(frozen=True, slots=True)
class _Axis:
    """From a value to a place on a line, with round marks."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def marks(self, most: int = 5) -> list[float]:
        span = self.high - self.low
        step = 10.0 ** int(f"{span / most:e}".partition("e")[2])
        step = next(step * factor for factor in (1, 2, 5, 10) if span / (step * factor) <= most)
        first = int(self.low / step)
        return [step * n for n in range(first, int(self.high / step) + 2) if self.low <= step * n <= self.high * 1.0001]


def forest(report: EvaluationReport) -> str:
    """Each arm's share and its interval, a row each; empty where nobody knows what is right."""
    rows = [(arm, report.interval(arm)) for arm in report.table.arms if arm.share is not None]
    if not rows:
        return ""
    ends = [end for arm, interval in rows for end in (*(interval or ()), arm.share or 0.0)]
    margin = max(0.02, (max(ends) - min(ends)) * 0.06)
    axis = _Axis(max(0.0, min(ends) - margin), min(1.0, max(ends) + margin), _LEFT, _WIDTH - 56)
    height = _ROW * len(rows) + 34
    parts = [_grid(axis, height - 24, lambda mark: f"{100 * mark:.3g} %")]
    best = report.best
    if best is not None and best.share is not None:
        x = axis.at(best.share)
        parts.append(f'<line class="fnb-ref" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height - 24}"/>')
    for place, (arm, interval) in enumerate(rows):
        y = 16 + _ROW * place
        x = axis.at(arm.share or 0.0)
        hue = _hue(report, arm)
        if interval is not None:
            low, high = axis.at(interval.low), axis.at(interval.high)
            parts.append(f'<line class="fnb-int {hue}" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>')
        parts.append(_point(arm, x, y, hue))
        parts.append(f'<text class="fnb-lab" x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{_name(arm.name)}</text>')
        parts.append(f'<text class="fnb-lab" x="{_WIDTH - 50}" y="{y + 4}">{sentences.share(arm.share)}</text>')
    return _figure("Share of right answers, 95 % intervals", _WIDTH, height, parts)


def frontier(report: EvaluationReport) -> str:
    """USD a question against the share of right answers, with the frontier; empty where two prices are not known."""
    points: list[tuple[Arm, float, float]] = []
    for arm, row in zip(report.table.arms, report.rows(), strict=True):
        if arm.kind not in ("any", "placebo") and arm.share is not None and row["usd_per_question"] is not None:
            points.append((arm, float(row["usd_per_question"]), arm.share))
    if len({usd for _, usd, _ in points}) < 2:
        return ""
    height = 270
    shares = [share for *_, share in points]
    margin = max(0.02, (max(shares) - min(shares)) * 0.12)
    across = _Axis(0.0, max(usd for _, usd, _ in points) * 1.12, 56, _WIDTH - 16)
    up = _Axis(max(0.0, min(shares) - margin), min(1.0, max(shares) + margin), height - 42, 12)
    parts = [_grid(across, height - 42, lambda mark: f"${mark:.6g}")]
    for mark in up.marks(4):
        y = up.at(mark)
        parts.append(f'<line class="fnb-grid" x1="56" x2="{_WIDTH - 16}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="fnb-tick" x="48" y="{y + 4:.1f}" text-anchor="end">{100 * mark:.3g} %</text>')
    edge = _frontier(points)
    if len(edge) > 1:
        path = " ".join(f"{across.at(usd):.1f},{up.at(share):.1f}" for _, usd, share in edge)
        parts.append(f'<polyline class="fnb-edge" points="{path}"/>')
    taken: list[tuple[float, float]] = []
    for arm, usd, share in sorted(points, key=lambda point: -point[2]):
        x, y = across.at(usd), up.at(share)
        parts.append(_point(arm, x, y, _hue(report, arm)))
        parts.append(_label(arm.name, x, y, taken, _WIDTH))
    parts.append(f'<text class="fnb-tick" x="{_WIDTH - 16}" y="{height - 6}" text-anchor="end">USD a question</text>')
    return _figure("Right answers against cost, with the frontier", _WIDTH, height, parts)


def _frontier(points: Sequence[tuple[Arm, float, float]]) -> list[tuple[Arm, float, float]]:
    """Those that no other one surpasses at the same price or less, by price."""
    edge: list[tuple[Arm, float, float]] = []
    for point in sorted(points, key=lambda p: (p[1], -p[2])):
        if not edge or point[2] > edge[-1][2]:
            edge.append(point)
    return edge


def _label(name: str, x: float, y: float, taken: list[tuple[float, float]], width: int) -> str:
    """A name beside its point, moved down past names that stand there."""
    to_left = x > width * 0.62
    at = y + 4
    while any(abs(at - other) < 13 and abs(x - beside) < 150 for beside, other in taken):
        at += 13
    taken.append((x, at))
    side = f'x="{x - 9:.1f}" text-anchor="end"' if to_left else f'x="{x + 9:.1f}"'
    return f'<text class="fnb-lab" {side} y="{at:.1f}">{_name(name)}</text>'


def _name(name: str) -> str:
    return markup(formatting.short_name(safe_line(name), 24))


def _point(arm: Arm, x: float, y: float, hue: str) -> str:
    """A dot for a model, a diamond for what is fused."""
    title = f"<title>{attribute(arm.name)}: {sentences.share(arm.share)}</title>"
    if arm.kind in ("member", "stronger"):
        return f'<circle class="fnb-dot {hue}" cx="{x:.1f}" cy="{y:.1f}" r="4.5">{title}</circle>'
    hollow = " fnb-hollow" if arm.kind != "fused" else ""
    diamond = f"{x - 6:.1f},{y:.1f} {x:.1f},{y - 6:.1f} {x + 6:.1f},{y:.1f} {x:.1f},{y + 6:.1f}"
    return f'<polygon class="fnb-gem{hollow}" points="{diamond}">{title}</polygon>'


def _grid(axis: _Axis, bottom: float, text: Any) -> str:
    lines = ""
    for mark in axis.marks():
        x = axis.at(mark)
        lines += f'<line class="fnb-grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{bottom:.1f}"/>'
        lines += f'<text class="fnb-tick" x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{text(mark)}</text>'
    return lines


def _figure(title: str, width: int, height: float, parts: Sequence[str]) -> str:
    box = f'role="img" aria-label="{attribute(title)}" viewBox="0 0 {width} {height:.0f}"'
    svg = f'<svg class="fnb-plot" {box}>{"".join(parts)}</svg>'
    return f'<section><p class="fnb-title">{markup(title)}</p>{svg}</section>'
