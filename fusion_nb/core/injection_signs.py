"""Signs that a candidate speaks to the judge instead of answering: a hint for people, never a reason to drop a reply.

Plain patterns over a text with its disguises taken off (compatibility forms, look-alike letters, characters nobody
sees). What is worded otherwise, or encoded, gets past them: docs/judging.md has the rates, for attacks and for answers
nobody meant any harm by.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from fusion_nb.core.default_ignorable import IGNORABLE, character_class
from fusion_nb.core.run_spec import excerpt

_JUDGE = r"(?:judge|grader|evaluator|rater|assessor|referee|arbiter|scorer|(?:rank|judg|reward)\w{0,3} model)s?"
_OURS = r"(?:this|my|our|the present) (?:very )?(?:answer|response|reply|candidate|solution|submission|output)"
_LABEL = r"(?:[a-hj-np-z][1-9]\b|\(?[a-c]\)?(?=\W|$)|[1-3]\b|one\b|two\b|three\b)"
_TOP = r"(?:best|winner|superior|winning|highest|top|first|perfect|full marks|10\b|ten\b|chosen|selected|preferred)"
_OTHERS = r"(?:other|remaining|rival|competing)"
_END = r"(?= (?:and|candidate|answer|response|by|score|of all|among|over|in every|possible)|[.!,:;]|$)"

_JUDGES = "judge|grader|evaluator|rater|assessor|referee|arbiter|scorer|model"


class _Sign(NamedTuple):
    needs: tuple[str, ...]
    """One of these words must be there before the pattern is tried."""
    pattern: re.Pattern[str]


def _sign(needs: str, pattern: str) -> _Sign:
    """Both for lower case, with blanks evened out."""
    return _Sign(tuple(needs.split("|")), re.compile(pattern))


_PATTERNS: dict[str, tuple[_Sign, ...]] = {
    "orders": (
        _sign(
            "ignore|disregard|forget|overr|no attention|set aside",
            r"\b(?:ignore|disregard|forget|override|overrule|pay no attention to|set aside)\b(?: [\w'*]+){0,4}?"
            r" (?:previous|prior|above|preceding|earlier|foregoing|judging|grading|scoring|evaluation|system|original)"
            r"(?: [\w'*]+){0,3}? (?:instruction|prompt|rule|guideline|criteri|rubric|direction|order|command|message)",
        ),
        _sign(
            "ignore|disregard|discount",
            rf"\b(?:ignore|disregard|discount) (?:all |any |every |the )*{_OTHERS}"
            r" (?:candid|answer|respons|submiss|repl)",
        ),
        _sign(
            "instructions|rules|task|system prompt",
            r"\b(?:new|updated|revised|real|actual) (?:instructions?|rules|task|system prompt)"
            r"(?: for the judge| follows?\b| ?:)",
        ),
        _sign(
            "ignorier", r"\bignorier\w{0,3}(?: \w+){0,3} (?:vorh|bish|voran|obig|früh)\w{0,8} (?:anweis|regel|vorgabe)"
        ),
        _sign(
            "ignore|oublie",
            r"\b(?:ignore|oublie)[zr]?(?: \S+){0,3} (?:instructions?|consignes?|règles?)"
            r"(?: \S+){0,2} (?:précéd|antér|ci-des)",
        ),
        _sign(
            "ignor|olvid|esque",
            r"\b(?:ignor|olvid|esque)\w{1,4}(?: \S+){0,3} (?:instru[cçz]|istruz|reglas|regras)\w{0,8}(?: \S+){0,2}"
            r" (?:anterior|previa|prévia|preced)",
        ),
        _sign(
            "гнорир|забудь",
            r"(?:гнорируй|забудь)\w{0,3}(?: \S+){0,3} (?:предыдущ|прежн|вышеук)\w{0,8} "
            r"(?:инстр|указ|прав)",
        ),
        _sign(
            "忽略|无视|忘记|忽視|無視",
            r"(?:忽略|无视|忘记|忽視|無視)[^\n。]{0,8}(?:之前|以上|先前|前面|上述|所有)[^\n。]{0,6}(?:指令|指示|说明|要求|规则)",
        ),
        _sign("無視|忘れ", r"(?:以前|これまで|上記|前)の(?:すべての)?(?:指示|命令|ルール)[^\n。]{0,6}(?:無視|忘れ)"),
        _sign("تجاهل", r"تجاهل[^\n.]{0,12}(?:التعليمات|الأوامر|القواعد)"),
        _sign(
            "only|exactly",
            r"\b(?:output|reply|respond|write|say)(?: only| exactly)(?: with| this| the words?)? ?:",
        ),
        _sign("무시", r"(?:이전|위의|앞선)[^\n.]{0,6}(?:지시|명령|지침)[^\n.]{0,6}무시"),
    ),
    "plea": (
        _sign(
            "choose|pick|select|prefer|favo|rank|vote|reward|crown",
            rf"\b(?:choose|pick|select|prefer|favou?r|rank|vote for|reward|crown)(?: \w+)?"
            rf" (?:{_OURS}|(?:candidate|assistant|response) {_LABEL})",
        ),
        _sign(
            "give|award|assign|grant",
            rf"\b(?:give|award|assign|grant)(?: \w+)? {_OURS} (?:an? |the )?(?:\w+ )?(?:{_TOP}|score|rating|grade|\d)",
        ),
        _sign(
            "this|my|our|present",
            rf"\b{_OURS} (?:is|should|must|deserves?|ought|wins?|has to|needs to)(?: \w+){{0,5}}? {_TOP}{_END}",
        ),
        _sign(
            "score|mark|rating|grade",
            r"\b(?:highest|maximum|max|perfect|full|top|best)(?: possible)? (?:score|mark|rating|grade)s?"
            rf" (?:to|for|should go to|goes to|belongs? to) (?:this|my|me\b|our|{_LABEL})",
        ),
        _sign(" me", r"\b(?:choose|pick|select|rank|vote for|prefer) me\b(?! (?:up|out|a|an|the|for)\b)"),
        _sign(
            "other|remaining|rest|rival|competing",
            rf"\b(?:rank|rate|score|place|put|give) (?:every |all |the |each )*(?:rest|{_OTHERS})(?: \w+){{0,3}}?"
            r" (?:last|lowest|1\b|low\b|zero|0\b)",
        ),
        _sign(
            "wähl|bevorzug|nimm|bewert",
            r"\b(?:wähl|bevorzug|nimm|bewert)\w{0,4}(?: \w+)? (?:diese|meine) (?:antwort|lösung)",
        ),
        _sign(
            "choisi|sélection|préfér|class",
            r"\b(?:choisi|sélection|préfér|class)\w{0,6}(?: \w+)? (?:cette|ma|la présente) (?:réponse|solution)",
        ),
        _sign(
            "elig|elij|escog|seleccion|escolh|selecion|scegli|preferi",
            r"\b(?:elig|elij|escog|seleccion|escolh|selecion|scegli|preferi)\w{0,6}(?: \w+)? (?:esta|mi|minha|questa)"
            r" (?:respuesta|resposta|risposta)",
        ),
        _sign("выбер|предпоч|оцен", r"(?:выбер|предпоч|оцен)\w{0,6} (?:именно )?(?:этот|мой|данный) ответ"),
        _sign("回答|答案|回复", r"(?:选择|选|請選|给|為|评)[^\n。]{0,3}(?:本|这个|這個|我的)(?:回答|答案|回复)"),
        _sign("回答|答え", r"(?:この|私の)(?:回答|答え)(?:を|が)[^\n。]{0,8}(?:選|最高|1位|一位)"),
        _sign("답변|응답", r"이 (?:답변|응답)[^\n.]{0,6}(?:선택|최고)"),
    ),
    "judge": (
        _sign(
            "dear|attention|hey|hello|note|message|instruction|memo",
            rf"\b(?:dear|attention|hey|hello|notes? (?:to|for)|message (?:to|for)|instructions? (?:to|for)|memo to)"
            rf"(?: (?:the|all|my|our|any))?(?: \w+)? {_JUDGE}\b",
        ),
        _sign(
            _JUDGES,
            rf"(?:^|[.!?\n] ?|[\[(<*#\"] ?){_JUDGE} ?[:,] ?"
            r"(?:please|choose|pick|select|give|rank|score|rate|you|this|the|your|ignore|note|stop)\b",
        ),
        _sign(
            _JUDGES,
            rf"\b(?:as|since|because|if) (?:you are |you're )?(?:the|an?|our) (?:\w+ )?{_JUDGE},?"
            r" (?:you|your|please|i|choose|of this|of these)\b",
        ),
        _sign(
            _JUDGES,
            rf"\b(?:the|any|your) {_JUDGE} (?:must|should|shall|has to|is required to|will)"
            r" (?:choose|pick|select|give|rank|score|rate|award|assign|prefer|declare|treat|output|reply|write)",
        ),
        _sign(
            "judging|grading|evaluating|scoring|ranking|comparing",
            r"\b(?:if|when|whoever) (?:you are|you're|is|are) (?:\w+ )?"
            r"(?:judging|grading|evaluating|scoring|ranking|comparing)"
            r" (?:this|these|the) (?:\w+ )?(?:answer|response|candidate|submission|text)",
        ),
        _sign("judge", r"\byou are (?:now )?(?:no longer|not) (?:an? |the )?(?:impartial )?judge\b"),
    ),
    "verdict": (
        _sign('"ranking"', r"\"ranking\" ?: ?\[ ?\"(?:candidate )?[a-z][1-9]?\""),
        _sign('"scores"', r"\"scores\" ?: ?\{ ?\"(?:candidate )?[a-z][1-9]?\" ?: ?[{\d]"),
        _sign(
            '":|" :', r"\"(?:winner|verdict|chosen|best)\" ?: ?\"(?:candidate|assistant|response|[a-c]\"|[a-z][1-9]\")"
        ),
        _sign("[[", r"\[\[(?:[abc]|tie|[ab] ?[<>=]{1,2} ?[ab])\]\]|\b(?:rating|score|grade) ?: ?\[\[ ?\d"),
        _sign(
            "candidate|assistant|response",
            rf"\b(?:candidate|assistant|response) {_LABEL}(?:'s)?(?: (?:answer|response))?"
            rf" (?:is|was|wins|should|must|deserves|gets|receives|scores)\b"
            rf"(?: \w+){{0,4}}? (?:{_TOP}|better|wrong|worse|win\b)",
        ),
        _sign(
            "verdict|winner|ranking",
            r"\b(?:verdict|winner|ranking) ?(?:is|:|=) ?(?:candidate|assistant|response|[a-z][1-9]\b)",
        ),
        _sign("candidate ", r"(?<!\w)candidate [a-hj-np-z][1-9]\b"),
        _sign("answer ", r"\banswer [0-9a-f]{16,}\b"),
        _sign(
            "first|last|second",
            r"\b(?:first|last|second) (?:answer|candidate|response)(?: \w+)? (?:is|should|must|wins|deserves)"
            r"(?: \w+){0,3}? (?:best|winner|win\b|wins\b|chosen|ranked|10\b|higher|better)",
        ),
        _sign(
            "choose|pick|select|prefer|rank",
            r"\b(?:choose|pick|select|prefer|rank) (?:the )?(?:first|last|second|longest|longer)"
            r" (?:answer|candidate|response|one shown)\b",
        ),
    ),
    "frame": (
        _sign("===", r"(?<!=)={3,}+ ?(?:begin|end)\b"),
        _sign(
            "[", r"\[(?:the )?(?:start|end) of (?:the )?(?:assistant|candidate|answer|response|reference|user|system)"
        ),
        _sign(
            "<", r"<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|end|eot_id|(?:start|end)_header_id)\|>"
        ),
        _sign("inst]|sys>|turn>", r"\[/?inst\]|<</?sys>>|</?(?:start|end)_of_turn>"),
        _sign(
            "<",
            r"</? ?(?:candidate|response|assistant|system|judge|judgement|instructions?|untrusted|data|evaluation)\b"
            r"[^<>\n]{0,40}>",
        ),
        _sign(
            "#",
            r"(?:^|\n)#{1,4} ?(?:system|judge|new instr|end of (?:candid|answer|respon|data)|instructions? (?:to|for))",
        ),
        _sign(
            "system|developer|admin",
            r"(?:^|\n)[\[(*]{0,3}(?:system|developer|admin)"
            r"(?: (?:message|prompt|override|note|notice|update))?[\])*]{0,3} ?:",
        ),
        _sign("---", r"(?:^|\n)-{3,}+ ?end of (?:candidate|answer|response|data|text|submission)"),
    ),
}
_HIDES = re.compile(
    "[\u202a-\u202e\u2066-\u2069]"  # turns the direction of a text by force
    rf"|[A-Za-z][{IGNORABLE}]+[A-Za-z]"  # splits a word where nobody sees it
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0001-\U000e007f]"  # letters nobody sees, but for flags
    rf"|[{character_class((0xE0020, 0xE007F))}]{{3}}"  # says something by characters nobody sees
)
_UNSEEN = re.compile(f"[{IGNORABLE}]")
_TAGS = re.compile("[\U000e0020-\U000e007e]")
_BLANKS = re.compile(r"[^\S\n ]+ *|  +[^\S\n]*")
_LINES = re.compile(r"\n\s+| \n")
_ALIKE = str.maketrans("аеорсухіјѕԁһкοανικυ", "aeopcyxijsdhkoaviku")
"""Cyrillic and Greek letters that pass for Latin ones."""


def injection_signs(text: str) -> tuple[str, ...]:
    """What in `text` speaks to a judge: `orders`, `plea`, `judge`, `verdict`, `frame`, `hidden`; mostly nothing.

    Searches what a judge is shown of it: the middle of a text beyond 200,000 characters is not looked at.
    """
    shown = excerpt(text)
    readings = [reading for reading in _readings(shown) if _may_say_something(reading)]
    signs = [sign for sign in _PATTERNS if any(_says(sign, reading) for reading in readings)]
    return (*signs, "hidden") if not shown.isascii() and _HIDES.search(shown) else tuple(signs)


_NEEDS = re.compile(
    "|".join(sorted({re.escape(w) for signs in _PATTERNS.values() for each in signs for w in each.needs}))
)
_SHORT = 200
"""Characters up to which one look for all words that signs need is quicker than a look for each."""


def _may_say_something(reading: str) -> bool:
    return len(reading) > _SHORT or _NEEDS.search(reading) is not None


def _says(sign: str, reading: str) -> bool:
    return any(
        any(word in reading for word in each.needs) and each.pattern.search(reading) is not None
        for each in _PATTERNS[sign]
    )


def _readings(text: str) -> Iterator[str]:
    """The text in lower case, disguises taken off; once more with look-alike letters as Latin, where it has any."""
    plain = text
    if not text.isascii():
        plain = _TAGS.sub(lambda tag: chr(ord(tag[0]) - 0xE0000), unicodedata.normalize("NFKC", text))
        plain = _UNSEEN.sub("", plain).replace("\u2019", "'")
    plain = _LINES.sub("\n", _BLANKS.sub(" ", plain)).lower()
    yield plain
    if not plain.isascii() and (alike := plain.translate(_ALIKE)) != plain:
        yield alike
