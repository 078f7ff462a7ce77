"""What several tests share."""

import os
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

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


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
