"""The recipe for Ray Data in docs/tables.md, run on a real Ray."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("default")
PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[None]:
    env = {"FUSION_NB_HOME": str(tmp_path / "home"), "FUSION_NB_DEMO_SPEED": "200"}
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        configure_logging=False,
        object_store_memory=200_000_000,
        runtime_env={"env_vars": env},
    )
    yield
    ray.shutdown()


def test_the_recipe_answers_every_row(cluster: None) -> None:
    """The block of the page, as it stands but for the pool."""
    (code,) = [
        block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "import ray" in block
    ]
    names: dict = {"reviews": pd.DataFrame({"review": [f"Number {n} broke." for n in range(12)]})}
    exec(code.replace("flash,haiku,gpt-mini", "demo").replace("1_000", "4"), names)
    done = names["labelled"].to_pandas()
    assert len(done) == 12
    assert set(done["review"]) == set(names["reviews"]["review"])
    assert done["status"].isin(["ok", "unjudged"]).all()
