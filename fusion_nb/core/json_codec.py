"""JSON in both directions: the values of a run, and what services send. Pure.

Values of a run are written as plain JSON and built again by the hints of their classes, which are the schema. What
services send is read to the last digit of money and with no more memory than is reasonable: a number with a point is a
`Decimal`; NaN, Infinity and numbers out of all bounds become a `Decimal` that is none, refused where they are used.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any


def to_plain(value: Any) -> Any:
    """Any value of a run (an event, a state, a verdict) as plain JSON; fields at rest are left out."""
    kind: Any = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if (fields := _fields_at_rest(kind)) is not None:
        plain = {}
        for name, rest in fields:
            v = getattr(value, name)
            if rest is _ALWAYS or v != rest:
                plain[name] = v if type(v) in _AS_THEY_ARE else to_plain(v)
        return plain
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(v) for v in value]
    return value


_AS_THEY_ARE = frozenset({str, int, float, bool, type(None)})
_ALWAYS = object()
"""In the place of a value at rest: the field is always written."""


@functools.cache
def _fields_at_rest(kind: Any) -> tuple[tuple[str, Any], ...] | None:
    """The fields of a class of values with what they hold at rest; `None` of any other class."""
    if not dataclasses.is_dataclass(kind):
        return None
    return tuple((f.name, _ALWAYS if f.name in ("seq", "at", "v") else _default(f)) for f in dataclasses.fields(kind))


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


_NAN = Decimal("NaN")
_LARGE = 1024 * 1024
MAX_STRUCTURE = 256 * 1024
"""Characters outside of strings in a large document: eight of them can make 240 bytes of objects."""
_STRING = re.compile(r'"(?>[^"\\]++|\\.)*+"?', re.DOTALL)


def _int(digits: str) -> Any:
    return int(digits) if len(digits) < 30 else _NAN


def _float(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except ArithmeticError:  # an exponent no decimal can have
        return _NAN


_quick = json.JSONDecoder(parse_float=Decimal, parse_constant=lambda _: _NAN).decode
_bounded = json.JSONDecoder(parse_float=_float, parse_int=_int, parse_constant=lambda _: _NAN).decode
_verbatim = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str).decode


def decode_service_json(text: str) -> Any:
    """What `text` says. Raises `ValueError`, and nothing else, where it is not JSON, or out of all bounds."""
    if len(text) > _LARGE and _swells(text):
        raise ValueError("too many values")
    try:
        return _quick(text)
    except json.JSONDecodeError:
        raise
    except (ValueError, ArithmeticError):  # a number larger than Python or a decimal holds
        pass
    except RecursionError:
        raise ValueError("nested too deep") from None
    try:
        return _bounded(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def decode_verbatim(text: str) -> Any:
    """What `text` says, with every number as the text that was sent; `None` where it cannot be read."""
    try:
        return _verbatim(text)
    except (ValueError, RecursionError):
        return None


def _swells(text: str) -> bool:
    """Whether a document is made of values rather than of text."""
    outside = end = 0
    for string in _STRING.finditer(text):
        outside += string.start() - end
        end = string.end()
        if outside > MAX_STRUCTURE:
            return True
    return outside + len(text) - end > MAX_STRUCTURE
