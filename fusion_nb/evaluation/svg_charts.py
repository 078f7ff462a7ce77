"""Pictures of reports as SVG of the page's own colours: light and dark by its style sheet, no script, no library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from fusion_nb.evaluation.statistics import Interval
from fusion_nb.views import formatting
from fusion_nb.views.escape import attribute, markup, safe_line

Shape = Literal["dot", "gem", "hollow"]
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


class Row(NamedTuple):
    """One row of a picture of intervals."""

    name: str
    value: float
    interval: Interval | None
    hue: str
    """A class of the style sheet: `fnb-m0`."""
    shape: Shape = "dot"


def intervals(title: str, rows: Sequence[Row], reference: float | None = None) -> str:
    """Shares with their intervals, a row each, and a dashed line at `reference`; empty where there is no row."""
    if not rows:
        return ""
    ends = [end for row in rows for end in (*(row.interval or ()), row.value)]
    margin = max(0.02, (max(ends) - min(ends)) * 0.06)
    axis = _Axis(max(0.0, min(ends) - margin), min(1.0, max(ends) + margin), _LEFT, _WIDTH - 56)
    height = _ROW * len(rows) + 34
    parts = [_grid(axis, height - 24, lambda mark: f"{100 * mark:.3g} %")]
    if reference is not None and axis.low <= reference <= axis.high:
        x = axis.at(reference)
        parts.append(f'<line class="fnb-ref" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height - 24}"/>')
    for place, row in enumerate(rows):
        y = 16 + _ROW * place
        if row.interval is not None:
            low, high = axis.at(row.interval.low), axis.at(row.interval.high)
            parts.append(f'<line class="fnb-int {row.hue}" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>')
        parts.append(_mark(row.name, row.value, axis.at(row.value), y, row.hue, row.shape))
        parts.append(f'<text class="fnb-lab" x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{_name(row.name)}</text>')
        parts.append(f'<text class="fnb-lab" x="{_WIDTH - 50}" y="{y + 4}">{100 * row.value:.1f} %</text>')
    return _figure(title, _WIDTH, height, parts)


class Point(NamedTuple):
    """One point of a picture of cost against quality."""

    name: str
    usd: float
    share: float
    hue: str
    shape: Shape = "dot"


def frontier(title: str, points: Sequence[Point]) -> str:
    """USD a question against a share, with the frontier; empty where fewer than two prices are known."""
    if len({point.usd for point in points}) < 2:
        return ""
    height = 270
    shares = [point.share for point in points]
    margin = max(0.02, (max(shares) - min(shares)) * 0.12)
    across = _Axis(0.0, max(point.usd for point in points) * 1.12, 56, _WIDTH - 16)
    up = _Axis(max(0.0, min(shares) - margin), min(1.0, max(shares) + margin), height - 42, 12)
    parts = [_grid(across, height - 42, lambda mark: f"${mark:.6g}")]
    for mark in up.marks(4):
        y = up.at(mark)
        parts.append(f'<line class="fnb-grid" x1="56" x2="{_WIDTH - 16}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="fnb-tick" x="48" y="{y + 4:.1f}" text-anchor="end">{100 * mark:.3g} %</text>')
    edge = _frontier(points)
    if len(edge) > 1:
        path = " ".join(f"{across.at(point.usd):.1f},{up.at(point.share):.1f}" for point in edge)
        parts.append(f'<polyline class="fnb-edge" points="{path}"/>')
    taken: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda each: -each.share):
        x, y = across.at(point.usd), up.at(point.share)
        parts.append(_mark(point.name, point.share, x, y, point.hue, point.shape))
        parts.append(_label(point.name, x, y, taken, _WIDTH))
    parts.append(f'<text class="fnb-tick" x="{_WIDTH - 16}" y="{height - 6}" text-anchor="end">USD a question</text>')
    return _figure(title, _WIDTH, height, parts)


def _frontier(points: Sequence[Point]) -> list[Point]:
    """Those that no other one surpasses at the same price or less, by price."""
    edge: list[Point] = []
    for point in sorted(points, key=lambda each: (each.usd, -each.share)):
        if not edge or point.share > edge[-1].share:
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


def _mark(name: str, share: float, x: float, y: float, hue: str, shape: Shape) -> str:
    """A dot for a model, a diamond for what is fused, a hollow one for what nobody delivers."""
    title = f"<title>{attribute(name)}: {100 * share:.1f} %</title>"
    if shape == "dot":
        return f'<circle class="fnb-dot {hue}" cx="{x:.1f}" cy="{y:.1f}" r="4.5">{title}</circle>'
    hollow = " fnb-hollow" if shape == "hollow" else ""
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
