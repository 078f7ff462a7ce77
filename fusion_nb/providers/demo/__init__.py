"""The demo pool: scripted models behind a real HTTP server on loopback. No key, no network, no language model.

The server starts when its address is first asked for; each process has its own.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from fusion_nb.core import engine_thread
from fusion_nb.providers.demo.scripts import JUDGE, JUDGES, MEMBERS, PROMPTS, SERVICE, price

if TYPE_CHECKING:
    from fusion_nb.providers.demo.server import Server


__all__ = ["JUDGE", "JUDGES", "MEMBERS", "PROMPTS", "SERVICE", "base_url", "price", "stop"]

_server: Server | None = None
_inherited: list[Server] = []
"""Servers of a parent process, kept so that nothing of theirs is finalised in this one."""
_lock = threading.Lock()


def base_url() -> str:
    """`http://127.0.0.1:PORT/api/v1` of this process's demo server, started on first use."""
    # Imported here: most processes name the demo's models and never start it.
    from fusion_nb.providers.demo.endpoints import Endpoints  # noqa: PLC0415
    from fusion_nb.providers.demo.server import Server  # noqa: PLC0415

    global _server  # noqa: PLW0603 - one server a process is the point
    with _lock:
        if _server is None or not _server.alive:
            _server = Server(Endpoints().respond)
        return _server.url


def stop() -> None:
    """End the server, if there is one; the next `base_url()` starts another."""
    global _server  # noqa: PLW0603
    with _lock:
        if _server is not None:
            _server.stop()
        _server = None


def _after_fork() -> None:
    global _server, _lock  # noqa: PLW0603 - the lock may have been held by a thread the child does not have
    _lock = threading.Lock()
    if _server is not None:
        _server.close_inherited_socket()
        _inherited.append(_server)
    _server = None


async def _stop_at_exit() -> None:
    stop()


# After all runs have been stopped: a run whose server goes first ends as a lost connection.
engine_thread.close_at_exit(_stop_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
