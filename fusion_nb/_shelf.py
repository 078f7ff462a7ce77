"""What a picker offers: the names people know first, then whatever the services list. Prices as far as anyone knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fusion_nb._errors import FusionError
from fusion_nb._plan import Wish
from fusion_nb._session import DEMO_JUDGE, DEMO_POOL, Session
from fusion_nb.providers import catalogue, keys, kin, models, services
from fusion_nb.providers.aliases import ALIASES
from fusion_nb.providers.demo.models import MODELS as DEMO_MODELS

PRESETS: Mapping[str, tuple[str, ...]] = {
    "quality": ("opus", "gpt", "gemini"),
    "budget": ("gpt-mini", "deepseek-flash", "flash"),
    "fast": ("haiku", "flash", "gpt-oss"),
    "local": ("local",),
    "demo": ("demo",),
}
SHOWN = 40
"""Rows of one search."""
Row = dict[str, Any]
"""`entry` (what a pool takes), `name`, `kin`, `in` and `out` (USD per million tokens, as text), `context`, `takes`."""


def presets() -> list[dict[str, Any]]:
    """Pools for a purpose, by name."""
    return [{"name": name, "pool": list(members)} for name, members in PRESETS.items()]


def known(aliases: Mapping[str, str] | None = None) -> list[Row]:
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
        for ref in (*DEMO_POOL, DEMO_JUDGE)
    ]
    listed = {info.ref.model: info for info in models.offline(services.OPENROUTER)}
    own = [{"entry": name, "name": target} for name, target in (aliases or {}).items()]
    built_in = [
        {**(row(listed[alias.slug]) if alias.slug in listed else {"name": alias.slug}), "entry": name}
        for name, alias in ALIASES.items()
        if name not in (aliases or {})
    ]
    return [*own, *built_in, *demo]


def row(info: models.ModelInfo) -> Row:
    """One model of a catalogue; what nobody said is left out."""
    at_openrouter = info.ref.service == services.OPENROUTER.name
    said = {
        "entry": info.ref.model if at_openrouter and info.ref.model in catalogue.slugs() else str(info.ref),
        "name": info.name,
        "kin": kin.family(info.ref),
        "in": None if info.prompt_usd_per_mtok is None else f"{info.prompt_usd_per_mtok:f}",
        "out": None if info.completion_usd_per_mtok is None else f"{info.completion_usd_per_mtok:f}",
        "context": info.context,
        "takes": ", ".join(kind for kind in info.modalities if kind != "text") or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def offline() -> list[Row]:
    """OpenRouter's models by the price table: no network is asked."""
    return [row(info) for info in models.offline(services.OPENROUTER)]


async def live(names: Mapping[str, Any]) -> list[Row]:
    """What the services at hand say they have, and the model servers on this machine. For the engine's loop.

    `names`: the `aliases` and `services` of the user's own.
    """
    session = Session(Wish(prompt="", **names))
    return [row(info) for info in await session.models()]


def have_key() -> bool:
    return any(map(keys.have, services.OPENROUTER.keys))


def search(words: str, rows: Iterable[Row]) -> tuple[list[Row], int]:
    """The rows in which every word occurs, at most `SHOWN`, and how many there are in all."""
    asked = words.lower().split()
    found = [r for r in rows if all(w in f"{r['entry']} {r['name']} {r.get('kin', '')}".lower() for w in asked)]
    # Whose name begins so comes first.
    found.sort(key=lambda r: not r["entry"].lower().startswith(words.lower().strip()))
    return found[:SHOWN], len(found)


def advice(pool: Sequence[str], judge: str, names: Mapping[str, Any]) -> dict[str, Any]:
    """Who will be asked and who will judge, with what a person should know of it; or why it cannot be sent."""
    try:
        cast = Session(Wish(prompt="", pool=list(pool) or None, judge=judge or None, **names)).cast
    except FusionError as error:
        return {"error": str(error)}
    members = [ref.name for ref in cast.pool]
    return {"pool": members, "judge": cast.judge.name if cast.judge else "", "notes": list(cast.notes)}
