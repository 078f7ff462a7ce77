"""The demo pool: scripted models behind a real HTTP server on loopback. No key, no network, no language model."""

from fusion_nb.providers.demo.models import JUDGE, MEMBERS, SERVICE, price
from fusion_nb.providers.demo.scripts import PROMPTS
from fusion_nb.providers.demo.server import base_url, stop

__all__ = ["JUDGE", "MEMBERS", "PROMPTS", "SERVICE", "base_url", "price", "stop"]
