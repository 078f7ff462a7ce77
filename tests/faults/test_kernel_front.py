"""Rows 83 to 86 through the real magic in a real kernel: front ends that come and go, and floods."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.desk import GOOD, OTHER, Desk, desk
from tests.faults.notebook import Heard, Ran
from tests.faults.seen import saw
from tests.replay import Replay, replay_server

WIDGET = "application/vnd.jupyter.widget-view+json"
RATE, MEMBERS = 200, 16


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    with replay_server() as found:
        yield found


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory, replay: Replay) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("kernel"), replay.url) as found:
        found.works()
        yield found


@pytest.fixture
def panel(book: Desk) -> Iterator[Desk]:
    """The same kernel, as one with a front end that shows widgets."""
    book.notebook.run("import os; os.environ['FUSION_NB_UI'] = 'panel'")
    yield book
    book.notebook.run("os.environ['FUSION_NB_UI'] = 'html'")


def slow(words: int, members: int = 2, rate: int = 20) -> str:
    pool = ",".join(f"replay:rate/0.{n + 1:03d}/{words}/{rate}" for n in range(members))
    return f"%%fuse --pool {pool} --judge replay:scripted-judge --mode best-of\nCount."


def first_text(heard: Heard) -> bool:
    return heard.kind in ("display_data", "update_display_data") and "w2 " in str(heard.content["data"])


def test_83_the_browser_is_closed_in_the_middle(book: Desk) -> None:
    """Nobody listens any more: the run goes on to its end and is on disk; whoever comes back finds it whole."""
    begun = book.notebook.start(slow(20))
    book.notebook.collect(*begun, until=first_text)
    book.notebook.leave()
    book.notebook.connect()  # answered once the cell has ended
    result = book.result()
    assert result["status"] == "ok"
    assert [len(r["text"].split()) for r in result["replies"][:2]] == [20, 20]
    back = book.notebook.run("_fusion.load()")
    assert "w20" in back.shown
    assert book.notebook.ask(f"_plain(_fusion.load({result['run']!r})) == _plain(_fusion.last())")
    saw(83, "left in the middle", "`ok`, on disk, shown again by `load()`")


def comms(ran: Ran) -> list[str]:
    return [h.content["comm_id"] for h in ran.heard if h.kind == "comm_open" and "layout" in str(h.content["data"])]


def send(book: Desk, kind: str, comm: str, data: dict[str, Any]) -> None:
    client = book.notebook.client
    client.shell_channel.send(client.session.msg(kind, {"comm_id": comm, "data": data}))


@pytest.mark.parametrize("how", ["closed", "opened and closed"])
def test_84_views_come_and_go(how: str, panel: Desk) -> None:
    """A view that asks anew a thousand times, or whose comm is closed in the middle, changes nothing of the run; the
    kernel has as many comms and threads afterwards as before."""
    panel.notebook.run(slow(3))
    counts = "[__import__('threading').active_count(), len(__import__('comm').get_comm_manager().comms)]"
    before = panel.notebook.ask(counts)
    begun = panel.notebook.start(slow(30))
    ran = panel.notebook.collect(*begun, until=lambda heard: heard.kind == "comm_msg" and "w1 " in str(heard.content))
    widget = comms(ran)[-1]
    for _ in range(1000 if how == "opened and closed" else 0):
        send(panel, "comm_msg", widget, {"method": "custom", "content": {"kind": "again"}})
    send(panel, "comm_close", widget, {})
    panel.notebook.collect(*begun)
    assert ran.error is None
    assert "failed" not in ran.printed
    assert panel.result()["status"] == "ok"
    until_quiet(panel, counts, before)
    saw(84, how, "`ok`; as many comms and threads as before")


def until_quiet(book: Desk, expression: str, most: list[int]) -> None:
    patience = time.monotonic() + 10
    while any(now > then for now, then in zip(book.notebook.ask(expression), most, strict=True)):
        assert time.monotonic() < patience, (book.notebook.ask(expression), most)
        time.sleep(0.1)


@pytest.mark.parametrize("mode", ["merge", "best-of"])
def test_85_what_is_left_needs_no_kernel(mode: str, panel: Desk) -> None:
    """Under a widget while it runs; what the notebook keeps is HTML and text alone, readable with no kernel."""
    ran = panel.fuse([GOOD, OTHER], options=f"--mode {mode}")
    shown, *_, last = [h.content["data"] for h in ran.heard if h.kind in ("display_data", "update_display_data")]
    assert WIDGET in shown
    assert WIDGET not in last
    answer = panel.result()["verdict"]["answer"]
    assert answer in last["text/plain"]
    assert answer in last["text/html"]
    assert "<script" not in last["text/html"]
    closed = {h.content["comm_id"] for h in ran.heard if h.kind == "comm_close"}
    assert shown[WIDGET]["model_id"] in closed
    saw(85, mode, "static HTML and text, no widget left")


@pytest.mark.parametrize("ui", ["html", "panel"])
def test_86_a_flood_of_words(ui: str, book: Desk) -> None:
    """16 models of 200 tokens a second: at most 20 messages a second and half a megabyte, and the end is always shown."""
    book.notebook.run(f"import os; os.environ['FUSION_NB_UI'] = {ui!r}")
    try:
        begun = book.notebook.start(slow(2 * RATE, MEMBERS, RATE) + "\n")
        ran = book.notebook.collect(*begun)
    finally:
        book.notebook.run("os.environ['FUSION_NB_UI'] = 'html'")
    result = book.result()
    assert ran.error is None
    assert [r["status"] for r in result["replies"]] == ["ok"] * MEMBERS
    told = [h for h in ran.heard if h.kind in ("display_data", "update_display_data", "comm_msg")]
    busiest = max(sum(0 <= other.at - h.at < 1 for other in told) for h in told)
    assert busiest <= 20
    # The widget's own code is sent once, before.
    flood = sum(h.size for h in told[1:])
    assert flood / result["seconds"] < 500_000
    last = [h for h in told if h.kind == "update_display_data"][-1]
    assert f"w{2 * RATE}" in last.content["data"]["text/html"]
    saw(86, ui, "at most 20 messages and 0.5 MB a second, the end shown")
