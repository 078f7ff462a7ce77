"""What runs on this machine: the usual ports are asked for their models, all at once and not for long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fusion_nb._errors import FusionError
from fusion_nb._types import Ref
from fusion_nb.providers.http import Http
from fusion_nb.providers.keys import bind
from fusion_nb.providers.models import ids_in
from fusion_nb.providers.services import SERVICES, Service

TIMEOUT = 0.5
PORTS: Mapping[str, int] = {"ollama": 11434, "lmstudio": 1234, "vllm": 8000, "llamacpp": 8080}
_NOT_FOR_CHAT = ("embed", "rerank", "whisper", "clip")


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server on this machine that answered, and what it offers."""

    service: Service
    models: tuple[Ref, ...]


async def find(http: Http, ports: Mapping[str, int] | None = None) -> list[LocalServer]:
    """The servers that answer on `ports` (service name to port; the usual ones where not given), in that order."""
    services = [
        replace(SERVICES[name], base_url=f"http://127.0.0.1:{port}/v1") for name, port in (ports or PORTS).items()
    ]
    found = await asyncio.gather(*(_ask(http, service) for service in services))
    return [server for server in found if server is not None and server.models]


async def _ask(http: Http, service: Service) -> LocalServer | None:
    """Whatever does not answer like a model server is none: the ports are anybody's."""
    try:
        said = await http.get_json(f"{service.base_url}/models", auth=bind(service), timeout=TIMEOUT)
    except FusionError:
        return None
    names = [name for name in ids_in(said) if not any(word in name.lower() for word in _NOT_FOR_CHAT)]
    return LocalServer(service, tuple(Ref(service.name, name, name) for name in names))
