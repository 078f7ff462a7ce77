"""Services of the user's own: what may be configured, and the person's consent to use them.

A project's configuration or somebody's cell can name an address, and a variable whose key goes there; nobody may find
out by the bill, or by a leak, that it was used. The services of the table with their own keys need no word, nor does
this machine without a key. Anything else is confirmed once, as a pair of address and variable, and kept beside the
journal, never in the project. `FUSION_NB_TRUST` names such pairs where nobody can be asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from fusion_nb.errors import KeyMissing, UnknownName, UserError
from fusion_nb.providers import service_addresses
from fusion_nb.providers.keys import has_key
from fusion_nb.providers.redaction import looks_like_key
from fusion_nb.providers.services import SERVICES, Service
from fusion_nb.storage import files
from fusion_nb.storage.file_lock import locked
from fusion_nb.storage.files import replace_file

VARIABLE = "FUSION_NB_TRUST"
AskConsent = Callable[[str], bool]
"""Puts a question to the person; `False` where nobody is there."""
_OWNERS: Mapping[str, Service] = {variable: row for row in SERVICES.values() for variable in row.keys}
_TABLE_ORIGINS = frozenset(service_addresses.parse(row.base_url).origin for row in SERVICES.values())
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def custom_service(name: str, /, base_url: str | None = None, key_env: str | None = None, **fields: Any) -> Service:
    """A chat-completions service of the user's own, or one of the table with an address or fields of the user's own.

    Args:
        base_url: may be left out for a service of the table.
        fields: what its requests look like, by the names of `CUSTOM_FIELDS`.

    Raises:
        UserError: the name, the address, the key's variable or a field may not stand; the sentence says what may.
    """
    if not _NAME.fullmatch(name) or name in ("demo", "local", "python"):
        raise UserError(f"Service name {name[:60]!r}: use a short word of letters, digits, - and _ that is not taken.")
    row = SERVICES.get(name)
    if base_url is None and row is None:
        raise UserError(f"Service {name!r} has no address: give its base_url, like https://host.example/v1.")
    if base_url is not None and not isinstance(base_url, str):
        raise UserError(f"base_url of service {name!r} must be text, like https://host.example/v1.")
    url = (base_url or row.base_url if row else str(base_url)).strip().rstrip("/")
    url = url.removesuffix("/chat/completions").rstrip("/")
    address = service_addresses.parse(url)
    service_addresses.check_address(url, address)
    _check_variable(key_env, address)
    if row is None:
        row = Service(name, url, key_env)
    elif service_addresses.parse(row.base_url).origin == address.origin:
        row = replace(row, base_url=url, key_env=key_env or row.key_env)
    else:
        row = replace(row, base_url=url, key_env=key_env, key_also=(), local=row.local and address.loopback)
    return _with_fields(row, fields, address)


def _choice(*allowed: str | bool | None) -> tuple[Callable[[Any], bool], str]:
    # By type as well: 1 == True.
    words = ", ".join(repr(value) for value in allowed[:-1]) + f" or {allowed[-1]!r}"
    return lambda value: any(value is each or (isinstance(each, str) and value == each) for each in allowed), words


CUSTOM_FIELDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "max_tokens": _choice("max_tokens", "max_completion_tokens"),
    "seed": _choice("seed", "random_seed", None),
    "stream_options": _choice(True, False),
    "reasoning": _choice("effort", "object", None),
    "structured": _choice(True, False),
    "local": _choice(True, False),
    "batch": _choice("openai", "anthropic", None),
    "headers": (lambda value: isinstance(value, Mapping), "a dictionary of names and texts"),
    "body": (lambda value: isinstance(value, Mapping), "a dictionary of what JSON can hold"),
}
"""What a service of the user's own can set: the check of each value, and the check in words."""
_OUR_BODY = frozenset(
    "model messages stream stream_options max_tokens max_completion_tokens temperature seed random_seed n".split()
)
"""Fields the call's own options fill in, and those that would multiply what a cap has held."""
_OUR_HEADERS = frozenset(
    "host connection content-type content-length transfer-encoding accept-encoding expect upgrade te trailer".split()
)
_KEY_HEADERS = frozenset("authorization proxy-authorization cookie x-api-key api-key x-goog-api-key".split())
_HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def _with_fields(row: Service, fields: Mapping[str, Any], address: service_addresses.Address) -> Service:
    """The row with the user's own fields. Raises `UserError`."""
    for field, value in fields.items():
        if field not in CUSTOM_FIELDS:
            names = ["base_url", "key_env", *CUSTOM_FIELDS]
            raise UnknownName("field of a service", field, names, f"There are {', '.join(names)}.")
        valid, words = CUSTOM_FIELDS[field]
        if not valid(value):
            raise UserError(f"{field} of service {row.name!r} must be {words}, not {str(value)[:60]!r}.")
    if fields.get("local") and not address.loopback:
        raise UserError(
            f"Service {row.name!r} is not on this machine, so it cannot be local: what it costs is unknown."
        )
    if looks_like_key(repr((fields.get("headers"), fields.get("body")))):
        raise KeyMissing(
            f"A field of service {row.name!r} holds what looks like an API key: put the key into an environment "
            "variable and name that as key_env."
        )
    headers = {**dict(row.headers), **_checked_headers(row.name, fields.get("headers", {}))}
    body = {**dict(row.body), **_checked_body(row.name, fields.get("body", {}))}
    plain = {field: value for field, value in fields.items() if field not in ("headers", "body")}
    return replace(row, **plain, headers=tuple(headers.items()), body=tuple(body.items()))


def _checked_headers(service: str, headers: Mapping[Any, Any]) -> dict[str, str]:
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER.fullmatch(name) or name.lower() in _OUR_HEADERS:
            raise UserError(f"{str(name)[:60]!r} cannot be a header of service {service!r}.")
        if name.lower() in _KEY_HEADERS:
            raise UserError(f"The header {name} of service {service!r} would hold a key: name its variable as key_env.")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > 1000:
            raise UserError(f"The header {name} of service {service!r} must be one line of plain text.")
    return dict(headers)


def _checked_body(service: str, body: Mapping[Any, Any]) -> dict[str, Any]:
    for name in body:
        if not isinstance(name, str) or name in _OUR_BODY:
            raise UserError(
                f"{str(name)[:60]!r} cannot be a body field of service {service!r}: an option of the call sets it, or "
                "it would cost more than a cap has held."
            )
    try:
        written = json.dumps(body, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise UserError(f"body of service {service!r} must hold only what JSON can: texts, numbers, lists.") from None
    if len(written) > 20_000:
        raise UserError(f"body of service {service!r} is too long: 20,000 characters of JSON at most.")
    return dict(body)


def _check_variable(variable: str | None, address: service_addresses.Address) -> None:
    if variable is None:
        return
    if not isinstance(variable, str):
        raise UserError("key_env must be the name of an environment variable, like MY_SERVICE_API_KEY.")
    if looks_like_key(variable):
        raise KeyMissing(
            "key_env must be the *name* of an environment variable, and what stands there looks like a key itself: "
            "take it out, revoke it if the notebook is shared, and set it in the environment."
        )
    if not _VARIABLE.fullmatch(variable):
        raise UserError("key_env must be the name of an environment variable, like MY_SERVICE_API_KEY.")
    owner = _OWNERS.get(variable)
    home = service_addresses.parse(owner.base_url) if owner else address
    # A server on this machine may listen on any port.
    if owner and home.origin != address.origin and not (home.loopback and address.loopback):
        raise UserError(
            f"{variable} belongs to {owner.name} and is sent nowhere else: put the key for {address.host} into a "
            "variable of its own and name that one."
        )


class Destination(NamedTuple):
    """Where prompts go, and the variable whose key goes along; written as `https://host:443 VARIABLE`."""

    origin: str
    key_env: str = ""

    def __str__(self) -> str:
        return f"{self.origin} {self.key_env}".rstrip()


def unconfirmed_destination(service: Service) -> Destination | None:
    """Where the service's prompts and key go, where nobody has confirmed that; `None` where they may go."""
    address = service_addresses.parse(service.base_url)
    # A server that asks for no key, where none is set, is sent none.
    keyless = service.key_env is None or (service.key_optional and not has_key(service.key_env))
    destination = Destination(address.origin, "" if keyless else service.key_env or "")
    owner = _OWNERS.get(destination.key_env)
    own_key = not destination.key_env or (
        owner is not None and service_addresses.parse(owner.base_url).origin == address.origin
    )
    if own_key and (address.loopback or address.origin in _TABLE_ORIGINS):
        return None
    confirmed = _with_origins([*_confirmed(), *_trusted(address)])
    return None if destination in confirmed else destination


def require_consent(service: Service, ask: AskConsent | None = None) -> None:
    """Raise `UserError` where prompts and key of the service are confirmed neither now nor earlier."""
    destination = unconfirmed_destination(service)
    if destination is None:
        return
    new, effect = _explain(destination)
    if ask is None or not ask(f"{new}: {effect}."):
        raise UserError(
            f"{new}, and nothing was sent: {effect}. If you know it, run %fuse or fuse() where you can be asked, "
            f'or set {VARIABLE}="{destination}" before Jupyter starts.'
        )
    _remember(destination)


def _explain(destination: Destination) -> tuple[str, str]:
    """What is new, and what would happen."""
    origin, key_env = destination
    if (
        origin in _TABLE_ORIGINS
        or service_addresses.parse(origin).loopback
        or Destination(origin) in _with_origins(_confirmed())
    ):
        return (
            f"The key in {key_env} is new for {origin} on this machine",
            "the key would be sent there, with your prompts",
        )
    key = f" and the key in {key_env}" if key_env else ""
    return f"{origin} is new on this machine", f"your prompts{key} would be sent there"


def _with_origins(confirmed: Iterable[Destination]) -> set[Destination]:
    """Who lets a key go to an address lets prompts go there."""
    every = set(confirmed)
    return every | {Destination(each.origin) for each in every}


def _trusted(address: service_addresses.Address) -> Iterator[Destination]:
    """What the environment trusts: `https://host VARIABLE, https://other, http://127.0.0.1:* VARIABLE`."""
    for entry in os.environ.get(VARIABLE, "").split(","):
        url, *variables = entry.split() or [""]
        # A server on this machine may get another port each time.
        if url.endswith(":*") and address.loopback:
            url = f"{url.removesuffix('*')}{address.port}"
        with contextlib.suppress(UserError):
            yield from (Destination(service_addresses.parse(url).origin, variable) for variable in variables or [""])


def _path() -> Path:
    return files.home() / "origins.json"


def _confirmed() -> set[Destination]:
    """What was confirmed; nothing where the file may be another's work, or is no list of texts."""
    try:
        lines = json.loads(files.read_own(_path(), 1_000_000))
    except (OSError, ValueError, RecursionError):
        return set()
    texts = [each.split() for each in lines if isinstance(each, str)] if isinstance(lines, list) else []
    return {Destination(*parts) for parts in texts if 1 <= len(parts) <= 2}


def _remember(destination: Destination) -> None:
    """Keep what was confirmed. Where that cannot be written, the person is asked again next time."""
    with contextlib.suppress(OSError), locked(files.make_home() / ".origins.json.lock"):
        every = sorted(map(str, {*_confirmed(), destination}))
        replace_file(_path(), json.dumps(every, indent=1).encode(), durable=False)
