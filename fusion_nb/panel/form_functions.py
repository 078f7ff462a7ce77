"""What a panel was given to select candidates with: checks and readers of short answers, known to a form by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fusion_nb.core.selection_option_checks import Check, function_name
from fusion_nb.errors import UnknownName, UserError

FORMS = ("number", "choice", "text", "label:yes,no", "json:answer")
"""How short answers can be found beside a function, as a form suggests them."""


class Selecting:
    """The person's own functions that select. A front end names them; it cannot bring others.

    Args:
        settings: the options of the panel, checked.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.checks: dict[str, Check] = {check.name: check for check in settings["check"] or ()}
        extract = settings["extract"]
        self.readers: dict[str, Callable[..., Any]] = {function_name(extract): extract} if callable(extract) else {}

    @property
    def functions(self) -> list[Callable[..., Any]]:
        return [*(check.function for check in self.checks.values()), *self.readers.values()]

    @property
    def offers(self) -> dict[str, Any]:
        """What a form shows of them."""
        rows = [
            {"name": check.name} if check.weight is None else {"name": check.name, "weight": check.weight}
            for check in self.checks.values()
        ]
        return {"checks": rows, "extracts": [*FORMS, *self.readers]}

    def chosen(self, names: Any) -> list[Check]:
        """The checks of these names. Raises `UserError` for one that the panel was not given."""
        if not isinstance(names, Sequence) or isinstance(names, str):
            raise UserError("The checks of a panel are named by a list of names.")
        for name in names:
            if name not in self.checks:
                known = ", ".join(self.checks) or "none"
                way = "Open the panel with it: Panel(check=...), or %fuse_panel --check NAME."
                raise UnknownName("check", str(name)[:60], self.checks, f"This panel has {known}. {way}")
        return [check for name, check in self.checks.items() if name in names]

    def reader(self, text: Any) -> Any:
        """A function by its name, or what else was written; `None` for nothing."""
        return self.readers.get(text, text) if isinstance(text, str) and text else text or None
