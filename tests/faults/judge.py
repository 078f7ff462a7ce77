"""Scripted judges for fault runs. `judge` reads the framing and prefers the first candidate it is shown; the others go
wrong in the ways of rows 66 to 69: `judge_prose`, `judge_cut` ..."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.faults.answer import Answer, choice, delta, failure, finish, sse, stream, usage

_CANDIDATE = re.compile(r"^===== BEGIN CANDIDATE ([A-Z][1-9]) ([0-9a-f]{32}) =====$", re.MULTILINE)
LONG = 60_000
"""Characters of a rationale nobody asked for."""


def _labels(asked: str) -> list[str]:
    return list(dict.fromkeys(label for label, _ in _CANDIDATE.findall(asked)))


def _form(labels: list[str], **more: Any) -> dict[str, Any]:
    criteria = ("correctness", "completeness", "clarity")
    return {
        "scores": {label: dict.fromkeys(criteria, 9 - (place > 0)) for place, label in enumerate(labels)},
        "ranking": labels,
        "rationale": "Because it stands first.",
        **more,
    }


def _said(text: str, reason: str = "stop") -> Answer:
    return stream(delta(text), finish(reason), usage(), "[DONE]")


def _good(asked: str) -> Answer:
    """A verdict in form, and the answer behind it where one is asked for."""
    return _said(json.dumps(_form(_labels(asked))) + _answer(asked))


def _answer(asked: str) -> str:
    nonce = next((nonce for _, nonce in _CANDIDATE.findall(asked)), "")
    return f"\nANSWER {nonce}\nMerged by the judge." if re.search(rf"^ANSWER {nonce}\s*$", asked, re.MULTILINE) else ""


def _fenced(asked: str) -> Answer:
    written = json.dumps(_form(_labels(asked)), indent=1)
    return _said(f"Here it is:\n```json\n{written}\n```\nI hope it helps.{_answer(asked)}")


def _labelled(change: Callable[[list[str]], list[str]]) -> Callable[[str], Answer]:
    return lambda asked: _said(json.dumps(_form(change(_labels(asked)))))


_PROSE = "All of them have their merits, and much depends on what is wanted."
BAD: dict[str, Callable[[str], Answer]] = {
    "prose": lambda _: _said(_PROSE),
    "fenced": _fenced,
    "broken": lambda asked: _said('{"scores": {' + ", ".join(_labels(asked)) + "}, oops"),
    "unknown": _labelled(lambda labels: [*labels[:-1], "Z8" if "Z9" in labels else "Z9"]),
    "twice": _labelled(lambda labels: [labels[0], labels[0]]),
    "missing": _labelled(lambda labels: labels[:1]),
    "empty": lambda _: stream(finish(), usage(), "[DONE]"),
    "cut": lambda asked: _said(json.dumps(_form(_labels(asked)))[:40], "length"),
    "refused": lambda _: stream(choice(delta={"refusal": "I do not compare."}), finish(), usage(), "[DONE]"),
    "long": lambda asked: _said("Well, " * (LONG // 6) + json.dumps(_form(_labels(asked)))[:40], "length"),
    "down": lambda _: failure(400, "No judge today."),
    "stall": lambda _: Answer(sse(delta('{"sco')), end="hold"),
    "silent": lambda _: Answer(end="hold"),
}


def verdict(row: str, messages: list[dict[str, Any]], turn: int) -> Answer:
    """What the judge called `row` says. One whose name ends in `_once` goes wrong in its first call alone."""
    asked = "\n".join(m["content"] for m in messages if m["role"] != "assistant")
    name = row.partition("_")[2]
    wrong = BAD.get(name.removesuffix("_once"))
    if wrong is None or (name.endswith("_once") and turn > 1):
        return _good(asked)
    return wrong(asked)
