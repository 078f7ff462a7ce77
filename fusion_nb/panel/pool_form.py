"""A widget's side of choosing who is asked: pool, judge, saved pools, functions by name, and what it would cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from traitlets import Dict, Float, List, Unicode

from fusion_nb.errors import UserError
from fusion_nb.options import ROWS, configured, settle
from fusion_nb.panel import model_search
from fusion_nb.panel.run_follower import RunFollower
from fusion_nb.providers.function_provider import SERVICE as PYTHON
from fusion_nb.resolve import estimate, pools
from fusion_nb.resolve.spec_builder import Member, refuse_key
from fusion_nb.views import estimate_view
from fusion_nb.views.widget import Message

_TRAITS = ("pool", "mode", "judge", "max_cost")
"""Options that the form shows."""


class PoolForm(RunFollower):
    """The form: what is asked of whom.

    Args:
        given: the options the panel was given, checked by `settle("panel", ...)`; what was not given is as
            `fusion_nb.defaults` says when it is needed.
        notebook: the notebook's variables: a function among them can be a member by its name, if it is named here.
            What the front end sends later can name only functions that this panel has.
    """

    pool = List(Unicode(), help="Members; empty: what the keys at hand allow.").tag(sync=True)
    prompt = Unicode().tag(sync=True)
    mode = Unicode(ROWS["mode"].default).tag(sync=True)
    judge = Unicode(help="Empty: a strong model outside the pool.").tag(sync=True)
    max_cost = Float(None, allow_none=True, help="USD.").tag(sync=True)
    advice = Dict(help="Who would be asked, and what to know of it.").tag(sync=True)
    offers = Dict(help="What can be picked without a search, the presets, the saved pools.").tag(sync=True)

    def __init__(self, given: dict[str, Any], notebook: Mapping[str, Any], **traits: Any) -> None:
        settings = settle("panel", given)
        self._options = {name: value for name, value in given.items() if name not in _TRAITS and name != "functions"}
        self._functions: dict[str, Callable[..., Any]] = {}
        for function in settings["functions"]:
            self._name(function)
        self._search = model_search.ModelSearch(self._names)
        entries = [*(settings["pool"] or ()), *([settings["judge"]] if settings["judge"] else [])]
        members = {entry: self._name(pools.member_named(entry, notebook, self._aliases)) if isinstance(entry, str)
                   else self._name(entry) for entry in entries}  # fmt: skip
        super().__init__(
            pool=[members[entry] for entry in settings["pool"] or ()],
            judge=members.get(settings["judge"], ""),
            mode=settings["mode"],
            max_cost=None if settings["max_cost"] is None else float(settings["max_cost"]),
            **traits,
        )
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
        refuse_key("pool", " ".join(map(str, [name, *members])))
        pools.save_pool(name, members, pools.reserved_names(self._aliases))
        self._offer()

    def forget_pool(self, name: str) -> None:
        """Delete a saved pool. Raises `UserError` where there is none of that name."""
        pools.forget_pool(name)
        self._offer()

    def _name(self, entry: Member) -> str:
        return pools.name_function(entry, self._functions, self._aliases) if callable(entry) else entry.strip()

    @property
    def _names(self) -> dict[str, Any]:
        """The user's own names of models and services, as given to the panel or set as defaults."""
        return {name: self._options.get(name) or configured(name) for name in ("aliases", "services")}

    @property
    def _aliases(self) -> Mapping[str, str] | None:
        aliases: Mapping[str, str] | None = self._names["aliases"]
        return aliases

    def _members(self) -> list[Member] | None:
        at_own_service = "base_url" in self._options
        return pools.members_named(self.pool, self._functions, self._aliases, pools=not at_own_service) or None

    def _judge(self, judge: Member) -> Member | None:
        if not isinstance(judge, str):
            return judge  # a function, or what the table refuses
        return pools.member_named(judge, self._functions, self._aliases) if judge else None

    def _asked(self) -> dict[str, Any]:
        """What the form shows and the panel was given, as options of a new run."""
        form = {"pool": self._members(), "mode": self.mode, "judge": self._judge(self.judge), "max_cost": self.max_cost}
        return {**self._options, **form}

    def _continued(self, call: str) -> dict[str, Any]:
        """What of it holds when a run is continued by `call`."""
        options = {**self._options, "max_cost": self.max_cost, "functions": list(self._functions.values())}
        return {name: value for name, value in options.items() if call in ROWS[name].calls}

    def _is_function(self, name: str) -> bool:
        return pools.function_named(name, self._functions, self._aliases) is not None

    def _offer(self) -> None:
        pools, self._trouble = model_search.saved_pool_rows()
        function_rows = [
            {"entry": name, "name": f"{name}(), a Python function", "kin": PYTHON} for name in self._functions
        ]
        self.offers = {
            "rows": [*function_rows, *self._search.known],
            "presets": model_search.preset_rows(),
            "pools": pools,
        }

    def _advise(self, change: Any = None) -> None:
        try:
            advice = model_search.pool_advice(self._members() or (), self._judge(self.judge), self._names)
        except UserError as error:
            advice = {"error": str(error)}
        if self._trouble and "notes" in advice:
            advice["notes"] = [*advice["notes"], self._trouble]
        self.advice = advice

    def _on_estimate(self, message: Message) -> Mapping[str, Any]:
        if not self.prompt.strip():
            return {"text": ""}
        options = {name: value for name, value in self._asked().items() if "estimate" in ROWS[name].calls}
        expected = estimate.estimate(self.prompt, **options)
        problems = [problem.sentence for problem in expected.problems]
        return {"text": estimate_view.summary(expected.forecast), "problems": problems}

    def _on_search(self, message: Message) -> Mapping[str, Any]:
        rows, count = self._search.search(str(message.get("words", "")))
        return {"rows": rows, "count": count}

    def _on_save_pool(self, message: Message) -> None:
        pool = message.get("pool")
        if not isinstance(pool, list):
            raise UserError("There is no pool to save.")
        self.save_pool(message.get("name", ""), pool)

    def _on_forget_pool(self, message: Message) -> None:
        self.forget_pool(str(message.get("name", "")))
