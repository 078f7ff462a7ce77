"""Names into refs: what a person writes as a pool becomes the members to ask. No network is needed.

The table of aliases at the end gives each short name its model at OpenRouter and, for people without an OpenRouter key,
at its own vendor. OpenRouter's `~...-latest` slugs follow the newest model of a line; the vendors' own names are as old
as this file.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from fusion_nb.accounts import prices
from fusion_nb.core import Ref, entry_syntax
from fusion_nb.core.entry_syntax import checked_name, split_entries
from fusion_nb.core.member_settings import Entry, PoolEntry, Settings, each_of, label_of, parse_entry
from fusion_nb.core.routing_settings import has_data_policy
from fusion_nb.errors import UnknownName, UserError
from fusion_nb.providers.function_provider import SERVICE as PYTHON
from fusion_nb.providers.function_provider import FunctionMember, name_of
from fusion_nb.providers.model_list import ModelInfo
from fusion_nb.providers.services import OPENROUTER, SERVICES, Service, service_named

MAX_MEMBERS = entry_syntax.MAX_MEMBERS
Member = Ref | FunctionMember
"""Who is asked."""

_OLLAMA_TAG = re.compile(
    r"(?i)latest|cloud|(?:e?\d+(?:\.\d+)?[bm]|\d+x\d+b|mini|small|medium|large|instruct|q\d)(?:[-_.].*)?"
)
"""How Ollama writes the size of a model behind its name: `gpt-oss:20b`, `qwen3:4b-instruct-q8_0`."""
_SLUG = re.compile(r"~?[\w.-]+/[\w.:-]+")


class NameResolver:
    """What can be named: built-in and own aliases, services, the models at hand.

    Args:
        aliases: the user's own, to anything a pool entry may be; they come before the built-in ones.
        services: the user's own.
        has_key: whether there is a key in a variable of that name.
        demo: the members `demo` stands for.
        local: asks for the members `local` stands for, what answers on this machine; called where that is named.
        default: the service of plain names, where it is not OpenRouter: then they are that service's model names.
        pools: names that stand for whole pools elsewhere: only to be suggested.
    """

    def __init__(
        self,
        *,
        aliases: Mapping[str, str] | None = None,
        services: Mapping[str, Service] | None = None,
        has_key: Callable[[str], bool] = lambda _: False,
        demo: Sequence[Ref] = (),
        local: Callable[[], Sequence[Ref]] = tuple,
        default: str | None = None,
        pools: Sequence[str] = (),
    ) -> None:
        self._aliases, self._services, self._has_key = aliases or {}, services or {}, has_key
        self._demo, self._find_local, self._default, self._pools = demo, local, default, pools

    def members(self, entry: PoolEntry | Ref) -> Iterator[Member]:
        """What one entry of a pool stands for."""
        if isinstance(entry, Ref):
            yield entry
            return
        written = parse_entry(entry)
        if not isinstance(written.model, str):
            function = written.model
            yield FunctionMember(Ref(PYTHON, name_of(function), options=written.settings), function)
            return
        for ref, meant in list(self._named(written.model, written)):
            label = label_of(ref.label or written.model, _shown_settings(written))
            self._refuse_lost_policy(label, ref, meant.settings)
            members = each_of(meant)
            for place, options in enumerate(members, 1):
                numbered = f"{label} #{place}" if len(members) > 1 else label
                yield replace(ref, label=numbered, options=options)

    def _named(self, name: str, written: Entry, depth: int = 0) -> Iterator[tuple[Ref, Entry]]:
        """The models a name stands for, and what is asked of each: as `written`, and as aliases say."""
        if not name:
            raise UserError("There is an empty name in the pool: take out the extra comma.")
        if name in self._aliases:
            if depth > 8:
                raise UserError(f"The alias {written.model!r} leads to itself: point it at a model.")
            meant = parse_entry(self._aliases[name]).within(written)
            yield from self._named(str(meant.model), meant, depth + 1)
            return
        for ref in self._models(name):
            yield ref, written

    def _models(self, name: str) -> Sequence[Ref]:
        if name == "demo" and self._demo:
            return self._demo
        if name == "local":
            return self._local_models()
        if self._default is not None and name.partition(":")[0] not in (*self._services, *SERVICES):
            return [Ref(self._default, checked_name(name))]
        return [self._alias(name.lower()) if name.lower() in ALIASES else self._spelled(name)]

    def _refuse_lost_policy(self, label: str, ref: Ref, settings: Settings) -> None:
        """Raise `UserError` where a data policy would be sent to a service that knows of none."""
        routing = dict(settings).get("provider")
        if routing is None or ref.service == OPENROUTER.name or not has_data_policy(routing):
            return
        row = self._services.get(ref.service) or SERVICES.get(ref.service)
        if row is None or not row.local:
            raise UserError(
                f"{label}: only OpenRouter can be held to a data policy, and {ref.service} serves this model here. "
                f"Name the model as openrouter:..., or take the policy out."
            )

    def _local_models(self) -> Sequence[Ref]:
        models = self._find_local()
        if not models:
            raise UserError(
                "No model server answers on this machine: start Ollama, LM Studio, vLLM or llama.cpp on its usual "
                "port, or name one with base_url."
            )
        return models

    def _alias(self, name: str) -> Ref:
        """At OpenRouter, or at the vendor itself where that is the key there is."""
        alias = ALIASES[name]
        vendor = SERVICES.get(alias.service)
        if vendor is not None and not self._has(OPENROUTER) and self._has(vendor):
            return Ref(vendor.name, alias.model)
        return Ref(OPENROUTER.name, alias.slug)

    def _has(self, service: Service) -> bool:
        return any(self._has_key(variable) for variable in service.keys)

    def _spelled(self, name: str) -> Ref:
        service, colon, model = name.partition(":")
        if colon or "*" in name or "," in name:
            # Of other names that nobody knows, the nearest are what helps.
            checked_name(name)
        if colon and "/" not in service:
            if not model:
                raise UserError(f"{name!r} names no model: write it as service:model.")
            if _OLLAMA_TAG.fullmatch(model) and service not in (*self._services, *SERVICES):
                raise UserError(
                    f"Unknown service {service!r}. Did you mean ollama:{name}, Ollama's model of that name?"
                )
            return Ref(service_named(service, self._services).name, model)
        if _SLUG.fullmatch(name) and (name in SLUGS or name in slugs()):
            return Ref(OPENROUTER.name, name)
        hint = "fusion_nb.models() and %fuse_models list what there is."
        if _SLUG.fullmatch(name):
            hint = f"If it is newer than the list in {prices.price_source()}, write openrouter:{name}."
            vendor, _, model = name.partition("/")
            if vendor in self._services:
                hint = f"A model of your service {vendor} is written {vendor}:{model}."
        raise UnknownName(
            "model", name, [*self._aliases, *ALIASES, *self._pools, *self._services, *SERVICES, *slugs()], hint
        )


def resolve(
    pool: PoolEntry | Sequence[PoolEntry | Ref],
    *,
    aliases: Mapping[str, str] | None = None,
    services: Mapping[str, Service] | None = None,
    has_key: Callable[[str], bool] = lambda _: False,
    demo: Sequence[Ref] = (),
    local: Callable[[], Sequence[Ref]] = tuple,
    default: str | None = None,
    pools: Sequence[str] = (),
) -> tuple[Member, ...]:
    """The members of a pool, every label its own.

    Args:
        pool: a list, or names by comma: an alias, an OpenRouter slug (`openai/gpt-4o`), `service:model`, `name*3`
            (thrice, each with a seed of its own), `name{temperature=0}`, `demo`, `local`, a `Member`, or a function.
        aliases, services, has_key, demo, local, default, pools: see `NameResolver`.

    Raises:
        UnknownName: a name that no model, alias or service has; the message suggests the nearest.
        UserError: the pool is empty, or larger than 64.
    """
    several = isinstance(pool, Sequence) and not isinstance(pool, str)
    entries: Any = pool if several else split_entries(pool) if isinstance(pool, str) else [pool]
    if not entries or (isinstance(pool, str) and not pool.strip()):
        raise UserError("The pool is empty: name a model, like claude,gemini,gpt4o, or try demo.")
    resolver = NameResolver(
        aliases=aliases, services=services, has_key=has_key, demo=demo, local=local, default=default, pools=pools
    )
    members: list[Member] = []
    for entry in entries:
        members += resolver.members(entry)
        if len(members) > MAX_MEMBERS:
            raise UserError(f"The pool has more than {MAX_MEMBERS} members: name fewer.")
    return tuple(_distinct_labels(members))


def completions(
    typed: str, aliases: Mapping[str, str] | None = None, services: Mapping[str, Service] | None = None
) -> Iterable[str]:
    """What a pool entry that begins with `typed` could be. OpenRouter's slugs only once a vendor is begun."""
    short = [*(aliases or {}), *ALIASES, "demo", "local"]
    yield from sorted({name for name in short if name.startswith(typed)})
    service, colon, _ = typed.partition(":")
    at_hand = {**SERVICES, **(services or {})}
    yield from sorted(f"{name}:" for name in at_hand if not colon and name.startswith(typed))
    if colon and service in at_hand and (row := at_hand[service]).prices_id:
        refs = (f"{service}:{model.id}" for model in prices.listed_models(row.prices_id))
        yield from sorted(name for name in refs if name.startswith(typed))
    elif "/" in typed:
        yield from sorted(slug for slug in slugs() if slug.startswith(typed))


def alias_models(listed: Sequence[ModelInfo], resolver: NameResolver, own: Iterable[str] = ()) -> list[ModelInfo]:
    """A row for each alias, the user's `own` first, with what it stands for now; one that leads nowhere has none."""
    by_ref = {(info.ref.service, info.ref.model): info for info in listed}
    rows = []
    for alias in dict.fromkeys((*own, *ALIASES)):
        with contextlib.suppress(UserError):
            for ref in resolver.members(alias):
                if isinstance(ref, Ref):
                    info = by_ref.get((ref.service, ref.model)) or ModelInfo(ref, ref.model)
                    rows.append(replace(info, alias=alias))
    return rows


def slugs() -> frozenset[str]:
    """OpenRouter's models, as far as the price table knows them."""
    return frozenset(row.id for row in prices.listed_models("openrouter"))


def _shown_settings(entry: Entry) -> Settings:
    """Those in a label: the seeds of `name*3` are told by its number."""
    return tuple(pair for pair in entry.settings if entry.times is None or pair[0] != "seed")


def _distinct_labels(members: Sequence[Member]) -> Iterator[Member]:
    """The same members under labels of their own: the second `claude` is `claude #2`."""
    taken: set[str] = set()
    for member in members:
        ref = member.ref if isinstance(member, FunctionMember) else member
        label, n = ref.label or ref.model, 2
        while label in taken:
            label, n = f"{ref.label or ref.model} #{n}", n + 1
        taken.add(label)
        ref = replace(ref, label=label)
        yield FunctionMember(ref, member.fn) if isinstance(member, FunctionMember) else ref


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
