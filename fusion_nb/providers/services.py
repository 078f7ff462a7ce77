"""The table of services. All of them speak the chat-completions wire.

A row holds what differs: the service's address, the variable with its key, how it names its options, what it accepts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from fusion_nb.errors import KeyMissing, UnknownName, UserError
from fusion_nb.providers import origins
from fusion_nb.providers.redaction import looks_like_key


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
    structured: bool = False
    """Whether `response_format` with a JSON schema can be depended on."""
    reports_cost: bool = False
    """Whether `usage.cost` says what a call cost."""
    reports_credit: bool = False
    """Whether `GET /key` says what a key has left."""
    prices_id: str | None = None
    """Its id in the genai-prices table."""
    local: bool = False
    """On this machine: nobody is billed."""
    headers: tuple[tuple[str, str], ...] = ()
    body: tuple[tuple[str, object], ...] = ()
    """Fields sent with every request."""

    def keeps_bills(self, generation_id: str) -> bool:
        """Whether `GET /generation` tells of a call afterwards: OpenRouter's does, also behind somebody's gateway."""
        return self.reports_cost or generation_id.startswith("gen-")

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

_ROWS = (
    OPENROUTER,
    Service(
        "openai",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        max_tokens="max_completion_tokens",
        structured=True,
        prices_id="openai",
    ),
    # Its compatible endpoint ignores seed, reasoning_effort and response_format.
    Service(
        "anthropic",
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
        seed=None,
        reasoning=None,
        prices_id="anthropic",
    ),
    # Refuses fields it does not know, `seed` among them.
    Service(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        ("GOOGLE_API_KEY",),
        seed=None,
        prices_id="google",
    ),
    Service("ollama", "http://127.0.0.1:11434/v1", structured=True, local=True),
    Service("lmstudio", "http://127.0.0.1:1234/v1", "LM_API_TOKEN", key_optional=True, structured=True, local=True),
    Service("vllm", "http://127.0.0.1:8000/v1", "VLLM_API_KEY", key_optional=True, structured=True, local=True),
    Service("llamacpp", "http://127.0.0.1:8080/v1", "LLAMA_API_KEY", key_optional=True, structured=True, local=True),
    # On this machine too, but what stands behind it may well send a bill.
    Service("litellm", "http://127.0.0.1:4000/v1", "LITELLM_API_KEY", key_optional=True),
    Service(
        "groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", max_tokens="max_completion_tokens", prices_id="groq"
    ),
    Service("together", "https://api.together.xyz/v1", "TOGETHER_API_KEY", prices_id="together"),
    Service(
        "deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY", seed=None, reasoning=None, prices_id="deepseek"
    ),
    # Refuses `seed` and `stream_options`; sends usage unasked.
    Service(
        "mistral",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        seed="random_seed",
        stream_options=False,
        reasoning=None,
        prices_id="mistral",
    ),
    Service("xai", "https://api.x.ai/v1", "XAI_API_KEY", max_tokens="max_completion_tokens", prices_id="x-ai"),
    Service("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", prices_id="fireworks"),
)
SERVICES: Mapping[str, Service] = {row.name: row for row in _ROWS}
_OWNERS: Mapping[str, Service] = {variable: row for row in _ROWS for variable in row.keys}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def custom_service(name: str, base_url: str, key_env: str | None = None) -> Service:
    """A chat-completions service of the user's own, or one of the table at another address.

    Raises:
        UserError: the name, the address or the key's variable may not stand; the sentence says what may.
    """
    if not _NAME.fullmatch(name) or name in ("demo", "local", "python"):
        raise UserError(f"Service name {name[:60]!r}: use a short word of letters, digits, - and _ that is not taken.")
    url = base_url.strip().rstrip("/").removesuffix("/chat/completions").rstrip("/")
    address = origins.parse(url)
    origins.check(url, address)
    _check_variable(key_env, address)
    row = SERVICES.get(name)
    if row is None:
        return Service(name, url, key_env)
    if origins.parse(row.base_url).origin == address.origin:
        return replace(row, base_url=url, key_env=key_env or row.key_env)
    return replace(row, base_url=url, key_env=key_env, key_also=(), local=row.local and address.loopback)


def service_named(name: str, own: Mapping[str, Service] | None = None) -> Service:
    """The service called `name`, the user's `own` before the table's. Raises `UnknownName`."""
    service = (own or {}).get(name) or SERVICES.get(name)
    if service is None:
        hint = "%config Fuse.services adds one of your own, as does --base-url for a single run."
        raise UnknownName("service", name, [*(own or {}), *SERVICES], hint)
    return service


def _check_variable(variable: str | None, address: origins.Address) -> None:
    if variable is None:
        return
    if looks_like_key(variable):
        raise KeyMissing(
            "key_env must be the *name* of an environment variable, and what stands there looks like a key itself: "
            "take it out, revoke it if the notebook is shared, and set it in the environment."
        )
    if not _VARIABLE.fullmatch(variable):
        raise UserError("key_env must be the name of an environment variable, like MY_SERVICE_API_KEY.")
    owner = _OWNERS.get(variable)
    if owner is not None and origins.parse(owner.base_url).origin != address.origin:
        raise UserError(
            f"{variable} belongs to {owner.name} and is sent nowhere else: put the key for {address.host} into a "
            "variable of its own and name that one."
        )
