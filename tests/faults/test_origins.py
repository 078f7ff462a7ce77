"""Threat 16: a key goes to the origin it is bound to and to no other, however an address is written. Real sockets."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
from collections.abc import Iterator

import pytest

import fusion_nb
from fusion_nb.core import engine_thread

KEY = f"sk-or-v1-{secrets.token_hex(32)}"


class Ear:
    """Listens on this machine, on both of its addresses, and keeps what it hears."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self._sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port = self._sockets[0].getsockname()[1]
        with contextlib.suppress(OSError):  # no IPv6 on this machine: what is sent there is sent nowhere
            self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for sock in self._sockets:
            threading.Thread(target=self._listen, args=(sock,), daemon=True).start()

    def _listen(self, sock: socket.socket) -> None:
        while True:
            try:
                connection, _ = sock.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                try:
                    self.heard += connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n")
                except OSError:
                    pass

    def close(self) -> None:
        for sock in self._sockets:
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    monkeypatch.setattr(engine_thread, "_engine", None)
    ear = Ear()
    yield ear
    ear.close()


# What a parser of addresses could take for this machine, or for a place the key belongs to; PORT is where the ear is.
HOSTILE = [
    "http://2130706433:PORT/v1",  # 127.0.0.1 as one number
    "http://0x7f000001:PORT/v1",
    "http://0x7f.0.0.1:PORT/v1",
    "http://0177.0.0.1:PORT/v1",
    "http://017700000001:PORT/v1",
    "http://127.1:PORT/v1",
    "http://127.0.1:PORT/v1",
    "http://0:PORT/v1",
    "http://0.0.0.0:PORT/v1",
    "http://[::]:PORT/v1",
    "http://127.0.0.1.:PORT/v1",
    "http://localhost.:PORT/v1",
    "http://127。0。0。1:PORT/v1",
    "http://①②⑦.0.0.1:PORT/v1",
    "http://ⓛocalhost:PORT/v1",
    "http://lоcalhost:PORT/v1",  # a Cyrillic o
    "http://user@127.0.0.1:PORT/v1",
    "http://openrouter.ai@127.0.0.1:PORT/v1",
    "https://openrouter.ai@127.0.0.1:PORT/v1",
    "https://openrouter.ai:443@127.0.0.1:PORT/v1",
    "https://openrouter.ai%40127.0.0.1:PORT/v1",
    "http://127.0.0.1:PORT\\@openrouter.ai/v1",
    "http://127.0.0.1\\.openrouter.ai:PORT/v1",
    "http://127.0.0.1:PORT#@openrouter.ai/v1",
    "http://127.0.0.1:PORT?@openrouter.ai/v1",
    "http://127.0.0.1:PORT/v1?key=x",
    "http:\\\\127.0.0.1:PORT\\v1",
    "http:/127.0.0.1:PORT/v1",
    "http:127.0.0.1:PORT/v1",
    "//127.0.0.1:PORT/v1",
    "127.0.0.1:PORT/v1",
    "ftp://127.0.0.1:PORT/v1",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://127.0.0.1:PORT\t/v1",
    "http://127.0.0.1\n:PORT/v1",
    "http://127.0.0.1 :PORT/v1",
    "http://127.0.0.1\x00:PORT/v1",
    "http://\u200b127.0.0.1:PORT/v1",
    "http://127.0.0.1:PORT\u2044v1",
    "http://127.0.0.1:0/v1",
    "http://127.0.0.1:99999999/v1",
    "http://127.0.0.1:-1/v1",
    "http:///v1",
    "http://",
    "",
    "http://localtest.me:PORT/v1",  # names that resolve to this machine, if anybody asks
    "http://127.0.0.1.nip.io:PORT/v1",
    "http://example.com:PORT/v1",
    "http://[fe80::1%25lo]:PORT/v1",
    "https://169.254.169.254/v1",
    "http://169.254.169.254/v1",
    "https://[fd00:ec2::254]/v1",
    "https://[::ffff:169.254.169.254]/v1",
    "https://[64:ff9b::a9fe:a9fe]/v1",
    "https://2852039166/v1",  # 169.254.169.254 as one number
    "https://0xa9fea9fe/v1",
    "https://metadata.google.internal/v1",
    "https://100.100.100.200/v1",
    "https://openrouter.ai./v1",
    "https://openrоuter.ai/v1",
    "https://openrouter。ai/v1",
]  # fmt: skip


def fuse(url: str, **service: str) -> fusion_nb.FusionResult:
    return fusion_nb.fuse("Hi?", ["mine:m"], services={"mine": {"base_url": url, **service}}, journal=False)


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_addresses(url: str, ear: Ear) -> None:
    """An address that two readers could read in two ways is refused in one sentence, and not a byte is sent."""
    with pytest.raises(fusion_nb.UserError) as refused:
        fuse(url.replace("PORT", str(ear.port)), key_env="MY_KEY")
    assert KEY not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not ear.heard


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:PORT/v1", "http://localhost:PORT/v1", "http://[::1]:PORT/v1", "HTTP://LOCALHOST:PORT/v1/"]
)
def test_a_key_of_another_service(url: str, ear: Ear) -> None:
    """OpenRouter's key is refused for an address of the user's own, and is not taken along where none is named."""
    where = url.replace("PORT", str(ear.port))
    with pytest.raises(fusion_nb.UserError, match="belongs to openrouter"):
        fuse(where, key_env="OPENROUTER_API_KEY")
    assert not ear.heard
    with pytest.raises(fusion_nb.RunFailed):
        fuse(where)
    with pytest.raises(fusion_nb.RunFailed):
        fusion_nb.fuse("Hi?", ["openrouter:m"], services={"openrouter": {"base_url": where}}, journal=False)
    with pytest.raises(fusion_nb.RunFailed):
        fusion_nb.fuse("Hi?", ["m"], base_url=where, journal=False)
    assert KEY.encode() not in ear.heard
    assert b"authorization" not in ear.heard.lower()


def test_its_own_key_is_sent(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a key of its own variable does reach the service it is named for, once that is confirmed."""
    monkeypatch.setenv("FUSION_NB_TRUST", f"http://127.0.0.1:{ear.port} MY_KEY")
    with pytest.raises(fusion_nb.RunFailed):
        fuse(f"http://127.0.0.1:{ear.port}/v1", key_env="MY_KEY")
    assert f"Bearer {KEY}".encode() in ear.heard


@pytest.mark.parametrize("name", ["MY KEY", "$MY_KEY", "MY_KEY\n", "", KEY, "OPENAI_API_KEY", "ANTHROPIC_API_KEY"])
def test_where_a_key_may_be_named(name: str, ear: Ear) -> None:
    """Only the name of a variable may stand there, and none that belongs to somebody else; a key itself never."""
    with pytest.raises(fusion_nb.UserError) as refused:
        fuse(f"http://127.0.0.1:{ear.port}/v1", key_env=name)
    assert KEY not in str(refused.value)
    assert not ear.heard
