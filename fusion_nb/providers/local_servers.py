"""Model servers on this machine: who answers at the usual ports, with which models, and how many tokens those hold.

All are asked at once and not for long. Beside the list that all of them have, Ollama and LM Studio tell more at
addresses of their own: which models are for embeddings, and the context a loaded model was given.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fusion_nb.core import Ref
from fusion_nb.errors import FusionError, ProviderError
from fusion_nb.providers.keys import bind
from fusion_nb.providers.model_list import context_of, parse_models
from fusion_nb.providers.services import SERVICES, Service

if TYPE_CHECKING:
    from fusion_nb.providers.http import Http


TIMEOUT = 0.5
PORTS: Mapping[str, int] = {
    name: urlsplit(SERVICES[name].base_url).port or 0 for name in ("ollama", "lmstudio", "vllm", "llamacpp")
}
_DETAILS: Mapping[str, tuple[str, ...]] = {"ollama": ("/api/tags", "/api/ps"), "lmstudio": ("/api/v0/models",)}
"""Where a server tells more of its models."""
_NOT_FOR_CHAT = re.compile(
    r"(?i)embed|rerank|whisper|minilm|(?:^|[/_.:-])(?:bge|gte|e5|clip|tts|sbert|bert)(?:[/_.:-]|$)"
)
_NO_CHAT_TYPES = ("embed", "rerank", "image", "audio", "transcri", "moderation", "speech", "tts")
_MAX_CONTEXTS = 1000


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server on this machine that answered, and what it offers."""

    service: Service
    models: tuple[Ref, ...]
    """Those that can chat."""
    wants_key: bool = False
    """It refused to list its models without a key, or with the one there is."""


async def find_local_servers(http: Http, ports: Mapping[str, int] | None = None) -> list[LocalServer]:
    """The servers that answer on `ports` (service name to port; the usual ones where not given), in that order."""
    services = [
        replace(SERVICES[name], base_url=f"http://127.0.0.1:{port}/v1") for name, port in (ports or PORTS).items()
    ]
    servers = await asyncio.gather(*(list_server(http, service) for service in services))
    return [server for server in servers if server is not None and (server.models or server.wants_key)]


async def list_server(http: Http, service: Service) -> LocalServer | None:
    """What one server offers; `None` for whatever does not answer like a model server: the ports are anybody's."""
    root = service.base_url.removesuffix("/v1")
    paths = [f"{service.base_url}/models", *(root + path for path in _DETAILS.get(service.name, ()))]
    listed, *details = await asyncio.gather(*(_get(http, url, service) for url in paths))
    if isinstance(listed, ProviderError):
        return LocalServer(service, (), wants_key=True) if listed.error in ("auth", "forbidden") else None
    no_chat = {name for body in (listed, *details) for name, row in _rows(body) if not _can_chat(name, row)}
    for body in (listed, *details):
        _remember(service, _rows(body))
    models = [info.ref for info in parse_models(listed, service)]
    return LocalServer(service, tuple(ref for ref in models if ref.model not in no_chat))


async def _get(http: Http, url: str, service: Service) -> Any:
    try:
        return await http.get_json(url, auth=bind(service), headers=dict(service.headers), timeout=TIMEOUT)
    except ProviderError as fault:
        return fault
    except FusionError:  # a key that cannot be sent
        return ProviderError("auth", "")


def _rows(body: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """The models of a list by name: OpenAI's `data`, Ollama's `models`."""
    rows = (body.get("data") or body.get("models")) if isinstance(body, Mapping) else None
    named = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    return [(name, row) for row in named if isinstance(name := row.get("id") or row.get("name"), str)]


def _can_chat(name: str, row: Mapping[str, Any]) -> bool:
    """By what the server says of the model, else by its name."""
    capabilities, details = row.get("capabilities"), row.get("details")
    if isinstance(capabilities, list) and capabilities:
        chats = {"completion", "chat", "tool_use", "tools", "vision"} & {str(each) for each in capabilities}
        return bool(chats) or not any("embed" in str(each) for each in capabilities)
    family = details.get("family") if isinstance(details, Mapping) else None
    kind = row.get("type")
    if isinstance(kind, str) and kind.lower().startswith(_NO_CHAT_TYPES):
        return False
    return not (isinstance(family, str) and "bert" in family.lower()) and not _NOT_FOR_CHAT.search(name)


_contexts: dict[tuple[str, str], int] = {}
"""Tokens that a server's model holds, by the server's address and the model's name."""


def context_on_this_machine(service: Service, model: str) -> int | None:
    """Tokens a model holds, as its server said when it was last listed."""
    return _contexts.get((service.base_url, model))


def _remember(service: Service, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    for name, row in rows:
        context, key = context_of(row), (service.base_url, name)
        if context is not None and (key in _contexts or len(_contexts) < _MAX_CONTEXTS):
            _contexts[key] = context
