"""What the entries of a pool stand for before any service is asked: saved pools, and functions of the notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fusion_nb import _pools
from fusion_nb._plan import Member
from fusion_nb.providers.aliases import ALIASES
from fusion_nb.providers.function import name_of

Functions = Mapping[str, Any]
"""A namespace: whatever in it is a function can be a member by its name."""


def taken(aliases: Mapping[str, str] | None) -> frozenset[str]:
    """Names that mean a model: no function and no saved pool is meant by them."""
    return frozenset({*ALIASES, *(aliases or {}), "demo", "local"})


def function(entry: str, functions: Functions, aliases: Mapping[str, str] | None) -> Callable[..., Any] | None:
    """The function an entry names, if it names one."""
    held = functions.get(entry) if entry.isidentifier() and entry not in taken(aliases) else None
    return held if callable(held) and not isinstance(held, type) else None


def member(entry: str, functions: Functions, aliases: Mapping[str, str] | None) -> Member:
    """The function an entry names, else the entry."""
    return function(entry, functions, aliases) or entry


def members(
    entries: Sequence[str], functions: Functions, aliases: Mapping[str, str] | None, *, pools: bool = True
) -> list[Member]:
    """The entries of a pool with functions, and the members of named pools, in the place of their names.

    `pools`: whether names may stand for pools; at a service of the user's own, every plain name is a model's.
    """
    found: list[Member] = []
    for entry in entries:
        name, _ = _pools.split(entry)
        plain = function(name, functions, aliases) is not None or not pools
        for each in [entry] if plain else _pools.opened([entry], taken(aliases)):
            name, times = _pools.split(each)
            fn = function(name, functions, aliases)
            found += [each] if fn is None else [fn] * times
    return found


def named(fn: Callable[..., Any], given: dict[str, Callable[..., Any]], aliases: Mapping[str, str] | None) -> str:
    """A name for a function of which only names are kept; `given` learns it."""
    base = name = name_of(fn)
    n = 2
    while name in taken(aliases) or not name.isidentifier() or given.get(name, fn) is not fn:
        name, n = f"{base}_{n}" if base.isidentifier() else f"function_{n}", n + 1
    given[name] = fn
    return name
