"""Short names for models, and the same model at its own vendor for people without an OpenRouter key.

OpenRouter's `~...-latest` slugs follow the newest model of a line; the vendors' own names are as old as this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Alias(NamedTuple):
    slug: str
    """At OpenRouter."""
    service: str = ""
    """The vendor's own service, where there is one."""
    model: str = ""
    """Its name there."""


ALIASES: Mapping[str, Alias] = {
    "claude": Alias("~anthropic/claude-sonnet-latest", "anthropic", "claude-sonnet-5-5"),
    "opus": Alias("~anthropic/claude-opus-latest", "anthropic", "claude-opus-5-5"),
    "sonnet": Alias("~anthropic/claude-sonnet-latest", "anthropic", "claude-sonnet-5-5"),
    "haiku": Alias("~anthropic/claude-haiku-latest", "anthropic", "claude-haiku-5-5"),
    "gemini": Alias("~google/gemini-pro-latest", "gemini", "gemini-3.1-pro-preview"),
    "flash": Alias("~google/gemini-flash-latest", "gemini", "gemini-3.8-flash"),
    "gemma": Alias("google/gemma-4-31b-it", "gemini", "gemma-4-31b-it"),
    "gpt": Alias("~openai/gpt-latest", "openai", "gpt-5.5"),
    "gpt-mini": Alias("~openai/gpt-mini-latest", "openai", "gpt-5.4-mini"),
    "gpt4o": Alias("openai/gpt-4o", "openai", "gpt-4o"),
    "gpt4o-mini": Alias("openai/gpt-4o-mini", "openai", "gpt-4o-mini"),
    "gpt-oss": Alias("openai/gpt-oss-120b"),
    "o3": Alias("openai/o3", "openai", "o3"),
    "deepseek": Alias("~deepseek/deepseek-pro-latest", "deepseek", "deepseek-v4-pro"),
    "deepseek-flash": Alias("~deepseek/deepseek-flash-latest", "deepseek", "deepseek-flash"),
    "grok": Alias("~x-ai/grok-latest", "xai", "grok-4.7"),
    "llama": Alias("meta-llama/llama-4-maverick"),
    "mistral": Alias("mistralai/mistral-large-4-0", "mistral", "mistral-large-4"),
    "qwen": Alias("qwen/qwen3.7-max"),
    "kimi": Alias("~moonshotai/kimi-latest"),
    "glm": Alias("~z-ai/glm-latest"),
    "minimax": Alias("minimax/minimax-m3"),
    "nemotron": Alias("nvidia/nemotron-3-ultra-550b-a55b"),
    "command": Alias("cohere/command-a-plus"),
    "nova": Alias("amazon/nova-premier-v1"),
}
SLUGS = frozenset(alias.slug for alias in ALIASES.values())
"""What need not be looked up: a test checks each against the price table."""
