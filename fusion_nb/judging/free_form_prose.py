"""A verdict said in prose: "Therefore, Output (b) is better.", "Both are equally good."

Prose can say anything and mean the opposite, so this reads very little of it: only a last sentence that is nothing but
a verdict, in a text that neither takes it back nor speaks for another candidate. Praise for one criterion, conditions,
reported opinions, irony and denials are no verdict.
"""

from __future__ import annotations

import re

from fusion_nb.judging.free_form_scores import MARK, label_marks, sentences

_NOUN = (
    r"(?:answer|response|output|solution|submission|reply|code|implementation|one|choice|option|candidate|assistant)"
)
_WHO = rf"(?:(?:the )?{_NOUN} (?:of|from|by) )?({MARK})(?:['\u2019]s(?: (?:\w+ )?{_NOUN})?)?"
_OTHER = _WHO.replace(f"({MARK})", MARK)
_HOW = r"(?:(?:clearly|slightly|somewhat|much|far|overall|generally|a bit|significantly|marginally|by far) )*"
_GOOD = r"(?:better|best|superior|preferred|preferable|stronger|winner)"
_BASIS = r"(?:evaluation|analysis|comparison|assessment|considerations?|reasons?|points?|criteria|factors?)"
_LEAD = (
    r"(?:(?:therefore|thus|so|hence|overall|finally|ultimately|well|in (?:conclusion|summary|short|total|the end)|"
    r"to (?:conclude|sum up|summarize)|all in all|all things considered|on balance|considering (?:all|everything)|"
    rf"based on (?:the|this|my|these)(?: above)? {_BASIS}|for (?:these|this|that) reasons?|"
    r"my (?:final )?verdict(?: is)?|(?:final )?verdict|I (?:believe|think|conclude|find|judge|would say)(?: that)?)"
    r"[,:]?\s+)*"
)
_WHY = r"(?P<why>,? (?:because|as|since|for|due to|thanks to) [^?:;\"\u201c\u201d]{1,400})?"
_END = r"\s*[.!]?"
_IS_BETTER = (
    rf"{_WHO} (?:is|was|performs|performed|did) {_HOW}(?:the )?{_HOW}{_GOOD}(?: {_NOUN})?(?: overall)?"
    rf"(?: than {_OTHER}| of the (?:two|three|four|five))?"
)
_PREFERRED = rf"I (?:would |clearly |strongly )*(?:prefer|choose|pick|select) {_WHO}(?: (?:over|to) {_OTHER})?"
_WINNER_IS = rf"(?:the |my )?(?:overall |final |clear )?{_GOOD}(?: {_NOUN})? is:? {_WHO}"
_WINS = rf"{_WHO} wins(?: overall)?"
_VERDICTS = tuple(
    re.compile(_LEAD + pattern + _WHY + _END, re.IGNORECASE) for pattern in (_IS_BETTER, _PREFERRED, _WINNER_IS, _WINS)
)
_ALL = (
    rf"(?:(?:both|all|the two)(?: of them| {_NOUN}s| {MARK}(?:,? (?:and )?{MARK})*)?|"
    rf"{MARK}(?:,? (?:and )?{MARK})+|they)"
)
_EITHER = (
    rf"it doesn['\u2019]t matter which (?:one )?is (?:selected|chosen|better)|"
    rf"either one can be considered (?:as )?(?:the )?better(?: {_NOUN})?"
)
_EQUAL = (
    rf"{_ALL} (?:are|were) (?:all )?equally (?:good|bad|well|strong|valid|correct)"
    rf"(?: for the (?:given )?(?:instruction|prompt|question|task))?(?:,? and (?:{_EITHER}))?"
)
_TIE = r"(?:it is|it['\u2019]s|this is) a (?:tie|draw)"
_TIES = tuple(re.compile(_LEAD + pattern + _END, re.IGNORECASE) for pattern in (_EQUAL, _TIE))
_MAX_SENTENCE = 600
_DECIDES = re.compile(rf"\b(?:{_GOOD[3:-1]}|prefer|choose|pick|select|wins|equally|tie|draw)\b", re.IGNORECASE)
"""A word that every verdict has: most sentences need no closer look."""
_HEDGED = re.compile(
    r"\b(?:if|unless|but|although|though|however|while|whereas|not|no|never|nor|neither|nobody|none|hardly|barely|"
    r"except|only|merely|may|might|could|would|should|seems?|appears?|supposedly|apparently|perhaps|maybe|probably|"
    r"possibly|claims?|says?|expected|style|tone|length|worse|wrong|incorrect)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_ANYBODY = (
    r"(?:some|others?|people|many|nobody|everyone|no one|anyone|somebody|someone|critics|its author|the author|"
    r"an? (?:\w+ )?(?:judge|reader|person|critic))"
)
_TAKEN_BACK = re.compile(
    r"\b(?:refuse|cannot|can['\u2019]?t|unable|kidding|joking|joke|sarcas\w+|iron(?:y|ic\w*)|pretend\w*|imagine|"
    r"suppose|hypothetical\w*|if (?:forced|pressed)|(?:if|when) I (?:had|have|must)|scratch that|disregard|ignore|"
    r"take (?:that|it|this) back|second thought|wait|correction|opposite|reverse|other way round|absurd|ridiculous|"
    r"nonsense|would (?:say|argue|conclude|write)|quot(?:e|es|ed|ing)|"
    r"(?:told|asked|instructed|ordered|paid|made|want(?:s|ed)?)(?: me| us| you| the judge)? to "
    r"(?:write|say|conclude|choose|pick|prefer)|"
    rf"{_ANYBODY}(?: \w+){{0,2}} (?:say|argue|claim|think|believe|conclude)(?:s|d|ed)?|{_ANYBODY} said|"
    r"(?:these|those|following|same|last|closing) (?:\w+ )?(?:words?|sentences?|statements?|lines?|claims?))\b",
    re.IGNORECASE,
)
_RETRACTED = re.compile(
    r"\b(?:wait|correction|scratch that|disregard|second thoughts?|swapped|mistaken|(?:my|a) mistake)\b"
    r"|\bmix(?:ed|-| )?\s?up\b|\bother way (?:a?round)\b|\b(?:wrong|backwards)\b[^.\n]{0,40}\bshould\b"
    r"|\bshould (?:have been|be)\b[^.\n]{0,20}\b(?:revers|swap|first|the winner)|\bI (?:meant|got)\b"
    r"|\blabels?\b[^.\n]{0,30}\b(?:revers|wrong|swap)|\b(?:korrektur|berichtigung|correcci[oó]n)\b|更正|訂正",
    re.IGNORECASE,
)
_DOUBTED = re.compile(
    r"\b(?:actually|on reflection|apolog\w+|sorry|edit|update|reconsider\w*|rather|instead|in fact)\b", re.IGNORECASE
)
"""Words that take a verdict back where another candidate is praised with them."""
_ITSELF = (
    r"(?:(?:the|my|this|that|these|those) (?:above |first |previous |earlier )?(?:verdict|ranking|scores|ratings)"
    r"(?: (?:above|below))?|(?:the|my|this|that) (?:above (?:json|object|evaluation)|(?:json|object|evaluation) "
    r"(?:above|below|that follows)))"
)
_DISOWNED = re.compile(
    rf"\b(?:disregard|ignore|discard|forget|retract|withdraw) {_ITSELF}\b"
    rf"|\b{_ITSELF} (?:is|are|was|were) (?:only |just |merely |all |entirely )?(?:wrong|incorrect|invalid|void|"
    r"mistaken|(?:an? )?(?:sample|example|placeholder|template|dummy|illustration|mock))"
    r"|\b(?:sample|placeholder|dummy|made.up) (?:verdict|ranking|scores)\b",
    re.IGNORECASE,
)
_LOWER_IS_BETTER = re.compile(
    r"\b(?:lower|smaller|fewer)(?: (?:score|number|point)s?)?(?: is| are| =|=) better\b"
    r"|\b[01] (?:=|is) (?:the )?best\b",
    re.IGNORECASE,
)
_NEAR = rf"[^.!?\n{MARK[1:-1]}]"
_PRAISE = re.compile(
    rf"({MARK}){_NEAR}{{0,40}}?\b(?:better|best|superior|stronger|winner|wins|preferred|preferable|correct one)\b"
    rf"|\b(?:prefer|choose|pick|select|favou?r)\b{_NEAR}{{0,30}}?({MARK})",
    re.IGNORECASE,
)
_CUT_ANSWER = re.compile(r"\n\s*(?:answer|verdict|winner):?[^\n]{0,12}\Z", re.IGNORECASE)


def conclusion(marked: str, count: int) -> tuple[int, ...] | None:
    """The candidate the last sentence calls best, all of them for a tie, `None` where it states no verdict."""
    text = _CUT_ANSWER.sub("", marked.strip())
    parts = sentences(text)
    if not parts or _TAKEN_BACK.search(text) or _in_quotes(text) or (parts[1:] and parts[-2].endswith(":")):
        return None
    best = _verdict(parts[-1], count)
    others = any(_verdict(part, count) not in (None, best) for part in parts[:-1])
    return None if best is None or others or speaks_for_others(text, best) else best


def retracted(marked: str, best: int) -> bool:
    """Whether words behind a verdict for the candidate at `best` take it back for another."""
    others = set(label_marks(marked)) - {best}
    if not others:
        return False
    return bool(_RETRACTED.search(marked) or (_DOUBTED.search(marked) and speaks_for_others(marked, (best,))))


def disowned(text: str) -> bool:
    """Whether a text says of the verdict beside it that it is wrong, or no verdict at all."""
    return bool(_DISOWNED.search(text[:32_000]))


def begins_to_doubt(text: str) -> bool:
    """Whether a text that was cut off may have been about to take back the verdict before it."""
    return bool(_RETRACTED.search(text[:32_000]) or _DOUBTED.search(text[:32_000]))


def lower_is_better(text: str) -> bool:
    """Whether a text says that its scores run the other way round."""
    return bool(_LOWER_IS_BETTER.search(text[:32_000]))


def speaks_for_others(marked: str, best: tuple[int, ...]) -> bool:
    """Whether the text calls better, or prefers, a candidate that is not alone at the top."""
    praised = {place for match in _PRAISE.finditer(marked) for place in label_marks(match[1] or match[2])}
    return bool(praised - set(best)) or (len(best) > 1 and bool(praised))


def _in_quotes(text: str) -> bool:
    """Whether the end of the text may stand inside a quotation."""
    return text.count('"') % 2 == 1 or text.count("\u201c") != text.count("\u201d") or text.endswith(('"', "\u201d"))


def _verdict(sentence: str, count: int) -> tuple[int, ...] | None:
    if len(sentence) > _MAX_SENTENCE or not _DECIDES.search(sentence):
        return None
    for pattern in _TIES:
        match = pattern.fullmatch(sentence)
        if match:
            named = set(label_marks(sentence))
            return tuple(range(count)) if named in (set(), set(range(count))) else None
    matches = [match for pattern in _VERDICTS if (match := pattern.fullmatch(sentence))]
    if len(matches) != 1 or (matches[0]["why"] and _HEDGED.search(matches[0]["why"])):
        return None
    best = label_marks(matches[0][1])
    return best if label_marks(sentence).count(best[0]) == 1 else None
