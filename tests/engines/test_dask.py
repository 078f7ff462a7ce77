"""`fuse_frame()` on a Dask DataFrame: a real cluster of two processes, one of them killed; a service that keeps accounts."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import dask.dataframe as dd
import pandas as pd
import pytest
from distributed import Client, LocalCluster

import fusion_nb
from fusion_nb import UserError, fuse_frame
from tests.charging import ChargingService

# Dask's own use of what pandas will remove.
pytestmark = pytest.mark.filterwarnings("default")
POOL = "openrouter:told-3,openrouter:told-4"
TEMPLATE = "{prompt}"
ROWS = 60


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ChargingService]:
    with ChargingService() as service:
        monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("FUSION_NB_TRUST", f"{service.url.removesuffix('/v1')} OPENROUTER_API_KEY")
        monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-" + secrets.token_hex(32))
        # Prices of models that no table lists: asked for once, and kept beside the journal.
        fusion_nb.estimate("hi", pool=POOL, services=service.services)
        yield service


@pytest.fixture
def cluster(service: ChargingService) -> Iterator[Client]:
    """Workers inherit the environment, key and home; the caller has no key from here on."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None) as local,
        Client(local) as client,
    ):
        client.run(lambda: None)
        del os.environ["OPENROUTER_API_KEY"]
        yield client


def frame(rows: int = ROWS, partitions: int = 6) -> dd.DataFrame:
    words = pd.DataFrame({"prompt": [f"question {n}" for n in range(rows)], "kept": range(rows)})
    return dd.from_pandas(
        words.set_index(pd.Index([f"row {n}" for n in range(rows)], name="id"), drop=True), npartitions=partitions
    )


def ask(service: ChargingService, parts: Path, table: dd.DataFrame | None = None, **options):
    given = {
        "pool": POOL,
        "mode": "vote",
        "max_tokens": 200,
        "show_progress": False,
        **options,
    }
    asked = fuse_frame(frame() if table is None else table, TEMPLATE, parts=parts, services=service.services, **given)
    return asked.compute()


def test_the_frame_comes_back_with_answers(service: ChargingService, cluster: Client, tmp_path: Path) -> None:
    """Rows, index and columns are there; each prompt is asked once a member; the same call again asks nobody."""
    done = ask(service, tmp_path / "parts", members=True)
    assert sorted(done.index) == sorted(frame().compute().index)
    assert list(done.columns[:2]) == ["prompt", "kept"]
    assert done["answer"].notna().sum() + (done["status"] == "unjudged").sum() >= ROWS
    assert {"answer_told-3", "answer_told-4"} <= {name.replace("openrouter:", "") for name in done.columns}
    assert service.asked["told-3"] == service.asked["told-4"] == ROWS
    assert Decimal(str(round(done["cost_usd"].sum(), 9))) == service.total
    assert len(done.fusion.calls()) == 2 * ROWS
    pd.testing.assert_frame_equal(ask(service, tmp_path / "parts", members=True), done)
    assert service.asked["told-3"] == ROWS
    more = ask(service, tmp_path / "more", frame(ROWS + 10, 3))
    assert len(more) == ROWS + 10
    assert service.asked["told-3"] == ROWS + 10  # the rest was in the journal that all workers share


@pytest.mark.parametrize("share", [0, 0.1, 0.4, 0.9])
def test_one_cap_holds_for_all_workers(service: ChargingService, cluster: Client, tmp_path: Path, share: float) -> None:
    """Never more than the cap is charged; what is left is `budget`; a higher cap goes on and pays for nothing twice."""
    whole = Decimal(ROWS) * Decimal("0.00015")  # about what all of it costs
    cap = max(Decimal("0.0003"), whole * Decimal(str(share)))
    done = ask(service, tmp_path / "parts", max_cost=cap)
    assert service.total <= cap
    assert (done["status"] == "budget").any()
    rest = ask(service, tmp_path / "parts", max_cost=1)
    assert not (rest["status"] == "budget").any()
    assert service.asked["told-3"] == service.asked["told-4"] == ROWS


def test_a_worker_that_is_killed(service: ChargingService, cluster: Client, tmp_path: Path) -> None:
    """SIGKILL in the middle: no row is lost or doubled, only what was in flight is paid again, and the cap holds."""
    killed = threading.Event()

    def kill() -> None:
        while service.asked["told-3"] < ROWS // 2:
            time.sleep(0.005)
        pid = next(iter(cluster.run(os.getpid).values()))
        os.kill(pid, signal.SIGKILL)
        killed.set()

    threading.Thread(target=kill, daemon=True).start()
    cap = Decimal("0.05")
    done = ask(service, tmp_path / "parts", max_cost=cap, concurrency=8)
    assert killed.is_set()
    assert service.total <= cap
    if (done["status"] == "budget").any():
        done = ask(service, tmp_path / "parts", max_cost=1)
    assert sorted(done.index) == sorted(frame().compute().index)
    assert done["status"].isin(["ok", "unjudged"]).all()
    assert ROWS <= service.asked["told-3"] <= ROWS + 8


def test_what_cannot_be_asked_is_said_before_anything_is_sent(
    service: ChargingService, cluster: Client, tmp_path: Path
) -> None:
    """A missing column, an empty cell and its partition, a folder of another table, pandas with `parts`."""
    with pytest.raises(UserError, match="Partition 0: Unknown column 'word'"):
        fuse_frame(frame(), "{word}", pool="openrouter:told-3", parts=tmp_path / "a", services=service.services)
    holes = frame().compute().assign(prompt=["x"] * (ROWS - 1) + [None])
    with pytest.raises(UserError, match="Partition 5: "):
        ask(service, tmp_path / "b", dd.from_pandas(holes, npartitions=6))
    with pytest.raises(UserError, match="needs parts="):
        fuse_frame(frame(), TEMPLATE, pool="openrouter:told-3", services=service.services)
    with pytest.raises(UserError, match="pandas"):
        fuse_frame(holes.head(3), TEMPLATE, pool="openrouter:told-3", parts=tmp_path / "c", services=service.services)
    with pytest.raises(UserError, match=r"sample\(\.\.\.\)\.compute"):
        fuse_frame(
            frame(), TEMPLATE, pool="openrouter:told-3", parts=tmp_path / "c", dry_run=True, services=service.services
        )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UserError, match="is not empty"):
        ask(service, tmp_path / "full")
    assert service.asked["told-3"] == 0
    ask(service, tmp_path / "d")
    with pytest.raises(UserError, match="another table"):
        fuse_frame(frame(), "{prompt}?", pool="openrouter:told-3", parts=tmp_path / "d", services=service.services)


def test_without_a_cluster_it_runs_here(service: ChargingService, tmp_path: Path) -> None:
    """One partition after the other in this process, the same parts, the same cap."""
    done = ask(service, tmp_path / "parts", max_cost=Decimal("0.002"))
    assert service.total <= Decimal("0.002")
    assert (done["status"] == "budget").any()
    assert len(fusion_nb.runs()) >= 1
