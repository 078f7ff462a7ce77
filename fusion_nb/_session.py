"""Who can be asked, and how: names resolved to models, models to providers, calls to prices."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fusion_nb import modes
from fusion_nb._errors import ProviderError, UserError
from fusion_nb._plan import Cast, Member, Wish
from fusion_nb._types import Ref, Usage
from fusion_nb.money import prices
from fusion_nb.providers import catalogue, demo, keys, kin, services
from fusion_nb.providers.demo.models import find as find_demo
from fusion_nb.providers.function import SERVICE as PYTHON
from fusion_nb.providers.function import FunctionProvider, is_async, name_of
from fusion_nb.providers.services import SERVICES, Service
from fusion_nb.run import loop
from fusion_nb.run.order import Order, Provider, Tools

if TYPE_CHECKING:
    from fusion_nb.providers.generation import Generation
    from fusion_nb.providers.http import Http

# `providers.http` loads the HTTP client (0.2 s): it is imported when there is something to send.
# ruff: noqa: PLC0415

DEFAULT_POOL = ("claude", "gemini", "gpt")
OWN_SERVICE = "custom"
_JUDGE = " (judge)"
DEMO_POOL = tuple(Ref(demo.SERVICE, name.partition(":")[2], name) for name in demo.MEMBERS)
DEMO_JUDGE = Ref(demo.SERVICE, demo.JUDGE.partition(":")[2], demo.JUDGE)


# Its address is known when it is first asked: the server starts then.
DEMO_SERVICE = replace(services.OPENROUTER, name=demo.SERVICE, base_url="http://127.0.0.1", key_env=None, local=True)


class Session:
    """One wish's view of the services: the user's own names, the keys at hand, the functions in the pool."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._own = _own_services(wish)
        self._functions: dict[str, Callable[..., Any]] = {}
        self._callers_loop = loop.running()

    @functools.cached_property
    def cast(self) -> Cast:
        """The pool and the judge, every name resolved. Raises `UserError` where one cannot be asked."""
        pool, notes = self._pool()
        judge = self._judge(pool) if len(pool) > 1 else None
        self.check((*pool, *([judge] if judge else [])))
        if judge is not None:
            notes += _kin_notes(judge, pool)
        return Cast(pool, judge, tuple(notes), self._fingerprint(pool, judge))

    def know(self, functions: Sequence[Callable[..., Any]]) -> None:
        """Take Python functions back that an earlier run had as members or judge: its record has only their names."""
        for fn in functions:
            self._functions[name_of(fn)] = self._functions[f"{name_of(fn)}{_JUDGE}"] = fn

    def check(self, refs: Sequence[Ref]) -> None:
        """Raise `UserError` where one of these cannot be asked: no key, no such service, no such function."""
        for ref in refs:
            self._check_key(ref)

    def resolve(self, asked: Sequence[Member]) -> tuple[Ref, ...]:
        """The refs of some more members."""
        return tuple(self._keep(member) for member in self._resolve(asked))

    def judge_named(self, name: Member) -> Ref:
        """The one model `name` stands for."""
        found = self._resolve([name])
        if len(found) != 1:
            raise UserError(f"The judge is one model, and {name!r} names {len(found)}.")
        return self._keep(found[0], judge=True)

    async def generation(self, ref: Ref, generation_id: str) -> Generation | None:
        """What the service kept of a call, by its generation id; awaited on the engine's loop."""
        from fusion_nb.providers.generation import fetch

        if ref.service == demo.SERVICE:
            return await fetch(_http(), replace(DEMO_SERVICE, base_url=demo.base_url()), None, generation_id)
        service = self._service(ref)
        return await fetch(_http(), service, keys.bind(service), generation_id)

    @property
    def needs_callers_loop(self) -> bool:
        """Whether a member is a coroutine function while the caller's own loop waits for us."""
        return self._callers_loop is not None and any(is_async(fn) for fn in self._functions.values())

    def tools(self, order: Order) -> Tools:
        """What the engine needs to carry the order out."""
        # Loaded before the clocks start: a member's first second must not hold our own imports.
        import fusion_nb.providers.chat  # noqa: F401

        return Tools(self._provider, self.price, self._metered, modes.MODES[order.mode])

    def price(self, ref: Ref, model: str, usage: Usage) -> Decimal | None:
        """USD of `usage` where it can be computed."""
        if ref.service == PYTHON or usage.prompt is None or usage.completion is None:
            return None
        if ref.service == demo.SERVICE:
            return demo.price(ref.model, usage)
        return prices.computed(self._service(ref).prices_id, model, usage)

    async def models(self) -> list[Any]:
        """Every model a pool can name; a service that does not answer is listed from the price table."""
        from fusion_nb.providers import local, models

        found = [models.ModelInfo(ref, f"{ref} (scripted)", source="demo") for ref in (*DEMO_POOL, DEMO_JUDGE)]
        for server in await local.find(_http()):
            found += [models.ModelInfo(ref, ref.model, source="this machine") for ref in server.models]
        wanted = [row for row in SERVICES.values() if not row.local and any(map(keys.have, row.keys))]
        for row in {row.name: row for row in (services.OPENROUTER, *wanted, *self._own.values())}.values():
            auth = keys.bind(row) if any(map(keys.have, row.keys)) else None
            try:
                found += await models.list_models(_http(), row, auth)
            except ProviderError:
                found += models.offline(row)
        return found

    def _pool(self) -> tuple[tuple[Ref, ...], list[str]]:
        if self._wish.pool is None:
            asked, notes = self._default_pool()
        else:
            asked, notes = self._wish.pool, []
        return tuple(self._keep(member) for member in self._resolve(asked)), notes

    def _default_pool(self) -> tuple[Sequence[Member], list[str]]:
        """What the keys at hand allow, else what runs on this machine, else the scripted demo."""
        if any(map(keys.have, services.OPENROUTER.keys)):
            return DEFAULT_POOL, []
        vendors = {"claude": "anthropic", "gemini": "gemini", "gpt": "openai"}
        if at_hand := [name for name in DEFAULT_POOL if any(map(keys.have, SERVICES[vendors[name]].keys))]:
            return at_hand, []
        if self._local_models:
            return ["local"], []
        said = "No key and no model server was found, so the scripted demo pool answers. Set OPENROUTER_API_KEY to ask "
        return ["demo"], [f"{said}real models."]

    def _resolve(self, asked: Any) -> tuple[catalogue.Member, ...]:
        entries = [e.strip() for e in asked.split(",")] if isinstance(asked, str) else asked
        wants_local = not callable(entries) and "local" in entries
        return catalogue.resolve(
            asked,
            aliases=self._wish.aliases or {},
            services={**self._own, demo.SERVICE: DEMO_SERVICE},
            have_key=keys.have,
            demo=DEMO_POOL,
            local=self._local_models if wants_local else (),
            default=OWN_SERVICE if self._wish.base_url is not None else None,
        )

    def _judge(self, pool: tuple[Ref, ...]) -> Ref:
        if self._wish.judge is not None:
            return self.judge_named(self._wish.judge)
        return kin.default_judge(pool, keys.have, demo=DEMO_JUDGE, services=self._own)

    def _keep(self, member: catalogue.Member, *, judge: bool = False) -> Ref:
        """The member's ref. A function is kept under its label: a journal or a frame cannot hold it."""
        if isinstance(member, Ref):
            return member
        ref = replace(member.ref, label=f"{member.ref.label}{_JUDGE}") if judge else member.ref
        self._functions[ref.label] = member.fn
        return ref

    @functools.cached_property
    def _local_models(self) -> tuple[Ref, ...]:
        from fusion_nb.providers import local

        async def find() -> list[local.LocalServer]:
            return await local.find(_http())

        return tuple(ref for server in loop.on_engine(find()) for ref in server.models)

    def _check_key(self, ref: Ref) -> None:
        if ref.service == demo.SERVICE and find_demo(ref.model) is None:
            raise UserError(f"The demo has no model {ref.model!r}: it has {', '.join(demo.MEMBERS)} and {demo.JUDGE}.")
        if ref.service == PYTHON and ref.label not in self._functions:
            raise UserError(f"{ref.label} is a Python function of another kernel: pass it as functions=[...].")
        if ref.service not in (PYTHON, demo.SERVICE):
            keys.bind(self._service(ref))

    def _fingerprint(self, pool: Sequence[Ref], judge: Ref | None) -> str:
        """What names leave open: a service moved to another address, a function with other code, is not the same."""
        asked = {ref.service for ref in (*pool, *([judge] if judge else []))}
        own = {name: row.base_url for name, row in self._own.items() if name in asked}
        code = {name: _code(fn) for name, fn in self._functions.items()}
        if not own and not code:
            return ""
        return hashlib.sha256(repr((sorted(own.items()), sorted(code.items()))).encode()).hexdigest()

    def _service(self, ref: Ref) -> Service:
        return services.known(ref.service, self._own)

    def _metered(self, ref: Ref) -> bool:
        return ref.service in (PYTHON, demo.SERVICE) or not self._service(ref).local

    def _provider(self, ref: Ref) -> Provider:
        """Called on the engine's loop."""
        if ref.service == PYTHON:
            runner = loop.on_loop(self._callers_loop) if self._callers_loop else None
            return FunctionProvider(self._functions[ref.label], runner)
        from fusion_nb.providers.chat import ChatProvider

        if ref.service == demo.SERVICE:
            return ChatProvider(replace(DEMO_SERVICE, base_url=demo.base_url()), _http())
        service = self._service(ref)
        return ChatProvider(service, _http(), keys.bind(service))


def _code(fn: Callable[..., Any]) -> str:
    """What a function does, as far as it can be compared: its own code, not what it calls."""
    found = getattr(fn, "__code__", None)
    return repr((found.co_code, found.co_consts, found.co_names)) if found else repr(type(fn))


def _own_services(wish: Wish) -> Mapping[str, Service]:
    """The user's services, checked. Raises `UserError` where an address or a key's variable may not stand."""
    own = {}
    for name, row in (wish.services or {}).items():
        if not isinstance(row, Mapping) or "base_url" not in row or set(row) - {"base_url", "key_env"}:
            raise UserError(f'Service {name!r} must be given as {{"base_url": "https://...", "key_env": "ITS_KEY"}}.')
        own[name] = services.custom(name, row["base_url"], row.get("key_env"))
    if wish.base_url is not None:
        own[OWN_SERVICE] = services.custom(OWN_SERVICE, wish.base_url, wish.key_env)
    elif wish.key_env is not None:
        raise UserError("key_env goes with base_url: it names the variable that holds that service's key.")
    return own


def _kin_notes(judge: Ref, pool: Sequence[Ref]) -> list[str]:
    match kin.kinship(judge, pool):
        case "member":
            return [f"The judge, {judge.name}, is also a member of the pool: it may favour its own answer."]
        case "family" if judge.service not in (PYTHON, demo.SERVICE):
            return [f"The judge, {judge.name}, is of the same family as a member of the pool: it may favour it."]
        case _:
            return []


_https: dict[int, Http] = {}


def _http() -> Http:
    """The connections of the engine's loop, kept from run to run. Called on that loop."""
    from fusion_nb.providers.http import Http

    engine = loop.engine_loop()
    if id(engine) not in _https:
        _https[id(engine)] = Http()
        loop.at_exit(_https[id(engine)].aclose)
    return _https[id(engine)]
