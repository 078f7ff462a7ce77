"""Row 74 at full width: 64 threads call `fuse()` at once and share a cap; what they spent is counted by the server."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

import fusion_nb
from fusion_nb.accounts import spending_caps
from fusion_nb.accounts.spending_account import Account
from tests.faults.harness import KEY_ENV, Faults, faults

THREADS = 64
ROUNDS = int(os.environ.get("FUSION_NB_ROUNDS", "12"))
MODEL = "openrouter:openai/gpt-4o-mini"
WORST = Decimal("0.0024756")
"""USD that one call of this model can cost: its price for the prompt's bytes and for 4,096 tokens."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    with faults(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture(autouse=True)
def own_purse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A session and a day that have spent nothing."""
    monkeypatch.setattr(spending_caps, "SESSION", Account("max_cost_per_session"))
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path))


@pytest.mark.parametrize("kind", ["max_cost_per_session", "max_cost_per_day"])
def test_64_runs_spend_one_cap_and_no_more(kind: str, server: Faults) -> None:
    """64 whole runs at once, several rounds, a cap of some thirty calls: at no end of a round has the server been paid more
    than the cap, and what it was paid is what the rows say, to the last digit."""
    services = {"openrouter": {"base_url": server.url(), "key_env": KEY_ENV}}
    paid_before = Decimal(server.stats()["spent"])
    rng, cap, told = random.Random(74), Decimal(0), Counter[str]()
    rows = Decimal(0)
    for _ in range(ROUNDS):
        cap += WORST * rng.randrange(10, 40)
        together = threading.Barrier(THREADS)

        def one(_: int, cap: Decimal = cap, together: threading.Barrier = together) -> fusion_nb.FusionResult:
            together.wait(30)
            try:
                return fusion_nb.fuse("How?", MODEL, services=services, journal=False, **{kind: str(cap)})
            except fusion_nb.RunFailed as failed:
                return failed.result

        with ThreadPoolExecutor(THREADS) as pool:
            replies = [reply for result in pool.map(one, range(THREADS)) for reply in result.replies]
        rows += sum((reply.cost for reply in replies if reply.cost is not None), Decimal(0))
        paid = Decimal(server.stats()["spent"]) - paid_before
        assert paid == rows
        assert paid <= cap
        told += Counter(reply.error or str(reply.status) for reply in replies)
    assert set(told) == {"ok", "budget"}, told
    assert told.total() == THREADS * ROUNDS
    account = spending_caps.SESSION if kind == "max_cost_per_session" else spending_caps.day_account()
    assert account.spent == rows
    print(f"{kind}: {dict(told)}, ${paid} of ${cap}, overspent: $0")
