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
from fusion_nb.judging.analysis_reader import label_in, read_analysis, text_of
from fusion_nb.judging.free_form import says_otherwise
from fusion_nb.judging.free_form_prose import disowned, lower_is_better
from fusion_nb.judging.json_in_text import located_objects, readings
from fusion_nb.judging.ranking_reader import ordered_labels, read_ranking
from fusion_nb.judging.relaxed_json import TWICE
from fusion_nb.judging.score_reader import Scores, folded, read_scores

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
_TWO_VERDICTS = "there are two verdicts that differ"
_BARE_LIST = re.compile(r"^[ \t]*\[([^\[\]{}\n]{3,200})\][ \t.]*$", re.MULTILINE)
_MAX_BEHIND = 4_000
"""Characters looked at behind a verdict for a bare list."""
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

    @property
    def best(self) -> frozenset[str]:
        """The labels it puts first: one, or those of the highest mean."""
        if self.ranking:
            return frozenset(self.ranking[:1])
        means = {label: self.mean(label) or 0.0 for label in self.scores or ()}
        return frozenset(label for label, mean in means.items() if mean > max(means.values()) - 1e-9)

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
    for dialect, objects in enumerate(readings(text)):
        checked = [(each, _check(each, names, criteria)) for each in _verdicts(list(objects), names)]
        sound = [(value, reading) for value, reading in checked if isinstance(reading, Reading)]
        if any(_differ(sound[0][1], other) for _, other in sound[1:]):
            return Problem(_TWO_VERDICTS)
        if sound:
            first = sound[0][1]
            behind = _text_behind(text, [value for value, _ in sound]) if dialect == 0 else None
            return _contradicted(text, behind, first, names, criteria) or first
        problem = problem or next((each for _, each in checked if isinstance(each, Problem)), None)
    if problem:
        return problem
    tried = bool(_TRIED.search(text))
    return Problem("the JSON object is broken or cut off" if tried else "there is no JSON object", tried)


def _differ(one: Reading, other: Reading) -> bool:
    if (one.scores is None) != (other.scores is None):
        return one.best.isdisjoint(other.best)
    return (one.ranking, one.scores) != (other.ranking, other.scores)


def _text_behind(text: str, verdicts: Sequence[Mapping[str, Any]]) -> str:
    """What stands behind the last of the verdicts that were read as strict JSON."""
    return text[max((each.end for each in located_objects(text) if each.value in verdicts), default=len(text)) :]


def _contradicted(
    text: str, behind: str | None, reading: Reading, names: Mapping[str, str], criteria: Sequence[str]
) -> Problem | None:
    """Whether a second verdict `behind` the first, or words beside it, take it back or turn its scale round.

    `behind` is `None` where the verdict's own end is not known.
    """
    if behind and "{" in behind:
        # A judge that corrects itself is often less careful the second time: quotes, commas, a limit of tokens.
        second = read_verdict(behind, names, criteria)
        if isinstance(second, Reading) and _differ(reading, second):
            return Problem(_TWO_VERDICTS)
        if isinstance(second, Problem) and second.tried:
            return Problem(f"a second verdict stands behind the first, and {second.text}")
    words = text[text.rfind("}") + 1 :] if behind is None else behind
    best = reading.ranking[0] if reading.ranking else None
    if best is not None and (says_otherwise(words, best, list(names)) or _lists_otherwise(words, best, names)):
        return Problem("the words after the verdict say otherwise")
    if disowned(text[: text.find("{")]) or disowned(words):
        return Problem("the words beside the verdict say that it is none")
    if best is None and lower_is_better(text):
        return Problem("a lower score is said to be better: scores run from 1 to 10, 10 is best")
    return None


def _lists_otherwise(words: str, best: str, names: Mapping[str, str]) -> bool:
    """Whether a line is a bare list of labels that puts another first."""
    lists = (ordered_labels(match[1], names)[0] for match in _BARE_LIST.finditer(words[:_MAX_BEHIND]))
    return any(len(labels) > 1 and labels[0] != best for labels in lists)


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
        label in names for label in ordered_labels(ranking, names)[0]
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
    order, order_flaws, order_twice = read_ranking(_member(value, RANKING_KEYS), names)
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
