"""The judge's analysis: OpenRouter Fusion's five lists, each item checked, blind labels turned into names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fusion_nb.core import Analysis, Contradiction, PartialCoverage, Stance, UniqueInsight

MAX_TEXT = 8_000
"""Characters kept of the rationale, and of any one item."""
MAX_ITEMS = 40
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character: JSON can spell it, UTF-8 cannot hold it."""

_PLACEHOLDER = re.compile(r"<[^<>\n]{1,80}>")
"""What the prompt's example says in place of a text: some judges copy it."""


_NOUN = r"(?:candidate|assistant|response|answer|output|model|option|reply|solution)"
_LABEL = re.compile(rf"(?<![A-Za-z0-9])(?:{_NOUN})?([A-Za-z][1-9])(?![A-Za-z0-9])", re.IGNORECASE)
_NOT_A_NAME = re.compile(
    r"\b(?:not|no|neither|nor|or|and|vs|versus|than|except|but|without|unlike|other|against)\b", re.I
)
_MAX_NAME = 60
_REASON = re.compile(r"(?<=\d)[*_`)\]]{0,3}\s*(?::|\(|\s[-\u2013\u2014]\s)")


def label_in(value: Any, names: Mapping[str, str]) -> str | None:
    """The one label that a name holds: `k7`, `Candidate K7`, `**K7**`, `response_k7`. `None` for none, or for two."""
    if not isinstance(value, str):
        return None
    # `K7: right in all parts` is a name with a reason behind it.
    value = _REASON.split(value[:400], maxsplit=1)[0] or value
    if len(value) > _MAX_NAME or _NOT_A_NAME.search(value):
        return None
    labels = {match[1].upper() for match in _LABEL.finditer(value)} & set(names)
    return labels.pop() if len(labels) == 1 else None


def resolve_labels(text: str, names: Mapping[str, str]) -> str:
    """`text` with each blind label that stands as a word replaced by the member's name, so that people can read it."""
    if not names:
        return text
    # ASCII borders: in Chinese or Japanese a label stands between letters without a space.
    pattern = rf"(?<![A-Za-z0-9_])(?:[Cc]andidates? )?({'|'.join(map(re.escape, names))})(?![A-Za-z0-9_])"
    return re.sub(pattern, lambda match: names[match[1]], text)


def text_of(value: Any, names: Mapping[str, str]) -> str:
    """A text of the judge for people: bounded, blind labels replaced; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    text = _SURROGATE.sub("\ufffd", value).strip()
    if _PLACEHOLDER.fullmatch(text):
        return ""
    short = text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + " [...]"
    return resolve_labels(short, names)


def read_analysis(value: Any, names: Mapping[str, str]) -> Analysis | None:
    """The five lists without items that cannot be used; `None` where the judge gave no analysis."""
    if not isinstance(value, dict):
        return None
    contradictions = [_contradiction(item, names) for item in _dicts(value.get("contradictions"))]
    partial = [_partial(item, names) for item in _dicts(value.get("partial_coverage"))]
    insights = [_insight(item, names) for item in _dicts(value.get("unique_insights"))]
    return Analysis(
        consensus=_texts(value.get("consensus"), names),
        contradictions=[item for item in contradictions if item],
        partial_coverage=[item for item in partial if item],
        unique_insights=[item for item in insights if item],
        blind_spots=_texts(value.get("blind_spots"), names),
    )


def _items(value: Any) -> list[Any]:
    return value[:MAX_ITEMS] if isinstance(value, list) else []


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in _items(value) if isinstance(item, dict)]


def _texts(value: Any, names: Mapping[str, str]) -> list[str]:
    return [text for item in _items(value) if (text := text_of(item, names))]


def _member(value: Any, names: Mapping[str, str]) -> str | None:
    """The name of the member behind a label; `None` for a label nobody has."""
    label = label_in(value, names)
    return names[label] if label else None


def _contradiction(item: Mapping[str, Any], names: Mapping[str, str]) -> Contradiction | None:
    stances = [
        Stance(model=member, stance=stance)
        for each in _dicts(item.get("stances"))
        if (member := _member(each.get("model"), names)) and (stance := text_of(each.get("stance"), names))
    ]
    topic = text_of(item.get("topic"), names)
    return Contradiction(topic=topic, stances=stances) if topic and stances else None


def _partial(item: Mapping[str, Any], names: Mapping[str, str]) -> PartialCoverage | None:
    models = [member for each in _items(item.get("models")) if (member := _member(each, names))]
    point = text_of(item.get("point"), names)
    return PartialCoverage(models=models, point=point) if point and models else None


def _insight(item: Mapping[str, Any], names: Mapping[str, str]) -> UniqueInsight | None:
    member, insight = _member(item.get("model"), names), text_of(item.get("insight"), names)
    return UniqueInsight(model=member, insight=insight) if member and insight else None
