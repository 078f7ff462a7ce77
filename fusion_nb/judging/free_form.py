"""Verdicts of judges that ignore the form they were asked for.

Judges fall back to the forms they were trained on: `[[A]]`, `[[A>>B]]` and `Rating: [[7]]` (MT-Bench arXiv 2306.05685,
Arena-Hard), two scores on the first line (Vicuna), `Output (a)` (LLMBar), or plain prose. What is cut off, refused or
contradicts itself is no verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fusion_nb.judging.free_form_prose import conclusion, retracted, speaks_for_others
from fusion_nb.judging.free_form_scores import MARK, first_line, label_marks, mark_labels, names_any, stated_scores

MAX_CHARS = 32_000
"""Longer texts are not searched: a verdict in prose is short."""
NOUNS = ("Candidate", "Assistant", "Response", "Answer", "Output", "Model", "Option")
"""What judges call the candidates when they count them in the order shown."""
_TIE = frozenset({"same", "tie", "tied", "both", "equal", "it's a tie", "it is a tie", "a tie", "draw"})
_CUT_BRACKET = re.compile(r"\[\[[^\[\]]*\]?\Z")
_OF_THE_WORST = re.compile(
    r"\b(?:worst|worse|weakest|loser|inferior)\b[^.!?\n]{0,40}\[\[[^\[\]\n]{1,60}\]\]", re.IGNORECASE
)
"""Brackets around the one that did not win."""
_TOGETHER = re.compile(rf"\b(?:both|all|the) (?:\w+ )?(?:{'|'.join(NOUNS[:5])})s\b", re.IGNORECASE)
"""Speaks of the candidates without telling them apart."""
_ANSWER = re.compile(
    r"(?:(?:my|the) )?(?:(?:final|overall) )?(?:answer|verdict|winner|choice|best|decision)(?: is)?\s*[:=]\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Form:
    """A verdict by shown position."""

    best: tuple[int, ...]
    """Positions of the best, from 0: one is a pick, several are a tie."""
    scores: tuple[float, ...] = ()
    """One for each candidate, as the judge gave them; empty where it gave none."""


def parse_free_form(text: str, labels: Sequence[str], texts: Sequence[str] = ()) -> Form | None:
    """The verdict in `text` in a form judges are trained on, by blind label or by position in the order shown.

    `texts`: the prompt and the candidates. What they too speak of (an "option A", a `[[B]]`) says nothing about a
    candidate: the judge may be answering the prompt itself. So may a line of numbers in a text that names nobody.
    """
    return _in_any_scheme(text, labels, texts, _stated)


def read_prose(text: str, labels: Sequence[str], texts: Sequence[str] = ()) -> Form | None:
    """The verdict that the last sentence of `text` states in plain prose."""
    return _in_any_scheme(text, labels, texts, _concluded)


def read_form(text: str, names: Sequence[str]) -> Form | None:
    """The verdict in `text`, in a form or in prose, where the judge calls the candidates `names`, in the order shown.

    `None` where no verdict should be claimed: no verdict in it, cut off before it, refused, or contradicting itself.
    """
    return _stated(text, names) or _concluded(text, names)


_ORDERED = re.compile(
    rf"(?P<named>[^\n:]{{0,40}}\brank\w*\b[^\n:]{{0,20}}:)?[^\n]{{0,40}}?(?P<first>{MARK})\s*(?P<sign>[>\u227b\u2192,]+)\s*{MARK}",
    re.IGNORECASE,
)


def says_otherwise(behind: str, best: str, labels: Sequence[str]) -> bool:
    """Whether the words behind a verdict for `best` take it back, or state another."""
    behind, place = behind[:4000], list(labels).index(best)
    if not names_any(behind, labels):
        return False
    marked = mark_labels(behind, labels)
    form = parse_free_form(behind, labels) or read_prose(behind, labels)
    if retracted(marked, place) or (form and place not in form.best):
        return True
    orders = [match for match in map(_ORDERED.match, marked.splitlines()) if match]
    return any(
        label_marks(match["first"])[0] != place for match in orders if match["named"] or match["sign"].strip(",")
    )


Reader = Callable[[str, Sequence[str]], Form | None]


def _in_any_scheme(text: str, labels: Sequence[str], texts: Sequence[str], read: Reader) -> Form | None:
    if names_any(text[:MAX_CHARS], labels):
        return read(text, labels)
    for names in _schemes(len(labels)):
        if names_any(text[:MAX_CHARS], names):
            return None if any(names_any(each, names) for each in texts) else read(text, names)
    if not text.strip() or (first_line(text, len(labels)) and not _TOGETHER.search(text)):
        return None
    return None if any("[[" in each or read(each, labels) for each in texts) else read(text, labels)


def _stated(text: str, names: Sequence[str]) -> Form | None:
    """Brackets, scores, or a name as the answer."""
    if not text.strip() or len(text) > MAX_CHARS:
        return None
    scores = first_line(text, len(names))
    if scores:
        return _by_scores(scores)
    bracketed = _brackets(text, names)
    if _OF_THE_WORST.search(text):
        return None
    if bracketed or _CUT_BRACKET.search(text.rstrip()[-100:]):
        return bracketed.pop() if len(bracketed) == 1 else None
    marked = mark_labels(text, names)
    scores = stated_scores(marked, len(names))
    if scores:
        form = _by_scores(scores)
        return None if speaks_for_others(marked, form.best) else form
    best = _bare(marked)
    return None if best is None else Form(best or tuple(range(len(names))))


def _concluded(text: str, names: Sequence[str]) -> Form | None:
    """What the last sentence concludes; nothing where the text states a verdict in another form as well."""
    if not text.strip() or len(text) > MAX_CHARS or "[[" in text or first_line(text, len(names)):
        return None
    marked = mark_labels(text, names)
    if stated_scores(marked, len(names)):
        return None
    best = conclusion(marked, len(names))
    return None if best is None else Form(best)


def _schemes(count: int) -> Iterator[list[str]]:
    """The ways to count candidates: `Candidate 1`, `Candidate (a)`, `Candidate A`, and so on."""
    letters = [chr(ord("A") + place) for place in range(min(count, 26))]
    for noun in NOUNS:
        yield [f"{noun} {place + 1}" for place in range(count)]
        yield [f"{noun} ({letter.lower()})" for letter in letters]
        yield [f"{noun} {letter}" for letter in letters]


def _by_scores(scores: tuple[float, ...]) -> Form:
    top = max(scores)
    return Form(tuple(place for place, score in enumerate(scores) if score == top), scores)


def _brackets(text: str, names: Sequence[str]) -> set[Form]:
    """What `[[A]]`, `[[A>>B]]`, `[[A=B]]` say, and `[[7]]` for a lone candidate. Other brackets are code."""
    forms = {_bracket(inner.strip(), names) for inner in re.findall(r"\[\[([^\[\]\n]{1,60})\]\]", text)}
    return {form for form in forms if form}


def _bracket(inner: str, names: Sequence[str]) -> Form | None:
    count = len(names)
    number = re.fullmatch(r"(10(?:\.0+)?|\d(?:\.\d+)?)(?:\s*/\s*10)?", inner)
    if number:
        return Form((0,), (float(number[1]),)) if count == 1 else None
    if inner.casefold() in _TIE or (inner == "C" and count == 2):
        return Form(tuple(range(count)))
    places = {name.casefold(): place for place, name in enumerate(names)}
    places |= {chr(ord("a") + place): place for place in range(min(count, 26))}
    parts = [places.get(part.strip().casefold(), -1) for part in re.split(r"[<>=]+", inner)]
    signs = {sign[0] for sign in re.findall(r"[<>=]+", inner)}
    if -1 in parts or len(signs) > 1:
        return None
    if signs == {"="}:
        return Form(tuple(sorted(parts)))
    return Form((parts[-1] if signs == {"<"} else parts[0],))


def _bare(marked: str) -> tuple[int, ...] | None:
    """The whole text is a name or "Same", or its last line is `Answer: <name>`."""
    lines = marked.strip().splitlines()
    head = _ANSWER.match(lines[-1].lstrip()) if lines else None
    if not lines or not (head or len(lines) == 1):
        return None
    verdict = lines[-1].lstrip()[head.end() if head else 0 :].strip(" \t.!")
    if verdict.casefold() in _TIE:
        return ()
    return label_marks(verdict) if re.fullmatch(MARK, verdict) else None
