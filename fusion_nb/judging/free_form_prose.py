"""A verdict said in prose: "Overall, Output (b) is better", "both are equally good".

Only a sentence that states a verdict on the whole counts: praise for one criterion, a broken-off sentence and two
verdicts that differ are no verdict.
"""

from __future__ import annotations

import re

from fusion_nb.judging.free_form_scores import MARK, label_marks, sentences

_CLOSE = 4
"""A verdict stands in the first sentence or among so many of the last."""
_HOW = r"(?:(?:clearly|slightly|somewhat|much|far|overall|therefore|thus|generally|a bit|significantly|marginally) )*"
_END = r"(?=\s*(?:[.!,;:]|$|(?:than|because|as|since|and|overall|by|due|in this|for (?:this|the)|of the)\b))"
_WHAT = r"(?:answer|response|output|one|choice|option|candidate|assistant|solution|overall|of the (?:two|three))"
_OWN = r"(?:['’]s? (?:\w+ )?(?:answer|response|output|solution|submission|code|implementation))?"
_BETTER = re.compile(
    rf"({MARK}){_OWN} (?:is|was|performed|performs|did|does) {_HOW}(?:the )?{_HOW}"
    rf"(?:better|best|superior|preferred|preferable|stronger|the winner)(?: {_WHAT})*{_END}",
    re.IGNORECASE,
)
_PREFER = re.compile(
    rf"(?:\bI (?:would )?(?:prefer|choose|pick|select)|\b(?:winner|better|best)(?:[ -]\w+){{0,2}} is:?) ({MARK})",
    re.IGNORECASE,
)
_WINS = re.compile(rf"({MARK}) wins\b", re.IGNORECASE)
_MAKES = re.compile(
    rf"({MARK}).{{0,400}}\bmaking it (?:the|a) {_HOW}(?:better|best|stronger|superior)\b", re.IGNORECASE
)
_EQUAL = re.compile(
    r"\bequally (?:good|bad|well|strong|valid|correct)\b|\b(?:it is|it's|is) a tie\b|\bno (?:clear )?winner\b"
    r"|\bare (?:at the same level|on par)\b",
    re.IGNORECASE,
)
_SCOPED = re.compile(
    r"\b(?:in terms of|regarding|with (?:regard|respect) to|when it comes to|believes?|finds?|thinks?|argues?|claims?|"
    r"according to|if|not|neither|nor|would be|could be|might be)\b|n't\b",
    re.IGNORECASE,
)


def conclusion(marked: str) -> tuple[int, ...] | None:
    """The candidate the prose calls best, `()` for a tie of all, `None` where it names none or more than one."""
    parts = sentences(marked)
    verdicts = {place: verdict for place, part in enumerate(parts) if (verdict := _verdict(part)) is not None}
    if len(set(verdicts.values())) != 1:
        return None
    return next((v for place, v in verdicts.items() if place == 0 or place >= len(parts) - _CLOSE), None)


def _verdict(sentence: str) -> tuple[int, ...] | None:
    equal = _EQUAL.search(sentence)
    if equal:
        return None if _SCOPED.search(sentence, 0, equal.start()) else ()
    matches = [match for pattern in (_BETTER, _PREFER, _WINS) for match in pattern.finditer(sentence)]
    if len(set(label_marks(sentence))) == 1:
        matches += _MAKES.finditer(sentence)
    named = {match[1] for match in matches if not _SCOPED.search(sentence, 0, match.start())}
    return label_marks(named.pop()) if len(named) == 1 else None
