"""What several tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.replay import Replay, replay_server

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def replay() -> Iterator[Replay]:
    with replay_server() as replay:
        yield replay


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees, or sends, a key of whoever runs it; the demo does not dawdle."""
    for name in [n for n in os.environ if n.endswith(("_API_KEY", "_API_TOKEN"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "20")
