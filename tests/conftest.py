"""What several tests share."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from fusion_nb.options import defaults
from tests.replay import Replay, replay_server

TEST_KEYS = (
    "FAULT_KEY", "WELL_KEY", "OWN_API_KEY", "CANARY_API_KEY", "SPEND_TEST_KEY",
    *(f"{name}_{number}" for name in ("KEY", "WELL") for number in range(100)),
)  # fmt: skip
"""Variables that tests keep keys in, for servers on a port of this machine."""
SHARED = Path(__file__).parents[2] / "shared"

SLOW_FOLDERS = ("browser", "faults", "judge_attacks", "servers")
SLOW_FILES = (
    "test_background", "test_embedded", "test_forecast", "test_growth", "test_journal_damage", "test_journal_index",
    "test_linear_judging", "test_markdown", "test_notebooks", "test_options", "test_recorded", "test_selection", "test_selection_recorded", "test_spending_property", "test_supply_chain",
    "test_terminal",
)  # fmt: skip
"""What daily work (`nox -s check`) does without: files that take more than some ten seconds on two cores."""

# Servers and engines that others wrote are installed by a session of their own.
collect_ignore = [] if os.environ.get("FUSION_NB_SERVERS") else ["servers"]
collect_ignore += [] if os.environ.get("FUSION_NB_ENGINES") else ["engines"]

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name in SLOW_FOLDERS or item.path.stem in SLOW_FILES:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises `KeyboardInterrupt`, as in a notebook: a worker of pytest-xdist ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def replay() -> Iterator[Replay]:
    with replay_server() as replay:
        yield replay


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes into the journal of whoever runs it; kernels started by tests inherit this."""
    os.environ["FUSION_NB_HOME"] = str(tmp_path_factory.mktemp("home"))
    os.environ["FUSION_NB_TRUST"] = f"http://127.0.0.1:* {' '.join(TEST_KEYS)}"
    yield
    del os.environ["FUSION_NB_HOME"], os.environ["FUSION_NB_TRUST"]


@pytest.fixture(autouse=True)
def own_defaults() -> Iterator[None]:
    """No test sets a default for the tests after it."""
    yield
    defaults().reset()


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees, or sends, a key of whoever runs it; the demo does not dawdle."""
    for name in [n for n in os.environ if n.endswith(("_API_KEY", "_API_TOKEN"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "20")
