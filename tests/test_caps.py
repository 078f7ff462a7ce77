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

import pytest

from fusion_nb.accounts.budget import Budget, CompositeBudget, Denial, usd
from fusion_nb.accounts.day_account import DayBudget
from fusion_nb.core import Chunk, Limits, Message, Ref, Reply, Request, RunState, Usage
from fusion_nb.core.spec import RunServices
from fusion_nb.run.call import Caller
from fusion_nb.run.event_recorder import EventRecorder

CENT = Decimal("0.01")
SPAWN = multiprocessing.get_context("spawn")


class Watched(Budget):
    """A budget that knows the most it ever had out: what a cap promises is about every moment, not about the end."""

    most = Decimal(0)

    def hold(self, worst: Decimal) -> Denial | None:
        denial = super().hold(worst)
        with self._lock:
            self.most = max(self.most, self._held + self._spent)
        return denial


def test_64_threads_race_for_one_cap_1000_times() -> None:
    """64 threads, 1,000 rounds, amounts at random, costs below them: at no moment is more out than the cap allows."""
    rounds, over = 1000, []
    budgets = [Watched(Decimal("1.00")) for _ in range(rounds)]
    session = Watched(Decimal("600"))

    def race(seed: int) -> None:
        rng = random.Random(seed)
        for budget in budgets:
            purse = CompositeBudget(budget, session)
            worst = Decimal(rng.randrange(1, 400)) / 1000
            if purse.hold(worst) is None:
                purse.settle(worst, worst * rng.randrange(0, 101) / 100)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    over = [b.most for b in (*budgets, session) if b.cap is not None and b.most > b.cap]
    assert over == []
    assert sum((b.spent for b in budgets), Decimal(0)) == session.spent
    assert session.left is not None
    assert session.left < Decimal(1)


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


def test_64_runs_race_for_one_cap() -> None:
    """64 runs, each with a cap of its own, share a session's cap over 1,000 calls of `ask()`: it is never passed."""
    model = Priced()
    tools = RunServices(lambda _: model, lambda *_: Decimal("0.100"), lambda *_: Decimal("0.100"), lambda _: True, None)  # type: ignore[arg-type]
    limits = Limits(max_cost=Decimal(1))
    session = Watched(Decimal("2.50"), "the session's cap")

    async def main() -> list[Reply]:
        callers = []
        for _ in range(64):
            purse: Any = CompositeBudget(Budget(limits.max_cost), session)
            callers.append(Caller(EventRecorder(RunState()), tools, limits, purse, 3))
        return [r for _ in range(16) for r in await asyncio.gather(*map(_ask, callers))]

    replies = asyncio.run(main())
    assert session.most <= Decimal("2.50")
    assert session.spent == model.billed == sum((r.cost or Decimal(0) for r in replies), Decimal(0))
    assert {r.error for r in replies} == {None, "budget"}
    assert Decimal("2.50") - session.spent < Decimal("0.100")


def test_a_denial_names_the_cap_and_what_was_left() -> None:
    """The sentence says which of several caps stood in the way, how much it still had, and what to do."""
    run, session = Budget(Decimal(5)), Budget(Decimal("0.05"), "Fuse.max_cost_per_session")
    purse = CompositeBudget(run, session)
    assert purse.hold(Decimal("0.03")) is None
    denial = purse.hold(Decimal("0.04"))
    assert str(denial) == (
        "Not asked: it could cost up to $0.0400 and $0.0200 of Fuse.max_cost_per_session $0.05 was left ($0.0300 is "
        "held for calls under way). Raise Fuse.max_cost_per_session or lower --max-tokens."
    )
    assert run.left == Decimal("4.97")
    assert (purse.cap, purse.left, purse.name) == (
        Decimal("0.05"),
        Decimal("0.02"),
        "--max-cost and Fuse.max_cost_per_session",
    )


def test_without_a_cap_the_account_is_still_kept() -> None:
    """No cap denies nothing and says so; what was spent is known all the same."""
    purse = CompositeBudget(Budget(None), session := Budget(None))
    assert purse.hold(Decimal(10**6)) is None
    purse.settle(Decimal(10**6), Decimal("0.000001"))
    assert (purse.cap, purse.left, purse.name, session.spent) == (None, None, "", Decimal("0.000001"))


def test_small_amounts_keep_their_figures() -> None:
    """A tenth of a cent's thousandth is not shown as nothing."""
    assert [usd(Decimal(a)) for a in ("0", "1.5", "0.0123", "0.00000123")] == [
        "$0.0000",
        "$1.5000",
        "$0.0123",
        "$0.00000123",
    ]


def _spend(home: Path, cap: Decimal, seed: int, granted: Any) -> None:
    rng, budget, count = random.Random(seed), DayBudget(home, cap), 0
    denied = 0
    while denied < 3:
        if budget.hold(CENT) is None:
            count += 1
            budget.settle(CENT, CENT)
        else:
            denied += 1
        if rng.random() < 0.1:
            assert budget.left is not None
            assert budget.left >= 0
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
    assert DayBudget(tmp_path, cap).spent == cap
    assert DayBudget(tmp_path, cap).left == 0


def test_threads_of_one_kernel_race_for_the_days_cap(tmp_path: Path) -> None:
    """Threads that share one day's budget never pass its cap either."""
    budget, granted = DayBudget(tmp_path, Decimal("0.50")), []

    def race() -> None:
        for _ in range(5):
            if budget.hold(CENT) is None:
                granted.append(1)
                budget.settle(CENT, CENT / 2)

    threads = [threading.Thread(target=race) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.spent == len(granted) * CENT / 2
    assert budget.spent <= Decimal("0.50")
    assert budget.left == Decimal("0.50") - budget.spent


def _hold_and_die(home: Path, amount: str, ready: Any) -> None:
    budget = DayBudget(home, Decimal(1))
    assert budget.hold(Decimal(amount)) is None
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
        assert DayBudget(tmp_path, Decimal(1)).left == 1 - Decimal(amount)
        assert kernel.pid
        os.kill(kernel.pid, signal.SIGKILL)
        kernel.join(10)

    return kill


def test_what_a_killed_kernel_held_comes_back(tmp_path: Path, killed: Callable[[str], None]) -> None:
    """A kernel that is killed takes nothing of the day's cap with it; what it may have spent unseen is said."""
    killed("0.80")
    budget = DayBudget(tmp_path, Decimal(1))
    assert budget.left == 1
    assert budget.hold(Decimal("0.90")) is None
    budget.settle(Decimal("0.90"), Decimal("0.10"))
    assert (budget.spent, budget.unsettled) == (Decimal("0.10"), Decimal("0.80"))
    assert [p.name for p in (tmp_path / "spend").glob("alive-*")] == [f"alive-{budget._me}"]


def test_a_living_kernel_keeps_what_it_holds(tmp_path: Path) -> None:
    """What another kernel holds is not given away while it lives."""
    one, other = DayBudget(tmp_path, Decimal(1)), DayBudget(tmp_path, Decimal(1))
    assert one.hold(Decimal("0.80")) is None
    denial = other.hold(Decimal("0.30"))
    assert denial is not None
    assert (denial.left, denial.held) == (Decimal("0.20"), Decimal("0.80"))
    assert "Fuse.max_cost_per_day" in str(denial)


def _in_a_fork(budget: DayBudget) -> None:
    assert budget.hold(Decimal("0.10")) is None
    budget.settle(Decimal("0.10"), Decimal("0.04"))
    os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_an_account_of_its_own(tmp_path: Path) -> None:
    """A fork neither settles what its parent holds nor keeps its parent alive for others."""
    budget = DayBudget(tmp_path, Decimal(1))
    assert budget.hold(Decimal("0.50")) is None
    pid = os.fork()
    if pid == 0:
        _in_a_fork(budget)
    os.waitpid(pid, 0)
    assert (budget.spent, budget.left) == (Decimal("0.04"), Decimal("0.46"))


def test_a_day_ends_at_midnight_utc(tmp_path: Path) -> None:
    """A new UTC day begins with the whole cap, less what is still held; a clock set back gives nothing back."""
    when = [datetime(2026, 3, 1, 23, 59, tzinfo=UTC)]
    budget = DayBudget(tmp_path, Decimal(1), now=lambda: when[0])
    assert budget.hold(Decimal("0.30")) is None
    budget.settle(Decimal(0), Decimal("0.60"))
    when[0] += timedelta(minutes=2)
    assert (budget.spent, budget.left) == (Decimal(0), Decimal("0.70"))
    budget.settle(Decimal("0.30"), Decimal("0.20"))
    assert budget.spent == Decimal("0.20")
    when[0] -= timedelta(minutes=10)
    assert budget.spent == Decimal("0.20")
    when[0] += timedelta(days=400)
    budget.settle(Decimal(0), Decimal("0.01"))
    when[0] -= timedelta(days=399)
    budget.settle(Decimal(0), Decimal("0.02"))
    assert budget.spent == Decimal("0.03")


def test_the_days_file_is_exact_and_private(tmp_path: Path) -> None:
    """Amounts are exact decimals in plain JSON that only its owner can read."""
    budget = DayBudget(tmp_path, Decimal(1))
    budget.settle(Decimal(0), Decimal("0.1"))
    budget.settle(Decimal(0), Decimal("0.0000000000000002"))
    file = tmp_path / "spend" / "day.json"
    assert json.loads(file.read_text())["spent"] == "0.1000000000000002"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"form": "other"}', b'{"form": "fusion_nb spend", "v": 2, "day": "2026-01-01"}']
    + [
        json.dumps(
            {"form": "fusion_nb spend", "v": 1, "day": "2026-01-01", "spent": s, "unsettled": "0", "held": {}}
        ).encode()
        for s in ("-1", "NaN", "1e999999999", "x", 0.5, None)
    ],
)
def test_a_damaged_file_stops_calls_under_a_cap_and_only_those(tmp_path: Path, text: bytes) -> None:
    """Nobody knows what was spent, so a cap cannot hold: one sentence with the remedy. Without a cap nothing stops."""
    (tmp_path / "spend").mkdir()
    (tmp_path / "spend" / "day.json").write_bytes(text)
    denial = DayBudget(tmp_path, Decimal(1)).hold(CENT)
    assert "delete day.json" in str(denial)
    free = DayBudget(tmp_path)
    assert free.hold(CENT) is None
    free.settle(CENT, CENT)
    assert (tmp_path / "spend" / "day.json").read_bytes() == text


def test_a_home_that_cannot_be_written_stops_calls_under_a_cap_and_only_those(tmp_path: Path) -> None:
    """Where the account cannot be kept, a day's cap denies with the remedy; without a cap the run goes on."""
    (tmp_path / "spend").write_text("in the way")
    denial = DayBudget(tmp_path, Decimal(1)).hold(CENT)
    assert "cannot hold" in str(denial)
    assert "unset Fuse.max_cost_per_day" in str(denial)
    assert DayBudget(tmp_path).hold(CENT) is None


def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    """A cost that was settled while the disk failed is on the account as soon as it works again."""
    budget = DayBudget(tmp_path, Decimal(1))
    assert budget.hold(Decimal("0.20")) is None
    held = tmp_path / "elsewhere"
    (tmp_path / "spend").rename(held)
    (tmp_path / "spend").write_text("in the way")
    budget.settle(Decimal("0.20"), Decimal("0.15"))
    (tmp_path / "spend").unlink()
    held.rename(tmp_path / "spend")
    assert budget.hold(Decimal("0.10")) is None
    assert (budget.spent, budget.left) == (Decimal("0.15"), Decimal("0.75"))
