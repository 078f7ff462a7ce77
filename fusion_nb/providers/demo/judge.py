"""The scripted judge: recognises the demo members' texts in a judge's prompt and has the verdict by heart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusion_nb.core import Message
from fusion_nb.providers.demo.scripts import FRAME, Answer, Script, comparison_key, scripts, unknown_answer

CRITERIA = ("correctness", "completeness", "clarity")

_SLOT = re.compile(r'("(?:[^"\\]|\\.)*"): <1-10>')
"""A place for a score in the form the judge is asked to fill in."""
_CITED = re.compile(r" ?\[(@[a-z]+(?:, @[a-z]+)*)\]")
_NAMED = re.compile(r"@([a-z]+)\b")
_CUT = 20
"""Letters of a text from which on its beginning is taken for it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A candidate that was recognised."""

    label: str
    answer: Answer
    script: Script
    cut: bool

    def score(self, criterion: str) -> int:
        """1 to 10; a criterion of the user's own gets the mean of the scripted ones."""
        scores = self.answer.scores
        given = scores.get(criterion, round(sum(scores.values()) / len(scores)))
        return max(1, given - 4) if self.cut and criterion == "completeness" else given


def verdict(messages: Sequence[Message]) -> str | None:
    """The judge's whole reply; `None` where these messages do not ask to judge anything."""
    asked = "\n".join(message.content for message in messages if message.role != "assistant")
    framed = [found for found in FRAME.finditer(asked) if found[1] == "CANDIDATE"]
    latest = messages[-1].content
    if not framed or latest.startswith("DEBATE ROUND"):
        return None
    shown = {found[2]: found[4] for found in framed}
    criteria = read_criteria(asked)
    seen = [recognise(label, text) for label, text in shown.items()]
    known = [one for one in seen if one is not None]
    if len(known) == len(seen) and len({id(one.script) for one in known}) == 1:
        judged, fused = _by_heart(known, criteria)
    else:
        judged, fused = _unread(shown, criteria)
    written = json.dumps(judged, ensure_ascii=False, indent=1)
    nonce = framed[-1][3]
    # A candidate cannot know the nonce, and a repair asks for the answer only where it is missing.
    return f"{written}\n\nANSWER {nonce}\n{fused}" if re.search(rf"^ANSWER {nonce}\s*$", latest, re.M) else written


def read_criteria(asked: str) -> tuple[str, ...]:
    """The criteria that the form outside all frames has a place for."""
    slots = _SLOT.findall(FRAME.sub("", asked))
    return tuple(dict.fromkeys(json.loads(slot) for slot in slots)) or CRITERIA


def recognise(label: str, text: str) -> Seen | None:
    """Whose text this is: a whole one, or the beginning of one that was cut off."""
    spoken = comparison_key(text)
    for script in dict.fromkeys(scripts().values()):
        for answer in script.answers:
            whole = comparison_key(answer.text)
            if spoken == whole or (len(spoken) >= _CUT and whole.startswith(spoken)):
                return Seen(label, answer, script, spoken != whole)
    return None


def _by_heart(seen: list[Seen], criteria: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """The verdict and the fused answer of a script, under this run's labels."""
    scores = {one.label: {criterion: one.score(criterion) for criterion in criteria} for one in seen}
    ranked = sorted(seen, key=lambda one: -sum(scores[one.label].values()))
    members = {
        member: [o.label for o in seen if o.answer.member == member] for member in (o.answer.member for o in seen)
    }
    latest = max(one.answer.round for one in seen)
    script = seen[0].script
    spoken = script.verdicts[max(at for at in script.verdicts if at <= latest)]
    remarks = [_remark(answer, ranked) for answer in dict.fromkeys(one.answer for one in ranked)]
    # A member whose revision failed stands with an older text, of which this round's analysis knows nothing.
    agreed = all(script.standing(one.answer.member, latest) is one.answer for one in seen)
    judged = {
        "scores": scores,
        "ranking": [one.label for one in ranked],
        "rationale": " ".join(["Scripted verdict.", *([spoken["lead"]] if agreed else []), *remarks]),
        "analysis": _analysis(spoken if agreed else {}, members),
    }
    return judged, _cite(spoken["answer"].strip(), members if agreed else {})


def _remark(answer: Answer, ranked: list[Seen]) -> str:
    same = [one for one in ranked if one.answer is answer]
    ending = f" {_and(one.label for one in same if one.cut)} was cut off." if any(one.cut for one in same) else ""
    return answer.remark.replace(f"@{answer.member}", _and(one.label for one in same)) + ending


def _analysis(spoken: Mapping[str, Any], members: Mapping[str, list[str]]) -> dict[str, Any]:
    """The five lists, without what is said of members that are not here."""

    def labels(names: Iterable[str]) -> list[str]:
        return [label for name in names for label in members.get(name, [])]

    contradictions = [
        {
            "topic": row["topic"],
            "stances": [
                {"model": la, "stance": said} for name, said in row["stances"].items() for la in labels([name])
            ],
        }
        for row in spoken.get("contradictions", [])
        if len({said for name, said in row["stances"].items() if name in members}) > 1
    ]
    partial = [
        {"models": labels(row["members"]), "point": row["point"]}
        for row in spoken.get("partial_coverage", [])
        if 0 < len(labels(row["members"])) < len(labels(members))
    ]
    insights = [
        {"model": label, "insight": row["insight"]}
        for row in spoken.get("unique_insights", [])
        for label in labels([row["member"]])
    ]
    return {
        "consensus": list(spoken.get("consensus", [])),
        "contradictions": contradictions,
        "partial_coverage": partial,
        "unique_insights": insights,
        "blind_spots": list(spoken.get("blind_spots", [])),
    }


def _cite(text: str, members: Mapping[str, list[str]]) -> str:
    """`text` with its `[@member]` marks turned into citations of labels; who is not here is not cited."""

    def mark(found: re.Match[str]) -> str:
        labels = [label for name in _NAMED.findall(found[1]) for label in members.get(name, [])]
        return f" [{', '.join(labels)}]" if labels else ""

    return _CITED.sub(mark, text)


def _unread(shown: Mapping[str, str], criteria: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """What a scripted judge can honestly say of texts it has no script for."""
    words = unknown_answer()
    judged = {
        "scores": {label: dict.fromkeys(criteria, 5) for label in shown},
        "ranking": list(shown),
        "rationale": f"{words['rationale']} Shown: {_and(shown)}.",
        "analysis": _analysis({"blind_spots": words["blind_spots"]}, {}),
    }
    own = {comparison_key(said) for said in words.values() if isinstance(said, str)}
    if all(comparison_key(text) in own for text in shown.values()):
        return judged, words["no_script"].replace("LABELS", f"[{', '.join(shown)}]")
    first, text = next(iter(shown.items()))
    return judged, words["strangers"].replace("LABELS", f"[{first}]").replace("TEXT", text.strip())


def _and(labels: Iterable[str]) -> str:
    *most, last = labels
    return f"{', '.join(most)} and {last}" if most else last
