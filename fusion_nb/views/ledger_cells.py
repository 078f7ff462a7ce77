"""The ledger as rows of words: every call, what it took, and totals that name what they leave out."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from fusion_nb.core import Reply, RunState
from fusion_nb.views import formatting


class Column(NamedTuple):
    head: str
    right: bool
    """Whether the column is aligned to the right, as figures are."""


class Ledger(NamedTuple):
    columns: tuple[Column, ...]
    """What each cell of a row is."""
    rows: list[list[str]]
    totals: list[str]
    caption: str
    """The ledger in one line."""
    remarks: list[str]
    """What a person should know of each call, one sentence each, with its number and name."""


BRIEF = ("call", "name", "role", "status", "tokens in", "tokens out", "cost", "total")
"""The columns there is room for on 80 columns."""
COLUMNS = (
    Column("call", True),
    Column("name", False),
    Column("role", False),
    Column("model", False),
    Column("status", False),
    Column("tokens in", True),
    Column("tokens out", True),
    Column("cost", True),
    Column("first text", True),
    Column("total", True),
    Column("tokens/s", True),
)


def speed(reply: Reply) -> float | None:
    """Completion tokens per second after the first text; `None` where a part of that is unknown or no time passed."""
    tokens, first, all_of_it = reply.usage.completion, reply.ttft, reply.latency
    if tokens is None or first is None or all_of_it is None or all_of_it <= first:
        return None
    return tokens / (all_of_it - first)


def model(reply: Reply) -> str:
    """The concrete model that answered, where it is known; else the one asked."""
    return reply.model or reply.ref.model


def ledger(state: RunState) -> Ledger:
    """Rows in call order, cells and totals in the order of `COLUMNS`; what nobody reported is an em dash."""
    places = formatting.decimals([r.cost for r in state.replies if r.cost is not None])
    rows = [_row(state, reply, places) for reply in state.replies]
    remarks = [
        f"⚠ call {reply.call}, {reply.ref.name}: {sentence}" for reply, sentence in formatting.all_remarks(state)
    ]
    return Ledger(COLUMNS, rows, _totals(state, places), formatting.caption(state), remarks)


def _row(state: RunState, reply: Reply, places: int) -> list[str]:
    turn = f", {words}" if (words := formatting.turn(state, reply)) else ""
    role = "repair" if reply.role == "judge" and reply.round else reply.role
    mark = " ⚠" if reply.warnings else ""
    tries = f", {reply.attempts} attempts" if reply.attempts > 1 else ""
    return [
        str(reply.call),
        reply.ref.name,
        role + turn,
        f"{reply.ref.service}:{model(reply)}",
        f"{formatting.reply_status(reply)}{_error(reply)}{tries}{mark}",
        formatting.number(reply.usage.prompt),
        formatting.number(reply.usage.completion),
        _cost(reply, places),
        formatting.seconds(reply.ttft),
        formatting.seconds(reply.latency),
        formatting.number(speed(reply)),
    ]


def _error(reply: Reply) -> str:
    """The fault's class in brackets, where the status does not say it."""
    return f" ({reply.error})" if reply.error and reply.error not in (reply.status, "cancelled") else ""


def _cost(reply: Reply, places: int) -> str:
    if not reply.kept_from:
        return formatting.money(reply.cost, places)
    # Paid in an earlier run: shown, and no part of this one's total.
    return "kept" if reply.kept_cost is None else f"kept ({formatting.money(reply.kept_cost)} then)"


def _totals(state: RunState, places: int) -> list[str]:
    def tokens(pick: Callable[[Reply], int | None]) -> str:
        counts = [n for n in map(pick, state.replies) if n is not None]
        return _least(formatting.number(sum(counts)) if counts else None, len(counts) < len(state.replies))

    unpriced = formatting.unpriced_calls(state)
    cost: Decimal | None = state.cost
    return [
        "",
        "all",
        "",
        "",
        f"{formatting.plural(unpriced, 'call')} unpriced" if unpriced else "",
        tokens(lambda r: r.usage.prompt),
        tokens(lambda r: r.usage.completion),
        _least(None if cost is None else formatting.money(cost, places), bool(unpriced)),
        "",
        formatting.seconds(state.seconds) if state.status != "running" else "",
        "",
    ]


def _least(sum_of_known: str | None, partial: bool) -> str:
    if sum_of_known is None:
        return formatting.DASH
    return f"≥ {sum_of_known}" if partial else sum_of_known
