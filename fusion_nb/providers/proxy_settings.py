"""Which proxy the environment names for a request."""

from __future__ import annotations

import importlib.util
from urllib.request import getproxies, proxy_bypass

from fusion_nb.errors import ProviderError
from fusion_nb.providers.redaction import one_line
from fusion_nb.providers.service_addresses import Address, parse

_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


def proxies_for(address: Address) -> list[tuple[str, str]]:
    """(name of the setting, proxy) for requests to `address`, the one for its scheme first."""
    settings = getproxies()
    if address.loopback or proxy_bypass(address.host):
        return []
    named = ((name, settings.get(name, "")) for name in (address.scheme, "all"))
    return [(name, proxy if "://" in proxy else f"http://{proxy}") for name, proxy in named if proxy]


def usable_proxy(address: Address) -> str | None:
    """The proxy for requests to `address`: the first that can be used. Raises `ProviderError` where none can."""
    proxies = proxies_for(address)
    for _, proxy in proxies:
        scheme = proxy.partition("://")[0].lower()
        socks = scheme.startswith("socks")
        if scheme in _PROXY_SCHEMES and not (socks and importlib.util.find_spec("socksio") is None):
            return proxy
    if not proxies:
        return None
    name, proxy = proxies[0]
    raise ProviderError(
        "proxy",
        f"{name.upper()}_PROXY names a proxy of the kind {one_line(proxy.partition('://')[0], 20)}://, which cannot be "
        "used here: name one with http://, install the package socksio for socks5://, or unset it.",
    )


def proxy_host(url: str) -> str | None:
    """The host of the proxy that requests to `url` go through, for people to know; `None` where there is none."""
    proxies = proxies_for(parse(url))
    return one_line(parse(proxies[0][1]).host, 100) if proxies else None
