"""Scores in a judge's own words: `9 8` on the first line, `K7: 8/10`, "I would give both a score of 8 out of 10".

Text is prepared for reading first: the name of each candidate becomes one character, markup is dropped.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

_FIRST = 0xE000
"""Start of Unicode's private use area: nobody's text means anything by these."""
MARK = "[\ue000-\uf8ff]"
_MARKUP = re.compile(rf"{MARK}|[*`#]+|(?<!\w)_+|_+(?!\w)")


_BLANKS = re.compile(r"[^\S\n]{2,}")
"""Runs of blanks: patterns that allow for blanks in several places would try each split of them."""


def mark_labels(text: str, names: Sequence[str]) -> str:
    """`text` without markup, where the name of candidate n stands as the one character U+E000+n."""
    plain = _BLANKS.sub(" ", _MARKUP.sub("", text))
    if not names:
        return plain
    # The longest first: where two names begin alike, the longer one is meant.
    places = sorted(range(len(names)), key=lambda place: -len(names[place]))
    pattern = "|".join(f"({_pattern(names[place])})" for place in places)
    return re.sub(pattern, lambda match: chr(_FIRST + places[(match.lastindex or 1) - 1]), plain)


def names_any(text: str, names: Sequence[str]) -> bool:
    """Whether `text` speaks of a candidate by one of `names`."""
    return re.search("|".join(map(_pattern, names)), _MARKUP.sub("", text)) is not None


def label_marks(text: str) -> tuple[int, ...]:
    """The candidates named in `text`, in the order they are named."""
    return tuple(ord(mark) - _FIRST for mark in re.findall(MARK, text))


def sentences(marked: str) -> list[str]:
    """Sentences and lines, in order. The last may be broken off."""
    return [part.strip() for part in re.split(r"(?<=[.!?])[\"')\]]*\s+|\n+", marked) if part.strip()]


def _pattern(name: str) -> str:
    """`Output (a)` with its noun in any case, `K7` with or without a noun before it."""
    noun, _, own = name.rpartition(" ")
    before = f"(?i:{re.escape(noun)}) " if noun else "(?i:(?:the )?(?:candidate|answer|response|model|assistant) )?"
    return rf"(?<![A-Za-z0-9_]){before}{re.escape(own)}(?![A-Za-z0-9_])"


_MAX_MENTIONS = 200
"""Mentions of scores looked at."""
_NUMBER = r"(?<![\d.])(?:10(?:\.0+)?|\d(?:\.\d+)?)(?!\.?\d)"
_OF_TEN = r"\s*(?:/\s*10|out of (?:10|ten))\b"
_TAIL = rf"(?={_OF_TEN}|\s*[(),;]|\.\s|\.?[^\S\n]*$)"
_AND = r"[^\S\n]*(?:,|&|,? and)[^\S\n]*"
_GROUP = rf"{MARK}(?:['’]s)?(?:{_AND}{MARK}(?:['’]s)?){{0,40}}"
_MENTION = re.compile(
    rf"{MARK}(?:['’]s)?[^\S\n]*(?:(?:score|rating)[^\S\n]*)?[:=][^\S\n]*(?P<plain>{_NUMBER}){_TAIL}"
    rf"|\b(?:scores?|ratings?|rated?)\b[^.\n\d]{{0,40}}?(?P<worded>{_NUMBER})(?![%]|[^\S\n]*[-+*x=^])"
    rf"|(?P<of_ten>{_NUMBER}){_OF_TEN}",
    re.IGNORECASE | re.MULTILINE,
)
_LIST = re.compile(
    rf"(?P<names>{_GROUP})[^.\n\d]{{0,40}}?\b(?:are|is|:)[^.\n\d]{{0,20}}?"
    rf"(?P<numbers>{_NUMBER}(?:{_OF_TEN})?(?:\s*(?:,|,? and)\s*{_NUMBER}(?:{_OF_TEN})?)+)",
    re.IGNORECASE,
)
_TUPLE = re.compile(
    rf"\b(?:scores|tuple)\b[^.\n\d(]{{0,60}}\((?P<numbers>{_NUMBER}(?:\s*,\s*{_NUMBER})+)\s*\)", re.IGNORECASE
)
_TO = re.compile(rf"(?:{_OF_TEN})?\s*(?:to|for) (?:both )?{_GROUP}", re.IGNORECASE)
_HEDGED = re.compile(
    r"\b(?:if|unless|not|could|might|should|would (?:be|have)|were|had|claims?|says?|said|asks?|wants?|deserves?|"
    r"disagree|refuse|pretend\w*|rank(?:s|ed|ing|ings)?|places?|lower|lowest|fewest|penalt(?:y|ies)|"
    r"(?:number|count) of|mistakes:|errors:)\b|n['\u2019]t\b|\?",
    re.IGNORECASE,
)
"""In the sentence of a score: it is conditional, denied, somebody else's, or counts the other way round."""
_BRACKETS = re.compile(r"\([^()\n]*\)?")
_SENTENCE = 300
"""Characters looked at on either side of a score."""
_LAST_WORD = re.compile(r"\b(?:overall|final|total|average)\b", re.IGNORECASE)
_HEADING = re.compile(rf"^[^\n]{{0,30}}?({MARK})[^\n{MARK[1:-1]}]{{0,20}}:?[^\S\n]*$", re.MULTILINE)


def first_line(text: str, count: int) -> tuple[float, ...] | None:
    """The scores, where the first line consists of `count` numbers from 0 to 10 and nothing else."""
    line = text.strip().splitlines()[0].strip()
    if count < 2 or not re.fullmatch(r"[\d.,;|\s]{3,200}", line):
        return None
    scores = tuple(float(number) for number in re.findall(r"\d+(?:\.\d+)?", line))
    return scores if len(scores) == count and max(scores) <= 10 else None


def stated_scores(marked: str, count: int) -> tuple[float, ...] | None:
    """One score for every candidate, attributed to the name it stands by. `None` where one lacks or they contradict."""
    if any(_hedged(marked, match) for pattern in (_LIST, _TUPLE, _MENTION) for match in pattern.finditer(marked)):
        return None
    lists = [_numbers(match["numbers"]) for match in (*_LIST.finditer(marked), *_TUPLE.finditer(marked))]
    whole = {tuple(numbers) for numbers in lists if len(numbers) == count}
    if len(whole) == 1:
        return whole.pop()
    scores: dict[int, list[float]] = {}
    for place, score, final in _mentions(marked, count):
        mentions = scores.setdefault(place, [])
        if final:
            mentions.clear()
        mentions.append(score)
    if set(scores) != set(range(count)) or any(len(set(mentions)) > 1 for mentions in scores.values()):
        return None
    return tuple(scores[place][0] for place in range(count))


def _hedged(marked: str, match: re.Match[str]) -> bool:
    """Whether the sentence around a score says that it is none. A reason in brackets after it may say anything."""
    before = marked[max(0, match.start() - _SENTENCE) : match.start()]
    after = marked[match.end() : match.end() + _SENTENCE]
    begin = max(before.rfind("\n"), before.rfind(". ")) + 1
    stops = [stop for stop in (after.find("\n"), after.find(". ")) if stop >= 0]
    return _HEDGED.search(_BRACKETS.sub("", before[begin:] + match[0] + after[: min(stops, default=None)])) is not None


def _numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(_NUMBER, re.sub(_OF_TEN, "", text))]


def _mentions(marked: str, count: int) -> Iterator[tuple[int, float, bool]]:
    """(candidate, score, whether it is said to be the final one), in the order of the text."""
    for match in itertools.islice(_MENTION.finditer(marked), _MAX_MENTIONS):
        score = float(match["plain"] or match["worded"] or match["of_ten"])
        begin = max(marked.rfind("\n", 0, match.start()), marked.rfind(". ", 0, match.start())) + 1
        before = marked[begin : match.start()]
        final = bool(_LAST_WORD.search(before + match[0]))
        for place in _whose(marked, before, match, count):
            yield place, score, final


def _whose(marked: str, before: str, match: re.Match[str], count: int) -> tuple[int, ...]:
    """The candidates a score belongs to: named inside the mention, before it in its sentence, or by its heading."""
    given_to = _TO.match(marked, match.end())
    for near in (match[0], given_to[0] if given_to else "", before):
        groups = re.findall(_GROUP, near)
        if groups:
            return label_marks(groups[-1])
    if count == 1 or re.search(r"\b(?:both|each|all)\b", before + match[0], re.IGNORECASE):
        return tuple(range(count))
    heading = [h[1] for h in _HEADING.finditer(marked, 0, match.start())]
    return label_marks(heading[-1] if heading else "".join(re.findall(MARK, marked[: match.start()])[-1:]))
