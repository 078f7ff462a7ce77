"""The strict reading of a judge's JSON: labels are those that were offered, scores are 1 to 10, nothing contradicts.

A verdict that cannot be read so is a `Problem`, said in words the judge can mend it by; it is never guessed at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusion_nb.core import Analysis
from fusion_nb.judging.analysis import read_analysis, text_of
from fusion_nb.judging.verdict_json import TWICE, json_objects, mend_json

KEYS = ("scores", "ranking")
"""An object is taken for a verdict if it has one of these."""
OVERALL = "overall"
"""The criterion of a judge that gave each candidate one number."""
_LABEL = re.compile(r"(?:candidate\s+)?([A-Z][1-9])", re.IGNORECASE)
_NUMBER = re.compile(r"(\d{1,2}(?:\.\d{1,6})?)(?:\s*/\s*10)?")
_TRIED = re.compile(r"\"(?:scores|ranking)\"\s*:")
_MAX_PROBLEMS = 5
"""Problems named at once."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A verdict by blind label."""

    ranking: tuple[str, ...] = ()
    """Best first, every label once; empty where the judge gave none."""
    scores: Mapping[str, Mapping[str, float]] | None = None
    rationale: str = ""
    analysis: Analysis | None = None
    answer: str = ""
    """A fused answer that stood inside the JSON instead of after it."""

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
    objects = [value for value in json_objects(text) if _is_verdict(value)] or [
        value for value in json_objects(mend_json(text)) if _is_verdict(value)
    ]
    if not objects:
        tried = bool(_TRIED.search(text))
        return Problem("the JSON object is broken or cut off" if tried else "there is no JSON object", tried)
    checked = [_check(value, names, criteria) for value in objects]
    sound = [reading for reading in checked if isinstance(reading, Reading)]
    if not sound:
        return checked[0]
    if any((other.ranking, other.scores) != (sound[0].ranking, sound[0].scores) for other in sound[1:]):
        return Problem("there are two verdicts that differ")
    return sound[0]


def _is_verdict(value: Mapping[str, Any]) -> bool:
    return any(value.get(key) for key in KEYS)


def _check(value: Mapping[str, Any], names: Mapping[str, str], criteria: Sequence[str]) -> Reading | Problem:
    problems = [f'the key "{key}" stands twice' for key in KEYS if key + TWICE in value]
    ranking = _ranking(value.get("ranking"), names, problems)
    scores = _scores(value.get("scores"), names, criteria, problems)
    if not problems and not ranking and not scores:
        problems.append("it has neither scores nor a ranking")
    answer = value.get("answer")
    reading = Reading(
        ranking,
        scores or None,
        text_of(value.get("rationale"), names),
        read_analysis(value.get("analysis"), names),
        answer.strip() if isinstance(answer, str) else "",
    )
    if not problems and ranking and scores:
        top = max(names, key=lambda label: reading.mean(label) or 0)
        if (reading.mean(ranking[0]) or 0) < (reading.mean(top) or 0) - 1e-9:
            problems.append(f"the ranking puts {ranking[0]} first, but the scores of {top} are higher")
    return Problem("; ".join(problems[:_MAX_PROBLEMS])) if problems else reading


def label_of(value: Any) -> str:
    """`K7` from `K7`, `k7` or `Candidate K7`; what else it is, as text."""
    match = _LABEL.fullmatch(value.strip()) if isinstance(value, str) else None
    return match[1].upper() if match else str(value)[:40]


def _ranking(value: Any, names: Mapping[str, str], problems: list[str]) -> tuple[str, ...]:
    if not value:
        return ()
    if not isinstance(value, list):
        problems.append("the ranking is not a list of labels")
        return ()
    labels = [label_of(item) for item in value[: 2 * len(names)]]
    _same_set("ranking", labels, names, problems)
    return tuple(labels)


def _same_set(where: str, labels: Sequence[str], names: Mapping[str, str], problems: list[str]) -> None:
    """Name every label that is unknown, missing or there twice."""
    seen = dict.fromkeys(labels)
    problems += [f"the {where} names {label!r}, which is no candidate" for label in seen if label not in names]
    problems += [f"the {where} leaves out {label}" for label in names if label not in seen]
    problems += [f"the {where} names {label} twice" for label in seen if labels.count(label) > 1 and label in names]


def _scores(
    value: Any, names: Mapping[str, str], criteria: Sequence[str], problems: list[str]
) -> dict[str, dict[str, float]]:
    if not value:
        return {}
    if not isinstance(value, dict):
        problems.append("the scores are not an object with one entry for each label")
        return {}
    labels = [label_of(key.removesuffix(TWICE)) for key in value]
    _same_set("scores object", labels, names, problems)
    if all(_number(score) is not None for score in value.values()):
        value = {label: {OVERALL: score} for label, score in value.items()}
        criteria = (OVERALL,)
    return {
        label: _criteria(label, scores, criteria, problems)
        for label, scores in zip(labels, value.values(), strict=True)
        if label in names
    }


def _criteria(label: str, value: Any, criteria: Sequence[str], problems: list[str]) -> dict[str, float]:
    numbers = {_folded(key): number for key, number in value.items()} if isinstance(value, dict) else {}
    scores = {}
    for criterion in criteria:
        number = _number(numbers.get(_folded(criterion)))
        if number is None or not 1 <= number <= 10:
            problems.append(f'{label} has no score from 1 to 10 for "{criterion}"')
        else:
            scores[criterion] = number
    return scores


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().casefold()


def _number(value: Any) -> float | None:
    """8, 8.5, "8" or "8/10" as a number; `None` for all else."""
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value.strip())
        return float(match[1]) if match else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if isinstance(value, float) or abs(value) < 1000 else math.inf
