"""How models are reached, and what they cost: services to providers, tokens to money."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fusion_nb.accounts import prices
from fusion_nb.core import Ref, Usage, engine_thread
from fusion_nb.core.plugins import plugin_services
from fusion_nb.core.run_spec import ComputedCost, Provider
from fusion_nb.errors import KeyMissing, UserError
from fusion_nb.options import Settings
from fusion_nb.providers import custom_services, demo, key_sources, keys, services
from fusion_nb.providers.demo.scripts import find_model as find_demo
from fusion_nb.providers.function_provider import SERVICE as PYTHON
from fusion_nb.providers.services import SERVICES, Service
from fusion_nb.storage import files

if TYPE_CHECKING:
    from fusion_nb.accounts.prices import Rates
    from fusion_nb.providers.catalogue_cache import Catalogue
    from fusion_nb.providers.http import Http
    from fusion_nb.providers.keys import KeyAuth
    from fusion_nb.providers.openrouter_api import Credit, Generation


# `providers.http` loads the HTTP client (0.2 s), the price table pydantic (0.4 s): imported when they are needed.
# ruff: noqa: PLC0415

OWN_SERVICE = "custom"
_LISTING = 2.0
"""Seconds that the servers on this machine have to list their models."""
_LONG = 8000
"""Characters; a shorter prompt fits every model."""
DEMO_POOL = tuple(Ref(demo.SERVICE, name.partition(":")[2], name) for name in demo.MEMBERS)
DEMO_JURY = tuple(Ref(demo.SERVICE, name.partition(":")[2], name) for name in demo.JUDGES)
DEMO_JUDGE = DEMO_JURY[0]
DEMO_MODELS = (*DEMO_POOL, *DEMO_JURY)
# Its address is known when it is first asked: the server starts then.
DEMO_SERVICE = replace(services.OPENROUTER, name=demo.SERVICE, base_url="http://127.0.0.1", key_env=None, local=True)


_LOOKED_UP: set[tuple[str, str]] = set()
"""(address, model): this process has looked their prices up, and done what is slow about it."""


class ServiceRegistry:
    """The services of one call: the table's and the user's own."""

    def __init__(self, settings: Settings, ask: custom_services.AskConsent | None = None) -> None:
        self.own = _own_services(settings)
        self._ask = ask
        self._trusted: set[str] = set()
        self._priced: set[Ref] = set()

    def service(self, ref: Ref) -> Service:
        """The row that says how to talk to the ref's service."""
        if ref.service == demo.SERVICE:
            return replace(DEMO_SERVICE, base_url=demo.base_url())
        row = services.service_named(ref.service, self.own)
        if ref.service in self.own and ref.service not in self._trusted:
            custom_services.require_consent(row, self._ask)
            self._trusted.add(ref.service)
        return row

    def provider(self, ref: Ref) -> Provider:
        """Called on the engine's loop."""
        from fusion_nb.providers.chat import ChatProvider

        service = self.service(ref)
        return ChatProvider(service, http(), keys.bind(service))

    def key_notes(self, names: Iterable[str]) -> list[str]:
        """Which keys of these services are from a file, each said once."""
        keyed = (SERVICES[name].keys for name in sorted(names) if name in SERVICES and name not in self.own)
        return key_sources.file_notes([found for each in keyed if (found := next(filter(keys.has_key, each), None))])

    def metered(self, ref: Ref) -> bool:
        """Whether somebody is billed for asking it."""
        return ref.service in (PYTHON, demo.SERVICE) or not self.service(ref).local

    def price(self, ref: Ref, model: str, usage: Usage) -> ComputedCost | None:
        """USD of `usage` where it can be computed, with the prices of a list that it was computed with."""
        if ref.service == PYTHON:
            return None
        if ref.service == demo.SERVICE:
            play = demo.price(ref.model, usage)
            return None if play is None else ComputedCost(play)
        service = self.service(ref)
        if service.local:
            return ComputedCost(Decimal(0))
        catalogue, when = self._catalogue(service), datetime.now(UTC)
        # A snapshot, or a file's name, that no list has costs what the model asked for costs.
        for name in dict.fromkeys((model, ref.model)):
            if catalogue and (listed := catalogue.rates(name)):
                cost = listed.cost(usage, when)
                return None if cost is None else ComputedCost(cost, listed.used(usage, when))
            cost = prices.computed_cost(service.prices_id, name, usage)
            if cost is not None:
                table = prices.table_rates(service.prices_id, name)
                # The table's own sum counts; its prices are on record only where they come to that sum.
                same = table is not None and table.cost(usage, when) == cost
                return ComputedCost(cost, table.used(usage, when) if table and same else None)
        return None

    def worst(self, ref: Ref, usage: Usage) -> Decimal | None:
        """USD of `usage` at the most, whatever the hour and the tier; `None` where nobody knows."""
        rates = self.rates(ref)
        return rates.ceiling(usage) if rates else None

    def rates(self, ref: Ref) -> Rates | None:
        """The prices of a model: its service's own list where one is kept, else the price table's."""
        from fusion_nb.accounts.prices import FREE, Prices, Rates

        if ref.service == PYTHON:
            return None
        if ref.service == demo.SERVICE:
            model = find_demo(ref.model)
            return Rates(Prices(model.prompt_price, model.completion_price), source="play money") if model else None
        service = self.service(ref)
        if service.local:
            return FREE
        from fusion_nb.accounts import prices

        catalogue = self._catalogue(service)
        return (catalogue and catalogue.rates(ref.model)) or prices.table_rates(service.prices_id, ref.model)

    def load_prices(self, refs: Iterable[Ref]) -> None:
        """Read what is known of these models' prices and contexts: the first look may load a table, which is slow.

        Called on a thread of its own. Servers on this machine are asked what their models hold: it may be little.
        """
        refs = tuple(refs)
        with contextlib.suppress(Exception):
            if not all(map(self.metered, refs)):
                listing = asyncio.run_coroutine_threadsafe(self._list_local(refs), engine_thread.engine_loop())
                listing.result(_LISTING)  # not for ever: the process may end meanwhile
        for ref in refs:
            with contextlib.suppress(Exception):
                self.rates(ref)
                self.context(ref)
                self.price(ref, ref.model, Usage(1, 1))
        self._priced.update(refs)
        _LOOKED_UP.update(self._place(ref) for ref in refs if self.metered(ref))

    def priced(self, refs: Iterable[Ref]) -> bool:
        """Whether what is known of their prices has been read already, as for the runs of a table all but the first."""
        return all(ref in self._priced or self._place(ref) in _LOOKED_UP for ref in refs)

    def _place(self, ref: Ref) -> tuple[str, str]:
        return services.service_named(ref.service, self.own).base_url, ref.model

    def context(self, ref: Ref) -> int | None:
        """Tokens a model holds, prompt and completion together."""
        if ref.service in (PYTHON, demo.SERVICE):
            return None
        from fusion_nb.accounts import prices

        service = self.service(ref)
        if service.local:
            from fusion_nb.providers.local_servers import context_on_this_machine

            return context_on_this_machine(service, ref.model)
        catalogue = self._catalogue(service)
        info = catalogue.find(ref.model) if catalogue else None
        return (info and info.context) or prices.table_context(service.prices_id, ref.model)

    def check_fit(self, text: str, refs: tuple[Ref, ...]) -> None:
        """Raise `UserError` where a prompt surely is more than a model can hold: before anyone is paid."""
        if len(text) < _LONG:
            return
        from fusion_nb.accounts.token_counts import token_range

        for ref in refs:
            holds, least = self.context(ref), token_range(text, ref).low
            if holds is not None and least >= holds:
                raise UserError(
                    f"The prompt will not fit {ref.name}: it has at least {least:,} tokens, and {ref.model} holds "
                    f"{holds:,}. Leave it out, or shorten the prompt."
                )

    async def refresh(self, refs: tuple[Ref, ...]) -> list[str]:
        """Ask the refs' services for today's catalogue where none is kept; sentences on those that are old."""
        from fusion_nb.providers import catalogue_cache

        notes = []
        paid = [ref for ref in refs if ref.service not in (PYTHON, demo.SERVICE) and self.metered(ref)]
        await self._list_local(refs)
        for service in {ref.service: self.service(ref) for ref in paid}.values():
            auth = keys.bind(service) if any(map(keys.has_key, service.keys)) else None
            catalogue = await catalogue_cache.current_catalogue(http(), service, auth, files.home())
            notes += [note] if catalogue and (note := catalogue.note(datetime.now(UTC))) else []
        return notes

    async def _list_local(self, refs: Iterable[Ref]) -> None:
        """Learn what the models of these refs hold, as far as they are on this machine."""
        local = {ref.service: self.service(ref) for ref in refs if not self.metered(ref)}
        if local:
            from fusion_nb.providers.local_servers import list_server

            await asyncio.gather(*(list_server(http(), service) for service in local.values()))

    async def generation(self, ref: Ref, generation_id: str) -> Generation | None:
        """What the service kept of a call, by its generation id; `None` where it keeps none. On the engine's loop."""
        from fusion_nb.providers.openrouter_api import fetch_generation

        service = None if ref.service == PYTHON else self.service(ref)
        if service is None or not service.keeps_bills(generation_id):
            return None
        return await fetch_generation(http(), service, keys.bind(service), generation_id)

    async def credits(self) -> dict[str, Credit]:
        """What the keys at hand have left, by service, where it tells."""
        from fusion_nb.providers.openrouter_api import fetch_credit

        rows = {**SERVICES, **self.own}.values()
        confirmed = [row for row in rows if row.reports_credit and custom_services.unconfirmed_destination(row) is None]
        with_key = [(row, auth) for row in confirmed if (auth := _usable_key(row))]
        credits_told = await asyncio.gather(*(fetch_credit(http(), row, auth) for row, auth in with_key))
        pairs = zip(with_key, credits_told, strict=True)
        return {row.name: credit for (row, _), credit in pairs if credit is not None}

    async def bill(self, ref: Ref, generation_id: str) -> Generation | None:
        """`generation`, for a run that goes on: of a service that keeps bills, and at a pace that fits two seconds."""
        from fusion_nb.providers.openrouter_api import WAITS_IN_RUN, fetch_generation

        if ref.service == PYTHON:
            return None
        service = self.service(ref)
        if not service.keeps_bills(generation_id):
            return None
        return await fetch_generation(http(), service, keys.bind(service), generation_id, WAITS_IN_RUN)

    async def models(self) -> list[Any]:
        """Every model a pool can name; a service that does not answer as it last did, else from the price table."""
        from fusion_nb.providers import catalogue_cache, local_servers, model_list

        models = [model_list.ModelInfo(ref, f"{ref} (scripted)", source="demo") for ref in DEMO_MODELS]
        for server in await local_servers.find_local_servers(http()):
            context = functools.partial(local_servers.context_on_this_machine, server.service)
            models += [
                model_list.ModelInfo(ref, ref.model, context=context(ref.model), source="this machine")
                for ref in server.models
            ]
        wanted = [row for row in SERVICES.values() if not row.local and any(map(keys.has_key, row.keys))]
        own = [row for row in self.own.values() if custom_services.unconfirmed_destination(row) is None]
        for row in {row.name: row for row in (services.OPENROUTER, *wanted, *own)}.values():
            auth = _usable_key(row)
            # Kept, so that a price that was listed here is one that a cap knows.
            listed = await catalogue_cache.current_catalogue(http(), row, auth, files.home(), refresh=True)
            models += listed.models.values() if listed else model_list.offline_models(row)
        return models

    def _catalogue(self, service: Service) -> Catalogue | None:
        from fusion_nb.providers import catalogue_cache

        return catalogue_cache.cached_catalogue(files.home(), service)


def _own_services(settings: Settings) -> Mapping[str, Service]:
    """The user's services, checked. Raises `UserError` where an address or a key's variable may not stand."""
    packaged = {name: row for name, row in plugin_services().items() if name not in SERVICES}
    own = {}
    for name, row in {**packaged, **(settings["services"] or {})}.items():
        if not isinstance(row, Mapping) or not all(isinstance(field, str) for field in row):
            raise UserError(f'Service {name!r} must be given as {{"base_url": "https://...", "key_env": "ITS_KEY"}}.')
        own[name] = custom_services.custom_service(name, **row)
    if settings["base_url"] is not None:
        own[OWN_SERVICE] = custom_services.custom_service(OWN_SERVICE, settings["base_url"], settings["key_env"])
    elif settings["key_env"] is not None:
        raise UserError("key_env goes with base_url: it names the variable that holds that service's key.")
    return own


def _usable_key(row: Service) -> KeyAuth | None:
    """The service's key, where there is one that can be sent: a list of many services is not lost to one bad key."""
    with contextlib.suppress(KeyMissing):
        return keys.bind(row) if any(map(keys.has_key, row.keys)) else None
    return None


_https: dict[int, Http] = {}


def http() -> Http:
    """The connections of the engine's loop, kept from run to run. Called on that loop."""
    from fusion_nb.providers.http import Http

    engine = engine_thread.engine_loop()
    if id(engine) not in _https:
        _https[id(engine)] = Http()
        engine_thread.close_at_exit(_https[id(engine)].aclose)
    return _https[id(engine)]
