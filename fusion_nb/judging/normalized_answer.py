"""Answers in one spelling, so that they can be compared: a number with its unit, or a text without its markup."""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

MAX_ANSWER = 200
"""Characters of a number with its unit; longer answers are compared as texts."""


@dataclass(frozen=True, slots=True)
class ShortAnswer:
    """What a text comes to. Two texts agree where their short answers do."""

    value: str
    """A number in one spelling, or a text without differences of case, spaces and markup."""
    unit: str = ""
    """Of a number, in one spelling; empty where none is named."""
    number: bool = False

    def agrees_with(self, other: ShortAnswer) -> bool:
        """The same value; numbers also where only one of them names a unit."""
        same = (self.number, self.value) == (other.number, other.value)
        return same and (not self.unit or not other.unit or self.unit == other.unit)


_MARKUP = re.compile(r"[*`\"\u201c\u201d]|\\[()\[\]]|(?<!\w)_+|_+(?!\w)")
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d{1,30})(?:\.\d{1,30})?"
SEPARATE_NUMBER = re.compile(rf"(?<![\w.,/^])[-\u2212]?{_DIGITS}(?!\w|[.,/^]\d)")
_CURRENCIES = {"$": "dollar", "\u20ac": "euro", "\u00a3": "pound sterling", "\u00a5": "yen", "us$": "dollar"}
CURRENCY_SIGNS = "".join(re.escape(sign) for sign in "$\u20ac\u00a3\u00a5")
_PLAIN = re.compile(
    r"(?:(?:it is|it's|there are|there is|about|approximately|approx\.?|roughly|around|exactly|only|just|a total of|~|"
    r"\u2248|[a-z]\s?=|=|equals)\s*)*"
    rf"(?P<sign>[-\u2212]|minus |negative )?\s?(?:us)?(?P<currency>[{CURRENCY_SIGNS}])?\s?(?P<inner>[-\u2212])?"
    rf"(?P<digits>{_DIGITS})(?:st|nd|rd|th)?(?!\w|[.,/^:-]\s?\d)(?P<unit>[^0-9]*)"
)
_SUM = re.compile(rf"[\d\s.,+*/()x\u00d7\u00f7{CURRENCY_SIGNS}%\u2212-]+=\s?(?P<result>[^=]+)")
ANY_NUMBER = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?")
"""Any number, in whatever it stands."""
_MULTIPLIERS = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_NO_UNIT = frozenset(
    "in left total altogether remaining overall now then together of for at on by with from after before during each "
    "every because as since so which that is are was were has have who there here too as well".split()
)
"""After one of these words nothing more is said about what was counted."""
_NOTHING_MORE = frozenset("in left total altogether remaining overall now of the all them too as well".split())
_NO_NUMBER = re.compile(
    r"\b(?:or|not|no|nor|and|to|than|below|above|under|over|less|more|fewer|least|most|between|without|minus|plus|"
    r"but|if|unless|assuming|suppose|would|could|might|maybe|perhaps|possibly|either|cannot|except|anything|half|twice|"
    r"double|quarter|third|times|up|off|squared|cubed|factorial|power|"
    r"wrong|incorrect|false|impossible|ago|bc|bce)\b|n['\u2019]t\b|[?^/\u2013\u2014~\u00b1<>\u2264\u2265=+\u221a]|(?<!\w)-(?!\w)"
)
"""Words and signs around a number that make something else of it."""
MONTH = re.compile(
    r"\b(?:january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|"
    r"jul|aug|sept?|oct|nov|dec)\b"
)
_UNITS = {
    alias: unit
    for unit, aliases in {
        "percent": "% pct percentage",
        "dollar": "dollars usd buck bucks",
        "euro": "euros eur",
        "cent": "cents",
        "second": "seconds sec secs s",
        "minute": "minutes min mins",
        "hour": "hours hr hrs h",
        "day": "days",
        "week": "weeks wk wks",
        "month": "months",
        "year": "years yr yrs",
        "kilometer": "kilometers kilometre kilometres km kms",
        "meter": "meters metre metres m",
        "centimeter": "centimeters centimetre centimetres cm",
        "millimeter": "millimeters millimetre millimetres mm",
        "mile": "miles mi",
        "foot": "feet ft",
        "inch": "inches",
        "yard": "yards yd yds",
        "kilogram": "kilograms kilo kilos kg kgs",
        "gram": "grams g",
        "pound": "pounds lb lbs",
        "ounce": "ounces oz",
        "liter": "liters litre litres l",
        "milliliter": "milliliters millilitre millilitres ml",
        "degree": "degrees \u00b0",
        "celsius": "\u00b0c c centigrade",
        "fahrenheit": "\u00b0f f",
        "mile per hour": "mph",
        "kilometer per hour": "kmh kph",
        "am": "a.m.",
        "pm": "p.m.",
    }.items()
    for alias in (unit, *aliases.split())
}


def folded_text(text: str) -> str:
    """A text without differences of Unicode form, case, spaces, markup and a last full stop."""
    plain = re.sub(r"\s+", " ", _MARKUP.sub("", unicodedata.normalize("NFKC", text)))
    return plain.strip(" .!'").casefold()


def parse_answer(answer: str) -> ShortAnswer:
    """A stated answer: a number with at most a unit, or else its words."""
    text = folded_text(answer)
    text = text.replace("\\%", "%").replace("\\$", "$").replace("\\text", "").replace("\\,", " ").replace("\\ ", " ")
    text = re.sub(r"(?<=[a-z])/(?=[a-z])", " per ", text)
    return (number_with_unit(text, alone=True) if len(text) <= MAX_ANSWER else None) or ShortAnswer(text)


def number_with_unit(text: str, *, alone: bool) -> ShortAnswer | None:
    """The number that `text` begins with. `alone`: it may say nothing beside the number and what is counted."""
    total = _SUM.fullmatch(text)
    match = _PLAIN.fullmatch(total["result"].strip() if total else text)
    if match is None:
        return None
    rest = match["unit"].strip(" .,;:!()[]{}'$")
    if MONTH.search(text) or _NO_NUMBER.search(rest):
        return None
    words = [word.strip(".,;:!()[]{}'") or word for word in rest.split()]
    factor = 1
    while words and words[0] in _MULTIPLIERS:
        factor *= _MULTIPLIERS[words.pop(0)]
    counted = list(itertools.takewhile(lambda word: word not in _NO_UNIT, words))
    if alone and not _NOTHING_MORE.issuperset(words[len(counted) :]):
        return None
    negative = bool(match["sign"]) != bool(match["inner"])
    unit = _unit([_CURRENCIES[match["currency"]], *counted] if match["currency"] else counted)
    return ShortAnswer(_value(match["digits"], -factor if negative else factor), unit, number=True)


def _unit(words: list[str]) -> str:
    """What a number counts, in one spelling."""
    phrase = " ".join(words)
    return _UNITS.get(phrase) or " ".join(map(_one, words))


def _one(word: str) -> str:
    """A noun in the singular, as far as its last letter tells."""
    plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss")
    return _UNITS.get(word) or (word[:-1] if plural else word)


def _value(digits: str, factor: int = 1) -> str:
    value = (Decimal(digits.replace(",", "")) * factor).normalize()
    return f"{value + 0:f}"
