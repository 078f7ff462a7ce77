"""Addresses a person has confirmed: prompts, and the key bound to an address, go to no other.

A project's configuration or somebody's cell can name a service of its own; nobody may find out by the bill, or by a
leak, that it was used. The services of the table and this machine need no word; any other origin is confirmed once, and
kept beside the journal, never in the project. `FUSION_NB_TRUST` names origins where nobody can be asked.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from fusion_nb.errors import UserError
from fusion_nb.providers.origins import parse
from fusion_nb.providers.services import SERVICES, Service
from fusion_nb.storage import folders

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
    _keep([*_confirmed(), origin])


def _path() -> Path:
    return folders.home() / "origins.json"


def _confirmed() -> list[str]:
    """What was confirmed; nothing where the file is a link, another's, writable by others, or no list of texts."""
    try:
        fd = os.open(_path(), os.O_RDONLY | folders.NO_LINKS)
        with os.fdopen(fd, "rb") as file:
            about = os.fstat(fd)
            ours = os.name != "posix" or (about.st_uid == os.geteuid() and not about.st_mode & 0o022)
            said = json.loads(file.read(1_000_000)) if ours else []
    except (OSError, ValueError, RecursionError):
        return []
    return [each for each in said if isinstance(each, str)] if isinstance(said, list) else []


def _keep(origins: list[str]) -> None:
    """Whole or not at all. Where it cannot be written, the person is asked again next time."""
    part = _path().with_name(f".origins-{secrets.token_hex(4)}")
    try:
        folders.own_folder()
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | folders.NO_LINKS, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(json.dumps(sorted(set(origins)), indent=1).encode())
        part.replace(_path())
    except OSError:
        part.unlink(missing_ok=True)
