"""Addresses a person has confirmed: prompts, and the key bound to an address, go to no other.

A project's configuration or somebody's cell can name a service of its own; nobody may find out by the bill, or by a
leak, that it was used. The services of the table and this machine need no word; any other origin is confirmed once, and
kept beside the journal, never in the project. `FUSION_NB_TRUST` names origins where nobody can be asked.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from fusion_nb.errors import UserError
from fusion_nb.providers.origins import parse
from fusion_nb.providers.services import SERVICES, Service
from fusion_nb.storage import folders
from fusion_nb.storage.atomic_write import replace_file
from fusion_nb.storage.file_lock import locked

VARIABLE = "FUSION_NB_TRUST"
AskConsent = Callable[[str], bool]
"""Puts a question to the person; `False` where nobody is there."""


def unconfirmed_origin(service: Service) -> str | None:
    """The service's origin, where nobody has confirmed it; `None` where requests may go there."""
    address = parse(service.base_url)
    if address.loopback or any(parse(row.base_url).origin == address.origin for row in SERVICES.values()):
        return None
    named = [parse(each.strip()).origin for each in os.environ.get(VARIABLE, "").split(",") if each.strip()]
    return None if address.origin in (*named, *_confirmed()) else address.origin


def require_consent(service: Service, ask: AskConsent | None = None) -> None:
    """Raise `UserError` where the service's origin is confirmed neither now nor earlier."""
    origin = unconfirmed_origin(service)
    if origin is None:
        return
    key = f" and the key in {service.key_env}" if service.key_env else ""
    if ask is None or not ask(f"{origin} is new on this machine: your prompts{key} would be sent there."):
        raise UserError(
            f"{origin} is new on this machine, and nothing was sent: your prompts{key} would go there. If you know it, "
            f"run %fuse or fuse() with it where you can be asked, or set {VARIABLE}={origin} before Jupyter starts."
        )
    _remember(origin)


def _path() -> Path:
    return folders.home() / "origins.json"


def _confirmed() -> list[str]:
    """What was confirmed; nothing where the file may be another's work, or is no list of texts."""
    try:
        origins = json.loads(folders.read_own(_path(), 1_000_000))
    except (OSError, ValueError, RecursionError):
        return []
    return [each for each in origins if isinstance(each, str)] if isinstance(origins, list) else []


def _remember(origin: str) -> None:
    """Keep a confirmed origin. Where that cannot be written, the person is asked again next time."""
    with contextlib.suppress(OSError), locked(folders.make_home() / ".origins.json.lock"):
        origins = sorted({*_confirmed(), origin})
        replace_file(_path(), json.dumps(origins, indent=1).encode(), durable=False)
