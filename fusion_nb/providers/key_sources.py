"""Where API keys are looked for, in this order: this kernel alone (`%fuse_key`), the environment, a file `.env`, the
keyring, the secrets of Colab and Kaggle, the keys of the `llm` tool.

Of a file nothing but the key variables of the services table is taken, so that whoever sent a notebook cannot set
addresses or caps by it.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Never, SupportsIndex

from fusion_nb.errors import UnknownName, UserError
from fusion_nb.providers.services import SERVICES
from fusion_nb.storage import files

KEYRING = "fusion_nb"
"""The keyring's service name; the user name is the variable's."""
STORED_FOR = 300.0
"""Seconds after which a keyring, or a notebook service's secrets, is asked again: a locked one may ask the person each
time."""
_MAX_STORED = 64
_MAX_FILE = 256 * 1024


class Sealed(str):
    """A key's text, or a part of it, that does not show itself to anything that prints variables."""

    __slots__ = ()

    def __new__(cls, text: str = "") -> Sealed:
        # One that is sealed already would show itself as `***`.
        return text if isinstance(text, Sealed) else str.__new__(cls, text)

    def __getitem__(self, index: SupportsIndex | slice) -> Sealed:
        return Sealed(str.__getitem__(self, index))

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce_ex__(self, protocol: Any) -> Never:
        raise TypeError("A key is neither pickled nor copied.")


_here: dict[str, Sealed] = {}
"""Set for this kernel alone: in no environment that a child process inherits."""
_stored: OrderedDict[str, tuple[float, Sealed, str]] = OrderedDict()
"""What slow sources answered, by variable, and when, with the source's name: the newest answers only."""


def find_key(variable: str) -> Sealed:
    """The key under that name; empty where there is none."""
    return _found(variable)[0]


def source_of(variable: str) -> str:
    """Where the key under that name is from, for people; empty where there is none."""
    return _found(variable)[1]


def variable_of(name: str) -> str:
    """The key variable of a service of the table, or one of them by its own name. Raises `UserError`."""
    row = SERVICES.get(name.lower())
    if row is not None and row.key_env is not None:
        return row.key_env
    if row is None and any(name in each.keys for each in SERVICES.values()):
        return name
    if row is not None:
        raise UserError(f"{name} needs no key.")
    with_key = [each for each, service in SERVICES.items() if service.key_env]
    raise UnknownName("service", name, with_key, "Keys of services of your own come from the environment.")


def keep_here(variable: str, key: str | None) -> None:
    """Set a key for this kernel alone; `None` forgets it."""
    _here.pop(variable, None)
    if key is not None:
        _here[variable] = Sealed(key)


def keep_in_keyring(variable: str, key: str | None) -> None:
    """Put a key into the keyring; `None` takes it out. Raises `ImportError` without the package, and its errors."""
    ring: Any = importlib.import_module("keyring")
    if key is not None:
        ring.set_password(KEYRING, variable, key)
    elif ring.get_password(KEYRING, variable) is not None:
        ring.delete_password(KEYRING, variable)
    forget_stored()


def forget_stored() -> None:
    """Ask the slow sources again for the next key."""
    _stored.clear()


def _found(variable: str) -> tuple[Sealed, str]:
    quick = (
        (_here.get(variable, Sealed()), "this kernel"),
        (Sealed(os.environ.get(variable) or ""), "the environment"),
    )
    for key, source in quick:
        if unquoted := _unquoted(key):
            return unquoted, source
    return _from_files(variable) or _from_store(variable)


def _from_store(variable: str) -> tuple[Sealed, str]:
    since, key, source = _stored.get(variable, (-STORED_FOR, Sealed(), ""))
    if time.monotonic() - since >= STORED_FOR:
        each = ((_unquoted(find(variable)), name) for find, name in _SLOW)
        key, source = next((pair for pair in each if pair[0]), (Sealed(), ""))
        _stored[variable] = time.monotonic(), key, source
        while len(_stored) > _MAX_STORED:
            _stored.popitem(last=False)
    return key, source


def _unquoted(key: Sealed) -> Sealed:
    """Without the one pair of quotation marks that `docker --env-file` and some `.env` readers leave around it."""
    quoted = len(key) >= 2 and key[0] == key[-1] and key[0] in ("'", '"')
    return key[1:-1] if quoted else key


# ---- files


def _from_files(variable: str) -> tuple[Sealed, str] | None:
    """From the nearest `.env`, walking up from the working folder; `None` of a variable the table does not have."""
    if variable not in {name for row in SERVICES.values() for name in row.keys}:
        return None
    for path in (folder / ".env" for folder in files.folders_upwards()):
        if key := _unquoted(Sealed(_env_values(path).get(variable) or "")):
            return key, str(path)
    return None


_env_read: dict[Path, tuple[bytes, dict[str, Sealed]]] = {}
"""What was read of a file `.env`, with the digest of its contents."""


def _env_values(path: Path) -> dict[str, Sealed]:
    """The keys in a file `.env`; nothing where there is none, or somebody else may have written it."""
    contents = files.read_trusted(path, _MAX_FILE)
    if contents is None:
        return {}
    digest = hashlib.sha256(contents).digest()
    if path not in _env_read or _env_read[path][0] != digest:
        text = contents.decode("utf-8-sig", "replace")
        # As it stands: another variable's value is nothing that a key is made of.
        values = importlib.import_module("dotenv").dotenv_values(stream=io.StringIO(text), interpolate=False)
        names = {name for row in SERVICES.values() for name in row.keys}
        _env_read[path] = digest, {name: Sealed(value) for name, value in values.items() if name in names and value}
    return _env_read[path][1]


# ---- slow sources


def _from_keyring(variable: str) -> Sealed:
    try:
        return Sealed(importlib.import_module("keyring").get_password(KEYRING, variable) or "")
    except Exception:  # noqa: BLE001  not installed, no backend, locked: as good as no key
        return Sealed()


def _from_colab(variable: str) -> Sealed:
    if "google.colab" not in sys.modules:
        return Sealed()
    try:
        return Sealed(importlib.import_module("google.colab.userdata").get(variable) or "")
    except Exception:  # noqa: BLE001  no such secret, or no permission to read it
        return Sealed()


def _from_kaggle(variable: str) -> Sealed:
    if "KAGGLE_KERNEL_RUN_TYPE" not in os.environ:
        return Sealed()
    try:
        client = importlib.import_module("kaggle_secrets").UserSecretsClient()
        return Sealed(client.get_secret(variable) or "")
    except Exception:  # noqa: BLE001  no such secret, or it is not attached to this notebook
        return Sealed()


def _from_llm(variable: str) -> Sealed:
    """From the key file of the `llm` tool, which names a key after its vendor."""
    import platformdirs  # noqa: PLC0415  most processes have their key by now

    folder = os.environ.get("LLM_USER_PATH") or platformdirs.user_config_dir("io.datasette.llm", appauthor=False)
    vendor = next((name for name, row in SERVICES.items() if variable in row.keys), None)
    try:
        kept = json.loads((Path(folder) / "keys.json").read_text(encoding="utf-8"))
        return Sealed(kept[vendor]) if vendor and isinstance(kept.get(vendor), str) else Sealed()
    except (OSError, ValueError, AttributeError):
        return Sealed()


_SLOW: tuple[tuple[Callable[[str], Sealed], str], ...] = (
    (_from_keyring, "the keyring"),
    (_from_colab, "Colab's secrets"),
    (_from_kaggle, "Kaggle's secrets"),
    (_from_llm, "the llm tool's key file"),
)

_told: set[tuple[str, str]] = set()


def file_notes(variables: list[str]) -> list[str]:
    """Which keys come from a file, each said once: a file that came with a notebook may be somebody else's."""
    notes = []
    for variable in variables:
        source = source_of(variable)
        if source.endswith((".env", "key file")) and (variable, source) not in _told:
            _told.add((variable, source))
            notes.append(f"The key in {variable} is from {source}.")
    return notes
