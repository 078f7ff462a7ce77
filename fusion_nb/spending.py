"""What has been spent: by model, today or since a day, in this kernel's session, and what caps and keys have left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from fusion_nb import _purse
from fusion_nb._errors import UserError
from fusion_nb._plan import Wish, money
from fusion_nb._session import Session
from fusion_nb.journal import index
from fusion_nb.journal.rows import CallRow
from fusion_nb.journal.writer import begun
from fusion_nb.money.budget import Capped, usd
from fusion_nb.providers import demo
from fusion_nb.run import loop

if TYPE_CHECKING:
    import pandas as pd

    from fusion_nb.providers.credit import Credit


@dataclass(frozen=True, slots=True)
class Spent:
    """What one model cost. USD; sums of what is known (`None`: nothing is), `unpriced` is what they leave out."""

    service: str = ""
    model: str = ""
    calls: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: Decimal | None = None
    unpriced: int = 0
    session_usd: Decimal | None = None

    def plus(self, call: CallRow) -> Spent:
        unpriced = call.cost is None and (call.status != "error" or call.maybe_billed or call.reply_chars > 0)
        return replace(
            self,
            calls=self.calls + 1,
            prompt_tokens=_sum(self.prompt_tokens, call.prompt_tokens),
            completion_tokens=_sum(self.completion_tokens, call.completion_tokens),
            cost_usd=_sum(self.cost_usd, call.cost),
            unpriced=self.unpriced + unpriced,
            session_usd=_sum(self.session_usd, call.cost if call.run in begun else None),
        )


@dataclass(frozen=True, slots=True)
class Spending:
    """The account since a day (UTC). `str()` is the sentences for people, `frame()` one row per model.

    The demo's play money has rows and is in no total.
    """

    since: date
    rows: tuple[Spent, ...]
    """The dearest first."""
    left: tuple[str, ...] = ()
    """Sentences on caps that are set and keys whose service tells."""

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
    def _real(self) -> list[Spent]:
        return [row for row in self.rows if row.service != demo.SERVICE]

    def frame(self) -> pd.DataFrame:
        """Columns: `service, model, calls, prompt_tokens, completion_tokens, cost_usd, unpriced, session_usd`."""
        from fusion_nb.views.tables import spending_frame  # noqa: PLC0415  pandas is loaded when asked for

        df = spending_frame(self.rows)
        df.attrs.update(since=self.since.isoformat(), total_cost_usd=str(self.total), unpriced=self.unpriced)
        return df

    def __str__(self) -> str:
        count = sum(row.calls for row in self._real)
        calls = f"{count:,} call{'' if count == 1 else 's'}"
        more = f", and {self.unpriced:,} of them of unknown cost" if self.unpriced else ""
        when = "Today" if self.since == _today() else f"Since {self.since}"
        said = [f"{when} (UTC): {usd(self.total)} in {calls}{more}.", f"This kernel: {usd(self.session)}."]
        if len(self._real) < len(self.rows):
            said.append("The demo's play money is left out.")
        return " ".join((*said, *self.left))


def spending(
    since: str = "",
    *,
    max_cost_per_session: float | str | None = None,
    max_cost_per_day: float | str | None = None,
    services: Mapping[str, Mapping[str, str]] | None = None,
) -> Spending:
    """What the journal's runs cost since a day, `2026-11-01` (UTC); today where none is given.

    The caps that are set, and keys whose service tells, are said with what they have left. Runs that were not
    journalled are not in it. Raises `UserError` where `since` is no day.
    """
    day = _day(since)
    told = loop.on_engine(Session(Wish(prompt="", services=services)).reach.credits())
    caps = _purse.shared(_amount(max_cost_per_session), _amount(max_cost_per_day))
    left = (*map(_cap_left, (cap for cap in caps if cap.cap is not None)), *_keys_left(told))
    return Spending(day, by_model(index.calls(day.isoformat())), left)


def by_model(calls: Iterable[CallRow]) -> tuple[Spent, ...]:
    """One row per model that was asked, the dearest first."""
    found: dict[str, Spent] = {}
    for call in calls:
        service, _, model = call.ref.partition(":")
        found[call.ref] = found.get(call.ref, Spent(service, model)).plus(call)
    return tuple(sorted(found.values(), key=lambda row: (-(row.cost_usd or 0), row.service, row.model)))


N = TypeVar("N", int, Decimal)


def _sum(known: N | None, more: N | None) -> N | None:
    if known is None or more is None:
        return more if known is None else known
    return known + more


def _today() -> date:
    return datetime.now(UTC).date()


def _day(since: str) -> date:
    try:
        return date.fromisoformat(since.strip()) if since.strip() else _today()
    except ValueError:
        raise UserError(f"{since.strip()[:40]!r} is no day: write it as 2026-11-01, or nothing for today.") from None


def _amount(cap: Any) -> Decimal | None:
    return None if cap is None else money(cap, "the cap")


def _cap_left(cap: Capped) -> str:
    return f"{usd(max(cap.left or Decimal(0), Decimal(0)))} of {cap.name} {usd(cap.cap or Decimal(0))} is left."


def _keys_left(credit: Mapping[str, Credit]) -> Iterable[str]:
    for service, told in credit.items():
        if told.remaining is not None:
            resets = f", which starts anew {told.resets}" if told.resets else ""
            limit = f" of {usd(told.limit)}" if told.limit is not None else ""
            yield f"The {service} key has {usd(told.remaining)}{limit} left{resets}."
        elif told.used_today is not None:
            yield f"The {service} key has no limit; everything that uses it spent {usd(told.used_today)} today."
