"""A program that ends in the middle of its run leaves one that can be finished."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fusion_nb import history
from fusion_nb.core.events import CallEnded
from fusion_nb.journal import maintenance
from tests.charging import ChargingService

DEMO = """
    import time, fusion_nb
    run = fusion_nb.stream("Prove that there are infinitely many primes.", "demo")
    while not any(reply.text for reply in run.result.replies):
        time.sleep(0.005)
"""
SERVICE = """
    import sys, time, fusion_nb
    run = fusion_nb.stream("What is 3 + 4?", ["openrouter:slow-late-3", "openrouter:slow-late-4"],
                           judge="openrouter:judge-1", services={"openrouter": {"base_url": sys.argv[1]}})
    while not all(reply.text for reply in run.result.replies) or len(run.result.replies) < 2:
        time.sleep(0.005)
"""


def script(text: str, *arguments: str, speed: str = "1") -> None:
    command = [sys.executable, "-c", textwrap.dedent(text), *arguments]
    env = {**os.environ, "FUSION_NB_DEMO_SPEED": speed}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


def test_a_script_that_ends_in_a_run_leaves_a_stopped_one() -> None:
    """Every member is on record as stopped, with its text, and not as a lost connection; `resume` asks them again."""
    script(DEMO)
    left = history.load("last")
    assert left.status == "cancelled"
    assert left.replies
    assert {reply.error for reply in left.replies if reply.status != "ok"} == {"cancelled"}
    assert any(reply.text for reply in left.replies)
    finished = history.resume("last")
    assert finished.status == "ok"
    assert all(reply.usable for reply in finished.candidates)


def test_what_such_a_script_may_have_spent_is_asked_for() -> None:
    """A service's members too, and `resume` asks what they cost before it goes on."""
    with ChargingService() as service:
        script(SERVICE, service.url)
        left = history.load("last")
        assert (left.status, [reply.error for reply in left.replies]) == ("cancelled", ["cancelled"] * 2)
        begun = history.begin_derived("resume", services=service.services)
        begun.stop()
        begun.pause(20)
        assert history.load(left.run).cost == service.charged["gen-1"] + service.charged["gen-2"]


def test_a_lost_connection_in_a_stopped_run_is_asked_again() -> None:
    """An older release wrote such members as disconnected: they are asked, and what had ended otherwise is kept."""
    script(DEMO)
    left = history.load("last")
    broken = left.replies[0]
    end = CallEnded(call=broken.call, status="error", error="disconnect", maybe_billed=True)
    maintenance.append_events(left.run, [end])
    assert history.load(left.run).replies[0].error == "disconnect"
    finished = history.resume(left.run)
    assert finished.status == "ok"
    assert all(reply.usable for reply in finished.candidates)
