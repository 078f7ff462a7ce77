"""What the demo models say: texts by prompt, member and round, read from the TOML files beside this module."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fusion_nb._types import Message

_SCRIPTED = {
    "bat-and-ball": "A bat and a ball cost 110 cents in total. The bat costs 100 cents more than the ball. "
    "How much does the ball cost?",
    "p-value": "What should I check before trusting a p-value?",
    "great-wall": "Can you see the Great Wall of China from the Moon with the naked eye?",
    "fill-prices": "Write a pandas function that fills each missing price with the median of its category.",
    "monty-hall": "In the Monty Hall problem, should I switch doors?",
    "strawberry": "How many times does the letter r occur in the word strawberry?",
}
PROMPTS: tuple[str, ...] = tuple(_SCRIPTED.values())
"""The prompts the demo pool has answers for. Case, spacing and punctuation do not matter; other wordings may."""

_TEXTS = Path(__file__).with_name("texts")
FRAME = re.compile(
    r"^===== BEGIN ([A-Z]+)(?: ([A-Z][1-9]))? (\w+) =====\n(.*?)\n?^===== END \1(?: \2)? \3 =====$", re.M | re.S
)
"""A text between its two lines: a candidate under its label, or the prompt, or the system message."""
_ROUND = re.compile(r"\s*DEBATE ROUND (\d+)")


class Said(NamedTuple):
    text: str
    reasoning: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One member's text for one prompt, standing from `round` of a debate until its next one."""

    member: str
    round: int
    text: str
    scores: dict[str, int]
    """For the default criteria; see `judge.score`."""
    remark: str
    """What the judge says of it; `@member` stands for its label."""
    reasoning: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """All that is known about one prompt."""

    wordings: tuple[str, ...]
    answers: tuple[Answer, ...]
    verdicts: dict[int, dict[str, Any]]
    """Round of a debate -> what the judge says when the answers of that round stand."""

    def standing(self, member: str, round: int) -> Answer | None:
        """The member's answer at the end of a round."""
        given = [a for a in self.answers if a.member == member and a.round <= round]
        return max(given, key=lambda a: a.round, default=None)


def answer(member: str, messages: tuple[Message, ...]) -> Said:
    """What a member says next in this conversation."""
    asked = [message.content for message in messages if message.role == "user"]
    debate = _ROUND.match(asked[-1]) if asked else None
    script = _about(asked) if debate else scripts().get(plain(asked[-1]) if asked else "")
    said = script.standing(member, int(debate[1]) if debate else 0) if script else None
    return Said(said.text, said.reasoning) if said else Said(unknown()[member])


def _about(asked: list[str]) -> Script | None:
    """The script of the prompt a debate is about: a message before its own, or a part of that where there is none."""
    *earlier, latest = asked
    if earlier:
        return next((scripts()[plain(text)] for text in earlier if plain(text) in scripts()), None)
    # Other answers may name prompts; what they say is not what was asked.
    spoken = plain(FRAME.sub(lambda found: "" if found[1] == "CANDIDATE" else found[0], latest))
    found = [wording for wording in scripts() if wording in spoken]
    return scripts()[min(found, key=spoken.index)] if found else None


def plain(text: str) -> str:
    """`text` without case, punctuation, and differences of spacing: what prompts and texts are recognised by."""
    return " ".join(re.findall(r"\w+", text.casefold()))


@functools.cache
def scripts() -> dict[str, Script]:
    """Every script under each wording of its prompt, in `plain` form."""
    found: dict[str, Script] = {}
    for name, prompt in _SCRIPTED.items():
        data = _read(name)
        answers = tuple(Answer(**{**row, "text": row["text"].strip()}) for row in data["answers"])
        wordings = (prompt, *data["wordings"])
        script = Script(wordings, answers, {row["round"]: row for row in data["verdicts"]})
        found |= {plain(wording): script for wording in wordings}
    return found


@functools.cache
def unknown() -> dict[str, Any]:
    """What is said about every other prompt."""
    known = "\n".join(f"- {prompt}" for prompt in PROMPTS)
    data = {key: said.strip() if isinstance(said, str) else said for key, said in _read("unknown").items()}
    return data | {"careful": data["careful"].replace("PROMPTS", known)}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_TEXTS / f"{name}.toml").read_text(encoding="utf-8"))
