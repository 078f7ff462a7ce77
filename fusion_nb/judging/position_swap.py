"""A judge asked in two orders: its scores averaged, and said where it contradicts itself.

Which answer stands first sways a judge, the more so the closer the answers are: GPT-4 is consistent under a swap in
65 % of pairs (arXiv 2306.05685). The mean of both orders is balanced position calibration (2305.17926).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fusion_nb.core import Reply, Verdict, VerdictState
from fusion_nb.judging.verdict_outcome import JudgedVerdict, equal_best, tie_order

Scores = Mapping[int, Mapping[str, float]]


def combine_swapped(first: JudgedVerdict, second: JudgedVerdict, candidates: tuple[Reply, ...]) -> JudgedVerdict:
    """One outcome of two orders. The answer of a merge is the first one's; so are rationale and analysis."""
    if not (first.decided and second.decided):
        return _one_of(first, second)
    tops = [equal_best(heard.verdict, candidates, heard.tied) for heard in (first, second)]
    agreed = not set(tops[0]).isdisjoint(tops[1])
    verdict = replace(_together(first.verdict, second.verdict, candidates), agreed=agreed)
    tied = first.tied
    if not agreed and not verdict.scores:
        # Two picks without a score: neither is better than the other.
        verdict, tied = replace(verdict, ranking=()), tuple(dict.fromkeys((*tops[0], *tops[1])))
    said = _agreement(tops, candidates) if agreed else _contradiction(tops, candidates, averaged=bool(verdict.scores))
    note = " ".join(dict.fromkeys(part for part in (first.verdict.note, second.verdict.note, said) if part))
    return replace(first, verdict=replace(verdict, note=note), tied=tied)


def _one_of(first: JudgedVerdict, second: JudgedVerdict) -> JudgedVerdict:
    """What is left where one order, or both, came to no verdict."""
    kept, lost = (second, first) if second.decided else (first, second)
    if not first.decided and not second.decided:
        note = f"{first.verdict.note} In the other order: {second.verdict.note}"
        return replace(first, verdict=replace(first.verdict, note=note))
    said = "One of the two orders came to no verdict, so nothing says whether the judge would agree with itself."
    note = " ".join(part for part in (kept.verdict.note, said, lost.verdict.note) if part)
    verdict = replace(kept.verdict, note=note, labels=first.verdict.labels)
    return replace(kept, verdict=verdict, answer=first.answer, cut=first.cut)


def _together(one: Verdict, two: Verdict, candidates: tuple[Reply, ...]) -> Verdict:
    """The first verdict with the mean of both scores, and the ranking they give."""
    state: VerdictState = one.state if one.state != "judged" else two.state
    scores = _means(one.scores, two.scores)
    if not scores:
        return replace(one, state=state, scores={}, ranking=one.ranking or two.ranking)
    made = replace(one, state=state, scores=scores)
    places = {call: sum(_place(call, its.ranking) for its in (one, two)) for call in scores}
    settles = tie_order(candidates)
    order = sorted(scores, key=lambda call: (-round(made.score(call) or 0, 9), places[call], settles[call]))
    return replace(made, ranking=tuple(order))


def _means(one: Scores, two: Scores) -> dict[int, dict[str, float]]:
    """Empty where the two do not score the same candidates by the same criteria."""
    if {call: set(its) for call, its in one.items()} != {call: set(its) for call, its in two.items()}:
        return {}
    return {call: {name: (its[name] + two[call][name]) / 2 for name in its} for call, its in one.items()}


def _place(call: int, ranking: tuple[int, ...]) -> int:
    return ranking.index(call) if call in ranking else len(ranking)


def _named(calls: list[int], candidates: tuple[Reply, ...]) -> str:
    names = [reply.ref.name for reply in candidates if reply.call in calls]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _agreement(tops: list[list[int]], candidates: tuple[Reply, ...]) -> str:
    same = [call for call in tops[0] if call in tops[1]]
    equal = "equal best" if len(same) > 1 else "best"
    return f"Asked in two orders, the judge found {_named(same, candidates)} {equal} in both."


def _contradiction(tops: list[list[int]], candidates: tuple[Reply, ...], *, averaged: bool) -> str:
    one, two = (_named(top, candidates) for top in tops)
    mean = " The scores are the mean of both orders." if averaged else ""
    return f"Asked in two orders, the judge contradicts itself: {one} is best in one, {two} in the other.{mean}"
