"""Values of options: those of one call, settled; and the class behind `fusion_nb.defaults` and `%config Fuse`."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

from fusion_nb.errors import UnknownName, UserError


class Settled(dict[str, Any]):
    """Settings, and which of them the call itself gave: what could not act is refused then, and else left out."""

    def __init__(self, given: Iterable[str]) -> None:
        super().__init__()
        self.given = frozenset(given)
        self.from_project: tuple[str, ...] = ()
        """Those that hold what the project's file says."""
        self.project_file = ""


def configurable_class(rows: Mapping[str, Any]) -> type[Any]:
    """The class whose one object holds the defaults of a process.

    Args:
        rows: the rows of the table (`options.Option`) that can be set, by name.
    """
    from traitlets import TraitError, TraitType, config  # noqa: PLC0415

    class Setting(TraitType[Any, Any]):
        """A trait that is checked by its row when it is set; `None` gives it back to the table."""

        def validate(self, obj: Any, value: Any) -> Any:
            row = rows[str(self.name)]
            try:
                checked = None if value is None or value == "" else row.check(value)
            except UserError as error:
                raise TraitError(f"Fuse.{row.name} was not changed. {error}") from None
            return list(checked) if row.name == "pool" and checked else None if checked is None else value

    traits = {
        name: Setting(row.default or None, allow_none=True, help=row.help).tag(config=True)
        for name, row in rows.items()
    }
    about = """Defaults behind every door; `%config Fuse` sets the same ones.

    >>> import fusion_nb
    >>> fusion_nb.defaults.max_cost = 0.25
    >>> fusion_nb.defaults.reset()
    """

    def reset(self: Any) -> None:
        for name in traits:
            setattr(self, name, rows[name].default or None)
        self.__dict__.pop("_names_set", None)

    def was_set(self: Any, name: str) -> bool:
        """Whether somebody has set it: else the table's default stands there."""
        return name in self.__dict__.get("_names_set", ())

    def set_known(self: Any, name: str, value: Any) -> None:
        # A cap with a slip in its name would be no cap.
        if not name.startswith("_") and not hasattr(type(self), name):
            raise UnknownName("default", name, traits)
        if name in traits:
            self.__dict__.setdefault("_names_set", set()).add(name)
        config.Configurable.__setattr__(self, name, value)

    def shown(self: Any) -> str:
        own = (f"{name}={reprlib.repr(getattr(self, name))}" for name in traits if was_set(self, name))
        return f"<fusion_nb.defaults: {', '.join(own) or 'nothing is set'}>"

    return type(
        "Fuse",
        (config.Configurable,),
        {"__doc__": about, "reset": reset, "was_set": was_set, "__setattr__": set_known, "__repr__": shown, **traits},
    )
