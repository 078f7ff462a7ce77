"""A request on its way out, and its head as bytes.

The key is on it for as long as its head is written: in no variable that outlives that.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from fusion_nb._version import __version__
from fusion_nb.errors import ProviderError, UserError
from fusion_nb.providers.http_response import transport_error
from fusion_nb.providers.keys import KeyAuth
from fusion_nb.providers.service_addresses import Address, parse

DEFAULT_PORTS = {"http": 80, "https": 443}
USER_AGENT = f"fusion_nb/{__version__}"
_URL = re.compile(r"https?://[^\s\\@\x00-\x20\x7f]+")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_OF_THE_WIRE = frozenset({"host", "connection", "content-length", "transfer-encoding"})
_SAFE = "/%:@!$&'()*+,;=~-._?[]"
"""What stays as it is in a path and a query, `%` with it: an address is written in escaped form already."""


class Outgoing(NamedTuple):
    """One request. Its key is opaque in every repr."""

    method: str
    url: str
    address: Address
    content: bytes | None
    headers: Mapping[str, str]
    auth: KeyAuth | None

    @property
    def where(self) -> str:
        """The host, for people: with its port where that is not the usual one."""
        return place(self.address)

    def all_headers(self) -> dict[str, str]:
        """The headers but for the key, with the length of the body."""
        mine = {"Accept": "text/event-stream, application/json", "Accept-Encoding": "identity"}
        if self.content is not None:
            mine |= {"Content-Type": "application/json", "Content-Length": str(len(self.content))}
        names = {name.lower(): name for name in mine}
        return {**mine, **{names.get(name.lower(), name): value for name, value in self.headers.items()}}


def place(address: Address) -> str:
    """The host of an address, for people."""
    return address.host if address.port in DEFAULT_PORTS.values() else f"{address.host}:{address.port}"


def read_url(url: str) -> Address:
    """The address that requests to `url` go to. Raises `ProviderError` where it cannot be read."""
    address = None
    with contextlib.suppress(UserError):
        address = parse(url) if _URL.fullmatch(url) else None
    if address is None or not address.host or not 0 < address.port < 65536:
        raise ProviderError("protocol", "The base URL cannot be read: write it like https://host.example/v1.")
    return address


def check_headers(request: Outgoing) -> None:
    """Raise `ProviderError`, before anything is connected, for a header that ends itself, is none, or the wire's."""
    if any(name.lower() in _OF_THE_WIRE for name in request.headers) or not all(
        _NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in request.headers.items()
    ):
        raise _unsendable(request)


def _unsendable(request: Outgoing) -> ProviderError:
    return transport_error("unsendable", request.where, "a header of it holds what no header can")


def head_of(request: Outgoing) -> bytes:
    """The head of a request, its key in it where it goes to the key's own origin. Raises `ProviderError`."""
    address, parts = request.address, urlsplit(request.url)
    host = f"[{address.host}]" if ":" in address.host else address.host
    if address.port != DEFAULT_PORTS[address.scheme]:
        host = f"{host}:{address.port}"
    target = quote(parts.path or "/", _SAFE) + (f"?{quote(parts.query, _SAFE)}" if parts.query else "")
    headers = {"Host": host, "User-Agent": USER_AGENT, "Connection": "keep-alive", **request.all_headers()}
    if request.auth is not None:
        request.auth.attach(headers, address.origin)
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in headers.items()):
        headers.clear()
        raise _unsendable(request)
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii")
