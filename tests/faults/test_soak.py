"""The short form of the soak; `nox -s soak` has the long one."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.faults.harness import KEY_ENV, WELL_ENV
from tests.faults.soak import MEMBERS, soak

RUNS = 240


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts the sockets of Linux's /proc/self/fd")
def test_nothing_grows_and_no_slot_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """After hundreds of runs, some with faults, some stopped: no task, thread or socket more, every connection idle.

    The slope of the memory needs more runs than these: it is measured by the long form alone.
    """
    for name in (KEY_ENV, WELL_ENV):
        monkeypatch.setenv(name, f"sk-or-v1-{secrets.token_hex(32)}")
    found = soak(RUNS, samples=8)
    print(found)
    assert found.ended.total() == RUNS
    assert found.ended["ok"] > RUNS / 2
    assert [broken for broken in found.broken if not broken.startswith("memory")] == []
    assert found.samples[-1].pooled <= 8 * (MEMBERS + 1) + 1
