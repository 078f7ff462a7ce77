"""The short answer in a text, in a form that can be compared: a number with its unit, or a few words.

The default reading is cautious. It takes what a text marks as its answer (a JSON field `answer`, `\\boxed{}`, a line
`Answer: x` or `#### x`, "the answer is x"), a text that is nothing but an answer, and, where the prompt asks for one
number and for nothing else, the number its last sentence comes to. Denials, ranges, alternatives, dates, conditions and
answers that are taken back are no numbers: in doubt there is no short answer, and nobody agrees with anybody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from fusion_nb.judging.normalized_answer import (
    ANY_NUMBER,
    CURRENCY_SIGNS,
    MAX_ANSWER,
    MONTH,
    SEPARATE_NUMBER,
    ShortAnswer,
    folded_text,
    number_with_unit,
    parse_answer,
)
from fusion_nb.judging.verdict_json import json_objects, mend_json

_TAIL = 50_000
"""Characters searched, from the end."""


# ---- what a text marks as its answer

_KEYS = ("answer", "final_answer", "final answer")
_FIELD = re.compile(
    r"[\"'](?:final[_ ])?answer[\"']\s*:\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^'\n]*)'|([^\s\"',}][^\n,}]*))", re.IGNORECASE
)
_LINE = re.compile(
    r"^[^\w\n]{0,12}(?:final answer|answer)[^\w\n]{0,4}(?:is)?[^\S\n]*[:=][^\S\n]*(\S.*)$|^[ \t]{0,3}####[ \t]*(\S.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE = re.compile(
    r"\banswer is:?\s+((?:(?!\banswer is\b)[^\n]){1,400}?)(?=\.(?:\s|$)|\n|$|,?[^.,\n]{0,30}\banswer is\b)",
    re.IGNORECASE,
)
_CONDITIONAL = re.compile(
    r"\b(?:if|unless|assuming|suppose|would|might|could|maybe|perhaps|possibly|wrong|incorrect|says?|claims?)\b",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:wait|actually|correction|mistake[ns]?|instead|sorry|oops|on second thought|scratch that|"
    # "98 wrong doors" takes nothing back.
    r"(?:is|was|be|am|got it|that's|i'm) (?:wrong|incorrect)|let me (?:re|check|correct)|not right|not correct)\b",
    re.IGNORECASE,
)


def stated_answer(whole: str) -> str | None:
    """What the text itself marks as its answer; empty where that is denied, conditional or taken back; else `None`."""
    text = whole[-_TAIL:]
    answer = _json_answer(text)
    if answer is not None:
        return answer
    start = text.rfind("\\boxed{")
    if start >= 0 and (boxed := _balanced(text, start + 7)) is not None:
        return "" if _TAKEN_BACK.search(text, start + 7 + len(boxed)) else boxed
    lines = list(_LINE.finditer(text))
    if lines:
        return "" if _TAKEN_BACK.search(text, lines[-1].end()) else next(filter(None, lines[-1].groups()))
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
    if len(answers) != 1 or _TAKEN_BACK.search(text, last.end()):
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


# ---- a question for one number

_OPERATOR = r"[-+*/x\u00d7\u00f7^\u2212]"
_ARITHMETIC = r"[\d\s.,+*/()x\u00d7\u00f7^\u2212-]"
_ASKS = re.compile(
    r"\bhow (?:many|much|far|old|tall|fast|big|high|heavy|deep|wide|large|long)\b|\bsolve for\b"
    r"|\b(?:what(?:'s| is| was| are| were| will be| would be)|calculate|compute|find|determine|work out)\b"
    r"(?: \S+){0,5}? (?:sum|product|number|value|total|average|mean|probability|percentage|percent|area|volume|"
    r"perimeter|cost|price|age|distance|height|length|weight|width|speed|difference|remainder|result|amount|profit)\b"
    rf"|^(?:what(?:'s| is)|calculate|compute|evaluate)? ?[\d(]{_ARITHMETIC}*{_OPERATOR}\s?\(?\d{_ARITHMETIC}*=?$",
    re.IGNORECASE,
)
_ASKS_MORE = re.compile(
    r"\b(?:write|code|function|program|script|query|essay|why|explain|list|name|compare|describe|each|respectively)\b"
    r"|(?:\band|\bor|,|;)\s+(?:\w+\s+)?(?:which|who|whom|whose|why|where|when|how|what)\b"
    r"|^(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had)\b",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")
_CONCLUDES = re.compile(
    r"=|\b(?:so|therefore|thus|hence|is|are|was|were|has|have|had|equals?|makes?|gives?|leaves?|costs?|needs?|gets?|"
    r"pays?|takes?|earns?|spends?|be)\b"
)
_DENIED = re.compile(
    r"\b(?:not|no|nor|neither|never|or|but|between|if|unless|assuming|suppose|imagine|maybe|perhaps|possibly|might|"
    r"could|would|cannot|than|least|most|under|over|above|below|up to|fewer|less|more|anything|except|half|twice|"
    r"double|says?|claims?|wrong|incorrect)\b|n['\u2019]t\b|[?\u2013\u2014<>\u2264\u2265\u221a\u00b1~]",
)
_RANGE = re.compile(r"\d\s?[-:]\s?\d|\d\+")


def asks_for_one_number(prompt: str) -> bool:
    """Whether the prompt comes to one question, and that one to a number."""
    sentences = [part.strip() for part in _SENTENCES.split(prompt[-_TAIL:]) if part.strip()]
    questions = [part for part in sentences if part.endswith("?")] or sentences[-1:]
    return len(questions) == 1 and bool(_ASKS.search(questions[0].rstrip("?"))) and not _ASKS_MORE.search(questions[0])


def _concluding_number(text: str) -> ShortAnswer | None:
    """The number that the last sentence comes to: the only one that follows its last "so", "is" or "="."""
    sentence = folded_text(_SENTENCES.split(text.rstrip()[-2000:])[-1])
    clause = next((each for each in reversed(_CONCLUDES.split(sentence)) if ANY_NUMBER.search(each)), "")
    number = SEPARATE_NUMBER.search(clause)
    if number is None or len(re.findall(r"\d+(?:[.,]\d+)*", clause)) > 1 or MONTH.search(sentence):
        return None
    if _DENIED.search(sentence) or ("=" not in sentence and _RANGE.search(sentence)):
        return None
    sign = re.search(rf"[{CURRENCY_SIGNS}]\s?$", clause[: number.start()])
    return number_with_unit(clause[sign.start() if sign else number.start() :].strip(), alone=False)


def _only_number(text: str) -> ShortAnswer | None:
    """The number of a sentence that has no other."""
    return _concluding_number(text) if len(text) <= MAX_ANSWER and len(ANY_NUMBER.findall(text)) == 1 else None


# ---- a text that is nothing but an answer

_MAX_WORDS = 4
"""Of a text without a full stop; with one, three words are a sentence."""
_NO_ANSWER = re.compile(
    r"\d|\?|[:,;]$|\b(?:not|nor|neither|or|but|if|unless|maybe|perhaps|possibly|probably|might|could|cannot|unsure|unknown|"
    r"unclear|undecided|depends|sorry|apologies|n/a|no (?:idea|answer|clue)|yes and no)\b|n['\u2019]t\b"
)
"""What leaves open what is meant, by the folded text. With a figure in it a text is a number or nothing."""
_YES_OR_NO = re.compile(
    r"\byes\b\W+(?:or|and)?\W*no\b|(?:^|[.!?:]\s+)(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had)\b"
    r"[^.!?]*\?",
    re.IGNORECASE | re.MULTILINE,
)
_BEGINS = re.compile(r"(yes|no)\s?[,.;!\u2013\u2014-]")
_WEIGHED = re.compile(r"\b(?:but|however|although|though|unless|depends|maybe|perhaps|yes|no|or)\b|\?")


def _only_answer(text: str, prompt: str) -> ShortAnswer | None:
    """A few words on one line, such as "Paris" or "(B)"; "No, it is late." where the prompt asks for yes or no."""
    words = folded_text(text).strip("()[]{} .")
    if "\n" in text.strip() or not re.search(r"\w", words):
        return None
    begins = _BEGINS.match(words)
    if begins is None:
        most = 2 if text.rstrip().endswith((".", "!", "\u3002")) else _MAX_WORDS
        return None if len(words.split()) > most or _NO_ANSWER.search(words) else ShortAnswer(words)
    if _WEIGHED.search(words, begins.end()) or _TAKEN_BACK.search(words):
        return None
    return ShortAnswer(begins[1]) if _YES_OR_NO.search(prompt[-_TAIL:]) else None


# ---- the reading


def short_answer(text: str, prompt: str = "") -> ShortAnswer | None:
    """The short answer in `text` by the cautious reading; `None` where there is none to compare."""
    stated = stated_answer(text)
    if stated is not None:
        answer = parse_answer(stated)
        if not answer.number and asks_for_one_number(prompt):
            # "The total is $245." where a number was asked for.
            answer = _only_number(stated) or answer
        return answer if answer.value else None
    if "```" in text:
        return None
    whole = parse_answer(text) if len(text) <= MAX_ANSWER else None
    if whole and whole.number:
        return whole
    if whole and (only := _only_answer(text, prompt)):
        return only
    return _concluding_number(text) if asks_for_one_number(prompt) else None


def final_answer(text: str, prompt: str = "") -> ShortAnswer:
    """The short answer, or the whole text where there is none: what tells whether somebody changed their mind."""
    return short_answer(text, prompt) or ShortAnswer(folded_text(text))


def agreed(texts: Iterable[str], prompt: str) -> bool:
    """Whether every answer to `prompt` comes to the same. In doubt they do not."""
    answers = [final_answer(text, prompt) for text in texts]
    return all(one.value and one.agrees_with(other) for one in answers for other in answers)


def matches(text: str, expected: str, prompt: str = "") -> bool:
    """Whether the short answer in `text` is the expected one; `160 minutes` is where 160 is expected."""
    stated = stated_answer(expected)
    return final_answer(text, prompt).agrees_with(parse_answer(expected if stated is None else stated))
