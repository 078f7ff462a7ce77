"""`%fuse_spend`: what was spent, by whom, and what is left; sums leave out what nobody knows, and say so."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

import fusion_nb
from fusion_nb import api
from fusion_nb.accounts import spending_caps
from fusion_nb.accounts.spending_account import Account, usd
from fusion_nb.core import Ref
from fusion_nb.core.events import CallEnded, CallStarted, RunStarted
from fusion_nb.errors import UserError
from fusion_nb.journal import run_writer
from fusion_nb.views.spending_report import may_have_spent_since
from tests.charging import ChargingService
from tests.chat_service import COST, chat_service
from tests.journalled import new_run, tiny, written
from tests.shell import Shell
from tests.site import Site

ACME = Ref("acme", "one", "one")


@pytest.fixture(autouse=True)
def own_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell()
    yield shell
    shell.close()


def bought(cost: str | None, *, days_ago: int = 0, ref: Ref = ACME, here: bool = False) -> None:
    """A journalled run of one call at that cost; `here`: by this kernel."""
    when = datetime.now(UTC) - timedelta(days=days_ago)
    changes = {
        RunStarted: {"pool": (ref,)},
        CallStarted: {"ref": ref},
        CallEnded: {"cost": None if cost is None else Decimal(cost), "maybe_billed": cost is None},
    }
    plain = tiny(new_run(when), when=when.isoformat())
    events = [replace(event, **changes.get(type(event), {})) for event in plain]
    run, _ = written(events)
    if not here:
        run_writer.begun.discard(run)


def test_money_is_summed_by_model_and_day(shell: Shell) -> None:
    """Today's calls by model, the dearest first; another kernel's count for the day and not for this session."""
    bought("0.0000000001", here=True)
    bought("0.25")
    bought("0.50", ref=Ref("acme", "two", "two"), here=True)
    bought("7", days_ago=3)
    ran = shell.run("%fuse_spend")
    assert "Today (UTC): $0.7500 in 3 calls." in ran.text
    assert "This kernel: $0.5000." in ran.text
    assert list(ran.value["model"]) == ["two", "one"]
    assert list(ran.value["calls"]) == [1, 2]
    assert ran.value.attrs["total_cost_usd"] == "0.7500000001"
    since = (datetime.now(UTC) - timedelta(days=4)).date()
    assert f"Since {since} (UTC): $7.7500 in 4 calls." in shell.run(f"%fuse_spend {since}").text


def test_what_nobody_knows_is_no_zero(shell: Shell) -> None:
    """A call of unknown cost has <NA> for it, and the total says that it leaves it out."""
    bought(None)
    ran = shell.run("%fuse_spend")
    assert "$0.0000 in 1 call, and 1 of them of unknown cost." in ran.text
    assert ran.value["cost_usd"].isna().all()
    assert list(ran.value["unpriced"]) == [1]


def test_play_money_is_in_no_total(shell: Shell) -> None:
    """The demo's models have rows of their own and cost nobody anything."""
    bought("0.10", ref=Ref("demo", "swift", "demo:swift"))
    bought("0.20")
    ran = shell.run("%fuse_spend")
    assert "$0.2000 in 1 call." in ran.text
    assert "1 demo call is play money and counts in no sum." in ran.text
    assert set(ran.value["service"]) == {"demo", "acme"}


def test_caps_and_keys_say_what_they_have_left(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cap that is set, and a key whose service tells (`GET /key`), are said; the key itself is not."""
    site = Site()
    try:
        site.answers["/v1/key"] = {"data": {"limit": 20, "limit_remaining": 7.5, "limit_reset": "monthly"}}
        monkeypatch.setenv("SPEND_TEST_KEY", "sk-or-v1-" + "5a" * 32)
        shell.ip.user_ns["services"] = {"openrouter": {"base_url": site.url, "key_env": "SPEND_TEST_KEY"}}
        shell.run("%config Fuse.services = services")
        shell.run("%config Fuse.max_cost_per_day = 1.5")
        ran = shell.run("%fuse_spend")
    finally:
        site.stop()
    assert "$1.5000 of max_cost_per_day $1.5000 is left." in ran.text
    assert "The openrouter key has $7.5000 of $20.0000 left, which starts anew monthly." in ran.text
    assert site.asked == ["/v1/key"]
    assert "5a5a" not in ran.text


def test_nothing_spent_is_said_and_a_wrong_day_too(shell: Shell) -> None:
    """An empty journal gives an empty table of the same columns; what is no day is refused in a sentence."""
    ran = shell.run("%fuse_spend")
    assert "$0.0000 in 0 calls." in ran.text
    assert isinstance(ran.value, pd.DataFrame)
    assert list(ran.value.columns) == list(api.spending().frame().columns)
    assert "is no day" in shell.run("%fuse_spend yesterday").text
    assert "tag, month, day, service, model, run" in shell.run("%fuse_spend --by nope").text


@pytest.mark.parametrize(
    "since",
    [date(2026, 1, 1), datetime(2026, 1, 1, 5), pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-01T23:00-05:00")],
)
def test_a_day_may_be_a_date(since: date) -> None:
    """As a text, a date or a moment, which is in its day of UTC."""
    day = "2026-01-02" if getattr(since, "tzinfo", None) else "2026-01-01"
    assert str(fusion_nb.spending(since)).startswith(str(fusion_nb.spending(day))[:20])
    assert api._day_text(since) == day
    assert list(fusion_nb.spending(since, by="tag").columns) == list(fusion_nb.spending(day, by="tag").columns)
    with pytest.raises(UserError, match="is no day"):
        fusion_nb.spending(pd.NaT)
    with pytest.raises(UserError, match="since must be text"):
        fusion_nb.spending(2026)  # type: ignore[arg-type]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChargingService]:
    """A service that charges; a kernel that has spent nothing yet."""
    monkeypatch.setattr(spending_caps, "SESSION", Account("max_cost_per_session"))
    with ChargingService() as service:
        yield service


def paid(service: ChargingService, **options: bool) -> str:
    pool, judge = ["openrouter:told-3", "openrouter:told-4"], "openrouter:judge-5"
    return fusion_nb.fuse("What is 3 + 4?", pool, judge=judge, services=service.services, **options).run  # type: ignore[arg-type]


def test_what_no_journal_holds_is_told(service: ChargingService) -> None:
    """A run without a journal, and one that was deleted, are in no row, and the caps count them: both are said."""
    paid(service)
    kept = service.total
    assert "no journalled run" not in str(api.spending(services=service.services))
    paid(service, journal=False)
    fusion_nb.history.delete(paid(service))
    spent = api.spending(services=service.services, max_cost_per_day=1)
    assert (spent.total, spending_caps.day_account().spent) == (kept, service.total)
    counts = (
        f"account counts {usd(service.total)} in all: {usd(service.total - kept)} of it stands in no journalled run"
    )
    assert f"Today's {counts}" in str(spent)
    assert f"This kernel's {counts}" in str(spent)


def test_another_kernel_and_another_day_are_told_apart(service: ChargingService) -> None:
    """What another kernel spent stands in its runs. A run that went over midnight may have spent before or after: it is
    never said to be in no journal; one that ended before midnight is none of today's."""
    spending_caps.day_account().settle("elsewhere/1", Decimal("0.30"))
    bought("0.30")
    assert "no journalled run" not in str(api.spending())
    spending_caps.day_account().settle("elsewhere/2", Decimal("0.50"))
    bought("0.50", days_ago=1)
    assert "Today's account counts $0.8000 in all: $0.5000 of it stands in no" in str(api.spending())
    assert "This kernel's" not in str(api.spending()).replace("This kernel:", "")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    seconds = timedelta(seconds=2)
    assert may_have_spent_since(midnight, (midnight - seconds).isoformat(), 3)
    assert not may_have_spent_since(midnight, (midnight - seconds).isoformat(), 1)
    # A run without an end: under way, or its kernel died.
    assert may_have_spent_since(midnight, (midnight - seconds).isoformat(), None)


def test_money_by_whose_account_it_is_on(shell: Shell) -> None:
    """`tag=` is on the record of every run, of a table's too, and kept by what goes on from one; `by` sums by it."""
    with chat_service() as service:
        services = {"acme": {"base_url": service.url}}
        first = fusion_nb.fuse("One.", pool="acme:fast", services=services, tag=" invoices ")
        fusion_nb.retry(first, call=1, services=services)
        fusion_nb.fuse("Two.", pool="acme:fast", services=services)
        table = pd.DataFrame({"q": ["a", "b"]})
        fusion_nb.fuse_frame(table, "Say {q}.", pool="acme:fast", services=services, tag="labels", show_progress=False)
        fusion_nb.fuse("Play.", pool="demo:swift", tag="invoices")
    assert first.tag == "invoices"
    assert fusion_nb.load(first.run).tag == "invoices"
    sums = fusion_nb.spending(by="tag")
    assert isinstance(sums, pd.DataFrame)
    assert dict(zip(sums["tag"], sums["calls"], strict=True)) == {"invoices": 2, "labels": 2, "": 1}
    assert sums["cost_usd"].sum() == pytest.approx(len(service.bodies) * COST)
    assert list(sums.columns) == ["tag", "calls", "prompt_tokens", "completion_tokens", "cost_usd", "unpriced"]
    month = f"{datetime.now(UTC):%Y-%m}"
    both = fusion_nb.spending(by=["tag", "month", "model"])
    assert isinstance(both, pd.DataFrame)
    assert set(both["month"]) == {month}
    shown = shell.run("%fuse_spend --by tag,model").value
    assert list(shown.columns[:2]) == ["tag", "model"]
    assert shell.run(f"%fuse_spend {month}-01 --by tag").value["calls"].sum() == 5
    assert "Unknown sum 'colour'" in shell.run("%fuse_spend --by colour").text
    assert "%fuse_spend takes a day" in shell.run("%fuse_spend --from 2026-01-01").text
    assert set(fusion_nb.runs("labels")["calls"]) == {2}


@pytest.mark.parametrize("tag", ["x" * 81, "two\nlines", 7])
def test_a_tag_is_a_few_words(tag: object) -> None:
    with pytest.raises(fusion_nb.UserError, match="tag must be"):
        fusion_nb.fuse("Hi.", pool="demo:swift", tag=tag)  # type: ignore[arg-type]
