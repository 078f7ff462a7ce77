"""How many independent votes a pool of members is worth, by how far they err together.

k members whose errors correlate by r on average are worth k / (1 + (k - 1) r) of them (Kish's design effect; as an
effective number of votes: arXiv 2605.29800). Pure arithmetic over who was wrong in which run.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

RESAMPLES = 2_000
_BATCH = 4_000_000
"""Numbers that one batch of resamples may take."""


class EffectiveVotes(NamedTuple):
    """How many independent votes a pool is worth; at most as many as it has members.

    >>> wrong = [[1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 0, 0], [0, 1, 0]] * 40
    >>> effective_votes(("a", "b", "c"), wrong)
    1.41 of 3 votes (95 % interval 1.33 to 1.49; 200 runs)
    >>> effective_votes(("a", "b"), [[0, 0], [0, 1]]).value is None
    True
    """

    value: float | None
    """`None` where it is not known: a member is always right or always wrong, or there are fewer than two."""
    low: float | None
    high: float | None
    """The interval that 95 % of resampled sets of runs fall into (percentile bootstrap)."""
    members: tuple[str, ...]
    runs: int
    """Runs that were compared: with the truth known and all members in them."""
    correlation: float | None
    """Mean phi of the errors of two members, over all pairs."""

    def __str__(self) -> str:
        if self.value is None:
            return f"<NA> of {len(self.members)} votes ({self.runs:,} runs)"
        interval = f"95 % interval {self.low:.2f} to {self.high:.2f}; " if self.low is not None else ""
        return f"{self.value:.2f} of {len(self.members)} votes ({interval}{self.runs:,} runs)"

    def __repr__(self) -> str:
        return str(self)

    def plain(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**self._asdict(), "members": list(self.members)}


def effective_votes(
    members: tuple[str, ...], wrong: Any, *, resamples: int = RESAMPLES, seed: int = 0
) -> EffectiveVotes:
    """The effective votes of `members`.

    Args:
        members: their names.
        wrong: a row per run, a column per member: whether it was wrong.
        resamples: of the runs, with replacement, for the interval; 0 leaves it out.
        seed: of the resampling: the same runs give the same interval.
    """
    errors = np.asarray(wrong, dtype=float).reshape(-1, max(1, len(members)))
    runs = len(errors)
    if len(members) < 2 or not runs:
        return EffectiveVotes(None, None, None, members, runs, None)
    # Runs in which the same members err are alike: how often each pattern comes is all there is to draw.
    patterns, counts = np.unique(errors, axis=0, return_counts=True)
    (phi,) = _mean_phi(patterns, counts[np.newaxis].astype(float))
    if np.isnan(phi):
        return EffectiveVotes(None, None, None, members, runs, None)
    drawn = _votes(len(members), _resampled_phi(patterns, counts, resamples, seed))
    drawn = drawn[~np.isnan(drawn)]
    low, high = map(float, np.percentile(drawn, (2.5, 97.5))) if len(drawn) > resamples / 2 else (None, None)
    value = float(_votes(len(members), np.array([phi]))[0])
    return EffectiveVotes(value, low, high, members, runs, float(phi))


def _votes(members: int, phi: Any) -> Any:
    """Members that err apart more than chance would have it are not worth more than they are."""
    return members / np.maximum(1.0, 1.0 + (members - 1) * phi)


def _resampled_phi(patterns: Any, counts: Any, resamples: int, seed: int) -> Any:
    rng, runs = np.random.default_rng(seed), int(counts.sum())
    size = max(1, _BATCH // patterns.size)
    sizes = [min(size, resamples - begin) for begin in range(0, resamples, size)]
    drawn = [_mean_phi(patterns, rng.multinomial(runs, counts / runs, size=n).astype(float)) for n in sizes]
    return np.concatenate(drawn) if drawn else np.array([])


def _mean_phi(patterns: Any, weights: Any) -> Any:
    """The mean phi over all pairs of members for each row of `weights`; NaN where a member never or always errs.

    Counts are whole numbers far below 2**53, so sums are exact.
    """
    runs = weights.sum(axis=1)[:, np.newaxis, np.newaxis]
    both = (patterns.T[np.newaxis] * weights[:, np.newaxis, :]) @ patterns
    alone = np.diagonal(both, axis1=1, axis2=2)
    variance = runs[:, 0] * alone - alone**2
    first, second = np.triu_indices(patterns.shape[1], k=1)
    covariance = runs[:, 0] * both[:, first, second] - alone[:, first] * alone[:, second]
    with np.errstate(divide="ignore", invalid="ignore"):
        phi = covariance / np.sqrt(variance[:, first] * variance[:, second])
    return phi.mean(axis=1)
