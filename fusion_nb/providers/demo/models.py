"""The demo pool's models: names, play-money prices, and how fast each pretends to be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fusion_nb._types import Message, Usage

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
)
MODELS: dict[str, DemoModel] = {model.id: model for model in _MODELS}
MEMBERS: tuple[str, ...] = tuple(f"{SERVICE}:{name}" for name in ("swift", "steady", "careful"))
JUDGE = f"{SERVICE}:judge"


def find(name: object) -> DemoModel | None:
    """The model of this name, with or without the service before it: `swift`, `demo:swift`, `demo/swift`."""
    return MODELS.get(re.sub(r"^demo[:/]", "", name.strip())) if isinstance(name, str) else None


def price(model: str, usage: Usage) -> Decimal | None:
    """USD, play money, of `usage` on a demo model; `None` where either is unknown."""
    found = find(model)
    if found is None or usage.prompt is None or usage.completion is None:
        return None
    return sum(found.cost(usage.prompt, usage.completion), Decimal(0))


def listing() -> list[dict[str, Any]]:
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


def tokens(text: str) -> list[str]:
    """`text` in the pieces a script is streamed and counted in; joined they are `text` again."""
    return re.findall(r"\s*\S{1,7}|\s+", text)


def count(messages: tuple[Message, ...]) -> int:
    """Prompt tokens of a conversation."""
    return sum(len(tokens(message.content)) for message in messages)
