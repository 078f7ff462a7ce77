"""The short answer in a text, in a form that can be compared: a number with its unit, or a few words.

The default reading is cautious. It takes what a text marks as its answer (a JSON field `answer`, `\\boxed{}`, a line
`Answer: x` or `#### x`, "the answer is x"), a text that is nothing but an answer, and, where the prompt asks for one
number and for nothing else, the number its last sentence comes to. Denials, ranges, alternatives, dates, conditions and
answers that are taken back are no numbers: in doubt there is no short answer, and nobody agrees with anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

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
from fusion_nb.judging.stated_answer import TAIL, TAKEN_BACK, stated_answer

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
    sentences = [part.strip() for part in _SENTENCES.split(prompt[-TAIL:]) if part.strip()]
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
    r"[\d:;()/\\|]|\?|,$|\b(?:not|nor|neither|or|but|if|unless|maybe|perhaps|possibly|probably|might|could|cannot|unsure|"
    r"unknown|unclear|undecided|depends|sorry|apologies|no (?:idea|answer|clue|comment)|yes and no)\b|n['\u2019]t\b"
)
"""What leaves open what is meant, by the folded text. With a figure in it a text is a number or nothing."""
_LIST_MARK = re.compile(r"^(?:[#>*\u2022-]+|\d[.)])\s+")


def _few_words(text: str) -> ShortAnswer | None:
    """A few words on one line, such as "Paris" or "(B)"."""
    words = folded_text(_LIST_MARK.sub("", text.strip())).strip("()[]{} .")
    most = 2 if text.rstrip().endswith((".", "!", "\u3002")) else _MAX_WORDS
    if "\n" in text.strip() or not re.search(r"\w", words) or len(words.split()) > most or _NO_ANSWER.search(words):
        return None
    return ShortAnswer(words)


# ---- a question for yes or no

_YES_OR_NO = re.compile(r"\byes\W{0,3}\s*(?:or|/|\|)\s*\W{0,3}no\b", re.IGNORECASE)
_IS_IT = re.compile(
    r"(?:^|[.!?:]\s+)(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had)\b[^.!?]*\?",
    re.IGNORECASE | re.MULTILINE,
)
_BEGINS = re.compile(
    r"[^\w\n]*(?:(yes|no)(?=[*_]{0,3}(?:\s*[,;:!(\u2013\u2014\u2026]|\s*(?<!o)\.|\s*\.(?!\s?\d)|\s+-\s|\W*\n|\W*$))|(y|n)\W*$)",
    re.IGNORECASE,
)
_WEIGHED = re.compile(
    r"\b(?:but|however|although|though|unless|if|depends|maybe|perhaps|might|yes|no|or)\b|\?", re.IGNORECASE
)


def _yes_or_no(text: str) -> ShortAnswer | None:
    """The yes or no that a short text begins with and does not weigh: "No, it is late."."""
    begins = _BEGINS.match(_LIST_MARK.sub("", text.strip()))
    if begins is None or len(text) > MAX_ANSWER or TAKEN_BACK.search(text):
        return None
    if _WEIGHED.search(_LIST_MARK.sub("", text.strip()), begins.end()):
        return None
    return ShortAnswer("yes" if begins[0].strip()[-1:].casefold() in "ys" else "no")


# ---- a question with choices A, B, C ...

_CHOICE = re.compile(
    r"(?:(?:option|choice|answer|letter)\s{0,3}:?\s{0,3})?[(\[]?([A-Ja-j])[)\]]?(?:[.:)\s].{0,200})?", re.S
)
_CHOSEN = re.compile(
    r"\b(?:answer|option|choice) (?:is )?:?\s{0,3}[(\[]?([A-J])[)\]]?(?![A-Za-z'\u2019])|[(\[]([A-J])[)\]]"
)
_MAX_LINE = 160
"""Characters of a text that is an answer and no explanation."""
_OFFERED = re.compile(r"^[^\S\n]*[(\[]?([A-J])[)\].:][^\S\n]+(\S.*)$", re.MULTILINE)
_BARE_CHOICE = re.compile(r"(?:option|choice|answer|letter)\W{0,4}([A-J])|([A-J]) is (?:correct|right)", re.IGNORECASE)
_CHOICE_FIRST = re.compile(
    r"[\s#>*_`\"']*(?:(?i:option|choice|answer|letter)\s)?[\s*_(\[`\"']*([A-J])[)\]*_`\"'.]*"
    r"(?:\s*[,;:\u2013\u2014]|\s+-\s|[^\S\n]*\n)"
)
_LONE_LETTER = re.compile(r"\b(?:[B-HJ]\b(?!['\u2019])|[AI]\b(?!['\u2019]|[^\S\n]+[a-z]))")


def choice_letter(text: str) -> ShortAnswer | None:
    """The letter of the choice that a text names, A to J; none where it names two."""
    stated = stated_answer(text)
    answer = (stated if stated is not None else text).strip(" *_`\n.")
    match = _CHOICE.fullmatch(answer) if stated is not None or len(answer) <= _MAX_LINE else None
    if match and (stated is not None or answer[:1] in "([" or len(answer) < 3 or answer[1:2] in ").:"):
        return ShortAnswer(match[1].upper())
    letters = {match[1] or match[2] for match in _CHOSEN.finditer(text[-TAIL:].rstrip().rpartition("\n")[2])}
    return ShortAnswer(letters.pop()) if len(letters) == 1 else None


def _offered(prompt: str) -> dict[str, str]:
    """The choices that a prompt lists from A on, by letter, their texts folded; empty where it lists none."""
    offered = {match[1]: folded_text(match[2]) for match in _OFFERED.finditer(prompt[-TAIL:])}
    return offered if len(offered) > 1 and "".join(sorted(offered)) == "ABCDEFGHIJ"[: len(offered)] else {}


def _one_of(offered: Mapping[str, str], text: str) -> ShortAnswer | None:
    """The letter of the choice that a text names, by its letter or its words."""
    folded = folded_text(text)
    bare = _BARE_CHOICE.fullmatch(folded.strip("()[] "))
    letter = choice_letter(text) or (ShortAnswer((bare[1] or bare[2]).upper()) if bare else _first_choice(text))
    stated = stated_answer(text)
    if letter is not None:
        # "A: wood is no metal, so B" names two.
        named_too = set(_LONE_LETTER.findall(text)) - {letter.value} if stated is None else ()
        return letter if letter.value in offered and not named_too else None
    named = [
        letter for letter, words in offered.items() if words == (folded if stated is None else folded_text(stated))
    ]
    return ShortAnswer(named[0]) if len(named) == 1 else None


def _first_choice(text: str) -> ShortAnswer | None:
    """The letter that a short text begins with, where what follows names no other and takes nothing back."""
    first = _CHOICE_FIRST.match(text) if len(text) <= MAX_ANSWER else None
    if first is None or TAKEN_BACK.search(text):
        return None
    others = {letter[0] for letter in _LONE_LETTER.finditer(text, first.end())} - {first[1]}
    return None if others else ShortAnswer(first[1])


# ---- the reading


def short_answer(text: str, prompt: str = "") -> ShortAnswer | None:
    """The short answer in `text` by the cautious reading; `None` where there is none to compare."""
    if offered := _offered(prompt):
        return _one_of(offered, text)
    asked_yes_or_no = bool(_YES_OR_NO.search(prompt[-TAIL:]))
    stated = stated_answer(text)
    if stated is not None:
        answer = parse_answer(stated)
        if asked_yes_or_no:
            answer = _yes_or_no(stated) or answer
        if not answer.number and asks_for_one_number(prompt):
            # "The total is $245." where a number was asked for.
            answer = _only_number(stated) or answer
        return answer if answer.value else None
    if "```" in text:
        return None
    if asked_yes_or_no:
        # Nothing else answers that: "No question." and "Hard to say." are not counted as answers of their own.
        return _yes_or_no(text)
    whole = parse_answer(text) if len(text) <= MAX_ANSWER else None
    if whole and whole.number:
        return whole
    if whole and (only := (_IS_IT.search(prompt[-TAIL:]) and _yes_or_no(text)) or _few_words(text)):
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
