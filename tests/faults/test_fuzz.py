"""The fuzz finds what is planted, and a short one of the real readers finds nothing; the long one is a nox session."""

from __future__ import annotations

import random

import pytest

from tests.faults.fuzz import Fuzz
from tests.faults.fuzz_targets import SEEDS, TARGETS, TOKENS
from tests.faults.fuzz_views import MARKUP


def test_the_fuzz_finds_what_is_planted() -> None:
    """A defect behind three conditions is reached by way of the lines before it, and its input is reported."""

    def planted(data: bytes, rng: random.Random) -> None:
        if data.count(b"[DONE]") < 3:
            return
        if not data.endswith(b"NaN"):
            return
        if b"null" in data:
            raise ValueError("planted")

    found = Fuzz(planted, SEEDS["decoder"], 1, rooms=[__file__]).run(runs=100_000)
    assert found.broke is not None
    assert found.error == "ValueError: planted"


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_short_fuzz(name: str) -> None:
    """A thousand inputs grown from known ones break nothing."""
    found = Fuzz(TARGETS[name], SEEDS[name], 7, tokens=MARKUP if name == "views" else TOKENS).run(runs=1000)
    assert found.broke is None, f"{found.error}\n{found.broke!r}"
    assert found.lines > 200
