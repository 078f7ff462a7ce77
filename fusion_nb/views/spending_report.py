"""What was spent, by model: the values that `spending()` returns, with their summary in words."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fusion_nb.accounts.spending_account import usd
from fusion_nb.core.values import DEMO_SERVICE

if TYPE_CHECKING:
    import pandas as pd


class CallRecord(Protocol):
    """One call as the journal lists it."""

    @property
    def run(self) -> str: ...
    @property
    def ref(self) -> str: ...
    @property
    def status(self) -> str | None: ...
    @property
    def cost(self) -> Decimal | None: ...
    @property
    def prompt_tokens(self) -> int | None: ...
    @property
    def completion_tokens(self) -> int | None: ...
    @property
    def maybe_billed(self) -> bool: ...
    @property
    def reply_chars(self) -> int: ...
    @property
    def when(self) -> str: ...
    @property
    def tag(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ModelSpending:
    """What one model cost. USD; sums of what is known (`None`: nothing is), `unpriced` is what they leave out."""

    service: str = ""
    model: str = ""
    calls: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: Decimal | None = None
    unpriced: int = 0
    session_usd: Decimal | None = None

    def plus(self, call: CallRecord, *, this_session: bool) -> ModelSpending:
        unpriced = call.cost is None and (call.status != "error" or call.maybe_billed or call.reply_chars > 0)
        return replace(
            self,
            calls=self.calls + 1,
            prompt_tokens=_sum(self.prompt_tokens, call.prompt_tokens),
            completion_tokens=_sum(self.completion_tokens, call.completion_tokens),
            cost_usd=_sum(self.cost_usd, call.cost),
            unpriced=self.unpriced + unpriced,
            session_usd=_sum(self.session_usd, call.cost if this_session else None),
        )


@dataclass(frozen=True, slots=True, repr=False)
class Spending:
    """The account since a day (UTC). `str()` is the sentences for people, `frame()` one row per model.

    The demo's play money has rows and is in no total.
    """

    since: date
    rows: tuple[ModelSpending, ...]
    """The dearest first."""
    left: tuple[str, ...] = ()
    """Sentences on what is in no row, on caps that are set, and on keys whose service tells."""

    @property
    def total(self) -> Decimal:
        """USD that is known to have been spent."""
        return sum((row.cost_usd or Decimal(0) for row in self._real), Decimal(0))

    @property
    def unpriced(self) -> int:
        """Calls the total leaves out because nobody knows their cost."""
        return sum(row.unpriced for row in self._real)

    @property
    def session(self) -> Decimal:
        """USD of the runs of this kernel, of those since the day."""
        return sum((row.session_usd or Decimal(0) for row in self._real), Decimal(0))

    @property
    def _real(self) -> list[ModelSpending]:
        return [row for row in self.rows if row.service != DEMO_SERVICE]

    def frame(self) -> pd.DataFrame:
        """Columns: `service, model, calls, prompt_tokens, completion_tokens, cost_usd, unpriced, session_usd`."""

        from fusion_nb.views.spreadsheet_files import spending_frame  # noqa: PLC0415  pandas is loaded when asked for

        df = spending_frame(self.rows)
        df.attrs.update(since=self.since.isoformat(), total_cost_usd=str(self.total), unpriced=self.unpriced)
        return df

    def __repr__(self) -> str:
        return f"<Spending: {self}>"

    def __str__(self) -> str:
        count = sum(row.calls for row in self._real)
        calls = f"{count:,} call{'' if count == 1 else 's'}"
        more = f", and {self.unpriced:,} of them of unknown cost" if self.unpriced else ""
        when = "Today" if self.since == today() else f"Since {self.since}"
        sentences = [f"{when} (UTC): {usd(self.total)} in {calls}{more}.", f"This kernel: {usd(self.session)}."]
        if len(self._real) < len(self.rows):
            demo = sum(row.calls for row in self.rows) - count
            are = "call is play money and counts" if demo == 1 else "calls are play money and count"
            sentences.append(f"{demo:,} demo {are} in no sum.")
        return " ".join((*sentences, *self.left))


def by_model(calls: Iterable[CallRecord], session_runs: Container[str]) -> tuple[ModelSpending, ...]:
    """One row per model that was asked, the dearest first. `session_runs`: the runs of this kernel's session."""
    rows: dict[str, ModelSpending] = {}
    for call in calls:
        service, _, model = call.ref.partition(":")
        rows[call.ref] = rows.get(call.ref, ModelSpending(service, model)).plus(
            call, this_session=call.run in session_runs
        )
    return tuple(sorted(rows.values(), key=lambda row: (-(row.cost_usd or 0), row.service, row.model)))


BY: Mapping[str, Callable[[CallRecord], str]] = {
    "tag": lambda call: call.tag,
    "month": lambda call: call.when[:7],
    "day": lambda call: call.when[:10],
    "service": lambda call: call.ref.partition(":")[0],
    "model": lambda call: call.ref.partition(":")[2],
    "run": lambda call: call.run,
}
"""What spending can be summed by. Days and months are those in which a run began, UTC."""


def by_names(calls: Iterable[CallRecord], names: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each combination of what is named, the dearest first. The demo's play money is in none."""
    sums: dict[tuple[str, ...], ModelSpending] = {}
    for call in calls:
        if not call.ref.startswith(f"{DEMO_SERVICE}:"):
            key = tuple(BY[name](call) for name in names)
            sums[key] = sums.get(key, ModelSpending()).plus(call, this_session=False)
    ranked = sorted(sums.items(), key=lambda item: (-(item[1].cost_usd or 0), item[0]))
    amounts = ("calls", "prompt_tokens", "completion_tokens", "cost_usd", "unpriced")
    return [
        {**dict(zip(names, key, strict=True)), **{name: getattr(row, name) for name in amounts}} for key, row in ranked
    ]


N = TypeVar("N", int, Decimal)


def _sum(total: N | None, more: N | None) -> N | None:
    if total is None or more is None:
        return more if total is None else total
    return total + more


def may_have_spent_since(moment: datetime, began: str, seconds: float | None) -> bool:
    """Whether a run of the journal may have been under way after `moment`. `seconds`: none of one without an end."""
    try:
        start = datetime.fromisoformat(began)
    except ValueError:
        return True
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    return start + (timedelta(days=1) if seconds is None else timedelta(seconds=seconds)) >= moment


def today() -> date:
    return datetime.now(UTC).date()
