"""The table of services. All of them speak the chat-completions wire.

A row holds what differs: the service's address, the variable with its key, how it names its options, what it accepts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from fusion_nb.errors import UnknownName

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Every level of reasoning a person can ask for, the least first."""
_UP_TO_HIGH = ("none", "low", "medium", "high")


def nearest_effort(level: str, efforts: tuple[str, ...]) -> str:
    """The one of `efforts` that is nearest to `level`; of two as near, the lower one."""
    if level not in EFFORTS:
        return level
    wanted = EFFORTS.index(level)
    return min(efforts, key=lambda effort: (abs(EFFORTS.index(effort) - wanted), EFFORTS.index(effort)))


@dataclass(frozen=True, slots=True)
class Service:
    """One service: `base_url` is followed by `/chat/completions` and `/models`."""

    name: str
    base_url: str
    key_env: str | None = None
    """The variable that holds its key; `None` for a server that asks for none."""
    key_also: tuple[str, ...] = ()
    """Other variables people keep the same key in."""
    key_optional: bool = False
    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    seed: Literal["seed", "random_seed"] | None = "seed"
    """The field's name; `None` where the service refuses or ignores it."""
    stream_options: bool = True
    """Whether usage comes only when `stream_options.include_usage` asks for it."""
    reasoning: Literal["object", "effort"] | None = "effort"
    """`object`: OpenRouter's `reasoning{effort|max_tokens}`. `effort`: `reasoning_effort`. `None`: not passed on."""
    efforts: tuple[str, ...] = EFFORTS
    """The levels of reasoning it takes."""
    structured: bool = False
    """Whether `response_format` with a JSON schema can be depended on."""
    reports_cost: bool = False
    """Whether `usage.cost` says what a call cost."""
    reports_credit: bool = False
    """Whether `GET /key` says what a key has left."""
    prices_id: str | None = None
    """Its id in the genai-prices table."""
    batch: Literal["openai", "anthropic"] | None = None
    """The wire of its batch API; `None`: it has none that is spoken here."""
    batch_price: Decimal = Decimal("0.5")
    """What a call costs in a batch, as a share of its price."""
    local: bool = False
    """On this machine: nobody is billed."""
    headers: tuple[tuple[str, str], ...] = ()
    body: tuple[tuple[str, object], ...] = ()
    """Fields sent with every request."""

    def keeps_bills(self, generation_id: str) -> bool:
        """Whether `GET /generation` tells of a call afterwards: OpenRouter's does, also behind somebody's gateway."""
        return self.reports_cost or generation_id.startswith("gen-")

    def nearest_effort(self, level: str) -> str:
        """The level it takes that is nearest to `level`; of two as near, the lower one: it is never the dearer."""
        return nearest_effort(level, self.efforts)

    @property
    def keys(self) -> tuple[str, ...]:
        """Every variable its key may be in, the usual one first."""
        return (self.key_env, *self.key_also) if self.key_env else ()


OPENROUTER = Service(
    "openrouter",
    "https://openrouter.ai/api/v1",
    "OPENROUTER_API_KEY",
    max_tokens="max_completion_tokens",
    stream_options=False,
    reasoning="object",
    reports_cost=True,
    reports_credit=True,
    prices_id="openrouter",
    headers=(("X-OpenRouter-Title", "fusion_nb"),),
    # On by default for small contexts, it would cut candidates out of a judge's prompt without a word.
    body=(("plugins", ({"id": "context-compression", "enabled": False},)),),
)


def _local(name: str, port: int, key_env: str) -> Service:
    """A server of models on this machine, at its usual port; it may have been started with a key."""
    url = f"http://127.0.0.1:{port}/v1"
    return Service(name, url, key_env, key_optional=True, efforts=_UP_TO_HIGH, structured=True, local=True)


_ROWS = (
    OPENROUTER,
    Service(
        "openai",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        max_tokens="max_completion_tokens",
        efforts=EFFORTS[:-1],
        structured=True,
        prices_id="openai",
        batch="openai",
    ),
    # Its compatible endpoint ignores seed, reasoning_effort and response_format.
    Service(
        "anthropic",
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
        seed=None,
        reasoning=None,
        prices_id="anthropic",
        batch="anthropic",
    ),
    # Refuses fields it does not know, `seed` among them.
    Service(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        ("GOOGLE_API_KEY",),
        seed=None,
        efforts=("none", "minimal", "low", "medium", "high"),
        prices_id="google",
    ),
    Service("ollama", "http://127.0.0.1:11434/v1", efforts=_UP_TO_HIGH, structured=True, local=True),
    _local("lmstudio", 1234, "LM_API_TOKEN"),
    _local("vllm", 8000, "VLLM_API_KEY"),
    _local("llamacpp", 8080, "LLAMA_API_KEY"),
    # On this machine too, but what stands behind it may well send a bill. It refuses what the model behind it does not
    # take, unless it is told to leave that out.
    Service("litellm", "http://127.0.0.1:4000/v1", "LITELLM_API_KEY", key_optional=True, body=(("drop_params", True),)),
    Service(
        "groq",
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        max_tokens="max_completion_tokens",
        efforts=_UP_TO_HIGH,
        prices_id="groq",
    ),
    Service(
        "together",
        "https://api.together.xyz/v1",
        "TOGETHER_API_KEY",
        efforts=_UP_TO_HIGH[1:],
        prices_id="together",
    ),
    # Its own table maps every level but `none`.
    Service(
        "deepseek",
        "https://api.deepseek.com",
        "DEEPSEEK_API_KEY",
        seed=None,
        efforts=EFFORTS[1:],
        prices_id="deepseek",
    ),
    # Refuses `seed` and `stream_options`; sends usage unasked.
    Service(
        "mistral",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        seed="random_seed",
        stream_options=False,
        efforts=("none", "high"),
        structured=True,
        prices_id="mistral",
    ),
    Service(
        "xai",
        "https://api.x.ai/v1",
        "XAI_API_KEY",
        max_tokens="max_completion_tokens",
        efforts=_UP_TO_HIGH,
        structured=True,
        prices_id="x-ai",
    ),
    Service(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
        efforts=(*_UP_TO_HIGH, "xhigh"),
        structured=True,
        prices_id="fireworks",
    ),
)
SERVICES: Mapping[str, Service] = {row.name: row for row in _ROWS}


def service_named(name: str, own: Mapping[str, Service] | None = None) -> Service:
    """The service called `name`, the user's `own` before the table's. Raises `UnknownName`."""
    service = (own or {}).get(name) or SERVICES.get(name)
    if service is None:
        hint = "services= adds one of your own, base_url= one for a single run."
        raise UnknownName("service", name, [*(own or {}), *SERVICES], hint)
    return service
