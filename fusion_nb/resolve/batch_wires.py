"""Which services have a batch API, and how one is spoken to."""

from __future__ import annotations

from fusion_nb.errors import UserError
from fusion_nb.providers import anthropic_batches, keys
from fusion_nb.providers.anthropic_batches import AnthropicBatches
from fusion_nb.providers.batches import BatchHttp, BatchWire
from fusion_nb.providers.openai_batches import OpenAIBatches
from fusion_nb.providers.services import SERVICES, Service
from fusion_nb.resolve.service_registry import http


def refuse_without_batches(service: Service | None, member: str) -> None:
    """Raise `UserError` where a service has no batch API, or there is none, as of a Python function."""
    if service is None or service.batch is None:
        asked = f"is asked at {service.name}" if service else "is a function"
        have = " or ".join(name for name, row in SERVICES.items() if row.batch)
        raise UserError(
            f"{member} {asked}, which has no batch API that is known here, so nothing was sent: "
            f"leave batch out, or name members of {have}, like {have.partition(' ')[0]}:MODEL."
        )


def batch_wire(service: Service) -> BatchWire:
    """How the service takes batches. Called on the engine's loop."""
    if service.batch == "anthropic":
        auth = keys.bind(service, anthropic_batches.KEY_HEADER)
        return AnthropicBatches(BatchHttp(service, http(), auth, anthropic_batches.HEADERS))
    return OpenAIBatches(BatchHttp(service, http(), keys.bind(service)))
