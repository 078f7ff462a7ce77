"""Votes and agreement: who gave the same short answer, which answer most share, and how sure that makes anybody.

Pure: short answers in, groups out. Ties go to the answer of the member named first, and it is said that they did.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from fusion_nb.judging.json_in_text import json_objects, mend_json
from fusion_nb.judging.normalized_answer import ANY_NUMBER, ShortAnswer, folded_text, parse_answer
from fusion_nb.judging.short_answer import choice_letter, short_answer
from fusion_nb.judging.stated_answer import stated_answer

Extract = str | Callable[[str], Any] | None
"""How a short answer is found: a function, or a form as `core.selection_option_checks.extract` allows it; `None`: by
the cautious reading."""
_MAX_SHORT = 400
"""Characters of a text that may be nothing but an answer, with how it comes about."""
_MAX_FOLDED = 200_000
"""Characters of a text that is compared without differences of case, spaces and markup."""


@dataclass(frozen=True, slots=True)
class Vote:
    """How the members voted, by their places in the pool."""

    groups: tuple[tuple[int, ...], ...]
    """Members with the same short answer; the group that won first, then by weight, then by place."""
    unknown: tuple[int, ...]
    """Members without a short answer: they abstain."""
    tied: bool = False
    """Whether the first group weighs no more than the second: the member named first decided."""

    @property
    def winner(self) -> int | None:
        """The first member of the winning group; `None` where nobody voted."""
        return self.groups[0][0] if self.groups else None

    @property
    def dissenters(self) -> tuple[int, ...]:
        """Members with another answer than the one that won."""
        return tuple(sorted(place for group in self.groups[1:] for place in group))

    @property
    def share(self) -> float | None:
        """The largest group's part of all members asked; `None` where fewer than two answers can be compared."""
        voters = sum(map(len, self.groups))
        return len(self.groups[0]) / (voters + len(self.unknown)) if voters > 1 else None


def count_votes(answers: Sequence[ShortAnswer | None], weights: Sequence[float] | None = None) -> Vote:
    """The vote over short answers in pool order. `weights`: of each member; 1 where not given."""
    groups = _groups(answers)
    weigh = [sum(1.0 if weights is None else weights[place] for place in group) for group in groups]
    ranked = sorted(range(len(groups)), key=lambda at: (-weigh[at], groups[at][0]))
    tied = len(ranked) > 1 and abs(weigh[ranked[0]] - weigh[ranked[1]]) < 1e-9
    unknown = tuple(place for place, answer in enumerate(answers) if answer is None)
    return Vote(tuple(groups[at] for at in ranked), unknown, tied)


def _groups(answers: Sequence[ShortAnswer | None]) -> list[tuple[int, ...]]:
    """Places by answer, in pool order. A number without a unit joins the one unit its value is given in."""
    values: dict[tuple[bool, str], dict[str, list[int]]] = {}
    for place, answer in enumerate(answers):
        if answer is not None:
            values.setdefault((answer.number, answer.value), {}).setdefault(answer.unit, []).append(place)
    groups = []
    for units in values.values():
        named = [unit for unit in units if unit]
        if len(named) == 1 and "" in units:
            groups.append(tuple(sorted(units[""] + units[named[0]])))
        else:
            groups += [tuple(places) for places in units.values()]
    return sorted(groups)


def same_text(texts: Iterable[str]) -> bool:
    """Whether all texts are one, but for Unicode form, case, spaces and markup: no judge needs to compare them."""
    texts = list(texts)
    # Very long texts are compared as they are: folding would hold each of them several times.
    long = max(map(len, texts), default=0) > _MAX_FOLDED
    folded = set(texts) if long else {folded_text(text) for text in texts}
    return len(folded) == 1 and "" not in folded


def extract_answer(text: str, extract: Extract = None, prompt: str = "") -> ShortAnswer | None:
    """The short answer in `text` as `extract` finds it; `None` where it finds none. A function's errors are its own."""
    if extract is None:
        return short_answer(text, prompt)
    if callable(extract):
        return answer_of(extract(text))
    kind, _, detail = extract.partition(":")
    return _KINDS[kind.strip()](text, detail)


def answer_of(value: Any) -> ShortAnswer | None:
    """What a person's function gave, as a short answer. Writing it out may take long, or raise whatever it raises."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return ShortAnswer(str(value).casefold())
    if isinstance(value, (int, float, Decimal)):
        return parse_answer(f"{Decimal(str(value)):f}") if Decimal(str(value)).is_finite() else None
    return parse_answer(value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str))


def _number(text: str, _: str) -> ShortAnswer | None:
    """The first number of the stated answer or of a short text, without its unit; the last one of a longer text."""
    stated = stated_answer(text)
    explains = stated is None and len(text) > _MAX_SHORT
    answer = text.rstrip().rpartition("\n")[2] if explains else text if stated is None else stated
    numbers = [*_NUMBER.finditer(_without_separators(answer))]
    value = _value_of(numbers[-1 if explains else 0]) if numbers else None
    return None if value is None else ShortAnswer(value, number=True)


_NUMBER = re.compile(
    rf"(?P<number>{ANY_NUMBER.pattern})(?:[eE](?P<power>[+-]?\d{{1,4}})(?!\d|\.\d))?(?P<hex>[xX][0-9a-fA-F]+)?"
)
_CONTINENTAL = re.compile(r"(?<![\d.,])(\d{1,3}(?:\.\d{3})+),(\d+)(?![\d.,])")
_LARGEST_POWER = 30


def _without_separators(answer: str) -> str:
    """`$1,234.5`, `1_234.5`, `1'234.5`, `1.234,5` and, with a narrow or fixed blank, `1 234.5` as `1234.5`."""
    text = answer.replace("\u2212", "-")  # the minus sign of typesetting
    text = re.sub(r"(?<=\d)['\u2019\u00a0\u2009\u202f](?=\d{3}(?!\d))", "", text)
    # Nothing but `.416` is read by its digits, as the published figures of recorded answers do.
    text = re.sub(r"(?<![\w.,])\.(?=\d)(?!\d+\s*\Z)", "0.", text)
    text = _CONTINENTAL.sub(lambda match: match[1].replace(".", "") + "." + match[2], text)
    return re.sub(r"[$,]|(?<=\d)_(?=\d)", "", text)


def _value_of(match: re.Match[str]) -> str | None:
    """The number, written one way; `None` for one that is no decimal number, or larger than anybody means.

    Of a fraction it is the first number: recorded results of benchmarks are counted so. A function reads it otherwise.
    """
    power = int(match["power"] or 0)
    if (match["hex"] and match["number"] == "0") or abs(power) > _LARGEST_POWER:
        return None
    with localcontext() as exact:
        exact.prec = 100
        return f"{Decimal(match['number']).scaleb(power).normalize() + 0:f}"


def _choice(text: str, _: str) -> ShortAnswer | None:
    return choice_letter(text)


_DENIED = re.compile(r"\b(?:not|never|neither|nor)\b|n['\u2019]t\b", re.IGNORECASE)


def _label(text: str, detail: str) -> ShortAnswer | None:
    """The one label that the answer names; none where it names two, or denies it."""
    labels = {folded_text(label): label.strip() for label in detail.split(",") if label.strip()}
    stated = stated_answer(text)
    answer = folded_text(stated if stated is not None else text)
    if answer in labels:
        return ShortAnswer(answer)
    lines = [line for line in text[-50_000:].splitlines() if line.strip()]
    place = stated if stated is not None else lines[-1] if lines else ""
    longest_first = sorted(labels, key=len, reverse=True)
    pattern = rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)"
    named = set(re.findall(pattern, folded_text(place)))
    denied = _DENIED.search(re.sub(pattern, "", folded_text(place)))
    return ShortAnswer(named.pop()) if len(named) == 1 and not denied else None


def _field(text: str, detail: str) -> ShortAnswer | None:
    """What stands under a field, dotted where it is an inner one, of the last object that has it."""
    objects = [*json_objects(text)] or [*json_objects(mend_json(text))]
    values = [value for members in objects if (value := _member(members, detail.split("."))) is not None]
    return answer_of(values[-1]) if values else None


def _member(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        value = value.get(key.strip()) if isinstance(value, Mapping) else None
    return value


def _text(text: str, _: str) -> ShortAnswer | None:
    """The whole text without differences of Unicode form, case and spaces."""
    folded = folded_text(text)
    return ShortAnswer(folded) if folded else None


_KINDS: Mapping[str, Callable[[str, str], ShortAnswer | None]] = {
    "number": _number,
    "choice": _choice,
    "label": _label,
    "json": _field,
    "text": _text,
}
