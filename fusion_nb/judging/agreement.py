"""Whether answers agree, and whether one has changed: a plain comparison of the short answers in them.

Found in this order: a JSON field `answer`, `\\boxed{}`, a line `Answer: x` or `#### x`, "the answer is x"; for a
question about a number, the last number of the last line. Where there is none of these, the whole text counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal

from fusion_nb.judging.verdict_json import json_objects, mend_json

_TAIL = 50_000
"""Characters searched, from the end."""
_KEYS = ("answer", "final_answer", "final answer")
_FIELD = re.compile(
    r"[\"'](?:final[_ ])?answer[\"']\s*:\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^'\n]*)'|([^\s\"',}][^\n,}]*))", re.IGNORECASE
)
_LINE = re.compile(
    r"^[^\w\n]{0,12}(?:final answer|answer)[^\w\n]{0,4}(?:is)?[^\S\n]*[:=][^\S\n]*(\S.*)$|^[ \t]{0,3}####[ \t]*(\S.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE = re.compile(r"\b(?:final )?answer is:?\s+(.+?)(?=\.(?:\s|$)|\n|$)", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])[-\u2212]?(?:\d{1,3}(?:,\d{3})+|\d{1,30})(?:\.\d{1,30})?(?![\w]|\.\d)")
_NUMERIC = re.compile(
    r"\bhow (?:many|much|far|long|old|tall|fast|big|often)\b|\b(?:calculate|compute|evaluate)\b|\bsolve for\b"
    r"|\bwhat is the (?:\w+ ){0,3}(?:sum|product|number|value|total|average|probability|percentage|area|cost|price)\b"
    r"|\d\s*[-+*/\u00d7\u00f7^]\s*\d",
    re.IGNORECASE,
)
_OPEN = re.compile(r"\b(?:write|code|function|program|script|query|essay|why)\b", re.IGNORECASE)
"""Asks for more than a number, whatever numbers it speaks of."""


def agreed(texts: Iterable[str], prompt: str) -> bool:
    """Whether every answer to `prompt` comes to the same."""
    answers = {final_answer(text, prompt) for text in texts}
    return len(answers) == 1 and "" not in answers


def final_answer(text: str, prompt: str = "") -> str:
    """The short answer in `text`, in a form that can be compared; the whole text, evened out, where it has none."""
    question = prompt[-_TAIL:]
    numeric = bool(_NUMERIC.search(question)) and not _OPEN.search(question)
    answer = _stated(text)
    if answer is None and numeric and "```" not in text:
        numbers = _NUMBER.findall(text.rstrip().rpartition("\n")[2])
        answer = numbers[-1] if numbers else None
    return _even(text, numeric=False) if answer is None else _even(answer, numeric=numeric)


def matches(text: str, expected: str, prompt: str = "") -> bool:
    """Whether the short answer in `text` is the expected one; `160 minutes` is where 160 is expected."""
    short, wanted = final_answer(text, prompt), final_answer(expected, prompt)
    return short == wanted or (bool(_NUMBER.fullmatch(wanted)) and _even(short, numeric=True) == wanted)


def _stated(whole: str) -> str | None:
    """What the text itself marks as its answer."""
    text = whole[-_TAIL:]
    for reading in (_json_answer, _boxed):
        answer = reading(text)
        if answer is not None:
            return answer
    for pattern in (_LINE, _SENTENCE):
        answers = [next(value for value in match.groups() if value) for match in pattern.finditer(text)]
        if answers:
            return answers[-1]
    return None


def _json_answer(text: str) -> str | None:
    """The field `answer` of the last JSON object that has one, be the object broken or not."""
    answer = None
    for members in [*json_objects(text)] or [*json_objects(mend_json(text))]:
        for key, value in members.items():
            if key.strip().casefold() in _KEYS and value not in (None, "", [], {}):
                answer = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    if answer is not None:
        return answer
    broken = [next((v for v in match.groups() if v is not None), "") for match in _FIELD.finditer(text)]
    return broken[-1].strip() or None if broken else None


def _boxed(text: str) -> str | None:
    """What stands in the last `\\boxed{}`, braces inside it balanced."""
    start = text.rfind("\\boxed{")
    depth = 0
    for place in range(start + 6, len(text)) if start >= 0 else ():
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return text[start + 7 : place]
    return None


def _even(answer: str, *, numeric: bool) -> str:
    """Two answers that mean the same, as one text: case, spaces, markup, a last full stop; numbers by value."""
    text = (
        re.sub(r"\s+", " ", re.sub(r"[*`$\u20ac\u00a3\"]|\\[()\[\]]|(?<!\w)_+|_+(?!\w)", "", answer))
        .strip(" .!'")
        .casefold()
    )
    bare = text.replace("\\%", "%").rstrip("% ")
    if _NUMBER.fullmatch(bare):
        return _value(bare)
    numbers = {_value(number) for number in _NUMBER.findall(bare)} if numeric and len(bare) < 80 else set()
    return numbers.pop() if len(numbers) == 1 else text


def _value(number: str) -> str:
    value = Decimal(number.replace(",", "").replace("\u2212", "-")).normalize()
    return f"{value + 0:f}"
