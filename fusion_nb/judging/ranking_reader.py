"""Reading the ranking in a judge's JSON: a list of labels, objects with places, `K7 > M3`, a numbered list of lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fusion_nb.judging.analysis_reader import label_in
from fusion_nb.judging.score_reader import folded, read_score

_PLACES = ("rank", "place", "position", "order", "ranking")
_ORDINAL = re.compile(r"#?([0-9]{1,2})(?:st|nd|rd|th|\.)?")
_SEPARATORS = re.compile(r"\s*(?:[-=]?>+|\u227b|\u2192|\u00bb|,|;|\n|\bthen\b)\s*")
_NUMBERING = re.compile(r"\s*(?:#?[0-9]{1,2}(?:[.):]|st|nd|rd|th)\s*:?|[-*\u2022])\s*")
_MAX_RANKING = 4_000
"""Characters looked at of a ranking written as text."""
_MAX_DRESS = 24
"""Characters of a label with what is around it, in a ranking written as text."""
_NO_LIST = "the ranking is not a list of labels"


def read_ranking(value: Any, names: Mapping[str, str]) -> tuple[tuple[str, ...], list[str], list[str]]:
    """(the labels it names, best first; what is wrong with it; where it contradicts itself)."""
    if not value:
        return (), [], []
    labels, problem = ordered_labels(value, names)
    if problem:
        return (), [problem], []
    ranking = tuple(dict.fromkeys(label for label in labels if label in names))
    strangers = dict.fromkeys(label for label in labels if label not in names)
    flaws = [f"the ranking names {label!r}, which is no candidate" for label in strangers]
    flaws += [f"the ranking leaves out {label}" for label in names if label not in ranking]
    return ranking, flaws, [f"the ranking names {label} twice" for label in ranking if labels.count(label) > 1]


def ordered_labels(value: Any, names: Mapping[str, str]) -> tuple[list[str], str]:
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
