"""A widget's side of choosing who is asked and how the answer is found: pool, judges, checks, a cascade, saved pools,
functions by name; and what it would cost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from traitlets import Dict, Float, List, TraitError, Unicode, validate

from fusion_nb.core.entry_syntax import split_entries
from fusion_nb.core.member_settings import PoolEntry
from fusion_nb.core.selection_option_checks import function_name
from fusion_nb.errors import UserError
from fusion_nb.options import ROWS, configured, settle
from fusion_nb.panel import entry_settings, model_picker
from fusion_nb.panel.form_functions import Selecting
from fusion_nb.panel.run_follower import RunFollower
from fusion_nb.providers import key_sources
from fusion_nb.providers.function_provider import SERVICE as PYTHON
from fusion_nb.resolve import estimate, pools
from fusion_nb.resolve.spec_builder import refuse_key
from fusion_nb.views import estimate_view
from fusion_nb.views.widget import Message

_SELECTION = ("check", "extract", "escalate", "agree")
_TRAITS = ("pool", "mode", "judge", "max_cost", *_SELECTION)
"""Options that the form shows."""
FORM = ("prompt", *_TRAITS)


class Entries(List[Any]):
    """Members by name; one text has them by comma, as everywhere."""

    def set(self, obj: Any, value: Any) -> None:
        # traitlets would make it a list of the one text.
        super().set(obj, [entry for entry in split_entries(value) if entry] if isinstance(value, str) else value)


class PoolForm(RunFollower):
    """The form: what is asked of whom. Its traits are checked when Python sets them; what the page sends may be half
    written, and `advice` says what is wrong with it.

    Args:
        given: the options the panel was given, checked by `settle("panel", ...)`; what was not given is as
            `fusion_nb.defaults` says when it is needed.
        notebook: the notebook's variables: a function among them can be a member by its name, if it is named here.
            What the front end sends later can name only functions that this panel has.
    """

    pool = Entries(Unicode(), help="Members; empty: what the keys at hand allow.").tag(sync=True)
    prompt = Unicode().tag(sync=True)
    mode = Unicode(ROWS["mode"].default).tag(sync=True)
    judge = Unicode(help="Several by comma; empty: a strong model outside the pool.").tag(sync=True)
    max_cost = Float(None, allow_none=True, help="USD.").tag(sync=True)
    check = List(Unicode(), help="Checks in use, by name: of those the panel was given.").tag(sync=True)
    extract = Unicode(help="How short answers are found; empty: by a cautious reading.").tag(sync=True)
    escalate = Entries(Unicode(), help="Members asked only where the pool does not agree.").tag(sync=True)
    agree = Unicode(help="The share of the pool that must agree, 0.8 or 4/5; empty: 0.8.").tag(sync=True)
    advice = Dict(help="Who would be asked, and what to know of it.").tag(sync=True)
    offers = Dict(help="What can be picked without a search, the presets, the saved pools.").tag(sync=True)

    def __init__(self, given: dict[str, Any], notebook: Mapping[str, Any], **traits: Any) -> None:
        settings = settle("panel", given)
        self._from_page = False
        self._options = {name: value for name, value in given.items() if name not in _TRAITS and name != "functions"}
        self._functions: dict[str, Callable[..., Any]] = {}
        self._selecting = Selecting(settings)
        self._missing = ""
        """A word on checks of a past run that are not at hand."""
        for function in settings["functions"]:
            self._name(function)
        self._search = model_picker.ModelSearch(self._names)

        def names(entries: Any) -> list[str]:
            listed = entries if isinstance(entries, tuple) else (entries,) if entries else ()
            return [self._name(pools.member_named(entry, notebook, self._aliases)) for entry in listed]

        extract, agree = settings["extract"], given.get("agree") or settings["agree"]
        super().__init__(
            pool=names(settings["pool"]),
            judge=", ".join(names(settings["judge"])),
            mode=settings["mode"],
            max_cost=None if settings["max_cost"] is None else float(settings["max_cost"]),
            check=list(self._selecting.checks),
            extract=function_name(extract) if callable(extract) else extract or "",
            escalate=names(settings["escalate"]),
            agree="" if agree is None else str(agree),
            **traits,
        )
        for kind in ("search", "settings", "set_key", "save_pool", "forget_pool"):
            self.on_message(kind, self.answering(getattr(self, f"_on_{kind}")))
        self.on_message("estimate", self.answering(self._on_estimate, aside=True))
        self._offer()
        self.observe(self._advise, ["pool", "judge", "mode", *_SELECTION])
        self._advise()

    def set_state(self, sync_data: Any) -> None:
        """What the page sends."""
        self._from_page = True
        try:
            super().set_state(sync_data)
        finally:
            self._from_page = False

    @validate(*_TRAITS)
    def _check_trait(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if self._from_page or value is None or value in ("", []):
            return value
        try:
            if name == "check":
                self._selecting.chosen(value)
            else:
                ROWS[name].check(self._selecting.reader(value) if name == "extract" else value)
        except UserError as error:
            # Of this class alone traitlets takes back all that was set together.
            raise TraitError(f"Panel.{name} was not changed. {error}") from None
        return value

    def save_pool(self, name: str, pool: Sequence[str] | None = None, judge: str | None = None) -> None:
        """Keep a pool and its judges (by default those shown) under a name, which pools of every notebook can hold.

        Raises `UserError` where the name has a meaning already, or nothing can be kept.
        """
        members = list(self.pool if pool is None else pool)
        judges = self.judge if judge is None and pool is None else judge or ""
        refuse_key("pool", " ".join(map(str, [name, *members, judges])))
        pools.save_pool(name, members, pools.reserved_names(self._aliases), judges)
        self._offer()

    def forget_pool(self, name: str) -> None:
        """Delete a saved pool. Raises `UserError` where there is none of that name."""
        pools.forget_pool(name)
        self._offer()

    def _name(self, entry: PoolEntry) -> str:
        return pools.entry_name(entry, self._functions, self._aliases)

    @property
    def _names(self) -> dict[str, Any]:
        """The user's own names of models and services, as given to the panel or set as defaults."""
        return {name: self._options.get(name) or configured(name) for name in ("aliases", "services")}

    @property
    def _aliases(self) -> Mapping[str, str] | None:
        aliases: Mapping[str, str] | None = self._names["aliases"]
        return aliases

    def _members(self, entries: Sequence[str]) -> list[PoolEntry] | None:
        at_own_service = "base_url" in self._options
        return pools.members_named(entries, self._functions, self._aliases, pools=not at_own_service) or None

    def _judge(self, judge: Any) -> Any:
        if not isinstance(judge, str):
            return judge  # a function, or what the table refuses
        entries = [entry for entry in split_entries(judge) if entry]
        return [pools.member_named(entry, self._functions, self._aliases) for entry in entries] or None

    def _selection(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """How the answer is found, of a form's values. Raises `UserError` for a check that the panel was not given."""
        escalate = form["escalate"] or None
        if isinstance(escalate, list) and all(isinstance(entry, str) for entry in escalate):
            escalate = self._members(escalate)
        return {
            "check": self._selecting.chosen(form["check"]),
            "extract": self._selecting.reader(form["extract"]),
            "escalate": escalate,
            "agree": (form["agree"] or None) if escalate else None,
        }

    def _selected(self) -> dict[str, Any]:
        return self._selection({name: getattr(self, name) for name in _SELECTION})

    def _asked(self) -> dict[str, Any]:
        """What the form shows and the panel was given, as options of a new run."""
        who = {"pool": self._members(self.pool), "mode": self.mode, "judge": self._judge(self.judge)}
        return _with_needs({**self._options, **who, "max_cost": self.max_cost, **self._selected()})

    def _continued(self, call: str) -> dict[str, Any]:
        """What of it holds when a run is continued by `call`."""
        functions = [*self._functions.values(), *self._selecting.functions]
        options = {**self._options, **self._selected(), "max_cost": self.max_cost, "functions": functions}
        return _with_needs({name: value for name, value in options.items() if call in ROWS[name].calls})

    def _is_function(self, name: str) -> bool:
        return pools.function_named(name, self._functions, self._aliases) is not None

    def _offer(self) -> None:
        pools, self._trouble = model_picker.saved_pool_rows()
        function_rows = [
            {"entry": name, "name": f"{name}(), a Python function", "kin": PYTHON} for name in self._functions
        ]
        self.offers = {
            "rows": [*function_rows, *self._search.known],
            "presets": model_picker.preset_rows(),
            "pools": pools,
            "settings": list(entry_settings.FIELDS.items()),
            **self._selecting.offers,
        }

    def _advise(self, change: Any = None) -> None:
        try:
            form = {name: value for name, value in self._asked().items() if name in _TRAITS and name != "max_cost"}
            advice = model_picker.pool_advice({**self._names, **form})
        except UserError as error:
            advice = {"error": str(error)}
        if "notes" in advice:
            advice["notes"] += [note for note in (self._missing, self._trouble) if note]
        entries = [*self.pool, *self.escalate]
        with contextlib.suppress(UserError):
            entries += split_entries(self.judge)
        self.advice = {**advice, "labels": entry_settings.short_labels(entries)}

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

    def _on_settings(self, message: Message) -> Mapping[str, Any]:
        """The settings of an entry; with `values`, the entry that has these."""
        entry, values = message.get("entry"), message.get("values")
        if not isinstance(entry, str):
            raise UserError("There is no entry to read settings of.")
        if not isinstance(values, Mapping):
            return {"values": entry_settings.settings_of(entry)}
        refuse_key("pool", " ".join(map(str, values.values())))
        return {"entry": entry_settings.with_settings(entry, values)}

    def _on_set_key(self, message: Message) -> None:
        """A key for this kernel alone. It comes by this message, and stands in no trait and no notebook."""
        key = message.get("value")
        variable = key_sources.variable_of(str(message.get("service", "")))
        if not isinstance(key, str) or not key.strip():
            raise UserError("Nothing was entered: what was there stays.")
        key_sources.keep_here(variable, key.strip())
        self._advise()

    def _on_save_pool(self, message: Message) -> None:
        pool = message.get("pool")
        if not isinstance(pool, list):
            raise UserError("There is no pool to save.")
        self.save_pool(message.get("name", ""), pool, str(message.get("judge") or ""))

    def _on_forget_pool(self, message: Message) -> None:
        self.forget_pool(str(message.get("name", "")))


def _with_needs(options: Mapping[str, Any]) -> dict[str, Any]:
    """Without what means nothing since a person took out what it belongs to: `deeper` goes with the checks."""
    return {name: value for name, value in options.items() if ROWS[name].can_act(options)}
