"""A scripted judge for recorded answers. It knows no gold answer: it ranks candidates by agreement with one another."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

_FRAME = re.compile(
    r"^===== BEGIN CANDIDATE ([A-Z][1-9]) ([0-9a-f]{32}) =====\n(.*?)\n===== END CANDIDATE \1 \2 =====$", re.M | re.S
)
_FIELD = re.compile(r'"answer"\s*:\s*("(?:[^"\\]|\\.)*"|[^,}\s]+)')
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_SLOT = re.compile(r'("(?:[^"\\]|\\.)*"): <1-10>')
"""A place for a score in the form that a judge is asked to fill in."""
CRITERIA = ("correctness", "completeness", "clarity")


def extract(text: str) -> str:
    """The number a reply ends on: that in its `answer` field, else its last; the text itself where there is none."""
    fields = _FIELD.findall(text)
    numbers = _NUMBER.findall(fields[-1] if fields else "") or _NUMBER.findall(text)[-1:]
    if not numbers:
        return text.strip()
    number: str = numbers[0].replace(",", "")
    return number.rstrip("0").rstrip(".") if "." in number else number


def criteria(asked: str) -> tuple[str, ...]:
    """What the form outside the frames asks scores for."""
    slots = _SLOT.findall(_FRAME.sub("", asked))
    return tuple(dict.fromkeys(json.loads(slot) for slot in slots)) or CRITERIA


def candidates(asked: str) -> tuple[dict[str, str], str]:
    """What a judge's prompt shows: label -> text, and the nonce of its frames."""
    framed = list(_FRAME.finditer(asked))
    return {found[1]: found[3] for found in framed}, framed[-1][2] if framed else ""


def reply(asked: str) -> str:
    """The verdict on the candidates in a judge's prompt; where it asks for a merge, the plurality's answer follows."""
    shown, nonce = candidates(asked)
    if not shown:
        return "This is a scripted judge, and there is nothing here to judge."
    answers = {label: extract(text) for label, text in shown.items()}
    counts = Counter(answers.values())
    # The first to be shown wins a tie: `Counter` keeps the order of arrival.
    plurality = max(counts, key=lambda answer: counts[answer])
    ranking = sorted(shown, key=lambda label: -counts[answers[label]])
    scores = {label: 1 + round(9 * counts[answers[label]] / len(answers)) for label in answers}
    verdict = {"scores": {label: dict.fromkeys(criteria(asked), scores[label]) for label in answers}}
    written = json.dumps(verdict | _remarks(answers, counts, plurality, ranking), ensure_ascii=False)
    if not re.search(rf"^ANSWER {nonce}\s*$", asked, re.M):
        return written
    return f"{written}\nANSWER {nonce}\n{_answer(answers, plurality)}"


def _remarks(answers: dict[str, str], counts: Counter[str], plurality: str, ranking: list[str]) -> dict[str, Any]:
    agree = [label for label in ranking if answers[label] == plurality]
    rest = [label for label in ranking if answers[label] != plurality]
    stances = [{"model": label, "stance": _short(answers[label])} for label in ranking]
    return {
        "ranking": ranking,
        "rationale": f"Scripted judge, ranking by agreement: {', '.join(agree)} say {_short(plurality)}"
        f"{'; ' + ', '.join(rest) + ' differ' if rest else ''}.",
        "analysis": {
            "consensus": [] if rest else [f"The answer is {_short(plurality)}."],
            "contradictions": [{"topic": "The answer", "stances": stances}] if rest else [],
            "partial_coverage": [{"models": agree, "point": f"The answer {_short(plurality)}"}] if rest else [],
            "unique_insights": [
                {"model": label, "insight": f"Only {label} says {_short(answers[label])}."}
                for label in rest
                if counts[answers[label]] == 1
            ],
            "blind_spots": ["A scripted judge does not read the reasoning."],
        },
    }


def _answer(answers: dict[str, str], plurality: str) -> str:
    by_answer: dict[str, list[str]] = {}
    for label, answer in answers.items():
        by_answer.setdefault(answer, []).append(label)
    agree = ", ".join(by_answer.pop(plurality))
    lines = [f"Scripted judge: the answer most candidates give is **{_short(plurality)}**. [{agree}]"]
    lines += [f"- Another answer is {_short(answer)}. [{', '.join(who)}]" for answer, who in by_answer.items()]
    return "\n".join(lines)


def _short(answer: str) -> str:
    line = " ".join(answer.split())
    return line if len(line) <= 40 else line[:39] + "…"
