"""The scripted judges: they recognise the demo members' texts in a judge's prompt and have the verdict by heart.

Each sees the same script through a character of its own, so that a jury of them has something to disagree about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fusion_nb.core import Message
from fusion_nb.core.run_spec import DEFAULT_CRITERIA
from fusion_nb.providers.demo.scripts import FRAME, Script, ScriptedAnswer, comparison_key, scripts, unknown_answer

_SLOT = re.compile(r'("(?:[^"\\]|\\.)*"): <1-10>')
"""A place for a score in the form the judge is asked to fill in."""
_CITED = re.compile(r" ?\[(@[a-z]+(?:, @[a-z]+)*)\]")
_NAMED = re.compile(r"@([a-z]+)\b")
_CUT = 20
"""Letters of a text from which on its beginning is taken for it."""


class Character(NamedTuple):
    """How a judge sees what all of them have by heart."""

    says: str = ""
    """Of itself, in its rationale."""
    scores: Callable[[ScriptedAnswer], Mapping[str, int]] = lambda answer: answer.scores
    terse: bool = False
    """Whether it remarks on the best candidate alone."""


def _strictly(answer: ScriptedAnswer) -> Mapping[str, int]:
    return {criterion: max(1, 2 * score - 10) for criterion, score in answer.scores.items()}


_WORDY = 100
"""Characters of an answer that cost a point of clarity with a judge of few words."""


def _briefly(answer: ScriptedAnswer) -> Mapping[str, int]:
    clarity = max(1, 10 - len(answer.text) // _WORDY)
    right = answer.scores["correctness"] > 5
    return {
        "correctness": answer.scores["correctness"],
        "completeness": max(8, answer.scores["completeness"]) if right else answer.scores["completeness"],
        "clarity": clarity,
    }


CHARACTERS: Mapping[str, Character] = {
    "strict": Character("I am the strict one: every gap costs double.", _strictly),
    "brief": Character("I am the brief one: of two right answers the shorter is better.", _briefly, terse=True),
}
"""By the judge's name; any other judges as `demo:judge` does."""


@dataclass(frozen=True, slots=True)
class RecognisedCandidate:
    """A candidate that was recognised, as a judge sees it."""

    label: str
    answer: ScriptedAnswer
    script: Script
    cut: bool
    scores: Mapping[str, int]

    def score(self, criterion: str) -> int:
        """1 to 10; a criterion of the user's own gets the mean of the scripted ones."""
        scores = self.scores
        score = scores.get(criterion, round(sum(scores.values()) / len(scores)))
        return max(1, score - 4) if self.cut and criterion == "completeness" else score


def judge_reply(messages: Sequence[Message], judge: str = "judge") -> str | None:
    """The whole reply of a judge, by its name; `None` where these messages do not ask to judge anything."""
    prompt = "\n".join(message.content for message in messages if message.role != "assistant")
    framed = [frame for frame in FRAME.finditer(prompt) if frame[1] == "CANDIDATE"]
    latest = messages[-1].content
    if not framed or latest.startswith("DEBATE ROUND"):
        return None
    shown = {frame[2]: frame[4] for frame in framed}
    criteria = read_criteria(prompt)
    candidates = [recognised for label, text in shown.items() if (recognised := recognise(label, text, judge))]
    if len(candidates) == len(shown) and len({id(candidate.script) for candidate in candidates}) == 1:
        verdict, answer = _scripted_verdict(candidates, criteria, CHARACTERS.get(judge, Character()))
    else:
        verdict, answer = _unknown_verdict(shown, criteria)
    written = json.dumps(verdict, ensure_ascii=False, indent=1)
    nonce = framed[-1][3]
    # A candidate cannot know the nonce, and a repair asks for the answer only where it is missing.
    return f"{written}\n\nANSWER {nonce}\n{answer}" if re.search(rf"^ANSWER {nonce}\s*$", latest, re.M) else written


def read_criteria(prompt: str) -> tuple[str, ...]:
    """The criteria that the form outside all frames has a place for."""
    slots = _SLOT.findall(FRAME.sub("", prompt))
    return tuple(dict.fromkeys(json.loads(slot) for slot in slots)) or DEFAULT_CRITERIA


def recognise(label: str, text: str, judge: str = "judge") -> RecognisedCandidate | None:
    """Whose text this is: a whole one, or the beginning of one that was cut off."""
    key, character = comparison_key(text), CHARACTERS.get(judge, Character())
    for script in dict.fromkeys(scripts().values()):
        for answer in script.answers:
            whole = comparison_key(answer.text)
            if key == whole or (len(key) >= _CUT and whole.startswith(key)):
                scores = answer.otherwise.get(judge) or character.scores(answer)
                return RecognisedCandidate(label, answer, script, key != whole, scores)
    return None


def _scripted_verdict(
    candidates: list[RecognisedCandidate], criteria: tuple[str, ...], character: Character
) -> tuple[dict[str, Any], str]:
    """The verdict and the fused answer of a script, under this run's labels."""
    scores = {
        candidate.label: {criterion: candidate.score(criterion) for criterion in criteria} for candidate in candidates
    }
    ranked = sorted(candidates, key=lambda candidate: -sum(scores[candidate.label].values()))
    members = {
        member: [candidate.label for candidate in candidates if candidate.answer.member == member]
        for member in (candidate.answer.member for candidate in candidates)
    }
    latest = max(candidate.answer.round for candidate in candidates)
    script = candidates[0].script
    script_verdict = script.verdicts[max(at for at in script.verdicts if at <= latest)]
    noted = ranked[:1] if character.terse else ranked
    remarks = [_remark(answer, ranked) for answer in dict.fromkeys(candidate.answer for candidate in noted)]
    # A member whose revision failed stands with an older text, of which this round's analysis knows nothing.
    agreed = all(script.standing(candidate.answer.member, latest) is candidate.answer for candidate in candidates)
    lead = script_verdict["lead"] if agreed and not character.terse else ""
    verdict = {
        "scores": scores,
        "ranking": [candidate.label for candidate in ranked],
        "rationale": " ".join(part for part in ("Scripted verdict.", character.says, lead, *remarks) if part),
        "analysis": _analysis(script_verdict if agreed else {}, members),
    }
    return verdict, _cite(script_verdict["answer"].strip(), members if agreed else {})


def _remark(answer: ScriptedAnswer, ranked: list[RecognisedCandidate]) -> str:
    same = [candidate for candidate in ranked if candidate.answer is answer]
    cut = [candidate.label for candidate in same if candidate.cut]
    ending = f" {_and(cut)} was cut off." if cut else ""
    return answer.remark.replace(f"@{answer.member}", _and(candidate.label for candidate in same)) + ending


def _analysis(script_verdict: Mapping[str, Any], members: Mapping[str, list[str]]) -> dict[str, Any]:
    """The five lists, without what is said of members that are not here."""

    def labels(names: Iterable[str]) -> list[str]:
        return [label for name in names for label in members.get(name, [])]

    contradictions = [
        {
            "topic": row["topic"],
            "stances": [
                {"model": label, "stance": stance}
                for name, stance in row["stances"].items()
                for label in labels([name])
            ],
        }
        for row in script_verdict.get("contradictions", [])
        if len({stance for name, stance in row["stances"].items() if name in members}) > 1
    ]
    partial = [
        {"models": labels(row["members"]), "point": row["point"]}
        for row in script_verdict.get("partial_coverage", [])
        if 0 < len(labels(row["members"])) < len(labels(members))
    ]
    insights = [
        {"model": label, "insight": row["insight"]}
        for row in script_verdict.get("unique_insights", [])
        for label in labels([row["member"]])
    ]
    return {
        "consensus": list(script_verdict.get("consensus", [])),
        "contradictions": contradictions,
        "partial_coverage": partial,
        "unique_insights": insights,
        "blind_spots": list(script_verdict.get("blind_spots", [])),
    }


def _cite(text: str, members: Mapping[str, list[str]]) -> str:
    """`text` with its `[@member]` marks turned into citations of labels; who is not here is not cited."""

    def citation(match: re.Match[str]) -> str:
        labels = [label for name in _NAMED.findall(match[1]) for label in members.get(name, [])]
        return f" [{', '.join(labels)}]" if labels else ""

    return _CITED.sub(citation, text)


def _unknown_verdict(shown: Mapping[str, str], criteria: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """What a scripted judge can honestly say of texts it has no script for."""
    words = unknown_answer()
    verdict = {
        "scores": {label: dict.fromkeys(criteria, 5) for label in shown},
        "ranking": list(shown),
        "rationale": f"{words['rationale']} Shown: {_and(shown)}.",
        "analysis": _analysis({"blind_spots": words["blind_spots"]}, {}),
    }
    own = {comparison_key(phrase) for phrase in words.values() if isinstance(phrase, str)}
    if all(comparison_key(text) in own for text in shown.values()):
        return verdict, words["no_script"].replace("LABELS", f"[{', '.join(shown)}]")
    first, text = next(iter(shown.items()))
    return verdict, words["strangers"].replace("LABELS", f"[{first}]").replace("TEXT", text.strip())


def _and(labels: Iterable[str]) -> str:
    *most, last = labels
    return f"{', '.join(most)} and {last}" if most else last
