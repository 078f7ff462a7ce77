"""The catalogue of a service on disk: fetched again after a day, used as it is where the service does not answer.

One JSON file per service in the folder that kernels share. It is parsed as strictly as a response from the network:
rows that make no sense are left out, and a file that this user did not write is not read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion_nb.accounts.prices import Rates
from fusion_nb.errors import ProviderError
from fusion_nb.providers.model_list import CONTEXT_FIELDS, MAX_MODELS, ModelInfo, parse_models
from fusion_nb.providers.services import Service
from fusion_nb.storage import files
from fusion_nb.storage.files import replace_file

if TYPE_CHECKING:
    # The HTTP client is loaded when there is something to ask, not to read what is kept.
    from fusion_nb.providers.http import Http
    from fusion_nb.providers.keys import KeyAuth


FRESH = timedelta(hours=24)
TIMEOUT = 10.0
LOOK_AGAIN = 0.5
"""Seconds."""
FORM = "fusion_nb models"
VERSION = 1
MAX_FILE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a service had at a time."""

    service: str
    fetched: datetime
    models: Mapping[str, ModelInfo]
    """By name, in the service's order."""

    def find(self, name: str) -> ModelInfo | None:
        """The model of that name; of a moving one (`~...-latest`), the concrete model it stood for."""
        info = self.models.get(name)
        target = self.models.get(info.alias_target) if info and info.alias_target else None
        return target or info

    def rates(self, name: str) -> Rates | None:
        """The prices of a model, with the date they were listed."""
        info = self.find(name)
        if info is None or info.rates is None:
            return None
        return Rates(info.rates.base, info.rates.tiers, f"{info.rates.source}, {self.fetched:%Y-%m-%d}")

    def fresh(self, now: datetime) -> bool:
        """Whether it need not be asked for again. One from the future is as old as can be."""
        return timedelta(minutes=-5) < now - self.fetched < FRESH

    def note(self, now: datetime) -> str:
        """How old it is, as a sentence; empty where it is fresh."""
        if self.fresh(now):
            return ""
        return f"{self.service} did not list its models today: prices and contexts are of {self.fetched:%Y-%m-%d}."


def cached_catalogue(home: Path, service: Service) -> Catalogue | None:
    """What is kept of a service's catalogue, however old; `None` where there is nothing that can be read.

    A run looks prices up often: what another process has written is seen after `LOOK_AGAIN`.
    """
    place, now = (home, service.name, service.base_url), time.monotonic()
    looked = _looked.get(place)
    if looked is None or now - looked[0] > LOOK_AGAIN:
        if len(_looked) > 50:
            _looked.clear()
        looked = _looked[place] = (now, _read(home, service))
    return looked[1]


def _read(home: Path, service: Service) -> Catalogue | None:
    file = cache_path(home, service)
    try:
        status = file.lstat()
        key = (str(file), status.st_mtime_ns, status.st_size)
        if key not in _parsed:
            contents = files.read_own(file, MAX_FILE, within=home)
            if len(_parsed) > 50:
                _parsed.clear()
            _parsed[key] = _catalogue(contents, service)
    except OSError:
        return None
    return _parsed[key]


async def current_catalogue(
    http: Http,
    service: Service,
    auth: KeyAuth | None,
    home: Path,
    *,
    now: datetime | None = None,
    refresh: bool = False,
) -> Catalogue | None:
    """The service's catalogue: the kept one while it is fresh, else asked for and kept, else the kept one, aged.

    `None` where nobody answers and nothing is kept; then the price table is all there is. Never raises.

    `refresh`: asked for however fresh the kept one is.
    """
    now = now or datetime.now(UTC)
    cached = cached_catalogue(home, service)
    if cached is not None and cached.fresh(now) and not refresh:
        return cached
    try:
        body = await http.get_json(
            f"{service.base_url}/models", auth=auth, headers=dict(service.headers), timeout=TIMEOUT
        )
    except ProviderError:
        return cached
    models = parse_models(body, service)
    if not models:
        return cached
    with contextlib.suppress(OSError):  # a full disk costs a request the next time, and no more
        _write_cache(home, _used_fields(body), service, now)
    return Catalogue(service.name, now, {info.ref.model: info for info in models})


def cache_path(home: Path, service: Service) -> Path:
    """The file of a service's catalogue: one for each address, for a name may move to another."""
    address = hashlib.sha256(service.base_url.encode()).hexdigest()[:8]
    return home / "models" / f"{service.name}-{address}.json"


_parsed: dict[tuple[str, int, int], Catalogue | None] = {}
"""Files as they were read, by path, time and size."""
_looked: dict[tuple[Path, str, str], tuple[float, Catalogue | None]] = {}
"""What was found, and when it was looked for."""


def _catalogue(text: bytes, service: Service) -> Catalogue | None:
    try:
        stored = json.loads(text, parse_float=Decimal)
        if stored["form"] != FORM or stored["v"] != VERSION or stored["base_url"] != service.base_url:
            return None
        fetched = datetime.fromisoformat(stored["fetched"])
        models = {info.ref.model: info for info in parse_models(stored["data"], service)}
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return None
    return Catalogue(service.name, fetched, models) if fetched.tzinfo and models else None


def _write_cache(home: Path, rows: list[Any], service: Service, now: datetime) -> None:
    file = cache_path(home, service)
    head = {"form": FORM, "v": VERSION, "base_url": service.base_url, "fetched": now.isoformat()}
    files.make_private(files.make_home(home) / file.parent.name)
    replace_file(file, json.dumps({**head, "data": rows}, default=str).encode(), durable=False)
    _looked.clear()


_PARTS = (
    "id",
    "name",
    "display_name",
    "created",
    "pricing",
    "alias_target",
    *(f[0] for f in CONTEXT_FIELDS if len(f) == 1),
)
_INNER = (("architecture", "input_modalities"), *(field for field in CONTEXT_FIELDS if len(field) == 2))


def _used_fields(body: Any) -> list[Any]:
    """The rows without what nobody here reads: a tenth of their size."""
    rows = body.get("data") if isinstance(body, Mapping) else body
    valid = [row for row in (rows[:MAX_MODELS] if isinstance(rows, list) else ()) if isinstance(row, Mapping)]
    lean: list[dict[str, Any]] = [{name: row[name] for name in _PARTS if name in row} for row in valid]
    for lean_row, row in zip(lean, valid, strict=True):
        for part, name in _INNER:
            inner = row.get(part)
            if isinstance(inner, Mapping) and name in inner:
                lean_row[part] = {name: inner[name]}
    return lean
