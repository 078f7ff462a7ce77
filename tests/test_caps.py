"""Several caps at once, held by threads, runs and kernels that race for them: none is ever passed."""

import asyncio
import json
import multiprocessing
import os
import random
import signal
import stat
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fusion_nb
from fusion_nb.accounts import spending_caps
from fusion_nb.accounts.day_account import DayAccount
from fusion_nb.accounts.spending_account import Account, Denial, usd
from fusion_nb.accounts.spending_caps import RunAccounts, SpendingPolicy, settle_late
from fusion_nb.core import Chunk, Limits, Message, Ref, Reply, Request, RunState, Usage
from fusion_nb.core.run_spec import RunServices
from fusion_nb.errors import UserError
from fusion_nb.run.call import Caller
from fusion_nb.run.event_recorder import EventRecorder
from tests.charging import ChargingService

CENT = Decimal("0.01")
SPAWN = multiprocessing.get_context("spawn")


class Watched(Account):
    """An account that knows the most it ever had out: what a cap promises is about every moment, not about the end."""

    most = Decimal(0)

    def hold(self, key: str, worst: Decimal, cap: Decimal | None) -> Denial | None:
        denial = super().hold(key, worst, cap)
        with self._lock:
            self.most = max(self.most, self._taken())
        return denial


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Watched:
    """A session, and a day, that have spent nothing."""
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path))
    session = Watched("max_cost_per_session")
    monkeypatch.setattr(spending_caps, "SESSION", session)
    return session


def test_64_threads_race_for_one_cap_1000_times() -> None:
    """64 threads, 1,000 rounds, amounts at random, costs below them: at no moment is more out than the cap allows."""
    rounds, cap = 1000, Decimal("1.00")
    accounts = [Watched() for _ in range(rounds)]

    def race(seed: int) -> None:
        rng = random.Random(seed)
        for account in accounts:
            worst = Decimal(rng.randrange(1, 400)) / 1000
            if account.hold(f"run/{seed}", worst, cap) is None:
                spent = worst * rng.randrange(0, 101) / 100
                account.settle(f"run/{seed}", spent, worst - spent if rng.random() < 0.1 else None)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [account.most for account in accounts if account.most > cap] == []
    assert all(account.taken == account.spent + account.unsettled <= cap for account in accounts)


class Priced:
    """A model that takes a moment and then costs something between nothing and its worst case."""

    def __init__(self) -> None:
        self.billed = Decimal(0)

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        cost = Decimal(random.randrange(0, 101)) / 1000
        self.billed += cost
        await asyncio.sleep(0)
        yield Chunk(text="x", usage=Usage(1, 1), cost=cost, finish="stop")


async def _ask(caller: Caller) -> Reply:
    request = Request(Ref("s", "m", "m"), (Message("user", "hi"),), 10)
    return await caller.ask(request, role="candidate", round=0)


def test_64_runs_race_for_one_cap(session: Watched) -> None:
    """64 runs, each with a cap of its own, share a session's cap over 1,000 calls of `ask()`: it is never passed."""
    model = Priced()
    worst = Decimal("0.100")
    services = RunServices(lambda _: model, lambda *_: worst, lambda *_: worst, lambda _: True, None)  # type: ignore[arg-type]
    caps = SpendingPolicy(Decimal(1), Decimal("2.50"), None)

    async def main() -> list[Reply]:
        callers = []
        for n in range(64):
            accounts = RunAccounts(f"run{n}", caps)
            callers.append(Caller(EventRecorder(RunState()), services, Limits(max_cost=Decimal(1)), accounts, 3))
        return [r for _ in range(16) for r in await asyncio.gather(*map(_ask, callers))]

    replies = asyncio.run(main())
    assert session.most <= Decimal("2.50")
    assert session.spent == model.billed == sum((r.cost or Decimal(0) for r in replies), Decimal(0))
    assert session.spent == spending_caps.day_account().spent
    assert {r.error for r in replies} == {None, "budget"}
    assert Decimal("2.50") - session.spent < worst


def test_a_denial_names_the_cap_and_what_was_left(session: Watched) -> None:
    """The sentence says which of several caps stood in the way, how much it still had, and what to do."""
    caps = SpendingPolicy(Decimal(5), Decimal("0.05"), Decimal(7))
    accounts = RunAccounts("run", caps)
    assert accounts.hold(1, Decimal("0.03")) is None
    denial = accounts.hold(2, Decimal("0.04"))
    assert str(denial) == (
        "Not asked: it could cost up to $0.0400 and $0.0200 of max_cost_per_session $0.05 was left ($0.0300 is held "
        "for calls under way). Raise it (--max-cost-per-session), or lower max_tokens (--max-tokens)."
    )
    assert accounts.cap_names == "max_cost and max_cost_per_session and max_cost_per_day"
    # Nothing of what was denied is held anywhere.
    assert (session.taken, spending_caps.day_account().left(Decimal(7))) == (Decimal("0.03"), Decimal("6.97"))
    accounts.settle(1, Decimal("0.01"), Decimal("0.02"))
    assert "($0.0200 for calls without a bill)" in str(accounts.hold(2, Decimal("0.04")))


def test_a_run_keeps_its_caps_whatever_others_have(session: Watched) -> None:
    """A run without caps, and a question about money, lift nobody's cap and set none."""
    capped = RunAccounts("capped", SpendingPolicy(None, Decimal("0.05"), Decimal("0.06")))
    free = RunAccounts("free", SpendingPolicy(None, None, None))
    assert free.hold(1, Decimal(10)) is None
    free.settle(1, Decimal("0.04"))
    assert "of max_cost_per_session" in str(capped.hold(1, Decimal("0.02")))
    assert capped.hold(2, Decimal("0.01")) is None
    capped.settle(2, Decimal("0.01"))
    assert (session.spent, spending_caps.day_account().spent, free.cap_names) == (
        Decimal("0.05"),
        Decimal("0.05"),
        "",
    )


def test_play_money_holds_under_its_runs_cap_alone(session: Watched) -> None:
    """A scripted run shows how its own cap works; the session and the day know nothing of it."""
    play = RunAccounts("play", SpendingPolicy(Decimal("0.01"), Decimal("0.001"), Decimal("0.001")), play=True)
    assert play.hold(1, Decimal("0.008")) is None
    assert "of max_cost " in str(play.hold(2, Decimal("0.008")))
    play.settle(1, Decimal("0.008"))
    assert (session.taken, spending_caps.day_account().spent) == (0, 0)


def test_a_call_without_a_bill_counts_until_it_comes(session: Watched) -> None:
    """What a stopped call may have cost stays taken; the bill that comes after the run replaces it, once."""
    accounts = RunAccounts("20260101T000000-a", SpendingPolicy(None, Decimal(1), Decimal(1)))
    assert accounts.hold(1, Decimal("0.5")) is None
    assert accounts.hold(1, Decimal("0.25")) is None
    accounts.settle(1, Decimal("0.1"), Decimal("0.75"))
    day = spending_caps.day_account()
    for account in (session, day):
        assert (account.spent, account.unsettled, account.left(Decimal(1))) == (
            Decimal("0.1"),
            Decimal("0.75"),
            Decimal("0.15"),
        )
    settle_late("20260101T000000-a", 1, Decimal("0.2"))
    settle_late("20260101T000000-a", 1, Decimal("0.2"))
    settle_late("20260101T000000-b", 1, Decimal("0.2"))
    for account in (session, day):
        assert (account.spent, account.unsettled) == (Decimal("0.3"), Decimal(0))


def test_a_bill_of_todays_run_is_booked_once_though_nothing_was_held(session: Watched) -> None:
    """A run of an older release held nothing in the day's account; what its service tells today is booked there."""
    run = f"{datetime.now(UTC):%Y%m%d}T000000-c"
    settle_late(run, 1, Decimal("0.2"))
    assert (session.spent, spending_caps.day_account().spent) == (0, Decimal("0.2"))


UNLISTED = "openrouter:judge-11"
"""A judge that the service has and its price list has not."""


@pytest.mark.parametrize("cap", ["max_cost", "max_cost_per_session", "max_cost_per_day"])
def test_a_judge_of_unknown_price_is_refused_before_anyone_is_paid(session: Watched, cap: str) -> None:
    """No cap can hold for it: one sentence names the judge and what to do, no candidate is asked; each remedy works."""
    with ChargingService() as service:
        pool, options = ["openrouter:told-1", "openrouter:told-2"], {"services": service.services, "max_tokens": 500}
        fusion_nb.estimate("What is 3 + 4?", pool, judge="openrouter:judge-5", **options)
        with pytest.raises(UserError, match=rf"judge-11.*{cap}.*another judge.*allow_unpriced"):
            fusion_nb.fuse("What is 3 + 4?", pool, "best-of", judge=UNLISTED, **{cap: 1}, **options)
        foretold = fusion_nb.estimate("What is 3 + 4?", pool, "best-of", judge=UNLISTED, **{cap: 1}, **options)
        assert any("judge-11" in note and f"would be refused: {cap} cannot hold" in note for note in foretold.notes)
        assert service.asked["told-1"] == service.asked["told-2"] == 0
        remedies: list[dict[str, Any]] = [{"judge": "openrouter:judge-5"}, {"allow_unpriced": True}, {cap: None}]
        given = {"judge": UNLISTED, cap: 1}
        for remedy in remedies:
            assert (
                len(fusion_nb.fuse("What is 3 + 4?", pool, "best-of", **{**given, **remedy}, **options).candidates) == 2
            )
        kept = fusion_nb.load()
        asked = service.asked.total()
        with pytest.raises(UserError, match="another judge"):
            fusion_nb.history.rejudge(kept, judge=UNLISTED, **{cap: 1}, services=service.services)
        assert service.asked.total() == asked


def mine(prompt: str) -> str:
    """A member, and a judge that is asked as a model is: no service bills for either."""
    return "The first is best: [[1]]"


@pytest.mark.parametrize("cap", ["max_cost", "max_cost_per_session", "max_cost_per_day", "defaults"])
def test_an_own_function_costs_a_capped_run_nothing(session: Watched, cap: str, monkeypatch: Any) -> None:
    """No service bills it, so no cap refuses it, as member or as judge, however small what is left; and
    `confirm_over` does not ask about it. A forecast says that it knows nothing of what the function may spend inside."""
    given: dict[str, Any] = {cap: 0.01}
    if cap == "defaults":
        monkeypatch.setattr(fusion_nb.defaults, "max_cost", 0.01)
        given = {}
    result = fusion_nb.fuse("Hi", ["demo:swift", mine], "best-of", judge=mine, **given)
    assert {reply.error for reply in result.replies} == {None}
    assert fusion_nb.fuse("Hi", [mine], confirm_over="0.000001", confirm=lambda _: False, **given).status == "ok"
    foretold = fusion_nb.estimate("Hi", ["demo:swift", mine], "best-of", judge="demo:judge", **given)
    assert foretold.unpriced == ()
    assert any("No service bills your own code: what mine may spend" in note for note in foretold.notes)
    table = fusion_nb.fuse_frame(
        pd.DataFrame({"q": ["a", "b"]}), "{q}?", pool=[mine], show_progress=False, mode="best-of", **given
    )
    assert table.answer.notna().all()
    assert (session.spent, spending_caps.day_account().spent) == (0, 0)


def test_small_amounts_keep_their_figures() -> None:
    """A tenth of a cent's thousandth is not shown as nothing."""
    assert [usd(Decimal(a)) for a in ("0", "1.5", "0.0123", "0.00000123")] == [
        "$0.0000",
        "$1.5000",
        "$0.0123",
        "$0.00000123",
    ]


def _spend(home: Path, cap: Decimal, seed: int, granted: Any) -> None:
    rng, account, count = random.Random(seed), DayAccount(home), 0
    denied = 0
    while denied < 3:
        if account.hold("run/1", CENT, cap) is None:
            count += 1
            account.settle("run/1", CENT)
        else:
            denied += 1
        if rng.random() < 0.1:
            left = account.left(cap)
            assert left is not None
            assert left >= 0
    granted.put(count)


def test_kernels_race_for_the_days_cap(tmp_path: Path) -> None:
    """Six processes spend from one day's cap as fast as they can: together they spend it to the cent, and no more."""
    cap, granted = Decimal("3.00"), SPAWN.Queue()
    kernels = [SPAWN.Process(target=_spend, args=(tmp_path, cap, n, granted)) for n in range(6)]
    for kernel in kernels:
        kernel.start()
    counts = [granted.get(timeout=60) for _ in kernels]
    for kernel in kernels:
        kernel.join(10)
    assert sum(counts) == 300
    assert DayAccount(tmp_path).spent == cap
    assert DayAccount(tmp_path).left(cap) == 0


def test_threads_of_one_kernel_race_for_the_days_cap(tmp_path: Path) -> None:
    """Threads that share one day's account never pass its cap either."""
    account, granted, cap = DayAccount(tmp_path), [], Decimal("0.50")

    def race(n: int) -> None:
        for _ in range(5):
            if account.hold(f"run/{n}", CENT, cap) is None:
                granted.append(1)
                account.settle(f"run/{n}", CENT / 2)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert account.spent == len(granted) * CENT / 2
    assert account.spent <= cap
    assert account.left(cap) == cap - account.spent


def _hold_and_die(home: Path, amount: str, ready: Any) -> None:
    account = DayAccount(home)
    assert account.hold("20260101T000000-a/2", Decimal(amount), Decimal(1)) is None
    ready.send("held")
    ready.recv()


@pytest.fixture
def killed(tmp_path: Path) -> Callable[[str], None]:
    """Another kernel that holds an amount and is killed in the middle of its call."""

    def kill(amount: str) -> None:
        ours, theirs = SPAWN.Pipe()
        kernel = SPAWN.Process(target=_hold_and_die, args=(tmp_path, amount, theirs))
        kernel.start()
        assert ours.recv() == "held"
        assert DayAccount(tmp_path).left(Decimal(1)) == 1 - Decimal(amount)
        assert kernel.pid
        os.kill(kernel.pid, signal.SIGKILL)
        kernel.join(10)

    return kill


def test_what_a_killed_kernel_held_counts_until_it_is_settled(tmp_path: Path, killed: Callable[[str], None]) -> None:
    """A service may have billed what a killed kernel held: it stays taken, asking about it changes nothing, and the
    bill replaces it."""
    killed("0.80")
    account, file = DayAccount(tmp_path), tmp_path / "spend" / "day.json"
    before = file.read_bytes()
    assert (account.left(Decimal(1)), account.unsettled) == (Decimal("0.20"), Decimal("0.80"))
    assert file.read_bytes() == before
    assert "for calls" in str(account.hold("run/1", Decimal("0.90"), Decimal(1)))
    account.settle_late("20260101T000000-a/2", Decimal("0.05"))
    assert (account.spent, account.unsettled) == (Decimal("0.05"), Decimal(0))
    assert account.hold("run/1", Decimal("0.90"), Decimal(1)) is None


def test_what_a_killed_kernel_held_ends_with_its_day(tmp_path: Path, killed: Callable[[str], None]) -> None:
    """A new day has its whole cap, whatever was left open on the day before."""
    killed("0.80")
    tomorrow = DayAccount(tmp_path, now=lambda: datetime.now(UTC) + timedelta(days=1))
    assert tomorrow.left(Decimal(1)) == 1
    assert tomorrow.hold("run/1", Decimal(1), Decimal(1)) is None
    assert tomorrow.left(Decimal(1)) == 0


def test_a_living_kernel_keeps_what_it_holds(tmp_path: Path) -> None:
    """What another kernel holds is not given away while it lives."""
    one, other = DayAccount(tmp_path), DayAccount(tmp_path)
    assert one.hold("run/1", Decimal("0.80"), None) is None
    denial = other.hold("run/2", Decimal("0.30"), Decimal(1))
    assert denial is not None
    assert (denial.left, denial.held, denial.unsettled) == (Decimal("0.20"), Decimal("0.80"), 0)
    assert "of max_cost_per_day" in str(denial)


def _in_a_fork(account: DayAccount) -> None:
    assert account.hold("run/2", Decimal("0.10"), Decimal(1)) is None
    account.settle("run/2", Decimal("0.04"))
    os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_an_account_of_its_own(tmp_path: Path) -> None:
    """A fork neither settles what its parent holds nor keeps its parent alive for others."""
    account = DayAccount(tmp_path)
    assert account.hold("run/1", Decimal("0.50"), Decimal(1)) is None
    pid = os.fork()
    if pid == 0:
        _in_a_fork(account)
    os.waitpid(pid, 0)
    assert (account.spent, account.left(Decimal(1))) == (Decimal("0.04"), Decimal("0.46"))


def test_a_day_ends_at_midnight_utc(tmp_path: Path) -> None:
    """A new UTC day begins with the whole cap, less what is still held; a clock set back gives nothing back."""
    when, cap = [datetime(2026, 3, 1, 23, 59, tzinfo=UTC)], Decimal(1)
    account = DayAccount(tmp_path, now=lambda: when[0])
    assert account.hold("run/1", Decimal("0.30"), cap) is None
    account.settle("run/2", Decimal("0.50"), Decimal("0.10"))
    assert account.left(cap) == Decimal("0.10")
    when[0] += timedelta(minutes=2)
    assert (account.spent, account.left(cap)) == (Decimal(0), Decimal("0.70"))
    account.settle("run/1", Decimal("0.20"))
    assert account.spent == Decimal("0.20")
    when[0] -= timedelta(minutes=10)
    assert account.spent == Decimal("0.20")
    when[0] += timedelta(days=400)
    account.settle("run/3", Decimal("0.01"))
    when[0] -= timedelta(days=399)
    account.settle("run/4", Decimal("0.02"))
    assert account.spent == Decimal("0.03")


def test_the_days_file_is_exact_and_private(tmp_path: Path) -> None:
    """Amounts are exact decimals in plain JSON that only its owner can read."""
    account = DayAccount(tmp_path)
    account.settle("run/1", Decimal("0.1"))
    account.settle("run/2", Decimal("0.0000000000000002"))
    file = tmp_path / "spend" / "day.json"
    assert json.loads(file.read_text())["spent"] == "0.1000000000000002"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def _day(**more: Any) -> bytes:
    today = datetime.now(UTC).date().isoformat()
    data = {"form": "fusion_nb spend", "v": 1, "day": today, "spent": "0.25", "unsettled": "0", "held": {}}
    return json.dumps({**data, **more}).encode()


def test_the_file_of_an_older_release_is_read(tmp_path: Path) -> None:
    """An upgrade in the middle of a day forgets nothing of it: what was spent, unsettled, or held by a dead kernel."""
    (tmp_path / "spend").mkdir()
    (tmp_path / "spend" / "day.json").write_bytes(_day(unsettled="0.125", held={"00ff": "0.5"}))
    account = DayAccount(tmp_path)
    assert (account.spent, account.unsettled, account.left(Decimal(1))) == (
        Decimal("0.25"),
        Decimal("0.625"),
        Decimal("0.125"),
    )
    assert account.hold("run/1", Decimal("0.125"), Decimal(1)) is None
    account.settle("run/1", Decimal("0.125"))
    assert json.loads((tmp_path / "spend" / "day.json").read_text())["v"] == 2
    assert (account.spent, account.unsettled) == (Decimal("0.375"), Decimal("0.625"))


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"form": "other"}', _day(v=3)]
    + [_day(spent=amount) for amount in ("-1", "NaN", "1e999999999", "x", 0.5, None)]
    + [_day(v=2, unsettled={"run/1": "-1"}), _day(v=2, held={"00ff": {"run/1": None}}), _day(unsettled=None)],
)
def test_a_damaged_file_stops_calls_under_a_cap_and_only_those(tmp_path: Path, text: bytes) -> None:
    """Nobody knows what was spent, so a cap cannot hold: one sentence with the remedy. Without a cap nothing stops."""
    (tmp_path / "spend").mkdir()
    (tmp_path / "spend" / "day.json").write_bytes(text)
    account = DayAccount(tmp_path)
    assert "delete day.json" in str(account.hold("run/1", CENT, Decimal(1)))
    assert account.hold("run/1", CENT, None) is None
    account.settle("run/1", CENT)
    assert (tmp_path / "spend" / "day.json").read_bytes() == text


def test_a_home_that_cannot_be_written_stops_calls_under_a_cap_and_only_those(tmp_path: Path) -> None:
    """Where the account cannot be kept, a day's cap denies with the remedy; without a cap the run goes on."""
    (tmp_path / "spend").write_text("in the way")
    denial = DayAccount(tmp_path).hold("run/1", CENT, Decimal(1))
    assert "cannot hold" in str(denial)
    assert "unset max_cost_per_day" in str(denial)
    assert DayAccount(tmp_path).hold("run/1", CENT, None) is None


def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    """A cost that was settled while the disk failed is on the account as soon as it works again."""
    account = DayAccount(tmp_path)
    assert account.hold("run/1", Decimal("0.20"), Decimal(1)) is None
    aside = tmp_path / "elsewhere"
    (tmp_path / "spend").rename(aside)
    (tmp_path / "spend").write_text("in the way")
    account.settle("run/1", Decimal("0.15"))
    (tmp_path / "spend").unlink()
    aside.rename(tmp_path / "spend")
    assert account.hold("run/2", Decimal("0.10"), Decimal(1)) is None
    assert (account.spent, account.left(Decimal(1))) == (Decimal("0.15"), Decimal("0.75"))
