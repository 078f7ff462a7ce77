"""What several tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.replay import Replay, replay_server

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
    yield
    del os.environ["FUSION_NB_HOME"]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees, or sends, a key of whoever runs it; the demo does not dawdle."""
    for name in [n for n in os.environ if n.endswith(("_API_KEY", "_API_TOKEN"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "20")
