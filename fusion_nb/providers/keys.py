"""API keys: where they are read from, and the one object that holds one.

A key is bound to the origin of its service: it is attached to a request at the last moment and sent to no other origin.
No variable of a stack frame shows it, and neither `repr` nor `pickle` gives it away.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Never

from fusion_nb.errors import KeyMissing
from fusion_nb.providers.origins import parse
from fusion_nb.providers.redaction import looks_like_key, scrub
from fusion_nb.providers.services import Service

__all__ = ["KeyAuth", "bind", "has_key", "looks_like_key", "scrub"]

KEYRING = "fusion_nb"
"""The keyring's service name; the user name is the variable's."""
_PART = 24
"""Characters of a key that give it away: more than the beginning all keys of a service share."""


class _Sealed(str):
    """A key's text that does not show itself to anything that prints variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce_ex__(self, protocol: Any) -> Never:
        raise TypeError("A key is neither pickled nor copied.")


class KeyAuth:
    """A key that may be sent to one origin. Immutable, opaque."""

    __slots__ = ("_attach", "_begins", "_hide", "fingerprint", "origin", "variable")

    origin: str
    variable: str
    fingerprint: str
    """The first 8 digits of its SHA-256: tells two keys apart, says nothing of either."""

    def __init__(self, key: str, variable: str, origin: str) -> None:
        attach, hide, begins = _closures(key if isinstance(key, _Sealed) else _Sealed(key))
        self._attach: Callable[[MutableMapping[str, str]], None] = attach
        self._hide: Callable[[str], str] = hide
        self._begins: Callable[[str], int] = begins
        self.origin, self.variable = origin, variable
        self.fingerprint = hashlib.sha256(key.encode()).hexdigest()[:8]

    def attach(self, headers: MutableMapping[str, str], origin: str) -> None:
        """Add `Authorization`, if the request goes where the key belongs."""
        if origin == self.origin:
            self._attach(headers)

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
    """Whether there is a key under that name: in the environment, the keyring, or Colab's secrets."""
    return bool(_find(variable))


def bind(service: Service) -> KeyAuth | None:
    """The service's key, bound to its origin; `None` for a service that needs none and has none.

    Raises `KeyMissing`: there is none where one is needed, or it cannot be sent as it is.
    """
    variable = next((name for name in service.keys if has_key(name)), None)
    if variable is None:
        if service.key_env is None or service.key_optional:
            return None
        raise KeyMissing(
            f"No API key for {service.name}: set {service.key_env} in the environment Jupyter starts in, or run "
            f'`import os, getpass; os.environ["{service.key_env}"] = getpass.getpass()`, or try --pool demo.'
        )
    fault = _fault(_find(variable))
    if fault:
        raise KeyMissing(f"The key in {variable} cannot be used: it holds {fault}. Set it again without.")
    return KeyAuth(_find(variable), variable, parse(service.base_url).origin)


def _closures(
    key: _Sealed,
) -> tuple[Callable[[MutableMapping[str, str]], None], Callable[[str], str], Callable[[str], int]]:
    # What is shorter is a placeholder ("EMPTY", "none"), and a word a model may well say.
    secret = len(key) >= 12
    # Half a key is told as well as a whole one where it is long enough to be no other's.
    ends = (key[:_PART], key[-_PART:]) if len(key) >= 2 * _PART else (key, key)

    def attach(headers: MutableMapping[str, str]) -> None:
        headers["Authorization"] = "Bearer " + key  # not an f-string: a sealed key formats as ***

    def hide(text: str) -> str:
        while secret and (ends[0] in text or ends[1] in text):
            start, end = _match(text, key, ends)
            text = f"{text[:start]}***{text[end:]}"
        return text

    def begins(text: str) -> int:
        start = text.find(key[0], max(0, len(text) - len(key) + 1)) if secret else -1
        while start >= 0 and not key.startswith(text[start:]):
            start = text.find(key[0], start + 1)
        return len(text) - start if start >= 0 else 0

    return attach, hide, begins


def _match(text: str, key: _Sealed, ends: tuple[str, str]) -> tuple[int, int]:
    """Where the first part of the key, or the last, stands in `text`, with all that belongs to it."""
    start = text.find(ends[0])
    if start >= 0:
        end = start + len(ends[0])
        while end < len(text) and end - start < len(key) and text[end] == key[end - start]:
            end += 1
        return start, end
    end = text.find(ends[1]) + len(ends[1])
    start = end - len(ends[1])
    while start > 0 and end - start < len(key) and text[start - 1] == key[start - 1 - end]:
        start -= 1
    return start, end


def _find(variable: str) -> _Sealed:
    return _Sealed(os.environ.get(variable) or "") or _from_keyring(variable) or _from_colab(variable)


def _from_keyring(variable: str) -> _Sealed:
    try:
        return _Sealed(importlib.import_module("keyring").get_password(KEYRING, variable) or "")
    except Exception:  # noqa: BLE001  not installed, no backend, locked: as good as no key
        return _Sealed()


def _from_colab(variable: str) -> _Sealed:
    if "google.colab" not in sys.modules:
        return _Sealed()
    try:
        return _Sealed(importlib.import_module("google.colab.userdata").get(variable) or "")
    except Exception:  # noqa: BLE001  no such secret, or no permission to read it
        return _Sealed()


def _fault(key: _Sealed) -> str:
    """What makes a key impossible to send; told apart from the key, so that the caller can raise without holding it."""
    if "\n" in key or "\r" in key:
        return "a line break"
    if not key.isascii():
        return "a character outside ASCII"
    if not key.isprintable() or " " in key:
        return "a space or a control character"
    return ""
