"""The best candidate of a verdict, and the rule for ties: written once, shown whenever it was used."""

from __future__ import annotations

from collections.abc import Mapping

from fusion_nb._types import Reply, Verdict

TIE_RULE = (
    "Ties: the judge's ranking decides, then a reply that was not cut off comes before one that was, "
    "then the earlier in the pool."
)


def best(verdict: Verdict, candidates: tuple[Reply, ...], tied: tuple[int, ...] = ()) -> tuple[Reply, str]:
    """The best candidate and what people should know of the choice.

    `tied`: the calls a judge without scores or ranking called equal best.
    """
    replies = {reply.call: reply for reply in candidates}
    top = equal_best(verdict, candidates, tied)
    ranks = {call: place for place, call in enumerate(verdict.ranking)}
    precedence = tie_order(candidates)
    first = min(top, key=lambda call: (ranks.get(call, len(ranks)), precedence[call]))
    if len(top) == 1:
        return replies[first], ""
    names = [reply.ref.name for reply in candidates if reply.call in top]
    equal = f"{', '.join(names[:-1])} and {names[-1]} are equal best, {replies[first].ref.name} was taken."
    return replies[first], f"{equal} {TIE_RULE}"


def equal_best(verdict: Verdict, candidates: tuple[Reply, ...], tied: tuple[int, ...] = ()) -> list[int]:
    """The calls the judge puts before all others: one, or several that it calls equal; in pool order."""
    calls = [reply.call for reply in candidates]
    means = {call: verdict.score(call) or 0.0 for call in calls} if verdict.scores else {}
    if means:
        return [call for call in calls if means[call] > max(means.values()) - 1e-9]
    return list(verdict.ranking[:1] or tied or calls)


def tie_order(candidates: tuple[Reply, ...]) -> Mapping[int, tuple[bool, int]]:
    """What settles a tie the ranking does not: whether a call's reply was cut off, then its place in the pool."""
    return {reply.call: (reply.status == "incomplete", place) for place, reply in enumerate(candidates)}


def first_finished(candidates: tuple[Reply, ...]) -> Reply:
    """The candidate that was there first; of a debate's last round, as of any other."""
    unknown = float("inf")
    return min(candidates, key=lambda r: (unknown if r.latency is None else r.started + r.latency, r.call))
