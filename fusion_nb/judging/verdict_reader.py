"""Reading a judge's JSON: labels are those that were offered, scores are 1 to 10, nothing contradicts itself.

Form is forgiven where the meaning is plain: labels in dress, a ranking as objects or as `K7 > M3`, a score with its
reason. Meaning is never guessed at. Of ranking and scores one is enough: where the other is flawed and does not
contradict it, it is left out and named. What contradicts itself is a `Problem`, said in words the judge can mend it by.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusion_nb.core import Analysis
from fusion_nb.core.reasoning_tags import THOUGHT_TAG, without_thoughts
from fusion_nb.judging.analysis import label_in, read_analysis, text_of
from fusion_nb.judging.free_form import says_otherwise
from fusion_nb.judging.free_form_prose import lower_is_better
from fusion_nb.judging.relaxed_json import TWICE
from fusion_nb.judging.score_reader import Scores, folded, read_score, read_scores
from fusion_nb.judging.verdict_json import located_objects, readings

RANKING_KEYS = ("ranking", "rankings", "rank", "ranks", "ranked", "order", "final ranking", "overall ranking")
SCORE_KEYS = (
    "scores",
    "score",
    "ratings",
    "criteria scores",
    "criterion scores",
    "evaluation",
    "evaluations",
    "grades",
)
WINNER_KEYS = (
    *("winner", "overall winner", "best", "best candidate", "chosen", "choice"),
    *("final verdict", "verdict", "pick"),
)
RATIONALE_KEYS = ("rationale", "reasoning", "reason", "explanation", "justification")
_TRIED = re.compile(r"[\"'\u201c]?\b(?:scores|ranking)[\"'\u201d]?\s{0,20}[:\uff1a]\s{0,20}[\[{\uff3b\uff5b]")
_MAX_PROBLEMS = 5
"""Problems named at once."""
_MAX_INNER = 200
"""Objects inside one object that are looked at."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A verdict by blind label."""

    ranking: tuple[str, ...] = ()
    """Best first: every label once, or the winner alone where the judge named no more; empty where it gave none."""
    scores: Mapping[str, Mapping[str, float]] | None = None
    rationale: str = ""
    analysis: Analysis | None = None
    answer: str = ""
    """A fused answer that stood inside the JSON instead of after it."""
    left_out: str = ""
    """What of it could not be used, in words."""

    def mean(self, label: str) -> float | None:
        scores = self.scores.get(label) if self.scores else None
        return sum(scores.values()) / len(scores) if scores else None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why no verdict could be read."""

    text: str
    tried: bool = True
    """Whether the judge tried the form it was asked for. If not, it may have used one of its own."""


def read_verdict(text: str, names: Mapping[str, str], criteria: Sequence[str]) -> Reading | Problem:
    """The verdict in `text`. `names`: offered blind label -> the member's name for people. Never raises."""
    text = visible(text)
    problem: Problem | None = None
    for objects in readings(text):
        checked = [_check(each, names, criteria) for each in _verdicts(list(objects), names)]
        sound = [reading for reading in checked if isinstance(reading, Reading)]
        if any((other.ranking, other.scores) != (sound[0].ranking, sound[0].scores) for other in sound[1:]):
            return Problem("there are two verdicts that differ")
        if sound:
            return _taken_back(text, sound[0], names) or sound[0]
        problem = problem or next((each for each in checked if isinstance(each, Problem)), None)
    if problem:
        return problem
    tried = bool(_TRIED.search(text))
    return Problem("the JSON object is broken or cut off" if tried else "there is no JSON object", tried)


def _taken_back(text: str, reading: Reading, names: Mapping[str, str]) -> Problem | None:
    """Whether the words behind the verdict take it back, or words anywhere turn its scale round."""
    best = reading.ranking[0] if reading.ranking else None
    if best is not None and says_otherwise(text[text.rfind("}") + 1 :], best, list(names)):
        return Problem("the words after the verdict say otherwise")
    if best is None and lower_is_better(text):
        return Problem("a lower score is said to be better: scores run from 1 to 10, 10 is best")
    return None


def visible(text: str) -> str:
    """`text` without the judge's thoughts. A tag that a string of its JSON speaks of is text."""
    if THOUGHT_TAG.search(text) is None:
        return text
    spans: list[tuple[int, int]] = []
    for each in located_objects(text):
        if not spans or each.start >= spans[-1][1]:
            spans.append((each.start, each.end))
    return without_thoughts(text, spans)


def _member(value: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """What stands under the first of `keys` that is there; `None` where none is, or where nothing stands there."""
    by_name = {folded(key): each for key, each in value.items() if not key.endswith(TWICE)}
    return next((by_name[key] for key in keys if by_name.get(key)), None)


def _verdicts(objects: list[dict[str, Any]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Objects with a ranking or scores; where there are none, whole objects that name a winner."""
    verdicts = [each for each in objects if _ranks_or_scores(each, names)]
    if verdicts:
        return verdicts
    # A winner that is named inside another object may be the winner by one criterion.
    inner = [each for outer in objects for each in _inner_objects(outer)]
    whole = [each for each in objects if each not in inner and not _by_criterion(each)]
    return [each for each in whole if label_in(_member(each, WINNER_KEYS), names)]


def _by_criterion(value: Mapping[str, Any]) -> bool:
    """Whether what an object says is said of one criterion."""
    return any(folded(key) in ("criterion", "aspect", "dimension", "category", "metric") for key in value)


def _ranks_or_scores(value: Mapping[str, Any], names: Mapping[str, str]) -> bool:
    if value.get("scores") or value.get("ranking"):
        return True
    ranking, scores = _member(value, RANKING_KEYS), _member(value, SCORE_KEYS)
    ranks = isinstance(ranking, (list, dict, str)) and any(
        label in names for label in _ordered_labels(ranking, names)[0]
    )
    return ranks or (isinstance(scores, dict) and any(label_in(key, names) for key in scores))


def _inner_objects(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The objects in an object; not the only member of one, which it merely wraps."""
    inner_objects, rest = list[dict[str, Any]](), [value]
    for _ in range(_MAX_INNER):
        if not rest:
            break
        members = list(rest.pop().values())
        each = [item for member in members for item in (member if isinstance(member, list) else [member])]
        inner = [item for item in each if isinstance(item, dict)]
        inner_objects += inner if len(each) > 1 else []
        rest += inner
    return inner_objects


def _check(value: Mapping[str, Any], names: Mapping[str, str], criteria: Sequence[str]) -> Reading | Problem:
    twice = [f'the key "{key}" stands twice' for key in ("scores", "ranking") if key + TWICE in value]
    order, order_flaws, order_twice = _read_ranking(_member(value, RANKING_KEYS), names)
    scores = read_scores(_raw_scores(value, names), names, criteria)
    contradictions = [*twice, *order_twice, *scores.contradictions, *_contradiction(order, scores)]
    winner = label_in(_member(value, WINNER_KEYS), names)
    if winner is None:
        pass
    elif not order and not order_flaws and not scores.present:
        order = (winner, *(label for label in names if label != winner)) if len(names) == 2 else (winner,)
    elif (order and order[0] != winner) or (scores.sound and not order and _below_top(winner, scores)):
        contradictions.append(f"{winner} is named the winner, but ranking or scores put another first")
    if contradictions:
        return Problem("; ".join(contradictions[:_MAX_PROBLEMS]))
    flaws = [*order_flaws, *scores.flaws]
    ranked, scored = bool(order) and not order_flaws, scores.sound
    if not ranked and not scored:
        return Problem("; ".join((flaws or ["it has neither scores nor a ranking"])[:_MAX_PROBLEMS]))
    usable = scores.values if scored else scores.common(order)
    answer = value.get("answer")
    return Reading(
        order if ranked else (),
        usable or None,
        text_of(_member(value, RATIONALE_KEYS), names),
        read_analysis(value.get("analysis"), names),
        answer.strip() if isinstance(answer, str) else "",
        "; ".join(flaws[:_MAX_PROBLEMS]),
    )


def _raw_scores(value: Mapping[str, Any], names: Mapping[str, str]) -> Any:
    """What stands under `scores`, or beside the ranking under the labels themselves."""
    raw = _member(value, SCORE_KEYS)
    beside = {key: each for key, each in value.items() if label_in(key, names)}
    return beside if raw is None and len(beside) == len(names) else raw


def _below_top(label: str, scores: Scores) -> bool:
    return scores.mean(label) < max(map(scores.mean, scores.values)) - 1e-9


def _contradiction(order: Sequence[str], scores: Scores) -> list[str]:
    """Where the scores put a label before one that the ranking puts before it."""
    if order and scores.sound and _below_top(order[0], scores):
        top = max(scores.values, key=scores.mean)
        return [f"the ranking puts {order[0]} first, but the scores of {top} are higher"]
    for better, worse in itertools.combinations(order, 2):
        if scores.above(worse, better):
            place = "first" if better == order[0] else f"before {worse}"
            return [f"the ranking puts {better} {place}, but the scores of {worse} are higher"]
    return []


_PLACES = ("rank", "place", "position", "order", "ranking")
_ORDINAL = re.compile(r"#?([0-9]{1,2})(?:st|nd|rd|th|\.)?")
_SEPARATORS = re.compile(r"\s*(?:[-=]?>+|\u227b|\u2192|\u00bb|,|;|\n|\bthen\b)\s*")
_NUMBERING = re.compile(r"\s*(?:#?[0-9]{1,2}(?:[.):]|st|nd|rd|th)\s*:?|[-*\u2022])\s*")
_MAX_RANKING = 4_000
"""Characters looked at of a ranking written as text."""
_MAX_DRESS = 24
"""Characters of a label with what is around it, in a ranking written as text."""
_NO_LIST = "the ranking is not a list of labels"


def _read_ranking(value: Any, names: Mapping[str, str]) -> tuple[tuple[str, ...], list[str], list[str]]:
    """(the labels it names, best first; what is wrong with it; where it contradicts itself)."""
    if not value:
        return (), [], []
    labels, problem = _ordered_labels(value, names)
    if problem:
        return (), [problem], []
    ranking = tuple(dict.fromkeys(label for label in labels if label in names))
    strangers = dict.fromkeys(label for label in labels if label not in names)
    flaws = [f"the ranking names {label!r}, which is no candidate" for label in strangers]
    flaws += [f"the ranking leaves out {label}" for label in names if label not in ranking]
    return ranking, flaws, [f"the ranking names {label} twice" for label in ranking if labels.count(label) > 1]


def _ordered_labels(value: Any, names: Mapping[str, str]) -> tuple[list[str], str]:
    """(labels or what stands in their place, best first; why there are none)."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) and not label_in(value[0], names):
        value = value[0]
    if isinstance(value, str):
        return _split_ranking(value, names)
    if isinstance(value, dict):
        value = [
            _labelled(key, each) if label_in(key, names) else {"label": each, "rank": key}
            for key, each in value.items()
        ]
    if not isinstance(value, list):
        return [], _NO_LIST
    items = value[: 2 * len(names)]
    labels = [_label_of_item(item, names) for item in items]
    places = [_place(item) for item in items]
    if all(place is None for place in places):
        return labels, ""
    if any(place is None or place < 0 for place in places) or len(set(places)) < len(places):
        return [], "the ranking does not give each candidate a place of its own"
    return [label for _, label in sorted(zip(places, labels, strict=True), key=lambda pair: pair[0] or 0)], ""


def _labelled(label: str, value: Any) -> dict[str, Any]:
    """An item of a ranking that was written by label."""
    return {"label": label, **value} if isinstance(value, dict) else {"label": label, "rank": value}


def _label_of_item(item: Any, names: Mapping[str, str]) -> str:
    """The label an item of a ranking names; what else it is, as text."""
    if not isinstance(item, dict):
        return label_in(item, names) or str(item)[:40]
    labels = {label for each in item.values() if (label := label_in(each, names))}
    return labels.pop() if len(labels) == 1 else str(item)[:40]


def _place(item: Any) -> float | None:
    """The place that an item names, or what puts it in order; `None` where it names none, -1 where it is no number."""
    if not isinstance(item, dict):
        return None
    by_name = {folded(key): each for key, each in item.items()}
    if score := next((read_score(by_name[key]) for key in ("score", "total", "points") if key in by_name), None):
        return 1000 - score.number
    place = next((str(by_name[key]) for key in _PLACES if key in by_name), None)
    number = _ORDINAL.fullmatch(place.strip().removesuffix(".0")) if place is not None else None
    return None if place is None else float(number[1]) if number else -1.0


def _split_ranking(text: str, names: Mapping[str, str]) -> tuple[list[str], str]:
    """`K7 > M3 > Q2`, `K7, M3, Q2`, or a numbered list of lines."""
    text = " \n".join(" ".join(line.split()) for line in text[:_MAX_RANKING].split("\n")).strip(" []().")
    backwards = "<" in text and ">" not in text
    parts = _SEPARATORS.split(text.replace("<", ">") if backwards else text)
    parts = [_NUMBERING.sub("", part) for part in parts if part.strip()][: 2 * len(names)]
    labels = [label for part in parts if len(part) <= _MAX_DRESS and (label := label_in(part, names))]
    # Each part is a label in dress: prose that speaks of labels is no ranking.
    if len(labels) < len(parts):
        return [], _NO_LIST
    return labels[::-1] if backwards else labels, ""
