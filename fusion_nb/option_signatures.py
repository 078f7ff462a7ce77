"""The signatures of the calls, for `?`, Tab and `help()`, as the table of options says them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from fusion_nb.core.option_definition import DERIVED, Option
from fusion_nb.options import ROWS, of

F = TypeVar("F", bound=Callable[..., Any])


def takes(call: str) -> Callable[[F], F]:
    """Give a function of keyword options the signature that the table says, for `?`, Tab and `help()`."""

    def default(row: Option) -> Any:
        # What is not given to a derived run is as its record says.
        return None if call in DERIVED and row.record else row.default

    def decorate(function: F) -> F:
        written = inspect.signature(function)
        own = [p for p in written.parameters.values() if p.kind is not p.VAR_KEYWORD]
        own = [p.replace(default=default(ROWS[p.name])) if p.name in ROWS and p.default is None else p for p in own]
        names = {parameter.name for parameter in own}
        rows = [row for row in of(call) if row.name not in names]
        keyword = partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY)
        options = [keyword(row.name, default=default(row), annotation=row.type) for row in rows]
        function.__signature__ = written.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
        listed = "\n".join(f"        {row.name}: {row.help}." for row in rows)
        function.__doc__ = f"{(function.__doc__ or '').rstrip()}\n\n    Options:\n{listed}\n    "
        return function

    return decorate
