"""Pools by name, the presets and those a person has saved, and what the entries of a pool stand for.

A saved pool is data, read as JSON and never run. Its name stands for its members wherever a pool is named, as an alias
stands for a model; names that mean something already are never taken. An entry may name a function of the notebook too.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fusion_nb.errors import UnknownName, UserError
from fusion_nb.providers.function_provider import name_of
from fusion_nb.providers.model_names import ALIASES, MAX_MEMBERS, split_count
from fusion_nb.resolve.spec_builder import Member
from fusion_nb.storage import files
from fusion_nb.storage.file_lock import locked
from fusion_nb.storage.files import replace_file

PRESETS: Mapping[str, tuple[str, ...]] = {
    "quality": ("opus", "gpt", "gemini"),
    "budget": ("gpt-mini", "deepseek-flash", "flash"),
    "fast": ("haiku", "flash", "gpt-oss"),
    "local": ("local",),
    "demo": ("demo",),
}
FILE = "pools.json"
FORM = "fusion_nb pools"
VERSION = 1
MAX_POOLS, MAX_ENTRY, MAX_SIZE = 200, 200, 1_000_000
_NAME = re.compile(r"\w[\w.+-]{0,39}")


class UnreadablePools(UserError):
    """The file holds something else, or belongs to a newer release, or cannot be opened."""


def saved_pools() -> dict[str, tuple[str, ...]]:
    """A person's pools by name, in the order they were saved. Raises `UnreadablePools`, one sentence."""
    path = _path()
    try:
        contents = files.read_own(path, MAX_SIZE)
    except FileNotFoundError:
        return {}
    except OSError as error:
        where = error.filename or path
        raise UnreadablePools(f"Your saved pools cannot be read: {where}: {error.strerror}.") from None
    return _parse(path, contents)


def pool_names() -> tuple[str, ...]:
    """What can stand for a pool; without the saved ones where they cannot be read."""
    with contextlib.suppress(UnreadablePools):
        return (*PRESETS, *saved_pools())
    return tuple(PRESETS)


def save_pool(name: str, pool: Sequence[str], taken: Collection[str] = ()) -> None:
    """Keep a pool under a name, in the place of one that was saved under it.

    Args:
        taken: names that mean something already.

    Raises `UserError` where the name or a member cannot be kept, or the file cannot be read or written; a file that
    cannot be read is left as it is.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot name a pool: up to 40 letters, digits and - _ . +, a letter or digit first.")
    if name in taken or name in PRESETS:
        raise UserError(f"{name!r} has a meaning already: save the pool under another name.")
    members = [_member(entry) for entry in expand_pools(pool)]
    if not 1 <= len(members) <= MAX_MEMBERS:
        raise UserError(f"A pool to be saved has 1 to {MAX_MEMBERS} members, not {len(members)}.")
    with _changing() as pools:
        if name not in pools and len(pools) >= MAX_POOLS:
            raise UserError(f"There are {MAX_POOLS} saved pools already: forget one first.")
        pools[name] = tuple(members)


def forget_pool(name: str) -> None:
    """Delete a saved pool. Raises `UserError` where there is none of that name."""
    with _changing() as pools:
        if name not in pools:
            raise UnknownName("saved pool", name, pools)
        del pools[name]


def expand_pools(entries: Sequence[Any], taken: Collection[str] = ()) -> list[Any]:
    """The entries of a pool, with the members of a named pool in the place of its name; `mine*2` asks each twice.

    What is `taken` stays what it is, and so does everything that is no name. Raises `UnreadablePools` where a name may
    be a saved one, and they cannot be read.
    """
    expanded: list[Any] = []
    for entry in entries:
        name, times = split_count(entry) if isinstance(entry, str) else ("", None)
        members = _members_of(name) if name not in taken and _NAME.fullmatch(name) else None
        expanded += [entry] if members is None else [_times(member, times) for member in members]
    return expanded


def _members_of(name: str) -> tuple[str, ...] | None:
    if name in PRESETS:
        return None if PRESETS[name] == (name,) else PRESETS[name]
    return saved_pools().get(name)


def _times(member: str, times: int | None) -> str:
    name, already = split_count(member)
    return f"{name}*{(already or 1) * times}" if times is not None and times > 1 else member


def _member(entry: Any) -> str:
    if not isinstance(entry, str) or not 0 < len(entry.strip()) <= MAX_ENTRY or re.search(r"[,\x00-\x1f\x7f]", entry):
        raise UserError(f"{str(entry)[:60]!r} cannot be a member of a saved pool: it is the name of a model.")
    return entry.strip()


def _path() -> Path:
    return files.home() / FILE


def _parse(path: Path, contents: bytes) -> dict[str, tuple[str, ...]]:
    try:
        data = json.loads(contents)
        if data["form"] != FORM:
            raise ValueError("another form")
        newer = data["v"] > VERSION
        pools = {_valid_name(name): _members(pool) for name, pool in data["pools"].items()}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, UserError):
        damaged = f"Your saved pools cannot be read: {path} is not as it was written. Mend it or move it away"
        raise UnreadablePools(f"{damaged}; it is left as it is.") from None
    if newer:
        raise UnreadablePools(f"Your saved pools were written by a newer fusion_nb ({path}): upgrade to use them.")
    return pools


def _members(pool: Any) -> tuple[str, ...]:
    if not isinstance(pool, list):
        raise TypeError("no list")
    return tuple(map(_member, pool))


def _valid_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(name)
    return name


@contextlib.contextmanager
def _changing() -> Iterator[dict[str, tuple[str, ...]]]:
    """The pools, to be changed within the block: one kernel at a time, the whole file or nothing."""
    try:
        folder = files.make_home()
        with locked(folder / f".{FILE}.lock"):
            pools = saved_pools()
            yield pools
            data = {"form": FORM, "v": VERSION, "pools": {name: list(pool) for name, pool in pools.items()}}
            replace_file(folder / FILE, f"{json.dumps(data, indent=1, ensure_ascii=True)}\n".encode(), durable=True)
    except OSError as error:
        raise UserError(
            f"Your pools cannot be saved: {error.filename or _path()}: {error.strerror or error}."
        ) from None


Namespace = Mapping[str, Any]
"""A namespace: whatever in it is a function can be a member by its name."""


def reserved_names(aliases: Mapping[str, str] | None) -> frozenset[str]:
    """Names that mean a model: no function and no saved pool is meant by them."""
    return frozenset({*ALIASES, *(aliases or {}), "demo", "local"})


def function_named(entry: str, functions: Namespace, aliases: Mapping[str, str] | None) -> Callable[..., Any] | None:
    """The function an entry names, if it names one that a person wrote."""
    value = functions.get(entry) if entry.isidentifier() and entry not in reserved_names(aliases) else None
    return value if is_member_function(value) else None


def is_member_function(value: Any) -> bool:
    """Whether a value of a namespace can be asked by its name.

    Functions and methods written in Python, partials of them, and objects of the notebook's own classes: not `open`,
    `exit` or whatever else a namespace holds that can be called.
    """
    if isinstance(value, functools.partial):
        return is_member_function(value.func)
    own_class = getattr(type(value), "__module__", "") == "__main__"
    return inspect.isfunction(value) or inspect.ismethod(value) or (own_class and callable(value))


def member_named(entry: str, functions: Namespace, aliases: Mapping[str, str] | None) -> Member:
    """The function an entry names, else the entry."""
    return function_named(entry, functions, aliases) or entry


def members_named(
    entries: Sequence[str], functions: Namespace, aliases: Mapping[str, str] | None, *, pools: bool = True
) -> list[Member]:
    """The entries of a pool with functions, and the members of named pools, in the place of their names.

    `pools`: whether names may stand for pools; at a service of the user's own, every plain name is a model's.
    """
    members: list[Member] = []
    for entry in entries:
        name, _ = split_count(entry)
        plain = function_named(name, functions, aliases) is not None or not pools
        for each in [entry] if plain else expand_pools([entry], reserved_names(aliases)):
            name, times = split_count(each)
            fn = function_named(name, functions, aliases)
            members += [each] if fn is None else [fn] * (times or 1)
    return members


def name_function(
    fn: Callable[..., Any], functions: dict[str, Callable[..., Any]], aliases: Mapping[str, str] | None
) -> str:
    """A name for a function of which only names are kept; put among `functions` under that name."""
    base = name = name_of(fn)
    n = 2
    while name in reserved_names(aliases) or not name.isidentifier() or functions.get(name, fn) is not fn:
        name, n = f"{base}_{n}" if base.isidentifier() else f"function_{n}", n + 1
    functions[name] = fn
    return name
