"""Who can be asked, and how: names resolved to models, models to providers, calls to prices."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from fusion_nb import judging
from fusion_nb.core import Ref, engine_thread
from fusion_nb.core.member_settings import PoolEntry
from fusion_nb.core.plugins import Kind, PluginFunctions
from fusion_nb.core.run_spec import Provider, RunServices, RunSpec
from fusion_nb.core.wording import listed
from fusion_nb.errors import KeyMissing, UserError
from fusion_nb.judging.check_runner import CheckRunner, FunctionRunner
from fusion_nb.options import Settings
from fusion_nb.providers import demo, keys, model_families, model_names, services
from fusion_nb.providers.custom_services import AskConsent
from fusion_nb.providers.demo.scripts import find_model as find_demo
from fusion_nb.providers.function_calling import refuse_uncallable
from fusion_nb.providers.function_provider import SERVICE as PYTHON
from fusion_nb.providers.function_provider import FunctionProvider, is_async, name_of
from fusion_nb.providers.services import SERVICES
from fusion_nb.resolve import pools
from fusion_nb.resolve.function_fingerprint import function_fingerprint, open_digest
from fusion_nb.resolve.service_registry import DEMO_JUDGE, DEMO_POOL, DEMO_SERVICE, OWN_SERVICE, ServiceRegistry, http
from fusion_nb.resolve.spec_builder import ResolvedPool, members_to_escalate, refuse_key

if TYPE_CHECKING:
    from fusion_nb.providers.local_servers import LocalServer
    from fusion_nb.providers.model_list import ModelInfo


# `providers.http` loads the HTTP client (0.2 s): it is imported when there is something to send.
# ruff: noqa: PLC0415

DEFAULT_POOL = ("claude", "gemini", "gpt")
_JUDGE = " (judge)"
_NOT_COMPARED = (
    "Asked, not replayed: {name} holds an object that cannot be compared with last time's. Give it plain values: "
    "texts, numbers, lists of them."
)
_LOCAL_DEFAULT = 3  # models on this machine that are asked where nobody named any
_TEXTS = {
    "pool": ("pool", "judge"),
    "configuration": ("aliases", "services"),
    "system prompt": ("system",),
    "list of criteria": ("criteria",),
}
"""What is searched for API keys, and in which options it stands."""


class Resolver:
    """One call's view of the services: the user's own names, the keys at hand, the functions in the pool."""

    def __init__(self, settings: Settings, ask: AskConsent | None = None, *, keys_needed: bool = True) -> None:
        """
        Args:
            settings: the options of the call.
            ask: puts the question whether a new address may be used; without it, none may.
            keys_needed: off where nothing is to be sent: a key that is missing is then noted in `missing_keys`.
        """
        self._keys_needed = keys_needed
        self.missing_keys: dict[str, str] = {}
        """Service -> the variable its key is looked for in."""
        self._settings = settings
        for what, names in _TEXTS.items():
            refuse_key(what, repr([settings.get(name) for name in names]))
        self.reach = ServiceRegistry(settings, ask)
        self._functions: dict[str, Callable[..., Any]] = {}
        self._alike: dict[str, list[Callable[..., Any]]] = {}
        """Those of an earlier run's by their own name: `my_fn #2` is `my_fn` where there is only one of that name."""
        self._callers_loop = engine_thread.running_loop()
        self._has_coroutine = False

    @functools.cached_property
    def resolved(self) -> ResolvedPool:
        """The pool and the judge, every name resolved. Raises `UserError` where one cannot be asked."""
        pool, notes = self._pool()
        escalate = members_to_escalate(self.resolve(self._settings.get("escalate") or ()), pool, self._settings)
        judges = self.judges((*pool, *escalate), needed=self._judge_needed(pool, escalate))
        self.check((*pool, *escalate, *judges))
        for judge in judges:
            notes += model_families.kin_notes(judge, (*pool, *escalate))
        selecting = {f"{name}()": fn for name, fn in self._selecting()}
        digests = {name: function_fingerprint(fn) for name, fn in (self._functions | selecting).items()}
        if self._settings.get("replay"):
            notes += [_NOT_COMPARED.format(name=name) for name, digest in digests.items() if digest is None]
        used = {ref.service for ref in (*pool, *escalate, *judges)}
        notes += self.reach.key_notes(used)
        also = open_digest({name: row for name, row in self.reach.own.items() if name in used}, digests)
        return ResolvedPool(pool, judges, escalate, tuple(notes), also)

    def run_services(self, spec: RunSpec) -> RunServices:
        """What the engine needs to carry the spec out."""
        # Loaded before the clocks start: a member's first second must not hold our own imports.
        import fusion_nb.providers.chat  # noqa: F401

        reach = self.reach
        checks, extract = self._settings.get("check"), self._settings.get("extract")
        runner = FunctionRunner(spec.selection.check_timeout)
        listed = [ref for ref in dict.fromkeys(spec.everyone) if ref.service not in (PYTHON, demo.SERVICE)]
        return RunServices(
            provider=self._provider,
            price=reach.price,
            worst=reach.worst,
            metered=reach.metered,
            mode=judging.MODES[spec.mode],
            check=CheckRunner(checks, spec.selection.check_timeout, runner).outcomes if checks else None,
            extract=runner.reading(extract) if callable(extract) else None,
            kin=lambda judge, member: model_families.family_relation(judge, [member]) or "",
            context=reach.context,
            load_prices=None if reach.priced(listed) else lambda: reach.load_prices(listed),
            bill=reach.bill,
        )

    def know(self, functions: Sequence[Callable[..., Any]], refs: Sequence[Ref]) -> None:
        """Take back the Python functions that an earlier run had as members or judge: its record has only their names.

        Args:
            functions: those at hand; whatever is no member of the run is left alone.
            refs: the members and the judge of that run.
        """
        names = {re.sub(r" #\d+$", "", ref.label.removesuffix(_JUDGE)) for ref in refs if ref.service == PYTHON}
        for fn in functions:
            if (name := name_of(fn)) in names:
                self._functions[name] = self._functions[f"{name}{_JUDGE}"] = fn
                self._alike.setdefault(name, []).append(fn)

    def check(self, refs: Sequence[Ref]) -> None:
        """Raise `UserError` where one of these cannot be asked: no key, no such service, no such function."""
        for ref in refs:
            self._check_key(ref)

    def resolve(self, entries: Sequence[PoolEntry]) -> tuple[Ref, ...]:
        """The refs of some more members."""
        return tuple(self._keep(member) for member in self._resolve(entries, "members")) if entries else ()

    def judge_named(self, name: PoolEntry) -> Ref:
        """The one model `name` stands for."""
        members = self._resolve([name], "judges", "members")
        if len(members) != 1:
            raise UserError(f"The judge is one model, and {name!r} names {len(members)}.")
        return self._keep(members[0], judge=True)

    @property
    def needs_callers_loop(self) -> bool:
        """Whether a member waits for the caller's own loop, by now: a coroutine function, or a plain one that returned
        something to await."""
        if self._callers_loop is None:
            return False
        return self._has_coroutine or any(is_async(fn) for fn in self._functions.values())

    def _pool(self) -> tuple[tuple[Ref, ...], list[str]]:
        if self._settings["pool"] is None:
            asked_for, notes = self._default_pool()
        else:
            asked_for, notes = self._settings["pool"], []
        return tuple(self._keep(member) for member in self._resolve(asked_for, "members")), notes

    def _default_pool(self) -> tuple[Sequence[PoolEntry], list[str]]:
        """What the keys at hand allow, else what runs on this machine, else the scripted demo."""
        if any(map(keys.has_key, services.OPENROUTER.keys)):
            return DEFAULT_POOL, []
        vendors = {"claude": "anthropic", "gemini": "gemini", "gpt": "openai"}
        if at_hand := [name for name in DEFAULT_POOL if any(map(keys.has_key, SERVICES[vendors[name]].keys))]:
            return at_hand, []
        if models := self._local_models:
            return self._first_local(models)
        note = "No key and no model server was found, so the scripted demo pool answers. Set OPENROUTER_API_KEY to ask "
        return ["demo"], [f"{note}real models."]

    def _resolve(self, asked_for: Any, *kinds: Kind) -> tuple[model_names.Member, ...]:
        entries = [e.strip() for e in asked_for.split(",")] if isinstance(asked_for, str) else asked_for
        if not callable(entries) and self._settings["base_url"] is None:
            entries = pools.members_named(entries, PluginFunctions(*kinds), self._settings["aliases"])
        return model_names.resolve(entries, **self._names())

    def _names(self) -> dict[str, Any]:
        """What can be named here."""
        return {
            "aliases": self._settings["aliases"] or {},
            "services": {**self.reach.own, demo.SERVICE: DEMO_SERVICE},
            "has_key": keys.has_key,
            "demo": DEMO_POOL,
            "local": self._named_local,
            "default": OWN_SERVICE if self._settings["base_url"] is not None else None,
            "pools": pools.pool_names(),
        }

    def alias_models(self, listed: Sequence[ModelInfo]) -> list[ModelInfo]:
        """A row for each alias, the user's own first, with what it stands for now."""
        names = model_names.NameResolver(**self._names())
        return model_names.alias_models(listed, names, self._settings["aliases"] or {})

    def judges(self, pool: tuple[Ref, ...], *, needed: bool) -> tuple[Ref, ...]:
        """Those the settings name, else a strong model where one is `needed`."""
        named = self._settings["judge"]
        if named is None:
            return (self.default_judge(pool),) if needed else ()
        if len(pool) < 2:
            return ()
        judges = tuple(map(self.judge_named, named)) if isinstance(named, tuple) else (self.judge_named(named),)
        names = [ref.name for ref in judges]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UserError(f"The judge {twice[0]} stands twice: name each judge once.")
        return judges

    def _judge_needed(self, pool: Sequence[Ref], escalate: Sequence[Ref]) -> bool:
        """Whether candidates that differ could be left to a judge: not to a vote, nor where one member has the word."""
        return self._settings["mode"] != "vote" and len(escalate) != 1 and len((*pool, *escalate)) > 1

    def _selecting(self) -> list[tuple[str, Callable[..., Any]]]:
        """The person's own functions that read candidates."""
        extract = self._settings.get("extract")
        named = [(check.name, check.function) for check in self._settings.get("check") or ()]
        return [*named, *([("extract", extract)] if callable(extract) else [])]

    def default_judge(self, pool: tuple[Ref, ...]) -> Ref:
        """A strong model outside the pool's families, where the keys allow."""
        return model_families.default_judge(pool, keys.has_key, demo=DEMO_JUDGE, services=self.reach.own)

    def _keep(self, member: model_names.Member, *, judge: bool = False) -> Ref:
        """The member's ref. A function is kept under its label: a journal or a frame cannot hold it."""
        if isinstance(member, Ref):
            return member
        ref = replace(member.ref, label=f"{member.ref.label}{_JUDGE}") if judge else member.ref
        self._functions[ref.label] = member.fn
        return ref

    @functools.cached_property
    def _local_servers(self) -> Sequence[LocalServer]:
        from fusion_nb.providers.local_servers import find_local_servers

        async def find() -> list[LocalServer]:
            return await find_local_servers(http())

        return engine_thread.run_on_engine(find())

    @property
    def _local_models(self) -> tuple[Ref, ...]:
        return tuple(ref for server in self._local_servers for ref in server.models)

    def _named_local(self) -> tuple[Ref, ...]:
        """What `local` stands for. Raises `UserError` where all there is wants a key."""
        locked = [server.service for server in self._local_servers if server.wants_key]
        if locked and not self._local_models:
            row = locked[0]
            raise UserError(
                f"What answers at {row.base_url} wants a key: if it is {row.name}, put its key into the environment as "
                f"{row.key_env}."
            )
        return self._local_models

    def _first_local(self, models: Sequence[Ref]) -> tuple[Sequence[PoolEntry], list[str]]:
        """A few of the models on this machine: each may be loaded into its memory."""
        first = [str(ref) for ref in models[:_LOCAL_DEFAULT]]
        left = len(models) - len(first)
        note = f"No key was found, so models on this machine answer: {', '.join(first)}."
        return first, [note + (f" {left} more are there: the pool local asks all of them." if left else "")]

    def _check_key(self, ref: Ref) -> None:
        if ref.service == demo.SERVICE and find_demo(ref.model) is None:
            raise UserError(f"The demo has no model {ref.model!r}: it has {listed([*demo.MEMBERS, *demo.JUDGES])}.")
        if ref.service == PYTHON:
            refuse_uncallable(ref.label, self._function(ref), judges=_JUDGE in ref.label)
        elif ref.service != demo.SERVICE:
            service = self.reach.service(ref)
            try:
                keys.bind(service)
            except KeyMissing:
                if self._keys_needed:
                    raise
                self.missing_keys[service.name] = service.key_env or ""

    def _provider(self, ref: Ref) -> Provider:
        """Called on the engine's loop."""
        if ref.service != PYTHON:
            return self.reach.provider(ref)
        return FunctionProvider(cast("Callable[..., Any]", self._function(ref)), self._run_coroutine)

    def _run_coroutine(self, work: Coroutine[Any, Any, None]) -> Awaitable[None]:
        """Run what a function gave to be awaited on the caller's loop, which it may be bound to; where the caller has
        none, on a loop of the functions' own. Called on the engine's loop."""
        self._has_coroutine = True
        loop = self._callers_loop
        if loop is None or loop.is_closed():
            loop = engine_thread.functions_loop()
        return engine_thread.run_on_loop(loop)(work)

    def _function(self, ref: Ref) -> Callable[..., Any] | None:
        if ref.label in self._functions:
            return self._functions[ref.label]
        name = re.sub(r" #\d+$", "", ref.label)
        if alike := self._alike.get(name):
            return alike[0] if all(fn is alike[0] for fn in alike) else None
        return PluginFunctions("members", "judges").get(name.removesuffix(_JUDGE))
