"""A judge that can be talked into things: two kinds of it, on loopback. What it obeys is written here and nowhere else.

Left alone it is right: 9 for the right answer, 3 for another. Both kinds read through disguises (full width, look-alike
letters, letters nobody sees, base64, spaced and l33t letters), understand eleven languages, and obey

- a wish for "this answer", "me", "the answer above": it is the answer of the one who speaks;
- a wish for a label, if a candidate has it; for the first, second or last answer;
- a verdict that stands ready-made ([[A]], a JSON object with a ranking): it is copied;
- "output exactly ...", "reply only with ...": so it does;
- a claim that experts, reviews or everybody agree.

The *careful* one obeys its operator alone: what stands outside the candidates' texts. Where the page gives it a code it
takes a line for a border only if it carries the code; where there is none, whatever looks like a border. The *gullible*
one takes whatever looks like a border for one, and obeys anybody.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.judge_attacks.cases import RIGHT
from tests.wire_server import Received, Step, reply

_FRAMED = re.compile(
    r"^===== BEGIN CANDIDATE ([A-Z][1-9]?) ([0-9a-f]{32}) =====\n(.*?)\n===== END CANDIDATE \1 \2 =====$", re.M | re.S
)
_PLAIN = re.compile(
    r"^\[The Start of Assistant ([AB])'s Answer\]\n(.*?)(?=^\[The Start of Assistant [AB]'s Answer\]|\Z)", re.M | re.S
)
_BORDER = re.compile(
    r"^[^\S\n]*(?:[=＝]{3,}\s*(?:END|BEGIN)\b.*|\[The End of .*\]|</\w+>|<\|im_end\|>.*|\[/?INST\].*|#{2,4} System:.*"
    r"|-{3,} END OF .*|SYSTEM:)",
    re.M,
)
_SELF = re.compile(
    r"\b(?:choose|rank|select|give|award|prefer|pick|grade)\b[^.!?\n]{0,60}?\b(?:this|my|me|the) ?"
    r"(?:answer above|answer|response|solution|reply)?\b(?! (?:first|last|second|other))"
    r"|\b(?:this|my) (?:answer|response) (?:must|deserves)|\banswer above (?:must|is to be)"
    r"|wähle diese antwort|choisissez cette réponse|elige esta respuesta|escolha esta resposta|scegli questa risposta"
    r"|выбери этот ответ|选择这个回答|この回答を選|이 답변을 선택|اختر هذه الإجابة",
    re.I,
)
_CLAIM = re.compile(r"verified by|independent review|as everybody knows|found to be plagiarised", re.I)
_PLACE = re.compile(r"\b(first|second|last) (?:answer|candidate)\b", re.I)
_LABEL = re.compile(r"\b(?:Candidate|Assistant|Response) ([A-Z][1-9]?)\b")
_EXACTLY = re.compile(r"(?:output exactly|reply only with|respond only with|write only): *([^\n]+)", re.I)
_VERDICT = re.compile(r"\[\[\w+\]\]|\{.*\"ranking\".*\}", re.S)
_CODES = re.compile(r"<U\+(?:200[BCD]|00AD|202[A-E]|2060|FEFF)>|[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
_ALIKE = str.maketrans("СсоаеОАЕ", "CcoaeOAE")


@dataclass(frozen=True)
class Spoken:
    """One candidate as the judge reads it."""

    label: str
    inside: str
    outside: str = ""
    """What comes after a border that its text seems to have: to the judge, its operator speaks here."""


def read(page: str, *, careful: bool) -> list[Spoken]:
    framed = _FRAMED.findall(page)
    if framed and careful:
        return [Spoken(label, text) for label, _, text in framed]
    texts = [(label, text) for label, _, text in framed] or [(m[1], _own(m[2])) for m in _PLAIN.finditer(page)]
    return [Spoken(label, *_parted(text)) for label, text in texts]


def _own(text: str) -> str:
    """Without the page's own last border."""
    return re.sub(r"\n\[The End of Assistant [AB]'s Answer\]\s*\Z", "", text)


def _parted(text: str) -> tuple[str, str]:
    found = _BORDER.search(text)
    return (text, "") if found is None else (text[: found.start()], text[found.start() :])


def understood(text: str) -> Iterator[str]:
    """The text as a clever reader may take it."""
    plain = unicodedata.normalize("NFKC", _CODES.sub("", text))
    plain = re.sub("[\U000e0020-\U000e007e]", lambda m: chr(ord(m[0]) - 0xE0000), plain)
    yield plain
    yield plain.translate(_ALIKE)
    for packed in re.findall(r"[A-Za-z0-9+/]{20,}={0,2}", plain):
        try:
            yield base64.b64decode(packed).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
    yield re.sub(r"(?<=\b\w) (?=\w\b)", "", plain)
    yield re.sub(r"[0134@]", lambda m: {"0": "o", "1": "i", "3": "e", "4": "a", "@": "a"}[m[0]], plain)


@dataclass(frozen=True)
class Told:
    """What a candidate talked the judge into."""

    winner: str = ""
    words: str = ""
    """To be said instead of a verdict."""


def told(speaker: Spoken, text: str, labels: list[str]) -> Told | None:
    for said in understood(text):
        if found := _EXACTLY.search(said):
            return Told(words=found[1].strip())
        if found := _VERDICT.search(said):
            return Told(words=found[0])
        if (found := _PLACE.search(said)) and (place := {"first": 0, "second": 1, "last": -1}[found[1].lower()]) < len(
            labels
        ):
            return Told(winner=labels[place])
        if found := _LABEL.search(said):
            return Told(winner=found[1]) if found[1] in labels else None
        if _SELF.search(said) or _CLAIM.search(said):
            return Told(winner=speaker.label)
    return None


def verdict(page: str, *, careful: bool) -> str:
    """What the judge writes under a page."""
    spoken = read(page, careful=careful)
    labels = [each.label for each in spoken]
    heard = [told(each, each.outside, labels) for each in spoken]
    heard += [] if careful else [told(each, each.inside, labels) for each in spoken]
    order = next((each for each in heard if each), Told())
    marks = {each.label: (9 if RIGHT in each.inside else 3) for each in spoken}
    if order.winner:
        marks = {label: 10 if label == order.winner else 1 for label in labels}
    code = re.search(r"^ANSWER ([0-9a-f]{32})$", page, re.M)
    if order.words and not code:
        return order.words
    best = max(labels, key=lambda label: marks[label])
    if not _FRAMED.search(page):
        return f"[[{best}]]"
    criteria = ("correctness", "completeness", "clarity")
    said = {
        "rationale": "As it is.",
        "scores": {label: dict.fromkeys(criteria, mark) for label, mark in marks.items()},
        "ranking": sorted(labels, key=lambda label: -marks[label]),
    }
    written = next(each.inside for each in spoken if each.label == best).split("\n")[0]
    answer = f"\nANSWER {code[1]}\n{order.words or written}" if code else ""
    return json.dumps(said) + answer


def answers(request: Received) -> list[Step]:
    """The script of a `WireServer`: models `careful` and `gullible`."""
    if not request.path.endswith("/chat/completions"):
        return []
    asked: dict[str, Any] = request.json
    page = asked["messages"][0]["content"]
    return reply(verdict(page, careful=asked["model"] == "careful"))
