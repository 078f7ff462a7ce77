"""API keys: where they are read from, and the one object that holds one.

A key is bound to the origin of its service: it is attached to a request at the last moment and sent to no other origin.
No variable of a stack frame shows it, and neither `repr` nor `pickle` gives it away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, MutableMapping
from typing import Any, Never

from fusion_nb.errors import KeyMissing
from fusion_nb.providers.key_sources import Sealed, find_key, forget_stored
from fusion_nb.providers.redaction import is_placeholder, looks_like_key, scrub, without_key, written_forms
from fusion_nb.providers.service_addresses import parse
from fusion_nb.providers.services import SERVICES, Service

__all__ = ["KeyAuth", "bind", "forget_stored", "has_key", "looks_like_key", "scrub"]

_BEARER = "Authorization"
"""The header that carries a key as a token; any other carries it as it is."""


class KeyAuth:
    """A key that may be sent to one origin. Immutable, opaque."""

    __slots__ = ("_attach", "_begins", "_hide", "fingerprint", "header", "origin", "variable")

    origin: str
    variable: str
    fingerprint: str
    """The first 8 digits of its SHA-256: tells two keys apart, says nothing of either."""
    header: str
    """What carries it."""

    def __init__(self, key: str, variable: str, origin: str, header: str = _BEARER) -> None:
        attach, hide, begins = _closures(key if isinstance(key, Sealed) else Sealed(key))
        self._attach: Callable[[MutableMapping[str, str], str], None] = attach
        self._hide: Callable[[str], str] = hide
        self._begins: Callable[[str], int] = begins
        self.origin, self.variable, self.header = origin, variable, header
        self.fingerprint = hashlib.sha256(key.encode()).hexdigest()[:8]

    def attach(self, headers: MutableMapping[str, str], origin: str) -> None:
        """Add the key's header, if the request goes where the key belongs."""
        if origin == self.origin:
            self._attach(headers, self.header)

    def hide(self, text: str) -> str:
        """`text` with `***` in place of this very key: services quote it in their errors."""
        return self._hide(text)

    def begins(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of this key: it can come in pieces."""
        return self._begins(text)

    def __repr__(self) -> str:
        return "***"

    def __reduce_ex__(self, protocol: Any) -> Never:
        raise TypeError("A key is neither pickled nor copied.")


def has_key(variable: str) -> bool:
    """Whether there is a key under that name: wherever keys are looked for."""
    return bool(find_key(variable))


def bind(service: Service, header: str = _BEARER) -> KeyAuth | None:
    """The service's key, bound to its origin; `None` for a service that needs none and has none.

    Args:
        header: that carries it.

    Raises `KeyMissing`: there is none where one is needed, or it cannot be sent as it is.
    """
    variable = next((name for name in service.keys if has_key(name)), None)
    if variable is None:
        if service.key_env is None or service.key_optional:
            return None
        forget_stored()  # so that a key put into the keyring now is found by the next try
        missing = KeyMissing(
            f"No API key for {service.name}: in a notebook `%fuse_key {service.name}` asks for it; or set "
            f"{service.key_env} in the environment Jupyter starts in, or in a file .env beside the notebook; or try "
            'pool="demo".'
        )
        missing.service = service.name if service.name in SERVICES else ""
        raise missing
    if service.name in SERVICES and not service.key_optional and is_placeholder(find_key(variable)):
        raise KeyMissing(
            f"What {variable} holds is a placeholder from documentation: set your own key for {service.name}."
        )
    fault = _fault(find_key(variable), variable)
    if fault:
        raise KeyMissing(f"The key in {variable} cannot be used: it holds {fault}. Set it again without.")
    return KeyAuth(find_key(variable), variable, parse(service.base_url).origin, header)


def _closures(
    key: Sealed,
) -> tuple[Callable[[MutableMapping[str, str], str], None], Callable[[str], str], Callable[[str], int]]:
    forms = written_forms(key)

    def attach(headers: MutableMapping[str, str], header: str) -> None:
        headers[header] = ("Bearer " if header == _BEARER else "") + key  # no f-string: a sealed key formats as ***

    def hide(text: str) -> str:
        for form in forms:
            text = without_key(text, form)
        return text

    def begins(text: str) -> int:
        start = text.find(key[0], max(0, len(text) - len(key) + 1)) if forms else -1
        while start >= 0 and not key.startswith(text[start:]):
            start = text.find(key[0], start + 1)
        return len(text) - start if start >= 0 else 0

    return attach, hide, begins


def _fault(key: Sealed, variable: str) -> str:
    """What makes a key impossible to send, without the key: the caller raises it."""
    if "\n" in key or "\r" in key:
        return "a line break"
    if not key.isascii():
        return "a character outside ASCII"
    if key.lower().startswith("bearer "):
        return "the word Bearer, which is added when it is sent"
    if key.startswith(f"{variable}="):
        return "its own name before an equals sign"
    if any(mark in (key[0], key[-1]) for mark in "'\"`"):
        return "a quotation mark"
    if not key.isprintable() or " " in key:
        return "a space or a control character"
    return ""
