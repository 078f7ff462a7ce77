"""What a picker offers: the names people know first, then whatever the services list. Prices as far as anyone knows."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from fusion_nb.core import Ref, engine_thread
from fusion_nb.core.member_settings import PoolEntry, parse_entry, written_entry
from fusion_nb.errors import FusionError, UserError
from fusion_nb.options import settle
from fusion_nb.providers import keys, model_families, model_list, model_names, services
from fusion_nb.providers.demo.scripts import MODELS as DEMO_MODELS
from fusion_nb.providers.function_provider import SERVICE as PYTHON
from fusion_nb.providers.model_names import ALIASES
from fusion_nb.providers.model_search_words import matches_word
from fusion_nb.resolve import pools
from fusion_nb.resolve.model_resolver import Resolver
from fusion_nb.resolve.service_registry import DEMO_MODELS as SCRIPTED
from fusion_nb.resolve.spec_builder import build_spec

SHOWN = 40
"""Rows of one search."""
PickerRow = dict[str, Any]
"""`entry` (what a pool takes), `name`, `kin`, `in` and `out` (USD per million tokens, as text), `context`, `takes`."""


def preset_rows() -> list[dict[str, Any]]:
    """Pools for a purpose, by name."""
    return [{"name": name, "pool": list(members)} for name, members in pools.PRESETS.items()]


def saved_pool_rows() -> tuple[list[dict[str, Any]], str]:
    """A person's saved pools by name, and why they cannot be read where they cannot."""
    try:
        saved = pools.saved_pools().items()
        return [{"name": name, "pool": list(members), "judge": pools.judge_of(name)} for name, members in saved], ""
    except UserError as error:
        return [], str(error)


def known_models(aliases: Mapping[str, str] | None = None) -> list[PickerRow]:
    """What needs no search: the demo's models, own and built-in aliases."""
    million = 1_000_000
    demo = [
        {
            "entry": str(ref),
            "name": DEMO_MODELS[ref.model].name,
            "kin": "demo",
            "in": f"{DEMO_MODELS[ref.model].prompt_price * million:f}",
            "out": f"{DEMO_MODELS[ref.model].completion_price * million:f}",
        }
        for ref in SCRIPTED
    ]
    listed = {info.ref.model: info for info in model_list.offline_models(services.OPENROUTER)}
    own = [{"entry": name, "name": target} for name, target in (aliases or {}).items()]
    built_in = [
        {**(picker_row(listed[alias.slug]) if alias.slug in listed else {"name": alias.slug}), "entry": name}
        for name, alias in ALIASES.items()
        if name not in (aliases or {})
    ]
    return [*own, *built_in, *demo]


def picker_row(info: model_list.ModelInfo) -> PickerRow:
    """One model of a catalogue; what nobody said is left out."""
    at_openrouter = info.ref.service == services.OPENROUTER.name
    fields = {
        "entry": info.ref.model if at_openrouter and info.ref.model in model_names.slugs() else str(info.ref),
        "name": info.name,
        "kin": model_families.model_family(info.ref),
        "in": None if info.prompt_usd_per_mtok is None else f"{info.prompt_usd_per_mtok:f}",
        "out": None if info.completion_usd_per_mtok is None else f"{info.completion_usd_per_mtok:f}",
        "context": info.context,
        "takes": ", ".join(kind for kind in info.modalities if kind != "text") or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def offline_rows() -> list[PickerRow]:
    """OpenRouter's models by the price table: no network is asked."""
    return [picker_row(info) for info in model_list.offline_models(services.OPENROUTER)]


async def live_rows(names: Mapping[str, Any]) -> list[PickerRow]:
    """What the services at hand say they have, and the model servers on this machine. For the engine's loop.

    `names`: the `aliases` and `services` of the user's own.
    """
    resolver = Resolver(settle("panel", names))
    return [picker_row(info) for info in await resolver.reach.models()]


class ModelSearch:
    """What one panel offers, searched in place. `names`: the `aliases` and `services` of the user's own."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names
        self.known = known_models(names.get("aliases"))
        self._rows: list[PickerRow] | None = None

    def search(self, words: str) -> tuple[list[PickerRow], int]:
        """The rows that every word fits (`_search.fits`), at most `SHOWN`, and how many there are in all.

        Waits for no network: the price table answers, and the services' own lists take its place once they are here.
        """
        if self._rows is None:
            self._rows = offline_rows()
            if any(map(keys.has_key, services.OPENROUTER.keys)):
                work = asyncio.run_coroutine_threadsafe(live_rows(self._names), engine_thread.engine_loop())
                work.add_done_callback(self._take)
        search_words = words.lower().split()
        rows = (*self.known, *self._rows)
        matching = [row for row in rows if all(matches_search(row, word) for word in search_words)]
        # Whose name begins so comes first.
        matching.sort(key=lambda r: not r["entry"].lower().startswith(words.lower().strip()))
        return matching[:SHOWN], len(matching)

    def _take(self, listed: concurrent.futures.Future[list[PickerRow]]) -> None:
        if listed.exception() is None:
            self._rows = listed.result() or self._rows


def pool_entries(pool: Sequence[Ref], named: Callable[[str], bool]) -> list[str]:
    """What a person writes to ask the same pool again. `named`: whether a function of that name is at hand; others are
    left out, for a panel knows names alone."""
    entries = [(ref, parse_entry(written_entry(ref))) for ref in pool]
    counts = Counter(entry for ref, entry in entries if ref.service != PYTHON or named(str(entry.model)))
    return [str(entry._replace(times=times if times > 1 else None)) for entry, times in counts.items()]


def pool_advice(options: Mapping[str, Any]) -> dict[str, Any]:
    """Who will be asked and who will judge, with what a person should know of it; or why it cannot be sent.

    Args:
        options: those of the form, with the user's own names of models and services.
    """
    try:
        settings = settle("panel", options)
        resolved = Resolver(settings).resolved
        build_spec(_ANY_PROMPT, settings, resolved, lambda _ref, _usage: None)
    except FusionError as error:
        return {"error": str(error), "key": getattr(error, "service", "")}
    judges = [ref.name for ref in resolved.judges]
    return {
        "pool": [ref.name for ref in resolved.pool],
        "judge": ", ".join(judges),
        "judges": judges,
        "escalate": [ref.name for ref in resolved.escalate],
        "notes": list(resolved.notes),
    }


_ANY_PROMPT = "?"
"""In the place of one that is still to be written."""


def new_members(entries: Sequence[PoolEntry], asked: Sequence[Ref], names: Mapping[str, Any]) -> list[PoolEntry]:
    """Those of a pool's entries that a run has not asked. Raises `UserError` where one cannot be asked."""
    known = {ref.name for ref in asked}
    resolver = Resolver(settle("panel", names))
    return [entry for entry in entries if not known.issuperset(ref.name for ref in resolver.resolve([entry]))]


def matches_search(row: Mapping[str, Any], word: str) -> bool:
    """Whether one word of a search is true of a row of the picker."""
    text = " ".join(str(row.get(name, "")) for name in ("entry", "name", "kin", "takes"))
    return matches_word(word, text, Decimal(row["in"]) if "in" in row else None, row.get("context"))
