"""A digest of what a Python function does, so that `replay` serves its answer only while it is the same function.

The digest covers the function's code and that of the functions and classes it refers to, its defaults, closure values,
bound arguments and the notebook's values that it names. It is the same in every process: no address, no order of a set
and no line number is part of it. What is installed (the standard library, packages) counts by its name.
"""

from __future__ import annotations

import dataclasses
import dis
import enum
import functools
import hashlib
import re
import secrets
import sys
import sysconfig
import types
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusion_nb.providers.services import Service

_MOST = 10_000
"""Values that are looked at: beyond, a function cannot be compared."""
_MOST_BYTES = 64 * 1024 * 1024
"""Of an array."""
_PLAIN = (bool, int, float, complex, Decimal, Fraction, date, datetime, time, timedelta, timezone)
_BY_TEXT = (*_PLAIN, range, slice, uuid.UUID, type(None), type(Ellipsis), type(NotImplemented))
_SEQUENCES = (tuple, list, deque)
_INSTALLED = ("<frozen", *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")))
_OF_EVERY_CLASS = frozenset(
    ("__dict__", "__weakref__", "__module__", "__doc__", "__firstlineno__", "__static_attributes__", "_abc_impl")
)


class _NotComparable(Exception):
    """Nobody can tell whether a value is the same in another process."""


def function_fingerprint(fn: Callable[..., Any]) -> str | None:
    """The digest of what `fn` does; `None` where it depends on an object that cannot be compared.

    That is an object of an installed class, such as a client or a table, in a closure, a default or a bound argument.
    Where the function merely names such an object of the notebook, it counts by its class; a container of data, as a
    table is, still cannot be compared.
    """
    try:
        return _Digest().of(fn, strict=True).hex()
    except (_NotComparable, RecursionError, ValueError):  # ValueError: an integer too long to write out
        return None


class _Digest:
    def __init__(self) -> None:
        self._open: dict[int, int] = {}
        """The values under way, by identity, with their depth: one that contains itself is named by that."""
        self._done: dict[tuple[int, bool], bytes] = {}
        self._alive: list[Any] = []
        """Values that were made on the way: an identity is only good while its value lives."""

    def of(self, value: Any, *, strict: bool) -> bytes:
        """The digest of any value. `strict`: an object that cannot be compared is an error, not its class's name."""
        if id(value) in self._open:
            return _hash("cycle", str(len(self._open) - self._open[id(value)]).encode())
        key = (id(value), strict)
        if key not in self._done:
            if len(self._done) >= _MOST:
                raise _NotComparable
            self._alive.append(value)
            self._open[id(value)] = len(self._open)
            try:
                self._done[key] = self._parts(value, strict)
            finally:
                del self._open[id(value)]
        return self._done[key]

    def _each(self, values: Iterable[Any], strict: bool) -> Iterator[bytes]:
        return (self.of(value, strict=strict) for value in values)

    def _parts(self, value: Any, strict: bool) -> bytes:
        kind = type(value)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if kind is str:
            return _hash(name, value.encode("utf-8", "surrogatepass"))
        if kind in (bytes, bytearray):
            return _hash(name, value)
        if kind in _BY_TEXT or isinstance(value, PurePath):
            return _hash(name, repr(value).encode())
        if kind in _SEQUENCES:
            return _hash(name, *self._each(value, strict))
        if kind in (set, frozenset):
            return _hash(name, *sorted(self._each(value, strict)))
        if kind is dict:
            return _hash(name, *self._each((each for pair in value.items() for each in pair), strict))
        if isinstance(value, enum.Enum):
            return _hash(name, *self._each((value.name, value.value), strict))
        if isinstance(value, re.Pattern):
            return _hash(name, *self._each((value.pattern, value.flags), strict))
        return self._code(name, value, strict)

    def _code(self, name: str, value: Any, strict: bool) -> bytes:
        """What can be called, and what it is made of; else an instance."""
        match value:
            case types.ModuleType():
                return self._module(value)
            case types.CodeType():
                return self._code_object(value, strict)
            case types.FunctionType():
                return self._function(value, strict)
            case types.MethodType():
                return _hash(name, *self._each((value.__func__, value.__self__), strict))
            case functools.partial():
                return _hash(name, *self._each((value.func, value.args, value.keywords), strict))
            case types.BuiltinFunctionType():
                owner = value.__self__
                bound = [] if owner is None or isinstance(owner, types.ModuleType) else [owner]
                return _hash(f"{name}:{value.__module__}.{value.__qualname__}", *self._each(bound, strict))
            case staticmethod() | classmethod():
                return _hash(name, self.of(value.__func__, strict=strict))
            case property():
                return _hash(name, *self._each((value.fget, value.fset, value.fdel), strict))
            case type():
                return self._class(value, strict)
        if type(value).__module__ == "functools" and hasattr(value, "__wrapped__"):  # of functools.cache
            return _hash(name, self.of(value.__wrapped__, strict=strict))
        if _is_installed(type(value).__module__):
            return self._foreign(name, value, strict)
        return self._instance(value, strict)

    def _code_object(self, code: types.CodeType, strict: bool) -> bytes:
        shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        table = getattr(code, "co_exceptiontable", b"")
        return _hash("code", *self._each((code.co_code, table, shape, names, code.co_consts), strict))

    def _function(self, fn: types.FunctionType, strict: bool) -> bytes:
        if _is_installed(fn.__module__, fn.__code__.co_filename):
            # A decorator of a package: what it wraps is the user's.
            wrapped = (*map(_content, fn.__closure__ or ()), *fn.__dict__.values())
            self._alive.append(wrapped)
            return _hash("installed", f"{fn.__module__}.{fn.__qualname__}".encode(), *self._each(wrapped, strict=False))
        inputs = (
            *(fn.__code__, fn.__defaults__, fn.__kwdefaults__, tuple(map(_content, fn.__closure__ or ()))),
            *((sorted(fn.__dict__.items()),) if fn.__dict__ else ()),
        )
        self._alive.append(inputs)
        names = sorted(_global_names(fn.__code__) & fn.__globals__.keys())
        named = [part for name in names for part in (name.encode(), self.of(fn.__globals__[name], strict=False))]
        return _hash("function", *self._each(inputs, strict), *named)

    def _module(self, module: types.ModuleType) -> bytes:
        """A module by its name; one that the user wrote by what stands in it."""
        name, file = module.__name__, getattr(module, "__file__", None)
        made = file is None and name not in sys.modules
        members = vars(module) if made or not _is_installed(name, file) else {}
        own = sorted(key for key in members if not key.startswith("__"))
        parts = [part for key in own for part in (key.encode(), self.of(members[key], strict=False))]
        return _hash("module", name.encode(), *parts)

    def _class(self, kind: type, strict: bool) -> bytes:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if _is_installed(kind.__module__):
            return _hash("installed", name.encode())
        members = vars(kind)
        own = sorted(key for key in members if key not in _OF_EVERY_CLASS and not key.startswith("__annotat"))
        parts = [part for key in own for part in (key.encode(), self.of(members[key], strict=False))]
        return _hash(f"class:{name}", *self._each(kind.__bases__, strict), *parts)

    def _instance(self, value: Any, strict: bool) -> bytes:
        """An object of a class that the user wrote: its class and all that it holds."""
        kind = type(value)
        attributes = sorted(getattr(value, "__dict__", {}).items())
        slots = [(slot, getattr(value, slot, None)) for slot in _slots(kind)]
        parts: list[Any] = [part for pair in (*attributes, *slots) for part in pair]
        bases = [base for base in (str, bytes, int, float) if isinstance(value, base)]
        parts += [base.__repr__(value) for base in bases]
        for base in (*_SEQUENCES, set, frozenset, dict):
            if isinstance(value, base):
                parts.append(base(value))
        self._alive.append(parts)
        return _hash("instance", self.of(kind, strict=strict), *self._each(parts, strict))

    def _foreign(self, name: str, value: Any, strict: bool) -> bytes:
        """An object of an installed class: what can be read of it is its data, else there is its class."""
        kind = type(value)
        if dataclasses.is_dataclass(value):
            return _hash(name, *self._each([getattr(value, f.name) for f in dataclasses.fields(value)], strict))
        try:
            view = memoryview(value)  # arrays, numpy's too
        except (TypeError, ValueError, BufferError):
            if strict or hasattr(kind, "__len__") or hasattr(kind, "__array__"):
                raise _NotComparable from None
            return _hash("object", name.encode())
        if view.nbytes > _MOST_BYTES:
            raise _NotComparable
        return _hash(name, view.format.encode(), repr(view.shape).encode(), view.tobytes())


def _hash(kind: str, *parts: bytes) -> bytes:
    digest = hashlib.sha256(kind.encode("utf-8", "surrogatepass"))
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet, as that of a function defined further down
        return Ellipsis


def _global_names(code: types.CodeType) -> set[str]:
    """What the code, and the code within it, reads from its module."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return names.union(*map(_global_names, inner))


def _is_installed(module: str | None, file: str | None = None) -> bool:
    """Whether a module is of the standard library or of a package: those do not change between two cells."""
    if module is None or module == "__main__":
        return False
    file = file or getattr(sys.modules.get(module), "__file__", None)
    return file is None or file.startswith(_INSTALLED) or "site-packages" in file or "dist-packages" in file


def _slots(kind: type) -> list[str]:
    names = [slot for each in kind.__mro__ for slot in _as_names(vars(each).get("__slots__", ()))]
    return sorted(set(names) - {"__dict__", "__weakref__"})


def _as_names(slots: Any) -> list[str]:
    return [slots] if isinstance(slots, str) else list(slots)


def open_digest(services: Mapping[str, Service], functions: Mapping[str, str | None]) -> str:
    """What the names of a run leave open: where the user's own services are, and what its functions do; empty where
    they leave nothing open.

    Args:
        services: those of the user's own that are asked.
        functions: the digest of each function; one without can be compared with nothing.
    """
    own = {name: _row_identity(row) for name, row in services.items()}
    # A function that cannot be compared is never the same: its place is taken by what occurs once.
    code = {name: digest or secrets.token_hex(16) for name, digest in functions.items()}
    if not own and not code:
        return ""
    return hashlib.sha256(repr((sorted(own.items()), sorted(code.items()))).encode()).hexdigest()


def _row_identity(row: Service) -> str:
    """Where a service of the user's own is, and the fields that its requests carry."""
    return row.base_url + (repr((row.headers, row.body)) if row.headers or row.body else "")
