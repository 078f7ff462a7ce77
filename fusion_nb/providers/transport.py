"""What can go wrong between two machines, in sentences. `http.py` says which of these it was."""

from __future__ import annotations

from typing import NamedTuple
from urllib.request import getproxies, proxy_bypass

from fusion_nb._errors import ProviderError


class _Trouble(NamedTuple):
    sentence: str
    retries: int = 0
    billed: bool = False


def proxied(host: str) -> bool:
    """Whether the environment sends https requests to `host` through a proxy."""
    proxies = getproxies()
    return bool(proxies.get("https") or proxies.get("all")) and not proxy_bypass(host)


_TROUBLES = {
    "dns": _Trouble("{where} cannot be found: check the network, or the base URL.", 1),
    "connect": _Trouble("{where} does not take connections: check that it runs, and the network between.", 2),
    "connect_timeout": _Trouble("{where} did not take the connection within 10 s: check the network.", 2),
    "tls": _Trouble(
        "The certificate of {where} cannot be trusted ({reason}). Behind a proxy that opens TLS, set SSL_CERT_FILE to "
        "its CA certificate; verification is never switched off."
    ),
    "proxy": _Trouble("The proxy did not let the request to {where} through ({reason}): check HTTPS_PROXY.", 1),
    "send": _Trouble("The connection to {where} broke while the request was being sent.", 1, True),
    "disconnect": _Trouble("{where} closed the connection before the end of its answer.", 2, True),
    "protocol": _Trouble("{where} does not answer in proper HTTP ({reason}): check the base URL.", 0, True),
    "unsendable": _Trouble("The request to {where} cannot be sent ({reason})."),
}


def of_transport(kind: str, where: str, reason: str = "") -> ProviderError:
    """The fault of the class `kind`. `reason`: a few words, already harmless."""
    trouble = _TROUBLES[kind]
    return ProviderError(
        "protocol" if kind == "unsendable" else kind,
        trouble.sentence.format(where=where, reason=reason or "no reason given"),
        retryable=trouble.retries > 0,
        max_retries=trouble.retries,
        maybe_billed=trouble.billed,
    )
