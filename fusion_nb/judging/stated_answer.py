"""What a text itself marks as its answer: a JSON field `answer`, `\\boxed{}`, `<answer>x</answer>`, a line
`Answer: x`, "the answer is x"."""

from __future__ import annotations

import json
import re

from fusion_nb.judging.json_in_text import json_objects, mend_json
from fusion_nb.judging.normalized_answer import parse_answer

TAIL = 50_000
"""Characters searched, from the end."""


_KEYS = ("answer", "final_answer", "final answer")
_FIELD = re.compile(
    r"[\"'](?:final[_ ])?answer[\"']\s*:\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^'\n]*)'|([^\s\"',}][^\n,}]*))", re.IGNORECASE
)
_LINE = re.compile(
    r"^[^\w\n]{0,12}(?:final answer|answer)[^\w\n]{0,4}(?:is)?[^\S\n]*[:=][^\S\n]*(\S.*)$|^[ \t]{0,3}####[ \t]*(\S.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_TAGGED = re.compile(r"<(?:final_)?answer>([^<]{1,2000})</(?:final_)?answer>", re.IGNORECASE)
_SENTENCE = re.compile(
    r"\banswer is:?\s+((?:(?!\banswer is\b)[^\n]){1,400}?)(?=\.(?:\s|$)|\n|$|,?[^.,\n]{0,30}\banswer is\b)",
    re.IGNORECASE,
)
_CONDITIONAL = re.compile(
    r"\b(?:if|unless|assuming|suppose|would|might|could|maybe|perhaps|possibly|wrong|incorrect|says?|claims?)\b",
    re.IGNORECASE,
)
TAKEN_BACK = re.compile(
    r"\b(?:wait|actually|correction|mistake[ns]?|instead|sorry|oops|on second thought|scratch that|"
    # "98 wrong doors" takes nothing back.
    r"(?:is|was|be|am|got it|that's|i'm) (?:wrong|incorrect)|let me (?:re|check|correct)|not right|not correct)\b",
    re.IGNORECASE,
)


def stated_answer(whole: str) -> str | None:
    """What the text itself marks as its answer; empty where that is denied, conditional or taken back; else `None`."""
    text = whole[-TAIL:]
    answer = _json_answer(text)
    if answer is not None:
        return answer
    start = text.rfind("\\boxed{")
    if start >= 0 and (boxed := _balanced(text, start + 7)) is not None:
        return "" if TAKEN_BACK.search(text, start + 7 + len(boxed)) else boxed
    tagged = list(_TAGGED.finditer(text))
    if tagged:
        return "" if TAKEN_BACK.search(text, tagged[-1].end()) else tagged[-1][1].strip()
    lines = list(_LINE.finditer(text))
    if lines:
        return "" if TAKEN_BACK.search(text, lines[-1].end()) else next(filter(None, lines[-1].groups()))
    return _answer_sentence(text)


def _answer_sentence(text: str) -> str | None:
    """The last "the answer is x": no denial, no condition, and no two of them that differ."""
    answers = dict[str, str]()
    last = None
    for match in _SENTENCE.finditer(text):
        last = match
        if not match[1].casefold().startswith(("not ", "neither ", "no ")):
            answers[parse_answer(match[1]).value] = match[1]
    if last is None:
        return None
    if len(answers) != 1 or TAKEN_BACK.search(text, last.end()):
        return ""
    window = text[max(0, last.start() - 300) : last.end()]
    sentence = window[: last.start() - last.end()].rpartition("\n")[2].rpartition(". ")[2] + last[0]
    return "" if _CONDITIONAL.search(sentence) else next(iter(answers.values()))


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


def _balanced(text: str, start: int) -> str | None:
    """What stands from `start` to the brace that closes it."""
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return text[start : brace.start()]
    return None
