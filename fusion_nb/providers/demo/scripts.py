"""The demo pool's models (names, play-money prices, speeds) and their texts by prompt, member and round.

The texts are in the TOML files beside this module.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from fusion_nb.core import Message, Usage

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
_CHECK_FAILED = re.compile(r"\s*A check of the person's own")


class ScriptedReply(NamedTuple):
    text: str
    reasoning: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ScriptedAnswer:
    """One member's text for one prompt, standing from `round` of a debate until its next one."""

    member: str
    round: int
    text: str
    scores: dict[str, int]
    """For the default criteria; see `judge.score`."""
    remark: str
    """What the judge says of it; `@member` stands for its label."""
    reasoning: str = ""
    otherwise: Mapping[str, dict[str, int]] = field(default_factory=dict)
    """Scores of a judge, by its name, that sees this text in another way than its character would."""


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """All that is known about one prompt."""

    wordings: tuple[str, ...]
    answers: tuple[ScriptedAnswer, ...]
    verdicts: dict[int, dict[str, Any]]
    """Round of a debate -> what the judge says when the answers of that round stand."""

    def standing(self, member: str, round: int) -> ScriptedAnswer | None:
        """The member's answer at the end of a round."""
        answers = [a for a in self.answers if a.member == member and a.round <= round]
        return max(answers, key=lambda a: a.round, default=None)


def member_reply(member: str, messages: tuple[Message, ...]) -> ScriptedReply:
    """What a member says next in this conversation."""
    questions = [message.content for message in messages if message.role == "user"]
    latest = questions[-1] if questions else ""
    debate, failed = _ROUND.match(latest), _CHECK_FAILED.match(latest)
    script = _script_of_debate(questions) if debate or failed else scripts().get(comparison_key(latest))
    turn = int(debate[1]) if debate else _round_said(script, messages) + 1 if script and failed else 0
    answer = script.standing(member, turn) if script else None
    return ScriptedReply(answer.text, answer.reasoning) if answer else ScriptedReply(unknown_answer()[member])


def _round_said(script: Script, messages: tuple[Message, ...]) -> int:
    """The round of the answer that a check did not let pass."""
    said = [comparison_key(message.content) for message in messages if message.role == "assistant"]
    return next((answer.round for answer in script.answers if comparison_key(answer.text) in said), 0)


def _script_of_debate(questions: list[str]) -> Script | None:
    """The script of the prompt that a debate, or a second try, is about: of an earlier message, or quoted in the latest
    where there is none."""
    *earlier, latest = questions
    if earlier:
        return next((scripts()[comparison_key(text)] for text in earlier if comparison_key(text) in scripts()), None)
    # Other answers may name prompts; what they say is not what was asked.
    key = comparison_key(FRAME.sub(lambda frame: "" if frame[1] == "CANDIDATE" else frame[0], latest))
    wordings = [wording for wording in scripts() if wording in key]
    return scripts()[min(wordings, key=key.index)] if wordings else None


def comparison_key(text: str) -> str:
    """`text` without case, punctuation, and differences of spacing: what prompts and texts are recognised by."""
    return " ".join(re.findall(r"\w+", text.casefold()))


@functools.cache
def scripts() -> dict[str, Script]:
    """Every script under each wording of its prompt, as its comparison key."""
    by_wording: dict[str, Script] = {}
    for name, prompt in _SCRIPTED.items():
        data = _read(name)
        answers = tuple(ScriptedAnswer(**{**row, "text": row["text"].strip()}) for row in data["answers"])
        wordings = (prompt, *data["wordings"])
        script = Script(wordings, answers, {row["round"]: row for row in data["verdicts"]})
        by_wording |= {comparison_key(wording): script for wording in wordings}
    return by_wording


@functools.cache
def unknown_answer() -> dict[str, Any]:
    """What is said about every other prompt."""
    prompts = "\n".join(f"- {prompt}" for prompt in PROMPTS)
    data = {key: text.strip() if isinstance(text, str) else text for key, text in _read("unknown").items()}
    return data | {"careful": data["careful"].replace("PROMPTS", prompts)}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_TEXTS / f"{name}.toml").read_text(encoding="utf-8"))


SERVICE = "demo"
CONTEXT = 128_000


@dataclass(frozen=True, slots=True)
class DemoModel:
    """One scripted model. Prices are USD per token, play money: nobody is billed for a script."""

    id: str
    name: str
    description: str
    prompt_price: Decimal
    completion_price: Decimal
    ttft: float
    """Seconds to its first text."""
    rate: float
    """Tokens a second after that."""

    def cost(self, prompt: int, completion: int) -> tuple[Decimal, Decimal]:
        """USD of the prompt's tokens and of the completion's."""
        return self.prompt_price * prompt, self.completion_price * completion


def _model(name: str, role: str, prompt: str, completion: str, ttft: float, rate: float) -> DemoModel:
    title = f"Demo {name.capitalize()} (scripted)"
    about = f"{role} A script on your own machine, not a language model; its prices are play money."
    return DemoModel(name, title, about, Decimal(prompt), Decimal(completion), ttft, rate)


_MODELS = (
    _model("swift", "The demo pool's quickest member, often too quick.", "0.0000001", "0.0000004", 0.15, 220),
    _model("steady", "The demo pool's middle member: short and mostly right.", "0.000001", "0.000004", 0.3, 170),
    _model("careful", "The demo pool's slowest member: long and thorough.", "0.000003", "0.000015", 0.5, 190),
    _model("judge", "The demo pool's judge.", "0.000002", "0.00001", 0.2, 550),
    _model("strict", "The demo pool's strict judge: every gap costs double.", "0.000003", "0.000015", 0.4, 500),
    _model("brief", "The demo pool's judge of few words: it prefers short answers.", "0.0000005", "0.000002", 0.1, 600),
)
MODELS: dict[str, DemoModel] = {model.id: model for model in _MODELS}
MEMBERS: tuple[str, ...] = tuple(f"{SERVICE}:{name}" for name in ("swift", "steady", "careful"))
JUDGE = f"{SERVICE}:judge"
JUDGES: tuple[str, ...] = (JUDGE, *(f"{SERVICE}:{name}" for name in ("strict", "brief")))
"""A jury: each has a character of its own, and on some of the prompts they disagree."""


def find_model(name: object) -> DemoModel | None:
    """The model of this name, with or without the service before it: `swift`, `demo:swift`, `demo/swift`."""
    return MODELS.get(re.sub(r"^demo[:/]", "", name.strip())) if isinstance(name, str) else None


def price(model: str, usage: Usage) -> Decimal | None:
    """USD, play money, of `usage` on a demo model; `None` where either is unknown."""
    demo_model = find_model(model)
    if demo_model is None or usage.prompt is None or usage.completion is None:
        return None
    return sum(demo_model.cost(usage.prompt, usage.completion), Decimal(0))


def list_models() -> list[dict[str, Any]]:
    """The rows of `GET /models`, in OpenRouter's form."""
    return [
        {
            "id": model.id,
            "canonical_slug": model.id,
            "name": model.name,
            "description": model.description,
            "created": 0,
            "context_length": CONTEXT,
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "Other"},
            "pricing": {"prompt": f"{model.prompt_price:f}", "completion": f"{model.completion_price:f}"},
            "top_provider": {"context_length": CONTEXT, "max_completion_tokens": CONTEXT, "is_moderated": False},
            "supported_parameters": ["max_completion_tokens", "max_tokens", "response_format", "seed", "temperature"],
        }
        for model in _MODELS
    ]


def split_tokens(text: str) -> list[str]:
    """`text` in the pieces a script is streamed and counted in; joined they are `text` again."""
    return re.findall(r"\s*\S{1,7}|\s+", text)


def count_prompt_tokens(messages: tuple[Message, ...]) -> int:
    """Prompt tokens of a conversation: marks count by themselves, or a prompt of many marks would seem cut off."""
    return sum(len(re.findall(r"\s*[^\W\d_]{1,6}|\d{1,3}|[^\w\s]|_|\s+", message.content)) for message in messages)
