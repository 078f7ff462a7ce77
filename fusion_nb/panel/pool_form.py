"""A widget's side of choosing who is asked: pool, judge, saved pools, functions by name, and what it would cost."""

from __future__ import annotations

import inspect
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from traitlets import Dict, Float, List, Unicode

from fusion_nb import api
from fusion_nb.errors import UserError
from fusion_nb.panel import model_search
from fusion_nb.panel.run_follower import RunFollower
from fusion_nb.providers.function import SERVICE as PYTHON
from fusion_nb.resolve import estimate, pools
from fusion_nb.resolve.request import Member
from fusion_nb.views import forecast_view
from fusion_nb.views.widget import Message


class PoolForm(RunFollower):
    """The form: what is asked of whom.

    Args:
        pool, judge: members, functions too; a function is kept here, and its name is what the traits hold.
        notebook: the notebook's variables: a function among them can be a member by its name.
        options: what else `fuse()` takes.
    """

    pool = List(Unicode(), help="Members; empty: what the keys at hand allow.").tag(sync=True)
    prompt = Unicode().tag(sync=True)
    mode = Unicode("merge").tag(sync=True)
    judge = Unicode(help="Empty: a strong model outside the pool.").tag(sync=True)
    max_cost = Float(None, allow_none=True, help="USD.").tag(sync=True)
    advice = Dict(help="Who would be asked, and what to know of it.").tag(sync=True)
    offers = Dict(help="What can be picked without a search, the presets, the saved pools.").tag(sync=True)

    def __init__(
        self,
        pool: str | Sequence[Member],
        judge: Member,
        notebook: Mapping[str, Any],
        options: dict[str, Any],
        **traits: Any,
    ) -> None:
        self._options = options
        self._own = {name: options.get(name) for name in ("aliases", "services")}
        self._given: dict[str, Callable[..., Any]] = {}
        self._functions: Mapping[str, Any] = ChainMap(self._given, notebook)  # type: ignore[arg-type]
        self._shelf = model_search.ModelSearch(self._own)
        members = pool.split(",") if isinstance(pool, str) else [pool] if callable(pool) else pool
        named = [self._name(entry) for entry in members]
        super().__init__(pool=[entry for entry in named if entry], judge=self._name(judge), **traits)
        for kind in ("search", "save_pool", "forget_pool"):
            self.on_message(kind, self.answering(getattr(self, f"_on_{kind}")))
        self.on_message("estimate", self.answering(self._on_estimate, aside=True))
        self._offer()
        self.observe(self._advise, ["pool", "judge"])
        self._advise()

    def save_pool(self, name: str, pool: Sequence[str] | None = None) -> None:
        """Keep a pool (by default the one shown) under a name, for every notebook: `--pool NAME` asks it too.

        Raises `UserError` where the name has a meaning already, or nothing can be kept.
        """
        members = list(self.pool if pool is None else pool)
        api.refuse_key_in_line(" ".join(map(str, [name, *members])))
        pools.save_pool(name, members, pools.reserved_names(self._aliases))
        self._offer()

    def forget_pool(self, name: str) -> None:
        """Delete a saved pool. Raises `UserError` where there is none of that name."""
        pools.forget_pool(name)
        self._offer()

    def _name(self, entry: Member) -> str:
        return pools.name_function(entry, self._given, self._aliases) if callable(entry) else entry.strip()

    @property
    def _aliases(self) -> Mapping[str, str] | None:
        return self._own["aliases"]

    def _members(self) -> list[Member] | None:
        plain = "base_url" in self._options
        return pools.members_named(self.pool, self._functions, self._aliases, pools=not plain) or None

    def _judge(self, judge: str) -> Member | None:
        return pools.member_named(judge, self._functions, self._aliases) if judge else None

    def _form(self) -> dict[str, Any]:
        return {"mode": self.mode, "judge": self._judge(self.judge), "max_cost": self.max_cost, **self._options}

    def _going(self) -> dict[str, Any]:
        """What an earlier run is gone on with: functions are in its record by name alone."""
        functions = [held for held in self._functions.values() if inspect.isfunction(held)]
        # The caps of session and day hold for whatever is paid.
        shared = {"max_cost_per_session", "max_cost_per_day"}
        caps = {name: value for name, value in self._options.items() if name in shared}
        return {**self._own, **caps, "functions": [*functions, *self._given.values()]}

    def _is_function(self, name: str) -> bool:
        return pools.function_named(name, self._functions, self._aliases) is not None

    def _offer(self) -> None:
        pools, self._trouble = model_search.saved_pool_rows()
        mine = [{"entry": name, "name": f"{name}(), a Python function", "kin": PYTHON} for name in self._given]
        self.offers = {"rows": [*mine, *self._shelf.known], "presets": model_search.preset_rows(), "pools": pools}

    def _advise(self, change: Any = None) -> None:
        try:
            said = model_search.pool_advice(self._members() or (), self._judge(self.judge), self._own)
        except UserError as error:
            said = {"error": str(error)}
        if self._trouble and "notes" in said:
            said["notes"] = [*said["notes"], self._trouble]
        self.advice = said

    def _on_estimate(self, message: Message) -> Mapping[str, Any]:
        if not self.prompt.strip():
            return {"text": ""}
        found = estimate.estimate(self.prompt, self._members(), **self._form())
        problems = [problem.sentence for problem in found.problems]
        return {"text": forecast_view.summary(found.forecast), "problems": problems}

    def _on_search(self, message: Message) -> Mapping[str, Any]:
        rows, count = self._shelf.search(str(message.get("words", "")))
        return {"rows": rows, "count": count}

    def _on_save_pool(self, message: Message) -> None:
        pool = message.get("pool")
        if not isinstance(pool, list):
            raise UserError("There is no pool to save.")
        self.save_pool(message.get("name", ""), pool)

    def _on_forget_pool(self, message: Message) -> None:
        self.forget_pool(str(message.get("name", "")))
