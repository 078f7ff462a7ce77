"""Values of a run as plain JSON, and back: the hints of their classes are the schema."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any


def plain(value: Any) -> Any:
    """Any value of a run (an event, a state, a verdict) as plain JSON; fields at rest are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        held = ((f, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {f.name: plain(v) for f, v in held if f.name in ("seq", "at", "v") or v != _default(f)}
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def _default(f: dataclasses.Field[Any]) -> Any:
    return f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default


@functools.cache
def builder(hint: Any) -> Callable[[Any], Any]:
    """What makes plain JSON into a value of the type `hint` says: the hints of the classes above are the schema."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        some = builder(next(a for a in args if a is not type(None)))
        return lambda data: None if data is None else some(data)
    if origin is tuple and args[1:] != (...,):
        return _row(args)
    if origin in (tuple, list):
        items = builder(args[0])
        return lambda data: origin(map(items, _list(data)))
    if origin in (Mapping, dict):
        key, value = map(builder, args)
        return lambda data: {key(k): value(v) for k, v in data.items()}
    if typing.is_typeddict(hint):
        each = _fields(hint)
        return lambda data: {name: build(data[name]) for name, build in each.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        each = _fields(hint)
        return lambda data: hint(**{k: each[k](v) for k, v in data.items() if k in each})
    if isinstance(hint, type) and issubclass(hint, tuple):
        row = _row(tuple(typing.get_type_hints(hint).values()))
        return lambda data: hint(*row(data))
    if hint in (Decimal, int, float):
        return lambda data: _number(hint, data)
    return lambda data: _plain(hint, args if origin is typing.Literal else None, data)


def _fields(hint: type) -> dict[str, Callable[[Any], Any]]:
    return {name: builder(its) for name, its in typing.get_type_hints(hint).items()}


def _row(hints: tuple[Any, ...]) -> Callable[[Any], tuple[Any, ...]]:
    builders = tuple(map(builder, hints))
    return lambda data: tuple(build(item) for build, item in zip(builders, _list(data), strict=True))


def _list(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise ValueError(f"{data!r} is no list")
    return data


def _number(kind: Any, data: Any) -> Any:
    number = kind(data)
    if not math.isfinite(number):
        raise ValueError(f"{data!r} is no number")
    return number


def _plain(hint: Any, words: tuple[Any, ...] | None, data: Any) -> Any:
    if hint is not Any and not (isinstance(data, hint) if words is None else data in words):
        raise ValueError(f"{data!r} is not {hint}")
    return data
