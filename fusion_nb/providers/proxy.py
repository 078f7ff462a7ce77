"""The proxy the environment names, for people to know: prompts and keys go through it (encrypted)."""

from __future__ import annotations

from urllib.request import getproxies, proxy_bypass

from fusion_nb.providers.http import parse
from fusion_nb.providers.plain import plain


def proxy_for(url: str) -> str | None:
    """The host of the proxy that requests to `url` go through, for people to know; `None` where there is none."""
    address = parse(url)
    proxies = getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    if not proxy or address.loopback or proxy_bypass(address.host):
        return None
    return plain(parse(proxy if "://" in proxy else f"http://{proxy}").host, 100)
