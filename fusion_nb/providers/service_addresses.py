"""Where a key may go: addresses are read and judged here.

Plain `http` only to this machine; addresses of cloud metadata and link-local ones never; nothing that two parsers could
read in two ways (decimal and hexadecimal addresses, user names, backslashes, trailing dots).
"""

from __future__ import annotations

import functools
import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from fusion_nb.errors import UserError

_FORBIDDEN = re.compile(r"[\s\\\x00-\x20\x7f-\xa0@#?%]|[^\x00-\x7f]")
_NUMERIC = re.compile(r"\d*|0x[0-9a-f]*", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*")
_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
_METADATA = frozenset(
    ipaddress.ip_address(a) for a in ("100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IP = ipaddress.IPv4Address | ipaddress.IPv6Address


class Address(NamedTuple):
    """A base URL as the client reads it."""

    scheme: str
    host: str
    """Lower case, ASCII; an IPv6 address without its brackets."""
    port: int
    path: str

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def numeric(self) -> bool:
        """Whether the host is an address and no name."""
        return _ip(self.host) is not None

    @property
    def loopback(self) -> bool:
        """Whether it is this machine, by an address that no name server can turn elsewhere."""
        ip = _ip(self.host)
        return self.host == "localhost" if ip is None else ip.is_loopback


def parse(url: str) -> Address:
    """`url` as a base URL. Raises `UserError` where it cannot be read.

    What `check_address` lets through is read alike by every parser; the key goes only where the client itself reads the
    same origin (`http.Http`).
    """
    try:
        parts = urlsplit(url.strip())
        port, host = parts.port, (parts.hostname or "").lower()
        host.encode("ascii")
    except (ValueError, UnicodeError, AttributeError):
        raise UserError("The base URL cannot be read: write it like https://host.example/v1.") from None
    default = {"http": 80, "https": 443}.get(parts.scheme, 0)
    return Address(parts.scheme, host, default if port is None else port, parts.path)


def check_address(url: str, address: Address) -> None:
    """Raise a `UserError` with the remedy where no request may go to `url`."""
    shown = f"Base URL {_shown(url)}"
    if _FORBIDDEN.search(url):
        raise UserError(
            f"{shown} may hold a scheme, a host, a port and a path only: write it like https://host.example/v1, "
            "without user name, query, spaces or backslashes; a key goes into an environment variable."
        )
    if address.scheme not in ("http", "https"):
        raise UserError(f"{shown} must begin with https:// (or http:// for a server on this machine).")
    if not 0 < address.port < 65536:
        raise UserError(f"{shown} has a port outside 1 to 65535.")
    ip = _ip(address.host)
    if ip is None and (_NUMERIC.fullmatch(address.host.rpartition(".")[2]) or not _HOST.fullmatch(address.host)):
        raise UserError(f"{shown} names no proper host: write a name, or an address like 127.0.0.1 or [::1].")
    if ip is not None and ip.is_unspecified:
        raise UserError(
            f"{shown} is where a server listens, not an address of it: for one on this machine write "
            f"{address.scheme}://127.0.0.1:{address.port}{address.path}."
        )
    if address.host in _METADATA_NAMES or (ip is not None and _refused(ip)):
        raise UserError(
            f"{shown} points at link-local or cloud metadata, where no model answers; requests never go there."
        )
    if address.scheme == "http" and not address.loopback:
        raise UserError(
            f"{shown} would send prompts and key unencrypted: use https://, or a tunnel to 127.0.0.1 on this machine."
        )


@functools.lru_cache(256)
def _ip(host: str) -> _IP | None:
    try:
        ip: _IP = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        translated = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
        return ip.ipv4_mapped or ip.sixtofour or translated or ip
    return ip


def _refused(ip: _IP) -> bool:
    return ip in _METADATA or ip.is_link_local or ip.is_multicast


def _shown(url: str) -> str:
    """The URL without what may be a secret in it."""
    return repr(re.sub(r"//[^/]*@", "//***@", url)[:120])
