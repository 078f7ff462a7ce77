"""Scores of judges that differ in severity, and their first places: the arithmetic beneath a jury."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_nb.judging.jury_scores import FirstPlace, comparable, decide, fit_effects, fit_scores, leaders, spread

TABLES = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(st.floats(1, 10), min_size=width, max_size=width), min_size=1, max_size=5)
)
HOLES = st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=6)


def columns(table: Sequence[Sequence[float]], holes: set[tuple[int, int]] = frozenset()) -> list[dict[int, float]]:
    """A judge a row, its scores by candidate."""
    return [{c: s for c, s in enumerate(row) if (j, c) not in holes} for j, row in enumerate(table)]


@given(TABLES)
def test_the_fit_is_the_mean_where_all_scored_all(table: list[list[float]]) -> None:
    """Nothing is corrected where nobody is missing."""
    means = [statistics.fmean(column) for column in zip(*table, strict=True)]
    assert list(fit_effects(columns(table)).values()) == pytest.approx(means, abs=1e-6)


@given(TABLES, HOLES, st.floats(-5, 5), st.randoms())
def test_severity_and_order_of_the_judges_change_no_difference(
    table: list[list[float]], holes: set[tuple[int, int]], more: float, shuffle: random.Random
) -> None:
    """A judge that adds a constant to all of its scores moves all candidates alike; who is named first, none."""
    judges = [scores for scores in columns(table, holes) if scores]
    linked = comparable([set(scores) for scores in judges])
    judges = [kept for scores in judges if (kept := {c: s for c, s in scores.items() if c in linked})]
    if not judges:
        return
    fitted = fit_effects(judges)
    stricter = fit_effects([{c: s + more for c, s in judges[0].items()}, *judges[1:]])
    mixed = fit_effects(shuffle.sample(judges, len(judges)))
    moved = {call: stricter[call] - more / len(judges) for call in fitted}
    assert moved == pytest.approx(fitted, abs=1e-6)
    assert mixed == pytest.approx(fitted, abs=1e-6)


def test_equal_candidates_win_equally_often() -> None:
    """Five equal candidates, the harshest of three judges recused from one: a mean lets that one win, the fit does not."""
    chance, wins, mean_wins = random.Random(7), 0, 0
    for _ in range(1000):
        table = [[7 + severity + chance.gauss(0, 0.8) for _ in range(5)] for severity in (0.5, 0.0, -2.5)]
        judges = columns(table, {(2, 0)})
        means = {c: statistics.fmean(scores[c] for scores in judges if c in scores) for c in range(5)}
        fitted = fit_effects(judges)
        wins += max(fitted, key=fitted.__getitem__) == 0
        mean_wins += max(means, key=means.__getitem__) == 0
    assert 150 < wins < 280
    assert mean_wins > 700


def test_only_what_overlapping_judges_link_is_compared() -> None:
    """Two groups without a judge in common have no scores; one candidate apart has none, the others keep theirs."""
    assert comparable([{1, 2}, {2, 3}, {4}]) == {1, 2, 3}
    assert comparable([{1, 2}, {3, 4}]) == comparable([{1}, {2}]) == comparable([]) == set()
    assert fit_scores([{1: {"a": 5}, 2: {"a": 6}}, {3: {"a": 5}, 4: {"a": 6}}]) == {}
    assert fit_scores([{1: {"a": 10}, 2: {"a": 6}}, {2: {"a": 10}, 3: {"a": 10}}])[1] == {"a": 10}  # 12 on no scale
    assert spread([{1: {"a": 5}}, {2: {"a": 6}}]) is None


def test_leaders() -> None:
    """First places, each two candidates counted over the judges that may compare them."""
    places = lambda *rows: [FirstPlace(first, frozenset(among)) for first, among in rows]  # noqa: E731
    assert leaders(places(((1,), (1, 2, 3)), ((1, 2), (1, 2, 3)))) == (1,)
    assert leaders(places(((1,), (1, 2, 3)), ((2,), (1, 2, 3)), ((1, 2), (1, 2, 3)))) == ()
    assert leaders(places(((2,), (2, 3)), ((3,), (1, 3)))) == (2,)
    apart = places(((1,), (1, 2)), ((3,), (3, 4)))
    assert (leaders(apart), decide(apart, []).winners) == ((1, 3), ())
