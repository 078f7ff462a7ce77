"""What a panel is told of a run: everything, in few and small messages."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_nb.core import Ref, RunState
from fusion_nb.core.events import CallEnded, CallStarted, Event, RunEnded, RunStarted, TextDelta, from_json
from fusion_nb.core.fold import fold_all, join_events
from fusion_nb.core.json_codec import to_plain
from fusion_nb.views.panel_messages import Feed

RUNS = sorted((Path(__file__).parent / "fixtures/runs").glob("*.jsonl"))
POOL = tuple(Ref("test", f"m{i}", f"m{i}") for i in range(8))


def read(path: Path) -> list[Event]:
    return [from_json(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


class Front:
    """A front end as it is told: it begins with a snapshot, and no news may leave a gap."""

    def __init__(self) -> None:
        self.now = 0.0
        self.messages: list[dict] = []
        self.seq = -1
        self.times: list[float] = []

    def send_message(self, message: dict) -> None:
        assert message["from"] == self.seq + 1
        self.seq = message["to"]
        self._got(message)

    def set_snapshot(self, snapshot: dict) -> None:
        self.shown, self.seq = snapshot, snapshot["seq"]
        self._got(snapshot)

    def _got(self, message: dict) -> None:
        self.messages.append(message)
        self.times.append(self.now)


@pytest.mark.parametrize("path", RUNS, ids=lambda p: p.stem)
@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_the_last_snapshot_is_the_run(path: Path, batch: int) -> None:
    """However the events come in, a view ends with exactly the state that Python has."""
    events, front = read(path), Front()
    feed = Feed(front.send_message, front.set_snapshot, clock=lambda: front.now)
    for start in range(0, len(events), batch):
        front.now += 0.03
        feed.handle_events(events[start : start + batch])
    assert front.shown["state"] == to_plain(fold_all(events, RunState()))


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["content", "reasoning", "answer"]), st.text(max_size=5))))
def test_joining_changes_nothing(pieces: list[tuple[int, str, str]]) -> None:
    """Pieces of a text joined on the way add up to the same state, whatever comes between them."""
    events: list[Event] = [CallStarted(call=i, ref=POOL[i], role="judge" if i == 3 else "candidate") for i in (1, 2, 3)]
    events += [
        TextDelta(call=call, text=text, channel=channel if call == 3 or channel != "answer" else "content")
        for call, channel, text in pieces
    ]
    assert fold_all(join_events(events), RunState()) == fold_all(events, RunState())


def test_eight_fast_members_are_few_messages() -> None:
    """Eight members at 200 tokens a second: at most twenty messages and half a megabyte a second reach the browser."""
    front = Front()
    feed = Feed(front.send_message, front.set_snapshot, clock=lambda: front.now)
    seq = iter(range(10**6))
    begin = [RunStarted(seq=next(seq), run="r", when="", prompt="p", mode="merge", pool=POOL)]
    begin += [CallStarted(seq=next(seq), call=i + 1, ref=ref) for i, ref in enumerate(POOL)]
    feed.handle_events(begin)
    for tick in range(1000):
        front.now = 0.005 * (tick + 1)
        feed.handle_events([TextDelta(seq=next(seq), at=front.now, call=i + 1, text=" token") for i in range(8)])
    last = front.times[-1]
    for start in range(int(last)):
        assert sum(start <= at < start + 1 for at in front.times) <= 21
    size = sum(len(json.dumps(message)) for message in front.messages)
    assert size / last < 500_000
    said = "".join(e["text"] for m in front.messages for e in m.get("events", ()) if e.get("call") == 1)
    assert said.count("token") > 950


def test_a_view_that_missed_something_gets_a_snapshot() -> None:
    """`again` brings the whole state with the next look, without a new phase."""
    front = Front()
    feed = Feed(front.send_message, front.set_snapshot, clock=lambda: front.now)
    feed.handle_events([RunStarted(seq=0, run="r", when="", prompt="p", mode="merge", pool=POOL[:1])])
    feed.handle_events([CallStarted(seq=1, call=1, ref=POOL[0]), TextDelta(seq=2, call=1, text="so far")])
    feed.request_snapshot()
    feed.handle_events([])
    assert front.shown["state"]["replies"][0]["text"] == "so far"
    assert front.shown["seq"] == 2


def test_what_a_call_was_sent_is_not_repeated() -> None:
    """The conversation of a call stays in the kernel: a judge's repeats every candidate."""
    front = Front()
    feed = Feed(front.send_message, front.set_snapshot, clock=lambda: front.now)
    for path in RUNS:
        feed.handle_events(read(path)[:1])
    assert "messages" not in json.dumps(front.messages)


def test_the_end_has_everything_rendered() -> None:
    """After the end a view holds the answer, the judge's side, the ledger and each candidate, as safe HTML."""
    events, front = read(next(p for p in RUNS if p.stem == "merge")), Front()
    feed = Feed(front.send_message, front.set_snapshot, clock=lambda: front.now)
    feed.handle_events(events)
    html = front.shown["html"]
    assert "<strong>3</strong>" in html["answer"]
    assert "demo:steady" in html["judge"]
    assert "<tfoot>" in html["ledger"]
    assert set(html["calls"]) == {"1", "2", "3"}
    assert isinstance(events[-1], RunEnded)
    assert any(isinstance(event, CallEnded) for event in events)
