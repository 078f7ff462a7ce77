"""What a member was sent, as a key: the same key is the same request, whatever the run around it did with the reply."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable

from fusion_nb.core import Ref
from fusion_nb.core.spec import RunSpec, first_messages, token_limit
from fusion_nb.core.values import PYTHON_SERVICE


def reply_keys(spec: RunSpec, own: Iterable[str]) -> dict[str, str]:
    """By the name of each member, the key of the reply to what it is first asked.

    A member that stands several times in the pool is asked as often: each has a key of its own.

    Args:
        own: the services of the user's own. What their names, and those of functions, leave open is part of the key.
    """
    open_services, seen = {*own, PYTHON_SERVICE}, Counter[str]()
    keys = {}
    for ref in spec.pool:
        request = _request(spec, ref, spec.also if ref.service in open_services else "")
        seen[request] += 1
        keys[ref.name] = hashlib.sha256(f"{seen[request]}:{request}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return keys


def _request(spec: RunSpec, ref: Ref, also: str) -> str:
    messages = [[message.role, message.content] for message in first_messages(spec.prompt, spec.params.system, ref)]
    sampling = [
        ref.setting("temperature", spec.params.temperature),
        ref.setting("seed", spec.params.seed),
        ref.setting("reasoning", spec.params.reasoning),
        token_limit(spec.limits.max_tokens, ref, "candidate"),
    ]
    options = [pair for pair in ref.options if pair[0] not in _APART]
    return json.dumps([ref.service, ref.model, sampling, options, messages, also], default=str, sort_keys=True)


_APART = ("system", "temperature", "seed", "reasoning", "max_tokens")
