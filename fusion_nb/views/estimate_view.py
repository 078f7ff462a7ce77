"""A forecast for people: the same table as plain text and as safe HTML, ranges from below to above."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fusion_nb.accounts.forecast_types import Forecast, ForecastLine
from fusion_nb.accounts.token_counts import Range
from fusion_nb.core.wording import listed
from fusion_nb.views import escape, formatting
from fusion_nb.views.frame_html import IGNORED
from fusion_nb.views.run_html import style_element
from fusion_nb.views.run_text import aligned

_HEADS = ("who", "role", "tokens in", "tokens out", "cost", "time", "tokens from")
_RIGHT = [False, False, True, True, True, True, False]


def text(forecast: Forecast, notes: Sequence[str] = ()) -> str:
    """What a terminal shows of a forecast. `notes`: sentences of the caller, like the age of a price list."""
    rows = [
        [escape.safe_line(cell) for cell in row] for row in (list(_HEADS), *map(_row, forecast.lines), _total(forecast))
    ]
    sentences = [*(problem.sentence for problem in forecast.problems), *_unknown(forecast), *notes]
    return "\n".join([f"Forecast: {summary(forecast)}", *aligned(rows, _RIGHT), *map(escape.safe_line, sentences)])


def html(forecast: Forecast, notes: Sequence[str] = ()) -> str:
    """The same as one piece of HTML: no script, no remote resource, light and dark."""
    warnings = [*(problem.sentence for problem in forecast.problems), *_unknown(forecast)]
    warned = "".join(f"<li>{escape.markup(sentence)}</li>" for sentence in warnings)
    noted = "".join(f'<p class="fnb-meta">{escape.markup(note)}</p>' for note in notes)
    head = "".join(f"<th{_side(right)}>{name}</th>" for name, right in zip(_HEADS, _RIGHT, strict=True))
    body = "".join(
        f"<tr>{_name(forecast, place)}{_cells(_row(line), 1)}</tr>" for place, line in enumerate(forecast.lines)
    )
    foot = f"<tfoot><tr>{_cells(_total(forecast))}</tr></tfoot>"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table>"
    facts = f"{escape.markup(summary(forecast))} · nothing has been sent"
    view = (
        f'<div class="fusion-nb {IGNORED}">'
        f'<p class="fnb-head"><strong>Forecast</strong> · {facts}</p>'
        f'{f"""<ul class="fnb-notes">{warned}</ul>""" if warned else ""}'
        f'<div class="fnb-ledger"><div class="fnb-wide">{table}</div></div>{noted}</div>'
    )
    return view + style_element(view)


def summary(forecast: Forecast) -> str:
    """A forecast in one line."""
    sure = [line for line in forecast.lines if line.calls.low > 0]
    members = sum(line.role == "candidate" for line in sure)
    judges = _judges(len(sure) - members)
    asked = [formatting.plural(members, "model")] if members or not judges else []
    maybe = [line for line in forecast.lines if line.calls.low == 0]
    more = [line.name for line in maybe if line.role == "candidate"]
    perhaps = listed([*more, *_judges(len(maybe) - len(more))])
    parts = [
        " and ".join([*asked, *judges]),
        f"perhaps {perhaps}" if perhaps else "",
        usd(forecast.usd, partial=bool(forecast.unpriced), unknown="cost unknown"),
        seconds(forecast.seconds, partial=bool(forecast.untimed)) if forecast.seconds else "",
    ]
    return ", ".join(part for part in parts if part)


def _judges(count: int) -> list[str]:
    return [] if not count else ["a judge"] if count == 1 else [f"{count} judges"]


def usd(amount: Range[Decimal] | None, *, partial: bool = False, unknown: str = formatting.DASH) -> str:
    """A range of money with two significant figures; its lower end alone where it is `partial`."""
    if amount is None:
        return unknown
    low, high = (formatting.money(end, max(2, min(8, 1 - end.adjusted())) if end else 2) for end in amount)
    return f"≥ {low}" if partial else low if low == high else f"{low}–{high.lstrip('$')}"


def seconds(duration: Range[float] | None, *, partial: bool = False) -> str:
    if duration is None:
        return formatting.DASH
    low, high = map(formatting.seconds, duration)
    if partial:
        return f"≥ {low}"
    if low.endswith(" s") and high.endswith(" s") and "min" not in low + high and "ms" not in low:
        low = low.removesuffix(" s") if low != high else low
    return low if low == high else f"{low}–{high}"


def tokens(count: Range[int]) -> str:
    low, high = map(formatting.number, count)
    return low if low == high else f"{low}–{high}"


def _row(line: ForecastLine) -> list[str]:
    low, high = line.calls
    calls = f" × {low}–{high}" if high > 1 or not low else ""
    basis = f"{line.basis}; prices: {line.prices}" if line.prices else line.basis
    figures = [tokens(line.prompt), tokens(line.completion), usd(line.usd), seconds(line.seconds)]
    return [line.name, f"{line.role}{calls}", *figures, basis]


def _total(forecast: Forecast) -> list[str]:
    money = usd(forecast.usd, partial=bool(forecast.unpriced))
    return ["all", "", tokens(forecast.prompt), tokens(forecast.completion), money, _time(forecast), ""]


def _time(forecast: Forecast) -> str:
    return seconds(forecast.seconds, partial=bool(forecast.untimed))


def _unknown(forecast: Forecast) -> list[str]:
    sentences = []
    if forecast.unpriced:
        names = listed(list(dict.fromkeys(forecast.unpriced)))
        sentences.append(f"Nobody knows the price of {names}: the total leaves it out.")
    return sentences


def _name(forecast: Forecast, place: int) -> str:
    line = forecast.lines[place]
    hue = "fnb-m8" if line.role == "judge" else f"fnb-m{place % 8}"
    return f'<td><b class="fnb-name {hue}">{escape.markup(line.name)}</b></td>'


def _cells(row: list[str], start: int = 0) -> str:
    cells: list[tuple[Any, bool]] = list(zip(row, _RIGHT, strict=True))
    return "".join(f"<td{_side(right)}>{escape.markup(cell)}</td>" for cell, right in cells[start:])


def _side(right: bool) -> str:
    return ' class="fnb-right"' if right else ""
