"""Pools by name, the presets and those a person has saved, and what the entries of a pool stand for.

A saved pool is data, read as JSON and never run. Its name stands for its members wherever a pool is named, as an alias
stands for a model; names that mean something already are never taken. An entry may name a function of the notebook too.
The file: `"pools"` holds, by name, a list of entries, or `{"members": [...], "judge": "opus{reasoning=low}"}`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fusion_nb.core import option_checks as check
from fusion_nb.core.entry_syntax import split_entries
from fusion_nb.core.member_settings import Entry, Member, PoolEntry, parse_entry
from fusion_nb.errors import UnknownName, UserError
from fusion_nb.providers.function_provider import name_of
from fusion_nb.providers.model_names import ALIASES, MAX_MEMBERS
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
VERSION = 2
MAX_POOLS, MAX_ENTRY, MAX_SIZE = 200, 2_000, 1_000_000
_MAX_ENTRY_V1 = 200
_NAME = re.compile(r"\w[\w.+-]{0,39}")


class SavedPool(NamedTuple):
    members: tuple[str, ...]
    judge: str = ""
    """Several by comma; empty: none was saved with it."""


class UnreadablePools(UserError):
    """The file holds something else, or belongs to a newer release, or cannot be opened."""


def saved_pools() -> dict[str, tuple[str, ...]]:
    """A person's pools by name, in the order they were saved. Raises `UnreadablePools`, one sentence."""
    return {name: pool.members for name, pool in _saved().items()}


def judge_of(name: str) -> str:
    """The judge saved with a pool, as written, several by comma; empty where there is none.

    Raises `UnreadablePools` where the name may be a saved one, and they cannot be read.
    """
    return "" if name in PRESETS else _saved().get(name, SavedPool(())).judge


def _saved() -> dict[str, SavedPool]:
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


def save_pool(name: str, pool: Sequence[PoolEntry], taken: Collection[str] = (), judge: Any = "") -> None:
    """Keep a pool under a name, in the place of one that was saved under it.

    Args:
        taken: names that mean something already.
        judge: who is to judge it, whatever the option `judge` may be; empty: nobody is kept.

    Raises `UserError` where the name or a member cannot be kept, or the file cannot be read or written; a file that
    cannot be read is left as it is.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot name a pool: up to 40 letters, digits and - _ . +, a letter or digit first.")
    if name in taken or name in PRESETS:
        raise UserError(f"{name!r} has a meaning already: save the pool under another name.")
    members = [_kept(entry) for entry in expand_pools(pool)]
    judges = check.judge(judge) if judge else ()
    judges = [_kept(each) for each in (judges if isinstance(judges, tuple) else (judges,))]
    if not 1 <= len(members) <= MAX_MEMBERS:
        raise UserError(f"A pool to be saved has 1 to {MAX_MEMBERS} members, not {len(members)}.")
    with _changing() as pools:
        if name not in pools and len(pools) >= MAX_POOLS:
            raise UserError(f"There are {MAX_POOLS} saved pools already: forget one first.")
        pools[name] = SavedPool(tuple(members), ", ".join(judges))


def forget_pool(name: str) -> None:
    """Delete a saved pool. Raises `UserError` where there is none of that name."""
    with _changing() as pools:
        if name not in pools:
            raise UnknownName("saved pool", name, pools)
        del pools[name]


def expand_pools(entries: Sequence[Any], taken: Collection[str] = ()) -> list[Any]:
    """The entries of a pool, with the members of a named pool in the place of its name: `mine*2` asks each twice,
    `mine{temperature=0}` gives its settings to each.

    What is `taken` stays what it is, and so does everything that is no name. Raises `UnreadablePools` where a name may
    be a saved one, and they cannot be read.
    """
    expanded: list[Any] = []
    for entry in entries:
        written = parse_entry(entry) if isinstance(entry, str | Member) else Entry("")
        name = written.model if isinstance(written.model, str) else ""
        members = _members_of(name) if name not in taken and _NAME.fullmatch(name) else None
        expanded += [entry] if members is None else [str(parse_entry(member).within(written)) for member in members]
    return expanded


def _members_of(name: str) -> tuple[str, ...] | None:
    if name in PRESETS:
        return None if PRESETS[name] == (name,) else PRESETS[name]
    return saved_pools().get(name)


def _kept(entry: Any) -> str:
    """An entry as it is saved: with settings that can be read, in one line."""
    text = str(entry) if isinstance(entry, Member) and isinstance(entry.model, str) else entry
    return _member(str(parse_entry(text)) if isinstance(text, str) and "{" in text else text)


def _member(entry: Any) -> str:
    text = entry.strip() if isinstance(entry, str) else ""
    if not 0 < len(text) <= MAX_ENTRY or re.search(r"[\x00-\x1f\x7f]", text) or len(split_entries(text)) != 1:
        raise UserError(
            f"{check.shown(entry)} cannot be kept in a saved pool: a member is the name of a model, with its settings "
            f"at most {MAX_ENTRY:,} characters."
        )
    return text


def _path() -> Path:
    return files.home() / FILE


def _parse(path: Path, contents: bytes) -> dict[str, SavedPool]:
    try:
        data = json.loads(contents)
        if data["form"] != FORM:
            raise ValueError("another form")
        newer = data["v"] > VERSION
        pools = {} if newer else {_valid_name(name): _read_pool(pool) for name, pool in data["pools"].items()}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, UserError):
        damaged = f"Your saved pools cannot be read: {path} is not as it was written. Mend it or move it away"
        raise UnreadablePools(f"{damaged}; it is left as it is.") from None
    if newer:
        raise UnreadablePools(f"Your saved pools were written by a newer fusion_nb ({path}): upgrade to use them.")
    return pools


def _read_pool(pool: Any) -> SavedPool:
    members, judge = (pool, "") if isinstance(pool, list) else (pool["members"], pool.get("judge", ""))
    if not isinstance(members, list):
        raise TypeError("no list")
    return SavedPool(tuple(map(_member, members)), ", ".join(map(_member, split_entries(judge))) if judge else "")


def _file_form(pools: Mapping[str, SavedPool]) -> dict[str, Any]:
    """What is written; as version 1 as long as releases that know no other can read it."""
    old = all(not pool.judge and all(map(_fits_v1, pool.members)) for pool in pools.values())
    written = {
        name: {"members": list(pool.members), "judge": pool.judge} if pool.judge else list(pool.members)
        for name, pool in pools.items()
    }
    return {"form": FORM, "v": 1 if old else VERSION, "pools": written}


def _fits_v1(member: str) -> bool:
    return len(member) <= _MAX_ENTRY_V1 and "," not in member


def _valid_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(name)
    return name


@contextlib.contextmanager
def _changing() -> Iterator[dict[str, SavedPool]]:
    """The pools, to be changed within the block: one kernel at a time, the whole file or nothing."""
    try:
        folder = files.make_home()
        with locked(folder / f".{FILE}.lock"):
            pools = _saved()
            yield pools
            text = json.dumps(_file_form(pools), indent=1, ensure_ascii=True)
            replace_file(folder / FILE, f"{text}\n".encode(), durable=True)
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


def member_named(entry: PoolEntry, functions: Namespace, aliases: Mapping[str, str] | None) -> PoolEntry:
    """The function an entry names, with its settings, else the entry."""
    named = _functions_named(parse_entry(entry), functions, aliases)
    return named[0] if len(named) == 1 else entry


def members_named(
    entries: Sequence[PoolEntry], functions: Namespace, aliases: Mapping[str, str] | None, *, pools: bool = True
) -> list[PoolEntry]:
    """The entries of a pool with functions, and the members of named pools, in the place of their names.

    `pools`: whether names may stand for pools; at a service of the user's own, every plain name is a model's.
    """
    members: list[PoolEntry] = []
    for entry in entries:
        plain = bool(_functions_named(parse_entry(entry), functions, aliases)) or not pools
        for each in [entry] if plain else expand_pools([entry], reserved_names(aliases)):
            members += _functions_named(parse_entry(each), functions, aliases) or [each]
    return members


def _functions_named(entry: Entry, functions: Namespace, aliases: Mapping[str, str] | None) -> list[PoolEntry]:
    """The function an entry names, as often as it asks for it; empty where it names none."""
    fn = function_named(entry.model, functions, aliases) if isinstance(entry.model, str) else None
    if fn is None:
        return []
    return [Member(fn, **dict(entry.settings)) if entry.settings else fn] * (entry.times or 1)


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


def entry_name(entry: PoolEntry, functions: dict[str, Callable[..., Any]], aliases: Mapping[str, str] | None) -> str:
    """An entry as text, where only names are kept; a function is put among `functions` under the name it is given."""
    parts = parse_entry(entry)
    if isinstance(parts.model, str):
        return entry.strip() if isinstance(entry, str) else str(parts)
    return str(parts._replace(model=name_function(parts.model, functions, aliases)))
