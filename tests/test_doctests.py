"""Every public name shows how it is used, and the example runs on the demo pool."""

from __future__ import annotations

import doctest
import inspect
from pathlib import Path
from typing import Any

import pytest

import fusion_nb


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_HOME", str(tmp_path / "home"))


def about(name: str) -> Any:
    value = getattr(fusion_nb, name)
    return type(value) if name == "defaults" else value


@pytest.mark.parametrize("name", fusion_nb.__all__)
def test_a_public_name_has_an_example_that_runs(name: str) -> None:
    """The docstring of each public name holds an example, and what it shows is what comes."""
    documented = about(name)
    names = {"fusion_nb": fusion_nb, **{each: getattr(fusion_nb, each) for each in fusion_nb.__all__}}
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(documented) or "", names, name, None, 0)
    assert example.examples, f"{name} shows no example"
    shown: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert runner.run(example, out=shown.append).failed == 0, "".join(shown)
