"""What else listens beside the fault server: a place redirects point to, bad proxies, and TLS nobody should trust."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SEEN: dict[str, str] = {}
"""What each of them was sent, as latin-1."""
PORTS: dict[str, int] = {}
TLS = ("good", "selfsigned", "expired", "otherhost")


def _raw(name: str, said: bytes, *, then_hold: bool = False) -> Connected:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                heard = await reader.read(65536)
                SEEN[name] = SEEN.get(name, "") + heard.decode("latin-1")
                if heard:
                    writer.write(said)
                    await writer.drain()
                    if then_hold:
                        await reader.read(1)
        except (OSError, TimeoutError):
            pass
        finally:
            writer.close()

    return connected


_GOAWAY = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(8)
RAW: dict[str, Connected] = {
    "elsewhere": _raw("elsewhere", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    "proxy407": _raw("proxy407", b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"),
    "proxycut": _raw("proxycut", b""),
    "proxyhalf": _raw("proxyhalf", b"HTTP/1.1 200 Connection established\r\n\r\n"),
    "goaway": _raw("goaway", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + _GOAWAY),
}


def watched(name: str, then: Connected) -> Connected:
    """Put on record that somebody got through."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        SEEN[name] = SEEN.get(name, "") + "connected "
        await then(reader, writer)

    return connected


def contexts(folder: str | None) -> Iterator[tuple[str, ssl.SSLContext]]:
    """(name, context) for each certificate in `folder`."""
    for name in TLS if folder else ():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(folder or "") / f"{name}.pem")
        yield name, context
