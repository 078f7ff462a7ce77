"""The strict reading of a judge's JSON: labels are those that were offered, scores are 1 to 10, nothing contradicts.

A verdict that cannot be read so is a `Problem`, said in words the judge can mend it by; it is never guessed at.


JSON objects out of a model's text: fenced, with prose around, with more text after. Never raises.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from fusion_nb.core import Analysis
from fusion_nb.judging.analysis import read_analysis, text_of

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
        given = self.scores.get(label) if self.scores else None
        return sum(given.values()) / len(given) if given else None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why no verdict could be read."""

    text: str
    tried: bool = True
    """Whether the judge tried the form it was asked for. If not, it may have used one of its own."""


def read_verdict(text: str, names: Mapping[str, str], criteria: Sequence[str]) -> Reading | Problem:
    """The verdict in `text`. `names`: offered blind label -> the member's name for people. Never raises."""
    found = [o for o in json_objects(text) if _is_verdict(o)] or [
        o for o in json_objects(mend_json(text)) if _is_verdict(o)
    ]
    if not found:
        tried = bool(_TRIED.search(text))
        return Problem("the JSON object is broken or cut off" if tried else "there is no JSON object", tried)
    checked = [_check(value, names, criteria) for value in found]
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
    found = _LABEL.fullmatch(value.strip()) if isinstance(value, str) else None
    return found[1].upper() if found else str(value)[:40]


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
    if all(_number(given) is not None for given in value.values()):
        value = {label: {OVERALL: given} for label, given in value.items()}
        criteria = (OVERALL,)
    made = {}
    for label, given in zip(labels, value.values(), strict=True):
        if label in names:
            made[label] = _criteria(label, given, criteria, problems)
    return made


def _criteria(label: str, given: Any, criteria: Sequence[str], problems: list[str]) -> dict[str, float]:
    held = {_plain(key): number for key, number in given.items()} if isinstance(given, dict) else {}
    made = {}
    for criterion in criteria:
        number = _number(held.get(_plain(criterion)))
        if number is None or not 1 <= number <= 10:
            problems.append(f'{label} has no score from 1 to 10 for "{criterion}"')
        else:
            made[criterion] = number
    return made


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().casefold()


def _number(value: Any) -> float | None:
    """8, 8.5, "8" or "8/10" as a number; `None` for all else."""
    if isinstance(value, str):
        found = _NUMBER.fullmatch(value.strip())
        return float(found[1]) if found else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if isinstance(value, float) or abs(value) < 1000 else math.inf


MAX_CHARS = 256_000
"""Longer texts are cut: nothing a judge is asked for comes near."""
TWICE = " (twice)"
"""Ends the name of a key that stands a second time in its object: a reader finds one too many instead of losing one."""
_MOST = 100
"""Places looked at: enough for code quoted before the verdict, few enough for hostile text."""
_OPENING = re.compile(r"\{\s*\"[^\"\\\n]{1,80}\"\s*:")
_ESCAPE = re.compile(r"\\([\"\\/bfnrt]|u[0-9a-fA-F]{4})|\\")
_COMMA = re.compile(r",(\s*[}\]])")


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Every JSON object that begins somewhere in `text` and is complete, outermost first, in order."""
    bounded = text[:MAX_CHARS]
    for _, found in zip(range(_MOST), _OPENING.finditer(bounded), strict=False):
        value = _decode(bounded, found.start())
        if value is not None:
            yield value


def mend_json(text: str) -> str:
    """`text` without the two commonest slips of models that write JSON by hand: LaTeX's backslashes, a last comma."""
    escaped = _ESCAPE.sub(lambda found: found[0] if found[1] else r"\\", text[:MAX_CHARS])
    return _COMMA.sub(r"\1", escaped)


def _decode(text: str, place: int) -> dict[str, Any] | None:
    # strict=False: line breaks inside strings are as common as they are harmless.
    decoder = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_unique, strict=False)
    try:
        value, _ = decoder.raw_decode(text, place)
    except (ValueError, RecursionError):
        # Not JSON, cut off, NaN, a number of 5,000 digits; or nested deeper than Python goes.
        return None
    return value if isinstance(value, dict) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        made[key + TWICE if key in made else key] = value
    return made
