"""How a report of `evaluate()` looks: the paragraph, the table of arms, intervals, and cost against quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusion_nb.evaluation import evaluation_sentences, svg_charts
from fusion_nb.evaluation.arms import Arm
from fusion_nb.views import formatting
from fusion_nb.views.escape import markup, safe_line
from fusion_nb.views.frame_html import IGNORED
from fusion_nb.views.markdown_escape import embed_line
from fusion_nb.views.run_html import style_element

if TYPE_CHECKING:
    from fusion_nb.evaluation.evaluation_report import EvaluationReport

_HEADS = ("arm", "n", "right", "95 % interval", "gained / lost", "p", "finding", "USD / question", "USD / right",
          "median time", "calls")  # fmt: skip
_RIGHT = (False, True, True, True, True, True, False, True, True, True, True)
_QUALITY = ("right", "95 % interval", "gained / lost", "p", "finding", "USD / right")
_SHAPES: dict[str, svg_charts.Shape] = {
    "member": "dot", "stronger": "dot", "fused": "gem", "placebo": "hollow", "any": "hollow",
}  # fmt: skip
_UNTESTED = {"placebo": "a random pick", "any": "cannot be surpassed by picking"}


def to_markdown(report: EvaluationReport) -> str:
    """The report as Markdown: names of models stand in it as text."""
    head = f"| {' | '.join(_HEADS)} |"
    rule = f"|{'|'.join('--:' if right else ':--' for right in _RIGHT)}|"
    rows = [f"| {' | '.join(map(embed_line, _cells(report, row)))} |" for row in report.rows()]
    parts = [embed_line(" ".join(evaluation_sentences.paragraph(report))), "\n".join([head, rule, *rows])]
    if kinds := report.kind_rows():
        kind_cells = [
            (embed_line(row["kind"]), embed_line(row["arm"]), f"{row['n']:,}", evaluation_sentences.share(row["share"]))
            for row in kinds
        ]
        kind_rows = [f"| {' | '.join(cells)} |" for cells in kind_cells]
        parts.append("\n".join(["| kind | arm | n | right |", "|:--|:--|--:|--:|", *kind_rows]))
    return "\n\n".join(parts) + "\n"


def to_html(report: EvaluationReport) -> str:
    """The report as one piece of HTML: no script, no remote resource."""
    told = evaluation_sentences.paragraph(report)
    head = f"<strong>Evaluation</strong> · {formatting.plural(report.n, 'question')}"
    demo = f' · <strong class="fnb-demo">{markup(formatting.DEMO)}</strong>' if report.demo else ""
    told = told[1:] if report.demo else told
    first = "".join(f"<p>{markup(sentence)}</p>" for sentence in told[:1])
    rest = "".join(f"<li>{markup(sentence)}</li>" for sentence in told[1:])
    shown = _pictures(report)
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
        by_arm.setdefault(row["arm"], {})[row["kind"]] = evaluation_sentences.share(row["share"])
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
        finding = "best alone, picked after"
    if row["fallbacks"]:
        finding = f"{finding}; {row['fallbacks']:,} fallbacks".removeprefix("; ")
    return [
        safe_line(row["arm"]),
        f"{row['n']:,}",
        evaluation_sentences.share(row["share"]),
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


def _pictures(report: EvaluationReport) -> str:
    rows, points = [], []
    for arm, row in zip(report.table.arms, report.rows(), strict=True):
        if arm.share is None:
            continue
        hue, shape = _hue(report, arm), _SHAPES[arm.kind]
        rows.append(svg_charts.Row(arm.name, arm.share, report.interval(arm), hue, shape))
        if arm.kind not in ("any", "placebo") and row["usd_per_question"] is not None:
            points.append(svg_charts.Point(arm.name, float(row["usd_per_question"]), arm.share, hue, shape))
    both = [
        svg_charts.intervals(
            "Share of right answers, 95 % intervals", rows, report.best.share if report.best else None
        ),
        svg_charts.frontier("Right answers against cost, with the frontier", points),
    ]
    shown = "".join(filter(None, both))
    return f'<div class="fnb-pictures">{shown}</div>' if shown else ""
