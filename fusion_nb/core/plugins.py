"""What other packages bring: members, judges, checks and services, found by their entry points.

Names of the product, of the notebook and of a person's own configuration come first: a package cannot take one over.
"""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from fusion_nb.errors import UserError

Kind = Literal["services", "members", "judges", "checks"]


@functools.cache
def _entry_points(kind: Kind) -> Mapping[str, importlib.metadata.EntryPoint]:
    """By name; a package that is installed later is seen by the next kernel."""
    return {entry.name: entry for entry in importlib.metadata.entry_points(group=f"fusion_nb.{kind}")}


def plugin_names(kind: Kind) -> tuple[str, ...]:
    """What packages bring of that kind, by name; nothing is loaded."""
    return tuple(_entry_points(kind))


@functools.cache
def plugin(kind: Kind, name: str) -> Any:
    """What a package brings under a name; `None` where none does. Raises `UserError` where it cannot be loaded."""
    entry = _entry_points(kind).get(name)
    if entry is None:
        return None
    package = entry.dist.name if entry.dist else entry.value
    try:
        value = entry.load()
    except Exception as error:  # noqa: BLE001  whatever a package raises when it is imported
        raise UserError(
            f"{name} is of the package {package}, which cannot be loaded ({type(error).__name__}: {error}): mend or "
            "uninstall it, and start the kernel anew."
        ) from None
    is_function = inspect.isfunction(value) or inspect.ismethod(value) or isinstance(value, functools.partial)
    if kind != "services" and not is_function:
        raise UserError(f"{name} of the package {package} is no function: it must be one to be of fusion_nb.{kind}.")
    return value


@functools.cache
def plugin_services() -> Mapping[str, Mapping[str, Any]]:
    """The services of packages as rows of `services`; one that is none is left out with a warning."""
    rows = {}
    for name in plugin_names("services"):
        try:
            value = plugin("services", name)
            row = value() if callable(value) else value
        except Exception as error:  # noqa: BLE001  a package's own function
            warnings.warn(f"fusion_nb: service {name} is left out: {error}", stacklevel=2)
            continue
        if isinstance(row, Mapping) and all(isinstance(field, str) for field in row):
            rows[name] = row
        else:
            warnings.warn(f"fusion_nb: service {name} is left out: it is no table of settings.", stacklevel=2)
    return rows


class PluginFunctions(Mapping[str, Callable[..., Any]]):
    """Members, or judges, of packages by name, loaded when one is named."""

    def __init__(self, *kinds: Kind) -> None:
        self._kinds = kinds

    def __getitem__(self, name: str) -> Callable[..., Any]:
        for kind in self._kinds:
            if name in _entry_points(kind):
                function: Callable[..., Any] = plugin(kind, name)
                return function
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for kind in self._kinds for name in _entry_points(kind)))

    def __len__(self) -> int:
        return sum(1 for _ in self)
