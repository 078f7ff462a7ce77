"""The demo service: OpenRouter's wire on loopback, in this process, whatever its clients do."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fusion_nb.core import Usage
from fusion_nb.providers import demo
from fusion_nb.providers.demo.scripts import MODELS, split_tokens
from tests import plain_client
from tests.plain_client import Heard, ask, get, user

P_VALUE = demo.PROMPTS[1]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "100")


@pytest.fixture
def url() -> str:
    return demo.base_url()


def test_it_is_openrouters_wire_on_loopback(url: str) -> None:
    """What a notebook sees here is what it will see on OpenRouter."""
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/api/v1", url)
    heard = ask(url, "careful", demo.PROMPTS[0])
    assert heard.headers["content-type"] == "text/event-stream"
    assert heard.headers["x-generation-id"].startswith("gen-demo-")
    assert heard.raw.startswith(b": OPENROUTER PROCESSING\n\n")
    assert heard.raw.endswith(b"data: [DONE]\n\n")
    assert heard.finish == "stop"
    assert heard.reasoning
    assert heard.usage["total_tokens"] == heard.usage["prompt_tokens"] + heard.usage["completion_tokens"]
    assert heard.usage["completion_tokens"] == len(split_tokens(heard.text)) + len(split_tokens(heard.reasoning))
    assert heard.usage["completion_tokens_details"]["reasoning_tokens"] == len(split_tokens(heard.reasoning))


def test_costs_are_play_money_that_adds_up(url: str) -> None:
    """The reported cost is tokens times the listed price, exactly."""
    prices = {row["id"]: row["pricing"] for row in get(url, "/models")[1]["data"]}
    for name in MODELS:
        heard = ask(url, name, P_VALUE)
        listed = {side: Decimal(price) for side, price in prices[name].items()}
        used = heard.usage
        expected = used["prompt_tokens"] * listed["prompt"] + used["completion_tokens"] * listed["completion"]
        assert heard.cost == expected == demo.price(name, Usage(used["prompt_tokens"], used["completion_tokens"]))
    assert demo.price("no-such", Usage(1, 1)) is None
    assert demo.price("swift", Usage(1, None)) is None


def test_every_model_says_that_it_is_a_demo(url: str) -> None:
    """No list of models can be mistaken for one of real ones."""
    rows = get(url, "/models")[1]["data"]
    assert [f"demo:{row['id']}" for row in rows] == [*demo.MEMBERS, *demo.JUDGES]
    for row in rows:
        assert "Demo" in row["name"]
        assert "script" in row["description"]
        assert "play money" in row["description"]


def test_an_answer_may_come_whole(url: str) -> None:
    """`stream: false` gives the same text and usage at once."""
    streamed = ask(url, "steady", P_VALUE)
    whole = ask(url, "demo:steady", P_VALUE, stream=False)
    assert whole.body["choices"][0]["message"]["content"] == streamed.text
    assert whole.body["usage"] == streamed.usage
    assert whole.headers["x-generation-id"] == whole.body["id"]


def test_max_tokens_cuts_an_answer_off(url: str) -> None:
    """A limit works as it does on a real model: the text stops and the finish reason says so."""
    heard = ask(url, "steady", P_VALUE, max_tokens=10)
    assert (heard.finish, heard.usage["completion_tokens"]) == ("length", 10)
    assert ask(url, "steady", P_VALUE).text.startswith(heard.text)


def test_an_ended_generation_can_be_asked_for(url: str) -> None:
    """Cost and tokens can be fetched after the fact by generation id."""
    heard = ask(url, "swift", P_VALUE)
    status, body = get(url, f"/generation?id={heard.headers['x-generation-id']}")
    assert status == 200
    assert Decimal(str(body["data"]["total_cost"])) == heard.cost
    assert body["data"]["native_tokens_completion"] == heard.usage["completion_tokens"]
    assert body["data"]["cancelled"] is False
    assert get(url, "/generation?id=gen-demo-none")[0] == 404


def test_leaving_stops_the_stream_and_its_cost(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that goes away is noticed: the rest is neither written nor charged."""
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "0.5")
    with contextlib.closing(plain_client.connect(url)) as connection:
        response = plain_client.post(connection, url, {"model": "swift", "messages": user(P_VALUE), "stream": True})
        made = response.headers["x-generation-id"]
        while b"Three" not in response.readline():
            pass
        response.close()
    data = _eventually(lambda: get(url, f"/generation?id={made}")[1].get("data"))
    assert data["cancelled"] is True
    assert 0 < data["native_tokens_completion"] < len(split_tokens(ask(url, "swift", P_VALUE).text))


def _eventually(found: Any) -> Any:
    """Ask until there is something: what happens on the other side of a socket cannot be awaited."""
    end = time.monotonic() + 10
    while not (value := found()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return value


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"model": "swift"}', 400),
        (b'{"model": "swift", "messages": [1]}', 400),
        (b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}', 404),
        (b'{"model": null, "messages": [{"role": "user", "content": "x"}]}', 404),
        (b"[" * 100_000, 400),
    ],
)
def test_bad_requests_are_refused_in_the_services_form(url: str, body: bytes, status: int) -> None:
    """Nonsense gets an error object and the connection lives on."""
    with contextlib.closing(plain_client.connect(url)) as connection:
        heard = plain_client.hear(connection, url, body)
        assert (heard.status, heard.body["error"]["code"]) == (status, status)
        again = plain_client.hear(connection, url, {"model": "swift", "messages": user("x"), "stream": True})
        assert again.status == 200


RAW = {
    "chunked": (b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n", 400, "Not a chat request"),
    "too long a head": (b"x-long: " + b"x" * 300_000 + b"\r\n\r\n", 431, "not HTTP/1.1"),
    "too long a body": (b"content-length: 99999999\r\n\r\n", 413, "too large"),
    "an endless body": (
        b"transfer-encoding: chunked\r\n\r\n" + 17 * (b"100000\r\n" + b"x" * 0x100000 + b"\r\n"),
        413,
        "too large",
    ),
    "two lengths": (b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd", 400, "not HTTP/1.1"),
    "no length": (b"content-length: many\r\n\r\n", 400, "not HTTP/1.1"),
}


@pytest.mark.parametrize("case", RAW)
def test_requests_are_read_within_bounds(case: str, url: str) -> None:
    """Bodies in chunks are read; what is too long, or could be read in two ways, is refused in the service's form."""
    rest, status, message = RAW[case]
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
        with contextlib.suppress(ConnectionError):  # it may stop reading at once
            connection.sendall(b"POST /api/v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + rest)
        heard = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            while message.encode() not in heard and (data := connection.recv(65536)):
                heard += data
    # Where it closed on what was still coming, the refusal itself may be lost on the way.
    if heard or len(rest) < 10_000:
        assert heard.startswith(f"HTTP/1.1 {status} ".encode())
        assert message.encode() in heard
    assert get(url, "/models")[0] == 200


def test_a_client_may_wait_for_the_word_to_go_on(url: str) -> None:
    """`Expect: 100-continue` is answered before the body is sent, as some HTTP libraries need it."""
    address, body = urlsplit(url), b'{"model": "swift", "messages": [{"role": "user", "content": "x"}]}'
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
        head = b"POST /api/v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
        connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert b"HTTP/1.1 200 " in connection.recv(65536)


def test_it_serves_many_runs(url: str) -> None:
    """A hundred answers over one connection, then sixty-four at once, all complete."""
    with contextlib.closing(plain_client.connect(url)) as connection:
        body = {"model": "swift", "messages": user(P_VALUE), "stream": True}
        texts = {plain_client.hear(connection, url, body).text for _ in range(100)}
    with ThreadPoolExecutor(64) as many:
        texts |= set(many.map(lambda _: ask(url, "swift", P_VALUE).text, range(64)))
    assert len(texts) == 1
    assert demo.base_url() == url


def test_it_starts_again_after_a_stop(url: str) -> None:
    """`stop()` ends the service, and the next use starts another."""
    demo.stop()
    with pytest.raises(OSError):
        get(url, "/models")
    assert get(demo.base_url(), "/models")[0] == 200


_FORKS = """
import os, urllib.request
from fusion_nb.providers import demo
get = lambda url: len(urllib.request.urlopen(url + "/models", timeout=5).read())
parent = demo.base_url()
assert get(parent)
child = os.fork()
if child == 0:
    assert demo.base_url() != parent and get(demo.base_url()) and get(parent)
    demo.stop()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert demo.base_url() == parent and get(parent)
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork on this system")
def test_a_forked_process_gets_a_service_of_its_own() -> None:
    """Neither the child nor its parent is left talking to a dead thread."""
    _run_silently(_FORKS, warnings="ignore")  # Python 3.12 warns of any fork beside a thread


def test_it_never_prints_and_never_keeps_the_process_alive() -> None:
    """Broken clients and an abrupt end leave no trace on the screen."""
    _run_silently(
        "import socket\nfrom urllib.parse import urlsplit\nfrom fusion_nb.providers import demo\n"
        "url = urlsplit(demo.base_url())\n"
        "for said in (b'', b'GET', b'junk\\r\\n\\r\\n', b'GET / HTTP/1.1\\r\\n' + b'x' * 99999,\n"
        "             b'POST /api/v1/chat/completions HTTP/1.1\\r\\ncontent-length: 99\\r\\n\\r\\n{',\n"
        "             b'POST /api/v1/chat/completions HTTP/1.1\\r\\ncontent-length: x\\r\\n\\r\\n'):\n"
        "    with socket.create_connection((url.hostname, url.port)) as s:\n        s.sendall(said)\n"
        "held = socket.create_connection((url.hostname, url.port))\n"
        "held.sendall(b'GET /api/v1/models HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n')\nassert b'200 OK' in held.recv(99)\nheld.close()\n"
    )


def _run_silently(code: str, warnings: str = "error") -> None:
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-W", warnings, "-c", code], check=False, cwd=root, capture_output=True, timeout=60, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def slow_and_fast(url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Heard, Heard]:
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "1")
    slow = ask(url, "steady", demo.PROMPTS[5])
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "nonsense")
    assert ask(url, "steady", "x", max_tokens=1).at[0] >= 0.3
    monkeypatch.setenv("FUSION_NB_DEMO_SPEED", "1000")
    return slow, ask(url, "steady", demo.PROMPTS[5])


def test_the_speed_can_be_set(slow_and_fast: tuple[Heard, Heard]) -> None:
    """At its own speed a script takes its time and comes in many pieces; tests can hurry it."""
    slow, fast = slow_and_fast
    assert slow.text == fast.text
    assert slow.at[0] >= 0.3
    assert slow.at[-1] >= 0.3 + 0.8 * slow.usage["completion_tokens"] / 170
    assert len(slow.deltas) > len(fast.deltas)
