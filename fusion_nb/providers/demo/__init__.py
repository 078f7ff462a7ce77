"""The demo pool: scripted models behind a real HTTP server on loopback. No key, no network, no language model."""

from __future__ import annotations

from fusion_nb.providers.demo.scripts import JUDGE, MEMBERS, PROMPTS, SERVICE, price
from fusion_nb.providers.demo.server import base_url, stop

__all__ = ["JUDGE", "MEMBERS", "PROMPTS", "SERVICE", "base_url", "price", "stop"]
