"""The demo server: HTTP/1.1 on loopback, one daemon thread with an event loop of its own. Prints nothing."""

from __future__ import annotations

import asyncio
import atexit
import os
import socket
import threading
from http import HTTPStatus

from fusion_nb.providers.demo.endpoints import Endpoints, refuse
from fusion_nb.providers.demo.http1 import MAX_HEAD, BadRequest, Client

MAX_CONNECTIONS = 512


class Server:
    """One running server, until `stop()` or the end of the process."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        # With its protocol named, for only then does asyncio switch Nagle's 40 ms off.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(256)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/api/v1"
        self._open = 0
        self._endpoints = Endpoints()
        # Not `new_event_loop()`: the notebook's policy (uvloop, a patched loop) is none of this thread's business.
        self._loop = asyncio.SelectorEventLoop()
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fusion_nb-demo", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it answers in this very process: a fork inherits the object but not the thread."""
        return self._pid == os.getpid() and self._thread.is_alive()

    def stop(self) -> None:
        """End it and wait a moment until it has."""
        if self.alive:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(2.0)

    def disown(self) -> None:
        """In a forked child: close the copy of the listening socket; the loop's selector is shared with the parent."""
        self._socket.close()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        finally:
            self._socket.close()

    async def _serve(self) -> None:
        listening = await asyncio.start_server(self._connection, sock=self._socket, limit=MAX_HEAD)
        await self._stopping.wait()
        listening.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(reader, writer)
        self._open += 1
        try:
            while client.keep and (request := await client.read_request()):
                client.keep = request.keep and self._open <= MAX_CONNECTIONS
                if self._open > MAX_CONNECTIONS:
                    busy = "Too many connections to the demo service."
                    await refuse(client, HTTPStatus.SERVICE_UNAVAILABLE, busy, "provider_overloaded")
                else:
                    await self._endpoints.respond(request, client)
        except BadRequest as bad:
            client.keep = False
            await refuse(client, bad.status, str(bad), "invalid_request")
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The client has left (a `ConnectionError`), stopped reading (a `TimeoutError`), or the server ends.
            pass
        finally:
            self._open -= 1
            writer.close()


_server: Server | None = None
_disowned: list[Server] = []
"""Servers of a parent process, kept so that nothing of theirs is finalised here."""
_lock = threading.Lock()


def base_url() -> str:
    """`http://127.0.0.1:PORT/api/v1` of this process's demo server, started on first use."""
    global _server  # noqa: PLW0603 - one server a process is the point
    with _lock:
        if _server is None or not _server.alive:
            _server = Server()
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
        _server.disown()
        _disowned.append(_server)
    _server = None


atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
