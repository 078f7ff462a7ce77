"""The scores in a judge's JSON: one for each candidate and criterion, of ten. Other scales are told apart."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fusion_nb.judging.analysis_reader import label_in
from fusion_nb.judging.relaxed_json import TWICE

OVERALL = "overall"
"""The criterion of a judge that gave each candidate one number."""
_VALUE_KEYS = (
    "score",
    "value",
    "rating",
    "points",
    "grade",
    "mark",
    "number",
    "overall",
    "overall score",
    "final score",
)
_SCALE_KEYS = ("out of", "max", "maximum", "max score", "scale", "of")
_SCALES = {"star": "5", "stars": "5", "\u2605": "5", "%": "100", "percent": "100"}
"""Unit -> the best there is, where nothing else is said."""
_WORDS = {
    word: float(number) for number, word in enumerate("zero one two three four five six seven eight nine ten".split())
}
_NUMBER = re.compile(
    r"(?:score|rating)?\s{0,3}:?\s{0,3}(?P<number>[0-9]{1,3}(?:[.,][0-9]{1,6})?|" + "|".join(_WORDS) + r")"
    r"(?:\s{0,3}(?:/|out of|of|von|sur|de)\s{0,3}(?P<scale>[0-9]{1,3}(?:\.0)?|ten))?"
    r"\s{0,3}(?P<unit>points?|pts?\.?|stars?|%|\u2605|percent)?"
    r"\s{0,3}(?:[-\u2013\u2014:(](?(scale)(?!.*/\s?10)[^\n]{0,200}|[^0-9]{0,200}))?",
    re.IGNORECASE,
)


_ABOUT = re.compile(r"\s*(?:~|\u2248|\+|about|around|approx(?:imately|\.)?|ca\.)\s{0,3}(?=[0-9])", re.IGNORECASE)
_GRADE = re.compile(r"([A-F])\s?([+-]?)")
_RANGE = re.compile(r"([0-9]{1,2}(?:\.[0-9])?)\s?(?:-|\u2013|to)\s?([0-9]{1,2}(?:\.[0-9])?)(?:\s?(?:/|out of)\s?10)?")


class Score(NamedTuple):
    number: float
    """As of ten, where the judge named another scale."""
    of_ten: bool
    """Whether it was on the scale that was asked for, 1 to 10."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What could be read of a judge's scores."""

    present: bool = False
    """Whether there were any."""
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Label -> criterion -> score, where it is one of ten."""
    raw: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """The same on whatever scale."""
    criteria: tuple[str, ...] = ()
    flaws: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        return self.present and not self.flaws and not self.contradictions

    def mean(self, label: str) -> float:
        return _mean(self.values[label])

    def above(self, one: str, other: str) -> bool:
        """Whether `one` has the higher scores: by the mean where none is missing, else in each criterion both have."""
        if all(len(scores) == len(self.criteria) for scores in self.raw.values()):
            return _mean(self.raw.get(one, {})) > _mean(self.raw.get(other, {})) + 1e-9
        first, second = self.raw.get(one, {}), self.raw.get(other, {})
        shared = [criterion for criterion in first if criterion in second]
        return (
            bool(shared)
            and all(first[criterion] >= second[criterion] for criterion in shared)
            and any(first[criterion] > second[criterion] for criterion in shared)
        )

    def common(self, ranking: Sequence[str]) -> dict[str, dict[str, float]]:
        """Of flawed scores, the criteria that every candidate is soundly scored by, if they bear the ranking out."""
        criteria = [each for each in self.criteria if all(each in self.values.get(label, {}) for label in ranking)]
        scores = {label: {each: self.values[label][each] for each in criteria} for label in ranking if criteria}
        means = [_mean(scores[label]) for label in scores]
        return scores if all(one >= two - 1e-9 for one, two in itertools.pairwise(means)) else {}


def _mean(scores: Mapping[str, float]) -> float:
    return sum(scores.values()) / len(scores) if scores else 0.0


def folded(name: str) -> str:
    """A key by its words: case, spaces and underscores do not matter."""
    return re.sub(r"[\W_]+", " ", name[:200]).strip().casefold()


def read_scores(value: Any, names: Mapping[str, str], criteria: Sequence[str]) -> Scores:
    """The scores under the key `scores`, by label and criterion."""
    if not value:
        return Scores()
    entries = _entries(value, names, criteria)
    if entries is None:
        return Scores(True, flaws=("the scores are not an object with one entry for each label",))
    labels = [label for label, _ in entries]
    flaws = [
        f"the scores object names {label!r}, which is no candidate"
        for label in dict.fromkeys(labels)
        if label not in names
    ]
    flaws += [f"the scores object leaves out {label}" for label in names if label not in labels]
    contradictions = [f"the scores object names {each} twice" for each in names if labels.count(each) > 1]
    wanted = {folded(criterion) for criterion in criteria}
    if all(read_score(each) is not None and wanted.isdisjoint(_criteria_of(each, criteria)) for _, each in entries):
        entries = [(label, {OVERALL: each}) for label, each in entries]
        criteria = (OVERALL,)
    values: dict[str, dict[str, float]] = {}
    raw: dict[str, dict[str, float]] = {}
    for label, each in entries:
        if label in names:
            scores = _by_criterion(label, each, criteria, contradictions)
            raw[label] = {criterion: score.number for criterion, score in scores.items()}
            values[label] = {criterion: score.number for criterion, score in scores.items() if score.of_ten}
            missing = [criterion for criterion in criteria if criterion not in values[label]]
            flaws += [f'{label} has no score from 1 to 10 for "{criterion}"' for criterion in missing]
            contradictions += [
                f'the score of {label} for "{criterion}" is no number'
                for criterion in missing
                if criterion not in scores and _is_worded(_criteria_of(each, criteria).get(folded(criterion)))
            ]
    if any(raw.values()) and not any(values.values()):
        flaws = ["the scores are on another scale than 1 to 10"]
    return Scores(True, values, raw, tuple(criteria), tuple(flaws), tuple(contradictions))


def _entries(value: Any, names: Mapping[str, str], criteria: Sequence[str]) -> list[tuple[str, Any]] | None:
    """(label, its scores), whichever way round the judge wrote them."""
    if isinstance(value, list):
        rows = [row for row in value if isinstance(row, dict)]
        labelled = [(_label_of_row(row, names), row) for row in rows]
        if not rows or len(rows) < len(value) or not all(label for label, _ in labelled):
            return None
        return [(label or "", _scores_of_row(row, names)) for label, row in labelled]
    if not isinstance(value, dict):
        return None
    wanted = {folded(criterion) for criterion in criteria}
    if all(isinstance(each, dict) for each in value.values()) and {folded(key) for key in value} == wanted:
        # By criterion first, then by label.
        turned: dict[str, dict[str, Any]] = {}
        for criterion, row in value.items():
            for key, each in row.items():
                turned.setdefault(key, {})[criterion] = each
        value = turned
    return [(label_in(key.removesuffix(TWICE), names) or key[:40], each) for key, each in value.items()]


def _label_of_row(row: Mapping[str, Any], names: Mapping[str, str]) -> str | None:
    labels = {label for each in row.values() if (label := label_in(each, names))}
    return labels.pop() if len(labels) == 1 else None


def _scores_of_row(row: Mapping[str, Any], names: Mapping[str, str]) -> Any:
    inner = next((row[key] for key in row if folded(key) == "scores"), None)
    return inner if isinstance(inner, dict) else {key: each for key, each in row.items() if not label_in(each, names)}


def _criteria_of(value: Any, criteria: Sequence[str]) -> dict[str, Any]:
    """Folded criterion -> what stands there."""
    if isinstance(value, list) and len(value) == len(criteria) > 1:
        return {folded(criterion): each for criterion, each in zip(criteria, value, strict=True)}
    return {folded(key): each for key, each in value.items()} if isinstance(value, dict) else {}


def _by_criterion(label: str, value: Any, criteria: Sequence[str], contradictions: list[str]) -> dict[str, Score]:
    keys = [folded(key.removesuffix(TWICE)) for key in value] if isinstance(value, dict) else []
    numbers = _criteria_of(value, criteria)
    scores = {}
    for criterion in criteria:
        if keys.count(folded(criterion)) > 1:
            contradictions.append(f'the scores of {label} name "{criterion}" twice')
        score = read_score(numbers.get(folded(criterion)))
        if score is not None:
            scores[criterion] = score
    return scores


def _is_worded(value: Any) -> bool:
    """A text that may well say how good it is, only not as a number: whether it contradicts the rest, nobody knows."""
    return isinstance(value, str) and bool(re.search(r"\w", value))


def read_score(value: Any) -> Score | None:
    """8, 8.5, "8/10", "nine", `{"score": 8, "reason": "..."}` as a number; `None` for all else."""
    if isinstance(value, dict):
        return _score_with_reason(value)
    if isinstance(value, str):
        return _score_in_words(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    number = float(value) if isinstance(value, float) or abs(value) < 10**9 else math.inf
    return Score(number, 1 <= number <= 10) if math.isfinite(number) else None


def _score_with_reason(value: Mapping[str, Any]) -> Score | None:
    by_name = {folded(key): each for key, each in value.items()}
    scores = [by_name[key] for key in _VALUE_KEYS if key in by_name]
    score = read_score(scores[0]) if len(scores) == 1 and not isinstance(scores[0], dict) else None
    scale = next((by_name[key] for key in _SCALE_KEYS if key in by_name), None)
    ten = scale is None or str(scale).removesuffix(".0") in ("10", "1-10", "1 to 10", "1..10")
    return Score(score.number, score.of_ten and ten) if score else None


def _score_in_words(value: str) -> Score | None:
    value = _ABOUT.sub("", unicodedata.normalize("NFKC", value[:400]).replace("\ufe0f", "").replace("\u20e3", ""), 1)
    if grade := _GRADE.fullmatch(value.strip()):  # an order, and no number of ten
        return Score(2.0 * (5 - "ABCDEF".index(grade[1])) + {"+": 0.5, "-": -0.5}.get(grade[2], 0), of_ten=False)
    if between := _RANGE.fullmatch(value.strip()):
        return Score((float(between[1]) + float(between[2])) / 2, of_ten=False)
    match = _NUMBER.fullmatch(value.strip().removesuffix(".")) if len(value) < 400 else None
    if match is None:
        return None
    word = match["number"].casefold()
    number = _WORDS[word] if word in _WORDS else float(word.replace(",", "."))
    scale = (match["scale"] or _SCALES.get((match["unit"] or "").casefold(), "10")).casefold()
    top = 10.0 if scale == "ten" else float(scale)
    return Score(number * 10 / top, top == 10 and 1 <= number <= 10) if top else None
